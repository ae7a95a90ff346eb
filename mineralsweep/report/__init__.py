"""A finished study -> its leaderboard, its description, and its pages."""

from mineralsweep.report.description import description
from mineralsweep.report.leaderboard import compact, leaderboard
from mineralsweep.report.plots_page import plots_page

__all__ = ["compact", "description", "leaderboard", "plots_page"]
