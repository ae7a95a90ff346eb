"""What a choice between models is worth on photographs that took no part in it: nested folds.

    python -m benchmarks.nested RESULTS.jsonl --data ../shared/minerals --weights ../shared/weights

The images are divided into outer folds, near-duplicates together. Within the training part of an
outer fold, inner folds train each member (probes of pretrained backbones, estimators on colour
and texture, `compact`) once a fold; every image of that part is answered by a member that did not
see it. By these answers one candidate is chosen: a member, or a vote of two. The chosen one, which
is the mean over its inner folds' models, then answers the outer fold, once.

Each fit is one line of RESULTS.jsonl, written when it is done. The same command goes on where the
file ends, whatever ended it; `--minutes` ends it after a while, `--show` only tells what is there.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Member:
    """What is fitted: an architecture with its defaults, but for what is said here.

    Attributes:
        size: in pixels, a side; None: the protocol's.
    """

    architecture: str
    size: int | None = None
    hyperparameters: Mapping[str, str | float] = field(default_factory=dict)


def _covariance(size: int, penalty: float) -> Member:
    settings: dict[str, str | float] = {
        "estimator": "linear",
        "features": "covariance",
        "penalty": penalty,
    }
    return Member("colour_texture", size, settings)


def _probe(backbone: str, size: int, stages: str) -> Member:
    return Member("probe", size, {"backbone": backbone, "stages": stages})


MEMBERS = {
    "lite0, 448": _probe("efficientnet_lite0", 448, "middle"),
    "lite0, 320": _probe("efficientnet_lite0", 320, "middle"),
    "vgg16, 448": _probe("vgg16", 448, "block3+block4"),
    "mobilenetv2, 320": _probe("mobilenetv2", 320, "middle"),
    "covariance, 448": _covariance(448, 0.3),
    "covariance": _covariance(256, 1.0),
    "covariance, penalty 0.3": _covariance(256, 0.3),
    "texture": Member("colour_texture"),
    "compact": Member("compact"),
}
PAIRS = (
    ("lite0, 448", "vgg16, 448"),
    ("lite0, 448", "covariance, 448"),
    ("vgg16, 448", "covariance, 448"),
    ("texture", "compact"),
    ("covariance", "compact"),
)
"""Votes that a sweep file can name: of one image size and one penalty."""
CANDIDATES = {name: (name,) for name in MEMBERS} | {" + ".join(pair): pair for pair in PAIRS}
"""The members whose probabilities are averaged; they are weighed alike."""


@dataclass(frozen=True)
class Protocol:
    """What may not change while a file of results grows. `size` is in pixels, a side."""

    folds: int = 5
    repeats: int = 3
    inner: int = 5
    size: int = 128
    epochs: int = 40


@dataclass(frozen=True)
class Fit:
    """One member, fitted on all inner folds but one of an outer fold's training part.

    The fit of an estimator whose `inner` is their number has all of them.
    """

    repeat: int
    outer: int
    inner: int
    member: str


def main() -> None:
    """Fit what is missing, and tell what is there."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", type=Path)
    parser.add_argument("--data", default=str(Path("..") / "shared" / "minerals"))
    parser.add_argument("--weights", default="imagenet", help="of pretrained backbones")
    parser.add_argument("--minutes", type=float, default=float("inf"))
    parser.add_argument("--only", choices=MEMBERS, nargs="+", help="these members alone")
    parser.add_argument("--show", action="store_true", help="train nothing")
    for name in ("folds", "repeats", "inner", "size", "epochs"):
        parser.add_argument(f"--{name}", type=int, default=getattr(Protocol, name))
    options = parser.parse_args()
    if not options.show:
        from mineralsweep.allocator import keep_memory

        keep_memory()  # as a worker does
        protocol = Protocol(**{name: getattr(options, name) for name in asdict(Protocol())})
        bench = Bench(options.data, protocol, options.weights)
        run(options.results, bench, options.only or tuple(MEMBERS), options.minutes * 60)
    print(table(options.results, options.only or tuple(MEMBERS)))


def run(results: Path, bench: Bench, members: Sequence[str], seconds: float) -> None:
    """Make the fits that `results` lacks, in order, until the time is up."""
    ends = time.monotonic() + seconds
    header, done = read(results)
    if header is None:
        _append(results, bench.header())
    elif header != json.loads(json.dumps(bench.header())):
        raise SystemExit(f"{results}: was begun with other settings or images; take another file")
    made = {fit for fit, line in done if line["settings"] == bench.settings(fit.member)}
    if len(made) < len(done):
        raise SystemExit(f"{results}: holds fits of other hyperparameters; take another file")
    for fit in fits(bench.protocol, members):
        if fit not in made:
            if time.monotonic() > ends:
                return
            _append(results, bench.make(fit))


def fits(protocol: Protocol, members: Sequence[str] = tuple(MEMBERS)) -> Iterator[Fit]:
    """Return every fit, an outer fold after the other."""
    for repeat in range(protocol.repeats):
        for outer in range(protocol.folds):
            for member in members:
                for inner in range(protocol.inner + is_estimator(member)):
                    yield Fit(repeat, outer, inner, member)


def is_estimator(member: str) -> bool:
    """Say whether a member is fitted once more on a whole training part."""
    from mineralsweep.models import get

    return get(MEMBERS[member].architecture).kind == "estimator"


class Bench:
    """The photographs, and how one fit is made of them."""

    def __init__(self, data: str, protocol: Protocol, weights: str = "imagenet") -> None:
        from mineralsweep.data.dataset import open_dataset
        from mineralsweep.data.settings import DataSettings

        self._weights = weights
        self.protocol = protocol
        self._dataset = open_dataset(DataSettings(data, "40/20/40", 0))
        self._labels = list(self._dataset.labels())
        self._groups = self._dataset.groups

    def header(self) -> dict[str, Any]:
        """Return the file's first line."""
        return {
            "protocol": asdict(self.protocol),
            "digest": self._dataset.catalog.digest,
            "classes": self._dataset.classes,
            "labels": self._labels,
            "groups": list(self._groups),
        }

    def settings(self, member: str) -> dict[str, Any]:
        """Return what of an architecture's defaults, and a member's own, decides a fit."""
        from mineralsweep.models import get

        asked = MEMBERS[member]
        one = get(asked.architecture)
        return {
            "hyperparameters": {**one.defaults(), **asked.hyperparameters},
            "recipe": one.recipe.differing(),
            "optimizer": one.optimizer,
            "learning_rate": one.learning_rate,
            "batch_size": one.batch_size,
            **({"size": asked.size} if asked.size else {}),
        }

    def make(self, fit: Fit) -> dict[str, Any]:
        """Return a fit's line: what its model answers to its inner and its outer fold."""
        train, validation, test = self._rows(fit)
        began = time.monotonic()
        of_validation, of_test, more = self._trained(fit, train, validation, test)
        return {
            "fit": asdict(fit),
            "settings": self.settings(fit.member),
            "validation": validation,
            "validation_probabilities": of_validation.round(5).tolist(),
            "test": test,
            "test_probabilities": of_test.round(5).tolist(),
            "seconds": round(time.monotonic() - began, 1),
            **more,
        }

    def _rows(self, fit: Fit) -> tuple[list[int], list[int], list[int]]:
        """Return the rows that are trained on, validated on, and tested on."""
        protocol = self.protocol
        whole = list(range(len(self._labels)))
        outer = self._divide(whole, protocol.folds, fit.repeat)[fit.outer]
        pool, test = [[whole[place] for place in part] for part in outer]
        if fit.inner == protocol.inner:
            return pool, [], test
        inner = self._divide(pool, protocol.inner, 1000 + fit.repeat)[fit.inner]
        train, validation = [[pool[place] for place in part] for part in inner]
        return train, validation, test

    def _divide(self, rows: Sequence[int], k: int, seed: int) -> Any:
        from mineralsweep.data.folds import folds

        order = [self._labels[row] for row in rows], [self._groups[row] for row in rows]
        return folds(*order, k, 1, seed)

    def _trained(self, fit: Fit, train: Any, validation: Any, test: Any) -> Any:
        """Train as a sweep's trial does, and let the saved model answer the outer fold.

        An estimator learns nothing from what it validates: it answers the outer fold in the same
        go, from activations and descriptors that all fits share.
        """
        from mineralsweep.core.trial import Examples
        from mineralsweep.data import arrays
        from mineralsweep.search.specify import Conditions, specify
        from mineralsweep.serving import network
        from mineralsweep.training.run import run_trial

        member = MEMBERS[fit.member]
        side = member.size or self.protocol.size
        size = (side, side)
        pixels = self._dataset.arrays(size)
        labels = self._labels
        at_once = is_estimator(fit.member)
        validated = [*validation, *test] if at_once else validation
        examples = Examples(
            pixels, self._dataset.classes,
            tuple(train), tuple(labels[row] for row in train),
            tuple(validated), tuple(labels[row] for row in validated),
        )  # fmt: skip
        with tempfile.TemporaryDirectory() as scratch:
            spec = specify(
                {"architecture": member.architecture, **member.hyperparameters},
                Conditions(self.protocol.epochs, seed=seed_of(fit), weights=self._weights),
                examples, size, Path(scratch) / "model",
            )  # fmt: skip
            result = run_trial(spec, lambda report: None)
            answers = result.probabilities
            if at_once:
                return answers[: len(validation)], answers[len(validation) :], {}
            images = np.asarray(arrays.load(pixels)[list(test)])
            of_test = network.load(spec.folder).predict(images)
        return answers, of_test, {"best_epoch": result.best_epoch}


def seed_of(fit: Fit) -> int:
    """Return a seed of the fit's own."""
    return (fit.repeat * 100 + fit.outer) * 100 + fit.inner


def _append(path: Path, line: dict[str, Any]) -> None:
    # A line that was cut off gets its end: what follows must not become part of it.
    cut_off = path.exists() and not path.read_bytes().endswith(b"\n")
    with path.open("a", encoding="utf-8") as file:
        file.write("\n" * cut_off + json.dumps(line) + "\n")
        file.flush()
        os.fsync(file.fileno())


def read(path: Path) -> tuple[dict[str, Any] | None, list[tuple[Fit, dict[str, Any]]]]:
    """Return a file's header and its fits; a last line that was cut off is passed over."""
    lines = []
    for text in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        try:
            lines.append(json.loads(text))
        except ValueError:
            continue
    if not lines:
        return None, []
    return lines[0], [(Fit(**line["fit"]), line) for line in lines[1:]]


@dataclass(frozen=True)
class OuterFold:
    """How the candidates did in one outer fold, by name: accuracies in [0, 1], losses in nats."""

    repeat: int
    outer: int
    inner: dict[str, float]
    losses: dict[str, float]
    test: dict[str, float]
    n: int

    def choose(self, among: Collection[str]) -> str:
        """Return the candidate with the best inner accuracy; of equals, the lowest inner loss."""
        return max(among, key=lambda name: (self.inner[name], -self.losses[name]))


def outer_folds(path: Path) -> list[OuterFold]:
    """Return what can be said of the outer folds whose fits are all there, for any member."""
    header, done = read(path)
    if header is None:
        return []
    labels = np.array(header["labels"])
    found = []
    inner = header["protocol"]["inner"]
    for repeat, outer in sorted({(fit.repeat, fit.outer) for fit, _ in done}):
        by_member: dict[str, list[dict[str, Any]]] = {}
        for fit, line in done:
            if (fit.repeat, fit.outer) == (repeat, outer):
                by_member.setdefault(fit.member, []).append(line)
        whole = {
            name: lines
            for name, lines in by_member.items()
            if len(lines) == inner + is_estimator(name)
        }
        if whole:
            found.append(_outer_fold(repeat, outer, whole, labels))
    return found


def _outer_fold(
    repeat: int, outer: int, by_member: dict[str, list[dict[str, Any]]], labels: NDArray[np.int64]
) -> OuterFold:
    inner, losses, test = {}, {}, {}
    for name, members in CANDIDATES.items():
        if all(member in by_member for member in members):
            lines = [by_member[member] for member in members]
            tests = [_tested(member, by_member[member]) for member in members]
            rows, answers = _out_of_fold(lines)
            inner[name], losses[name] = (
                _accuracy(answers, labels[rows]),
                _loss(answers, labels[rows]),
            )
            truth = labels[lines[0][0]["test"]]
            test[name] = _accuracy(np.mean(tests, axis=0), truth)
    return OuterFold(repeat, outer, inner, losses, test, len(truth))


def _tested(member: str, lines: Sequence[dict[str, Any]]) -> Floats:
    """Return a member's answers to the outer fold."""
    if is_estimator(member):
        lines = [line for line in lines if not line["validation"]]
    return np.asarray(np.mean([line["test_probabilities"] for line in lines], axis=0))


def _out_of_fold(lines: Sequence[Sequence[dict[str, Any]]]) -> tuple[NDArray[np.int64], Floats]:
    """Return rows, and the mean of the members' answers to them."""
    answers: dict[int, list[Any]] = {}
    for one in lines:
        for line in one:
            for row, row_s in zip(
                line["validation"], line["validation_probabilities"], strict=True
            ):
                answers.setdefault(row, []).append(row_s)
    rows = sorted(answers)
    return np.array(rows), np.array([np.mean(answers[row], axis=0) for row in rows])


def _accuracy(answers: Floats, truth: NDArray[np.int64]) -> float:
    return float((answers.argmax(axis=1) == truth).mean())


def _loss(answers: Floats, truth: NDArray[np.int64]) -> float:
    return float(-np.log(np.clip(answers[range(len(truth)), truth], 1e-7, 1)).mean())


def table(path: Path, members: Collection[str] = tuple(MEMBERS)) -> str:
    """Tell each candidate's accuracy in the outer folds, and that of the chosen ones.

    Args:
        path: the results.
        members: that candidates may be made of.
    """
    found = outer_folds(path)
    if not found:
        return f"{path}: no outer fold is complete"
    named = [name for name, parts in CANDIDATES.items() if {*parts} <= {*members}]
    lines = [_line(name, [f.test[name] for f in found if name in f.test]) for name in named]
    everywhere = [name for name in named if all(name in fold.test for fold in found)]
    lines += _choice(found, everywhere)
    if len(everywhere) < len(named):
        whole = [fold for fold in found if {*named} <= fold.test.keys()]
        lines += _choice(whole, named)
    return "\n".join(lines)


def _choice(folds: Sequence[OuterFold], among: Sequence[str]) -> list[str]:
    """Tell what choosing by the inner folds is worth."""
    if not folds or len(among) < 2:
        return []
    chosen = [fold.choose(among) for fold in folds]
    counts = ", ".join(f"{name} {chosen.count(name)} times" for name in among if name in chosen)
    accuracies = [fold.test[name] for fold, name in zip(folds, chosen, strict=True)]
    return [f"{_line(f'chosen of {len(among)} by inner folds', accuracies)}: {counts}"]


def _line(name: str, accuracies: Sequence[float]) -> str:
    if not accuracies:
        return f"{name}: no outer fold yet"
    spread = f", sd {statistics.stdev(accuracies):.3f}" if len(accuracies) > 1 else ""
    return f"{name}: {statistics.fmean(accuracies):.3f}{spread} over {len(accuracies)} outer folds"


if __name__ == "__main__":
    main()
