"""A finished study -> its leaderboard, its description and its page; the data check's page.

Neither TensorFlow nor MLflow is loaded before a page is made.
"""

from mineralsweep.report.evidence import Evidence
from mineralsweep.report.findings import against_baseline
from mineralsweep.report.leaderboard import compact, judged_on, leaderboard
from mineralsweep.report.page import Page
from mineralsweep.report.summary import description, standing, verdict

__all__ = [
    "Evidence",
    "Page",
    "against_baseline",
    "compact",
    "description",
    "judged_on",
    "leaderboard",
    "make",
    "standing",
    "verdict",
]


def make(evidence: Evidence) -> Page:
    """Return the report of a study, a page that stands alone.

    A section that can't be made says so in its place. What goes wrong altogether is raised:
    whoever calls has a result that must stand without a report.
    """
    from mineralsweep.report import study  # loads matplotlib, Optuna and the serving code

    return study.page(evidence)
