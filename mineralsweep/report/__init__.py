"""A finished study -> its leaderboard, its description, and its pages."""

from mineralsweep.report.baseline import verdict
from mineralsweep.report.description import description
from mineralsweep.report.evidence import Evidence
from mineralsweep.report.findings import brief, warnings_of
from mineralsweep.report.leaderboard import compact, leaderboard
from mineralsweep.report.page import render
from mineralsweep.report.plots_page import plots_page

__all__ = [
    "Evidence",
    "brief",
    "compact",
    "description",
    "leaderboard",
    "plots_page",
    "render",
    "verdict",
    "warnings_of",
]
