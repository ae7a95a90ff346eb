"""A sweep file for users of KerasTuner, in notebooks of their own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import keras_tuner
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from mineralsweep.config import Sweep, load
from mineralsweep.core.trial import Examples, TrialSpec
from mineralsweep.data.dataset import open_dataset
from mineralsweep.engines.keras_tuner import declare
from mineralsweep.errors import ConfigError, StudyConflict, SweepFailed
from mineralsweep.models import get as get_architecture
from mineralsweep.search.specify import Conditions, specify
from mineralsweep.tracking import open_store
from mineralsweep.training import recipe


def hypermodel(sweep_file: str | Path, classes: int | None = None) -> SweepHyperModel:
    """Return the networks of a sweep file as KerasTuner's HyperModel.

    Args:
        sweep_file: its path, or the name of one that comes with the package. The space, the image
            size, the weights and the seed are used; the budget, the engine and the split are the
            notebook's own.
        classes: how many the notebook's images have; None: as many as the file's data.

    Raises:
        ConfigError: the file breaks a rule, or names an architecture that is no network.
        DataError: `classes` was left out, and the file's data can't be read.
    """
    sweep = load(sweep_file)
    if classes is None:
        classes = len(open_dataset(sweep.data.settings()).classes)
    return SweepHyperModel(sweep, classes)


class SweepHyperModel(keras_tuner.HyperModel):  # type: ignore[misc]  # KerasTuner has no types
    """Builds and compiles what a sweep file says.

    The models take uint8 or float (n, height, width, 3), RGB in [0, 255], at `image_size`, and
    labels as class numbers; they answer float (n, classes), probabilities. Batches are not mixed
    and have no other recipe than the optimizer's.

    Attributes:
        image_size: (height, width) in pixels, one for all architectures of the file.
    """

    def __init__(self, sweep: Sweep, classes: int) -> None:
        super().__init__(name="mineralsweep")
        sizes = {sweep.size_for(name) for name in sweep.space.architectures()}
        if len(sizes) > 1:
            raise ConfigError(
                f"image_size: must be given: the architectures have {len(sizes)} sizes of their own"
            )
        for name in sweep.space.architectures():
            if get_architecture(name).kind != "network":
                raise ConfigError(f"space.architecture: {name} is no network; leave it out")
        for name in UNUSED:
            if name in sweep.space.entries():
                raise ConfigError(
                    f"space.{name}: has no effect on a notebook's own batches; leave it out"
                )
        self.image_size: tuple[int, int] = sizes.pop()
        self._sweep = sweep
        self._classes = tuple(str(number) for number in range(classes))

    def space(self) -> keras_tuner.HyperParameters:
        """Return the whole space, for an oracle's `hyperparameters`; Hyperband needs it."""
        return declare(keras_tuner.HyperParameters(), self._sweep.space)

    def build(self, hp: keras_tuner.HyperParameters) -> keras.Model:
        """Return the network that `hp` says, compiled."""
        spec = self._spec(hp)
        model = get_architecture(spec.architecture).build(
            (*self.image_size, 3), len(self._classes), **spec.hyperparameters
        )
        model.compile(
            optimizer=recipe.optimizer(spec, spec.learning_rate, spec.epochs, steps=STEPS),
            loss=keras.losses.SparseCategoricalCrossentropy(),
            metrics=["accuracy"],
        )
        model.optimizer.build(model.trainable_variables)  # a later rung loads its state too
        return model

    def fit(
        self, hp: keras_tuner.HyperParameters, model: keras.Model, *args: Any, **more: Any
    ) -> Any:
        """Train with the trial's own batch size, unless the notebook gives another."""
        return super().fit(hp, model, *args, **{"batch_size": self._spec(hp).batch_size, **more})

    def _spec(self, hp: keras_tuner.HyperParameters) -> TrialSpec:
        declare(hp, self._sweep.space)
        return specify(
            self._sweep.space.propose(lambda name, _: hp.get(name)),
            replace(Conditions.of(self._sweep), patience=0),
            Examples(Path(), self._classes, (), (), (), ()),
            self.image_size,
            Path(),
        )


UNUSED = ("image_size", "label_smoothing", "mixup", "colour", "crop", "balance", "flips")
"""Of a recipe: a sweep makes its batches, or its answers, by them."""

COMPLETED = "COMPLETED"
"""How KerasTuner calls a trial that was trained to its end."""

STEPS = 100
"""Of an epoch, for schedules that end with the training: a notebook's batches are not known."""


class MlflowTuner(keras_tuner.Tuner):  # type: ignore[misc]
    """KerasTuner's Tuner, with a run in MLflow for the search and one for each trial.

    Runs look like those of a sweep: the parent holds the trials; a trial has its settings, each
    epoch's metrics, and ends FINISHED or FAILED. Models are not logged: KerasTuner keeps them.

    KerasTuner's project is named after the study, unless `project_name` says otherwise: a study
    that was stopped goes on, another study begins anew.

    Args:
        args: as KerasTuner's Tuner takes them: an oracle, a hypermodel.
        study: the name of the parent run.
        more: as KerasTuner's Tuner takes them, by name.
    """

    def __init__(self, *args: Any, study: str = "notebook", **more: Any) -> None:
        self._study = study
        self._store = open_store()
        self._parent = ""
        self._runs: dict[str, str] = {}
        self._ended: list[Any] = []
        super().__init__(*args, **{"project_name": study, **more})

    def search(self, *args: Any, **more: Any) -> None:
        """Search as KerasTuner does; the parent run begins with a trial, and ends whatever comes.

        Raises:
            StudyConflict: the project has had all its trials.
            SweepFailed: no trial of this search could be completed.
        """
        self._parent, self._ended = "", []
        status = "FAILED"
        try:
            super().search(*args, **more)
            self._check_ended()
            status = "FINISHED"
        finally:
            for left in self._runs.values():  # stopped in the midst of a trial
                self._store.client.set_terminated(left, "KILLED")
            self._runs.clear()
            if self._parent:
                self._store.client.set_terminated(self._parent, status)

    def _check_ended(self) -> None:
        """Raise where KerasTuner ends a search in silence: nothing left to do, or all failed."""
        if not self._ended:
            raise StudyConflict(
                f"study '{self._study}': its project {self.project_dir} has had all its trials;"
                " give another study=NAME, or overwrite=True to begin anew"
            )
        if not any(trial.status == COMPLETED for trial in self._ended):
            lines = (self._ended[-1].message or "").strip().splitlines()
            raise SweepFailed(
                f"study '{self._study}': none of {len(self._ended)} trials was completed; the"
                f" last one: {lines[-1] if lines else 'no reason given'}"
            )

    def run_trial(self, trial: Any, *args: Any, **more: Any) -> Any:
        """Train as KerasTuner's Tuner does, or as long as Hyperband says.

        A trial of a later rung of Hyperband goes on from the earlier one's weights and optimizer.
        """
        values = trial.hyperparameters.values
        if "tuner/epochs" in values:
            more["epochs"] = values["tuner/epochs"]
            more["initial_epoch"] = values["tuner/initial_epoch"]
        if "tuner/trial_id" in values:
            earlier = self.load_model(self.oracle.get_trial(values["tuner/trial_id"]))
            more["callbacks"] = [*more.get("callbacks", []), GoOn(earlier)]
        return super().run_trial(trial, *args, **more)

    def on_trial_begin(self, trial: Any) -> None:
        super().on_trial_begin(trial)
        study = {"mineralsweep.study": self._study}
        if not self._parent:
            engine = {"mineralsweep.engine": "keras-tuner notebook"}
            self._parent = self._store.new_run(self._study, study | engine)
        tags = study | {
            MLFLOW_PARENT_RUN_ID: self._parent,
            "mineralsweep.trial": trial.trial_id,
        }
        run_id = self._store.new_run(f"trial {trial.trial_id}", tags)
        self._runs[trial.trial_id] = run_id
        self._store.log(run_id, params=trial.hyperparameters.values)

    def on_epoch_end(
        self, trial: Any, model: Any, epoch: int, logs: dict[str, Any] | None = None
    ) -> None:
        super().on_epoch_end(trial, model, epoch, logs=logs)
        values = {_ours(name): float(value) for name, value in (logs or {}).items()}
        self._store.log(self._runs[trial.trial_id], metrics=values, step=epoch + 1)

    def on_trial_end(self, trial: Any) -> None:
        super().on_trial_end(trial)
        self._ended.append(trial)
        run_id, done = self._runs.pop(trial.trial_id), trial.status == COMPLETED
        if trial.score is not None:
            best = f"best_{self.oracle.objective.name}"
            self._store.log(run_id, metrics={best: float(trial.score)})
        state = "COMPLETE" if done else "FAILED"
        self._store.log(run_id, tags={"mineralsweep.state": state})
        self._store.client.set_terminated(run_id, "FINISHED" if done else "FAILED")


class GoOn(keras.callbacks.Callback):  # type: ignore[misc]
    """Begins a training with the weights and the optimizer's state of another one.

    Args:
        earlier: a compiled network of the same layers.
    """

    def __init__(self, earlier: keras.Model) -> None:
        super().__init__()
        self._weights = earlier.get_weights()
        self._optimizer = [variable.numpy() for variable in earlier.optimizer.variables]

    def on_train_begin(self, logs: Any = None) -> None:
        self.model.set_weights(self._weights)
        self.model.optimizer.build(self.model.trainable_variables)
        variables = self.model.optimizer.variables
        if len(variables) == len(self._optimizer):  # it was built before it was loaded
            for variable, value in zip(variables, self._optimizer, strict=True):
                variable.assign(value)


def _ours(name: str) -> str:
    """Return a metric's name as sweeps log it: accuracy and loss are the training's."""
    return f"train_{name}" if name in ("accuracy", "loss") else name
