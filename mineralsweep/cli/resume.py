"""mineralsweep resume STUDY"""

from __future__ import annotations

from argparse import Namespace

from mineralsweep.app.session import Request
from mineralsweep.config import Override, pairs


def run(options: Namespace) -> int:
    """Go on with a study of any kind, with the settings that it was begun with."""
    request = Request.again(options.study, overrides(options))
    if request.kind == "training":
        from mineralsweep.cli import train

        return train.carry_out(request)
    if request.kind == "reproduction":
        from mineralsweep.cli import reproduce

        return reproduce.carry_out(request)
    from mineralsweep.cli import sweep

    return sweep.carry_out(request)


def overrides(options: Namespace) -> list[Override]:
    """Return what a study may change while it lives."""
    return [
        Override("budget.trials", options.trials, "--trials"),
        Override("budget.timeout", options.timeout, "--timeout"),
        Override("workers", options.workers, "--workers"),
        *pairs(options.set),
    ]
