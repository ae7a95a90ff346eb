"""mineralsweep exclude STUDY TRIAL"""

from __future__ import annotations

from argparse import Namespace

from mineralsweep.app.exclude import exclude


def run(options: Namespace) -> int:
    """Have a trial count no more, and say how the champion is chosen anew."""
    exclude(options.study, options.trial, options.reason or "")
    print(f"Study {options.study}: trial {options.trial} is excluded.")
    print(f"Next, to choose the champion without it: mineralsweep resume {options.study}")
    return 0
