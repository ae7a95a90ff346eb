"""mineralsweep verify"""

from __future__ import annotations

from argparse import Namespace


def run(options: Namespace) -> int:
    """Compare a registered model's files with the digest recorded at registration."""
    from mineralsweep.registry import CHAMPION_URI, verify
    from mineralsweep.tracking import open_store

    open_store()
    print(verify(options.model or CHAMPION_URI))
    return 0
