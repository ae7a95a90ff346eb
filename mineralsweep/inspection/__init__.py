"""A look at a folder of photographs before training: what is in it, and what is in doubt."""

from mineralsweep.inspection.findings import Findings, examine
from mineralsweep.inspection.page import page

__all__ = ["Findings", "examine", "page"]
"""`examine` looks, `page` shows."""
