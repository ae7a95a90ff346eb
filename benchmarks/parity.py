"""Do the short cuts cost accuracy? Trials with and without each, over several seeds.

`python -m benchmarks.parity` trains; it takes most of an hour on 2 cores. `--only views` and the
like run a part of it.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from benchmarks import weights
from mineralsweep.config import Training
from mineralsweep.core.trial import TrialResult
from mineralsweep.data.dataset import Dataset, open_dataset
from mineralsweep.data.settings import DataSettings
from mineralsweep.data.sources import sample
from mineralsweep.search.specify import Conditions, specify
from mineralsweep.search.task import examples

RESULTS = Path(__file__).parent / "results"
Variant = Mapping[str, Any]

FROZEN: Variant = {
    "architecture": "vgg16", "unfrozen": 0, "head": "random", "optimizer": "adam",
    "learning_rate": 1e-4,
}  # fmt: skip
TUNED: Variant = {**FROZEN, "unfrozen": 4, "learning_rate": 1e-5}
SMALL: Variant = {"architecture": "model2_1", "learning_rate": 1e-3}

# name -> (settings of all variants, reference first, then the others)
COMPARISONS: dict[str, tuple[Variant, Mapping[str, Variant]]] = {
    "views": (
        {**FROZEN, "size": 96, "epochs": 30, "precision": "bfloat16"},
        {"a new view each epoch": {"views": 0}}
        | {f"{n} kept": {"views": n} for n in (1, 2, 4, 8, 16)},
    ),
    "precision_frozen": (
        {**FROZEN, "size": 96, "epochs": 30, "views": 8},
        {name: {"precision": name} for name in ("float32", "bfloat16")},
    ),
    "precision_model2_1": (
        {**SMALL, "size": 180, "epochs": 15},
        {name: {"precision": name} for name in ("float32", "bfloat16")},
    ),
    "head_first": (
        {**TUNED, "size": 180, "epochs": 12, "views": 4},
        {
            "random head": {},
            "random head, 4 head epochs": {"head_epochs": 4},
            "fitted head": {"head": "fitted"},
        },
    ),
}


def main() -> None:
    """Train, print a table for each comparison, and write benchmarks/results/parity.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=COMPARISONS, default=list(COMPARISONS))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--weights", help="of VGG16's trunk (default: random ones, see weights.py)")
    options = parser.parse_args()
    target = RESULTS / "parity.json"
    found = json.loads(target.read_text()) if target.exists() else {}
    with tempfile.TemporaryDirectory() as scratch:
        os.environ.setdefault("MINERALSWEEP_CACHE", f"{scratch}/cache")
        file = options.weights or str(weights.write_random(Path(scratch) / "random.weights.h5"))
        dataset = _dataset(Path(scratch))
        for name in options.only:
            found[name] = _compare(name, dataset, file, options.seeds, Path(scratch))
            found[name]["weights"] = Path(file).name
            target.parent.mkdir(exist_ok=True)
            target.write_text(json.dumps(found, indent=2))
    print(f"Written: {target}")


def _dataset(scratch: Path) -> Dataset:
    photos = Path(os.environ.get("MINERALSWEEP_PHOTOS", "../shared/minerals"))
    source = photos if photos.is_dir() else sample.ensure(scratch / "sample")
    return open_dataset(DataSettings(str(source), "40/20/40", 0))


def _compare(name: str, dataset: Dataset, file: str, seeds: int, scratch: Path) -> dict[str, Any]:
    common, variants = COMPARISONS[name]
    scores: dict[str, list[float]] = {variant: [] for variant in variants}
    seconds: dict[str, list[float]] = {variant: [] for variant in variants}
    curves: dict[str, list[list[float]]] = {variant: [] for variant in variants}
    for seed in range(seeds):  # the variants take turns
        for variant, own in variants.items():
            result = _train({**common, **own}, dataset, file, seed, scratch)
            labels = np.asarray(examples(dataset, (96, 96)).validation_labels)
            scores[variant].append(float((result.probabilities.argmax(1) == labels).mean()))
            seconds[variant].append(result.seconds)
            curves[variant].append([epoch.val_accuracy for epoch in result.history])
    return _report(name, scores, seconds, curves)


def _train(settings: Variant, dataset: Dataset, file: str, seed: int, scratch: Path) -> TrialResult:
    from mineralsweep.training.run import run_trial

    settings = dict(settings)
    size = (settings.pop("size"),) * 2
    epochs = settings.pop("epochs")
    own = {key: settings.pop(key) for key in Training.model_fields if key in settings}
    spec = specify(
        settings, Conditions(epochs, seed=seed, weights=file, training=Training(**own)),
        examples(dataset, size), size, scratch / "model",
    )  # fmt: skip
    return run_trial(spec, lambda report: None)


def _report(
    name: str,
    scores: dict[str, list[float]],
    seconds: dict[str, list[float]],
    curves: dict[str, list[list[float]]],
) -> dict[str, Any]:
    reference = next(iter(scores))
    rows = {}
    print(f"\n{name}: validation accuracy of the kept weights, {len(scores[reference])} seeds")
    for variant, values in scores.items():
        rows[variant] = {
            "accuracy": _mean_and_interval(np.asarray(values)),
            "less_reference": _mean_and_interval(np.subtract(values, scores[reference])),
            "best_epoch_accuracy": _mean_and_interval(np.asarray(curves[variant]).max(axis=1)),
            "seconds": float(np.median(seconds[variant])),
            "curve": np.mean(curves[variant], axis=0).round(4).tolist(),
        }
        mean, low, high = rows[variant]["accuracy"]
        change, least, most = rows[variant]["less_reference"]
        print(
            f"  {variant:24} {mean:.3f} [{low:.3f}, {high:.3f}]  difference {change:+.3f}"
            f" [{least:+.3f}, {most:+.3f}]  {rows[variant]['seconds']:.1f} s a trial",
            flush=True,
        )
    return {"rows": rows, "seeds": len(scores[reference])}


def _mean_and_interval(values: Any) -> tuple[float, float, float]:
    """Return the mean with its 95 % t interval over the seeds."""
    mean, error = float(np.mean(values)), float(stats.sem(values))
    reach = float(stats.t.ppf(0.975, len(values) - 1)) * error
    return round(mean, 4), round(mean - reach, 4), round(mean + reach, 4)


if __name__ == "__main__":
    main()
