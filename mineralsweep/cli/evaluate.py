"""mineralsweep evaluate PATH"""

from __future__ import annotations

import json
from argparse import Namespace
from typing import TYPE_CHECKING

from mineralsweep.data.source import open_catalog

if TYPE_CHECKING:
    from mineralsweep.registry.candidate import Evaluated


def run(options: Namespace) -> int:
    """Score a model on a folder of images that it has not learned from."""
    catalog = open_catalog(options.path)

    from mineralsweep.registry import CHAMPION_URI
    from mineralsweep.registry.candidate import evaluate
    from mineralsweep.tracking import open_store

    uri = options.model or CHAMPION_URI
    found = evaluate(open_store(), uri, catalog)
    if options.json:
        print(json.dumps(found.to_dict(), indent=2, ensure_ascii=False))
    else:
        print("\n".join(_lines(uri, options.path, found)))
    return 0


def _lines(uri: str, path: str, found: Evaluated) -> list[str]:
    scores = found.scores
    lines = [
        f"{uri} on {path}: accuracy {scores.accuracy}; macro-F1 {scores.macro_f1:.3f},"
        f" loss {scores.loss:.3f}",
        *(f"  recall of {name}: {recall}" for name, recall in scores.recall.items()),
        "  (95 % Wilson intervals)",
    ]
    if found.learned is None:
        lines.append("  Careful: it is not known which images it learned from; some may be here.")
    elif found.learned:
        lines.append(f"  {found.learned} images are left out: it has learned from them.")
    if found.tested:
        lines.append(
            f"  Careful: {found.tested} of these images are in its test split, which the gate uses."
        )
    return lines
