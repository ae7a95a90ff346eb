"""The same job in other tools: lines of code, seconds, and accuracy on the same test images.

`python -m benchmarks.compare PHOTOS WEIGHTS [NAME=PYTHON ...]`

PHOTOS: a folder a class. WEIGHTS: Keras' file of MobileNetV2's trunk, which all that can start
from. NAME: a script of `benchmarks/jobs`, without `with_`. PYTHON: the interpreter of an
environment that has what it needs; this one where it is left out. Each job gets `--seconds` to
search and train in, and nothing else of this machine should be at work. Results are kept in
benchmarks/results.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from mineralsweep.data.dataset import Dataset, open_dataset
from mineralsweep.data.settings import DataSettings
from mineralsweep.evaluation import wilson

JOBS = Path(__file__).parent / "jobs"
RESULTS = Path(__file__).parent / "results" / "compare.json"


def main() -> None:
    """Run the jobs that were named, and print the table of all that have been run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos")
    parser.add_argument("weights", type=Path)
    parser.add_argument("jobs", nargs="*", metavar="NAME=PYTHON")
    parser.add_argument("--seconds", type=int, default=300)
    parser.add_argument("--scratch", type=Path, help="keep what the jobs write here")
    options = parser.parse_args()
    dataset = open_dataset(DataSettings(options.photos, "40/20/40", 0))
    found: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    with tempfile.TemporaryDirectory() as temporary:
        scratch = (options.scratch or Path(temporary)).resolve()
        folder = scratch / "photos"
        if not folder.exists():
            lay_out(dataset, folder)
        for job in options.jobs:
            name, _, python = job.partition("=")
            found[name] = _run(name, python or sys.executable, dataset, folder, options)
            RESULTS.parent.mkdir(exist_ok=True)
            RESULTS.write_text(json.dumps(found, indent=1))
            print(row(name, found[name]), flush=True)
    print("\n| job | lines | seconds | test accuracy |\n| --- | --- | --- | --- |")
    for name, result in found.items():
        print(row(name, result))


def lay_out(dataset: Dataset, folder: Path) -> None:
    """Link the images as PART/CLASS/NAME; every part has the images of our split."""
    images = dataset.catalog.images
    for part, rows in vars(dataset.split).items():
        if part not in ("train", "validation", "test"):
            continue
        for at in rows:
            link = folder / part / images[at].label / f"{at}{images[at].path.suffix}"
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(images[at].path.resolve())


def lines_of(source: str) -> int:
    """Count the lines of code: no blank ones, no comments, no docstring."""
    code = ast.unparse(ast.parse(source))
    docstring = ast.get_docstring(ast.parse(source), clean=False)
    return len(code.splitlines()) - (1 if docstring else 0)


def row(name: str, result: dict[str, Any]) -> str:
    """Return a line of the table."""
    if "failed" in result:
        return f"| {name} | {result['lines']} | {result['seconds']:.0f} | {result['failed']} |"
    accuracy = wilson(result["right"], result["n"])
    return f"| {name} | {result['lines']} | {result['seconds']:.0f} | {accuracy} |"


def _run(name: str, python: str, dataset: Dataset, folder: Path, options: Any) -> dict[str, Any]:
    scratch = folder.parent / name
    scratch.mkdir(exist_ok=True)
    out = scratch / "answers.json"
    script = JOBS / f"with_{name}.py"
    command = [python, str(script), str(folder), str(options.weights.resolve()),
               str(options.seconds), str(out)]  # fmt: skip
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "HF_HUB_OFFLINE": "1"}
    began = time.monotonic()
    with (scratch / "log.txt").open("w") as log:
        ended = subprocess.run(
            command, cwd=scratch, stdout=log, stderr=log, env={**os.environ, **quiet}, check=False
        )
    told = {"lines": lines_of(script.read_text()), "seconds": time.monotonic() - began}
    if ended.returncode:
        last = (scratch / "log.txt").read_text().strip().splitlines()[-1:]
        return {**told, "failed": "".join(last)[:200]}
    answers = json.loads(out.read_text())
    images, test = dataset.catalog.images, dataset.split.test
    right = sum(answers[str(at)] == images[at].label for at in test)
    return {**told, "right": right, "n": len(test)}


if __name__ == "__main__":
    main()
