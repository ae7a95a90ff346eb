"""mineralsweep champion"""

from __future__ import annotations

import json
from argparse import Namespace
from typing import Any

from mineralsweep.errors import InputError

SHOWN = 10


def run(options: Namespace) -> int:
    """Say who is champion, why, since when, and what was decided before."""
    from mineralsweep.registry import NAME, Versions
    from mineralsweep.registry.promotion import status
    from mineralsweep.tracking import open_store

    versions = Versions(open_store(), options.model or NAME)
    found = status(versions)
    if not found["champion"] and not found["history"]:
        raise InputError(
            f"{versions.name}: has no version yet; make one with mineralsweep sweep"
            " sweeps/quick.yaml, or name another model: --model NAME"
        )
    if options.json:
        print(json.dumps(found, indent=2, ensure_ascii=False))
    else:
        print("\n".join(_lines(found)))
    return 0


def _lines(found: dict[str, Any]) -> list[str]:
    champion = found["champion"]
    lines = [f"{found['model']}: nobody is champion"]
    if champion:
        lines = [
            f"{found['model']}: version {champion['version']} is champion since"
            f" {champion['since']} ({champion['verdict']}, by {champion['by']})",
            f"  {champion['why']}",
            *([f"  Reason given: {champion['note']}"] if champion["note"] else []),
            *_numbers(champion),
        ]
    others = [f"{alias} version {found[alias]}" for alias in ("previous", "challenger")
              if found[alias]]  # fmt: skip
    if others:
        lines.append("Also: " + ", ".join(others))
    lines.append("History, the newest first:")
    for one in found["history"][:SHOWN]:
        against = f" against version {one['against']}" if one["against"] else ""
        note = f" ({one['note']})" if one["note"] else ""
        lines.append(
            f"  {one['time']}  version {one['version']} {one['verdict']}{against},"
            f" by {one['by']}{note}: {one['why']}"
        )
    if len(found["history"]) > SHOWN:
        lines.append(f"  {len(found['history']) - SHOWN} more: --json")
    return lines


def _numbers(champion: dict[str, Any]) -> list[str]:
    if not champion["test_accuracy"]:
        return ["  It was never tested."]
    from mineralsweep.registry.decision import times

    stale = ": each look makes the score less fresh" if champion["openings"] > 1 else ""
    return [
        f"  test accuracy {champion['test_accuracy']}; macro-F1 {champion['macro_f1']:.3f}",
        *(f"  recall of {name}: {recall}" for name, recall in champion["recall"].items()),
        f"  {champion['latency_ms']:.1f} ms an image, {champion['size_mb']:.1f} MB",
        f"  data {champion['data']}, test split {champion['test_digest'][:16]},"
        f" opened {times(champion['openings'])} in all{stale}",
    ]
