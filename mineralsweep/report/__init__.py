"""A finished study -> its leaderboard, its description, and its pages."""

from mineralsweep.report.baseline import standing, verdict
from mineralsweep.report.description import description
from mineralsweep.report.evidence import Evidence
from mineralsweep.report.findings import against_baseline, brief, warnings_of
from mineralsweep.report.leaderboard import compact, leaderboard
from mineralsweep.report.page import render
from mineralsweep.report.plots_page import plots_page

__all__ = [
    "Evidence",
    "against_baseline",
    "brief",
    "compact",
    "description",
    "leaderboard",
    "plots_page",
    "render",
    "standing",
    "verdict",
    "warnings_of",
]
