"""mineralsweep predict IMAGE..."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from pathlib import Path

from mineralsweep.data.decode import MAX_BYTES, inspect
from mineralsweep.errors import UnusableImage

BATCH = 64


def run(options: Namespace) -> int:
    """Classify files with a registered model; exit with 2 where one could not be used."""
    usable = [path for path in map(Path, options.images) if _usable(path)]
    if usable:
        _classify(usable, options.model, options.json)
    return 0 if len(usable) == len(options.images) else 2


def _usable(path: Path) -> bool:
    try:
        if path.is_dir():
            raise UnusableImage("is a folder; name its files")
        if path.stat().st_size > MAX_BYTES:
            raise UnusableImage(f"over {MAX_BYTES} bytes")
        inspect(path.read_bytes())
    except (OSError, UnusableImage) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        print(f"mineralsweep: {path}: {reason}", file=sys.stderr)
        return False
    return True


def _classify(paths: list[Path], model: str | None, as_json: bool) -> None:
    import pandas as pd

    from mineralsweep.registry import CHAMPION_URI, load_classifier
    from mineralsweep.tracking import open_store

    open_store()
    classifier = load_classifier(model or CHAMPION_URI)
    for start in range(0, len(paths), BATCH):
        batch = paths[start : start + BATCH]
        frame = pd.DataFrame({"image": [path.read_bytes() for path in batch]})
        for path, row in zip(batch, classifier.predict(frame).itertuples(), strict=True):
            if as_json:
                answer = {"file": str(path), "label": row.label, "confidence": row.confidence,
                          "probabilities": row.probabilities}  # fmt: skip
                print(json.dumps(answer, ensure_ascii=False))
            else:
                others = ", ".join(f"{name} {p:.3f}" for name, p in row.probabilities.items())
                print(f"{path}: {row.label} {row.confidence:.3f} ({others})")
