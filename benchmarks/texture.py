"""How good, fast and large are the estimators of colour_texture, over folds: docs/baseline.md.

    python -m benchmarks.texture --data ../shared/minerals

No near-duplicates stand on both sides of a fold. Everything is measured through the code that a
trial runs: its fit, its file, its answers.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mineralsweep import descriptors
from mineralsweep.core.trial import Examples, Fold, TrialResult
from mineralsweep.data import arrays
from mineralsweep.data.dataset import Dataset, open_dataset
from mineralsweep.data.settings import DataSettings
from mineralsweep.evaluation import fold_mean
from mineralsweep.models.colour_texture import COLOUR_TEXTURE, ESTIMATORS
from mineralsweep.search.specify import Conditions, specify
from mineralsweep.serving import network
from mineralsweep.serving.estimator import TextureClassifier
from mineralsweep.training.fit import fit_trial

SPLITS = 5
ASKED = 20
"""Images that are answered one at a time to learn the milliseconds of one."""


@dataclass(frozen=True)
class Bench:
    """A data set, and how its models are fitted."""

    dataset: Dataset
    side: int
    threads: int

    def fit(self, fold: Fold, folder: Path, **settings: Any) -> TrialResult:
        """Fit one model on a fold's training images; it answers the fold's others."""
        size = (self.side, self.side)
        labels = self.dataset.labels()
        seen = Examples(
            arrays=self.dataset.arrays(size),
            classes=self.dataset.classes,
            train=fold.train,
            train_labels=tuple(labels[row] for row in fold.train),
            validation=fold.validation,
            validation_labels=tuple(labels[row] for row in fold.validation),
        )
        params = {"architecture": COLOUR_TEXTURE.name, **settings}
        spec = specify(params, Conditions(1), seen, size, folder)
        return fit_trial(spec, lambda report: None, threads=self.threads)


def over_folds(bench: Bench, folds: list[Fold], **settings: Any) -> dict[str, Any]:
    """Return accuracy, loss, seconds and size of one setting over folds."""
    accuracies, losses, seconds, sizes = [], [], [], []
    for fold in folds:
        with tempfile.TemporaryDirectory() as scratch:
            result = bench.fit(fold, Path(scratch) / "m", **settings)
            sizes.append(sum(file.stat().st_size for file in result.folder.iterdir()))
        accuracies.append(result.history[0].val_accuracy)
        losses.append(result.history[0].val_loss)
        seconds.append(result.seconds)
    count = round(1 + len(folds[0].train) / len(folds[0].validation))
    mean = fold_mean(accuracies, count, len(bench.dataset.labels()))
    return {
        **settings,
        "accuracy": mean.value,
        "sd": statistics.stdev(accuracies),
        "low": mean.low,
        "high": mean.high,
        "fits": len(folds),
        "loss": statistics.fmean(losses),
        "fit_seconds": statistics.median(seconds),
        "megabytes": max(sizes) / 1e6,
    }


def latency(bench: Bench, fold: Fold, **settings: Any) -> dict[str, float]:
    """Return milliseconds of CPU an image: of the numbers alone, and of the whole answer."""
    images = np.asarray(arrays.load(bench.dataset.arrays((bench.side, bench.side)))[:ASKED])
    with tempfile.TemporaryDirectory() as scratch:
        bench.fit(fold, Path(scratch) / "m", **settings)
        model = network.load(Path(scratch) / "m")
        assert isinstance(model, TextureClassifier)
        return {
            "features_ms": _ms(model.prepare, images),
            "answer_ms": _ms(model.predict, images),
        }


def _ms(act: Any, images: Any) -> float:
    act(images[:1])
    started = time.process_time()
    for i in range(len(images)):
        act(images[i : i + 1])
    return (time.process_time() - started) / len(images) * 1000


def on_small_splits(source: str, side: int, threads: int) -> dict[str, Any]:
    """Return the default's accuracy on the validation parts of several 40/20/40 splits."""
    right = []
    for seed in range(SPLITS):
        dataset = open_dataset(DataSettings(source, "40/20/40", seed))
        fold = Fold(dataset.split.train, dataset.split.validation)
        with tempfile.TemporaryDirectory() as scratch:
            result = Bench(dataset, side, threads).fit(fold, Path(scratch) / "m")
        right.append(result.history[0].val_accuracy)
    return {"splits": right, "mean": statistics.fmean(right), "sd": statistics.stdev(right)}


def table(rows: list[dict[str, Any]]) -> str:
    """Return the rows as Markdown."""
    lines = [
        "| estimator | numbers | accuracy ± sd over fits [95 % interval] | loss | fit | file |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        chosen = row.get("features", COLOUR_TEXTURE.defaults()["features"])
        lines.append(
            f"| {row['estimator']} | {chosen}, {descriptors.count(str(chosen))} |"
            f" {row['accuracy']:.3f} ± {row['sd']:.3f} [{row['low']:.3f}, {row['high']:.3f}] |"
            f" {row['loss']:.3f} | {row['fit_seconds']:.1f} s | {row['megabytes']:.1f} MB |"
        )
    return "\n".join(lines)


def main() -> None:
    """Measure, print, and write a JSON file where asked."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", default="sample")
    parser.add_argument("--size", type=int, default=COLOUR_TEXTURE.image_size[0])
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    dataset = open_dataset(DataSettings(asked.data, "40/20/40", 0))
    bench = Bench(dataset, asked.size, asked.threads)
    rows = tuple(range(len(dataset.labels())))
    folds = [Fold(*parts) for parts in dataset.folds(asked.folds, asked.repeats, rows)]
    found = []
    settings = [{"estimator": name} for name in ESTIMATORS]
    settings += [
        {"estimator": "vote", "features": one} for one in descriptors.SETS if one != "whole"
    ]
    settings += [{"estimator": one, "features": "covariance"} for one in ("linear", "svm")]
    for one in settings:
        found.append(over_folds(bench, folds, **one))
        print(table(found[-1:]).splitlines()[-1], flush=True)
    small = on_small_splits(asked.data, asked.size, asked.threads)
    speed = {
        "vote, whole": latency(bench, folds[0], estimator="vote"),
        "linear, whole": latency(bench, folds[0], estimator="linear"),
        "linear, covariance": latency(bench, folds[0], estimator="linear", features="covariance"),
    }
    print(table(found))
    print("40/20/40:", small)
    print("milliseconds of CPU:", speed)
    if asked.json:
        report = {"rows": found, "small": small, "speed": speed}
        asked.json.write_text(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
