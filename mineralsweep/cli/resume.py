"""mineralsweep resume STUDY"""

from __future__ import annotations

from argparse import Namespace

from mineralsweep.app import settings
from mineralsweep.cli.sweep import carry_out
from mineralsweep.config import Override, pairs


def run(options: Namespace) -> int:
    """Go on with a study, with the settings that it began with."""
    kept = settings.read(
        options.study,
        [
            Override("budget.trials", options.trials, "--trials"),
            Override("budget.timeout", options.timeout, "--timeout"),
            Override("workers", options.workers, "--workers"),
            *pairs(options.set),
        ],
    )
    return carry_out(kept.sweep, kept.config, options.study, kept.storage)
