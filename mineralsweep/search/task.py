"""What trials are trained on, and how: a sweep's settings on a data set."""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

from mineralsweep.config import Sweep
from mineralsweep.core.trial import Examples, Fold, TrialSpec
from mineralsweep.data.dataset import Dataset, Division
from mineralsweep.engines.engine import Proposal
from mineralsweep.models import get as get_architecture
from mineralsweep.search.specify import Conditions, specify


@dataclass(frozen=True)
class Task:
    """Makes trials of proposals.

    Attributes:
        sweep: the settings, without what this machine can't train.
        dataset: the images, with the study's own split.
    """

    sweep: Sweep
    dataset: Dataset

    @functools.cached_property
    def folds(self) -> tuple[Fold, ...]:
        """The folds that every trial has; none where `folds` is 1.

        Raises:
            DataError: a class is too small for so many folds.
        """
        if self.sweep.folds == 1:
            return ()
        divided = self.dataset.folds(self.sweep.folds, self.sweep.repeats)
        return tuple(Fold(train, validation) for train, validation in divided)

    def divided(self, division: str) -> Dataset:
        """Return the data set as a trial has it; `division`: see `Proposal`."""
        return _divided(division, self.dataset) if division else self.dataset

    def specify(self, proposal: Proposal, folder: Path) -> TrialSpec:
        """Return the trial of a proposal; `folder` is replaced by that of the attempt."""
        sweep = self.sweep
        params = proposal.params
        size = sweep.size_for(str(params["architecture"]), params.get("image_size"))
        conditions = Conditions.of(sweep)
        spec = specify(
            params,
            replace(
                conditions,
                epochs=proposal.epochs or conditions.epochs,
                seed=conditions.seed if proposal.seed is None else proposal.seed,
            ),
            examples(self.divided(proposal.division), size, self.folds),
            size,
            folder,
            proposal.number,
        )
        return replace(spec, keep_last=proposal.keeps_state, division=proposal.division)

    def question(self) -> dict[str, str]:
        """Return what may not change while a study lives, by name."""
        sweep, dataset = self.sweep, self.dataset
        entries = sweep.space.entries()
        return {
            **{f"space.{name}": entry.describe() for name, entry in entries.items()},
            "objective": sweep.objective,
            **(
                {"objectives": ", ".join(sweep.objectives), "tolerance": f"{sweep.tolerance:g}"}
                if sweep.costs
                else {}
            ),
            "engine.name": sweep.engine.name,
            "engine.pruner": sweep.engine.pruner,
            "engine.pruner_options": str(sweep.engine.pruner_options),
            **self._oracle(),
            **self._own_code(),
            **self._divided_into(),
            **({"refit": "true"} if sweep.refit else {}),
            "budget.epochs": str(sweep.budget.epochs),
            "budget.patience": str(sweep.budget.patience),
            "image_size": str(sweep.image_size or "auto"),
            "weights": sweep.weights,
            **{f"training.{name}": str(value) for name, value in sweep.training},
            "seed": str(sweep.seed),
            "data": f"{len(dataset.catalog.images)} images, digest {dataset.catalog.digest[:16]}",
            "split": f"{dataset.shares}, digest {dataset.split.digest[:16]}",
        }

    def _oracle(self) -> dict[str, str]:
        """Return KerasTuner's oracle: its state on disk can't be read by another one."""
        engine = self.sweep.engine
        if engine.name != "keras-tuner":
            return {}
        return {
            "engine.sampler": engine.resolved(),
            "engine.sampler_options": str(engine.sampler_options),
        }

    def _own_code(self) -> dict[str, str]:
        """Return the files of networks of the user's own, by their contents."""
        named = [get_architecture(name) for name in self.sweep.space.architectures()]
        return {
            f"code.{one.name}": hashlib.sha256(one.source.read_bytes()).hexdigest()[:16]
            for one in named
            if one.source is not None
        }

    def _divided_into(self) -> dict[str, str]:
        """Return which images stand in which fold."""
        if not self.folds:
            return {}
        digests = [image.digest for image in self.dataset.catalog.images]
        text = "\n".join(
            " ".join(sorted(digests[row] for row in fold.validation)) for fold in self.folds
        )
        digest = hashlib.sha256(text.encode()).hexdigest()
        return {"folds": f"{self.sweep.folds}, repeats {self.sweep.repeats}, digest {digest[:16]}"}


@functools.lru_cache(maxsize=64)
def _divided(division: str, dataset: Dataset) -> Dataset:
    return Division.parse(division).apply(dataset)


def examples(
    dataset: Dataset, image_size: tuple[int, int], folds: tuple[Fold, ...] = ()
) -> Examples:
    """Return what a trial may see of a data set, at (height, width): all but the test split."""
    labels, parts = dataset.labels(), dataset.split
    train = dataset.pool() if folds else parts.train
    validation = dataset.pool() if folds else parts.validation
    return Examples(
        arrays=dataset.arrays(image_size),
        classes=dataset.classes,
        train=train,
        train_labels=tuple(labels[row] for row in train),
        validation=validation,
        validation_labels=tuple(labels[row] for row in validation),
        validation_groups=tuple(dataset.groups[row] for row in validation),
        folds=folds,
    )
