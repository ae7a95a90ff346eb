"""mineralsweep: `sweep best`, and the champion's answers."""

import json
import sys
from pathlib import Path

import mineralsweep as ms

folder, weights, seconds, out = sys.argv[1:]
ms.sweep("best", data=folder, minutes=int(seconds) / 60)
test = sorted(Path(folder, "test").rglob("*.*"))
labels = ms.champion().predict(test)["label"]
Path(out).write_text(json.dumps({file.stem: label for file, label in zip(test, labels)}))
