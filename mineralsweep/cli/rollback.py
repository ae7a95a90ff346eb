"""mineralsweep rollback"""

from __future__ import annotations

from argparse import Namespace


def run(options: Namespace) -> int:
    """Make the former champion champion again."""
    from mineralsweep.registry import NAME, Versions, rollback
    from mineralsweep.tracking import open_store

    versions = Versions(open_store(), options.model or NAME)
    decision = rollback(versions, options.reason or "")
    if options.json:
        print(decision.to_json())
        return 0
    print(f"{versions.name}: {decision.sentence()}. {decision.why}")
    print(f"Version {decision.against} is the previous one now; a second rollback undoes this one.")
    print("A server that runs keeps its model: start it again to serve this one.")
    return 0
