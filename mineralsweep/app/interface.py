"""For Python code and notebooks: sweeps, trainings and champions, without the command line."""

from __future__ import annotations

import contextlib
import hashlib
import html
import io
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mineralsweep import files
from mineralsweep.app.checks import suited_to_machine, within
from mineralsweep.app.predict import BATCH, SAID, Model
from mineralsweep.app.session import Request
from mineralsweep.config import Override, build
from mineralsweep.config import Sweep as Settings
from mineralsweep.config import load as read
from mineralsweep.core.record import TrialRecord
from mineralsweep.data import reading
from mineralsweep.errors import ConfigError, UnusableImage
from mineralsweep.models import get as get_architecture
from mineralsweep.search.state import home

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure
    from PIL.Image import Image

    from mineralsweep.app.checks import Say
    from mineralsweep.report import Evidence
    from mineralsweep.search.listener import Listener

    Photograph = str | Path | bytes | Image
    Data = str | Path | pd.DataFrame


OF_PNG = ("1", "L", "LA", "I", "I;16", "P", "RGB", "RGBA")
"""What Pillow writes to PNG as it is; other images become RGB."""


def sweep(
    settings: str | Path | Mapping[str, Any],
    *,
    data: Data | None = None,
    study: str | None = None,
    minutes: float | None = None,
    objective: str | None = None,
    executor: str | None = None,
    address: str | None = None,
    parent_run_id: str | None = None,
    overrides: Mapping[str, Any] | None = None,
    progress: bool = False,
) -> Sweep:
    """Search hyperparameters, test and register the best model, and return what was found.

    A study that exists goes on where it was. Everything is in MLflow, as after the command
    `mineralsweep sweep`; an active run of MLflow's becomes the parent of the sweep's run.

    Args:
        settings: a sweep file, or its content as plain data.
        data: in place of the settings': a folder a class, a table, "sample", or a DataFrame with
            the columns `file` and `label` (and `part`, `group`).
        study: its name; None makes one up.
        minutes: how long it may take: space and budget follow from it.
        objective: what trials are compared by, such as "macro_f1".
        executor: "local" or "ray".
        address: of a Ray cluster.
        parent_run_id: of a run of MLflow's; None: the active one, if there is one.
        overrides: other entries of the settings by their dotted names, as
            `{"budget.trials": 5}`.
        progress: whether to print what the command prints while it works.

    Raises:
        InputError: the settings, the data or the study can't be used; nothing was run.
        SweepFailed: no trial could be completed, or several failed in a row.
    """
    laid = [
        *_over(overrides),
        *_laid({"data.source": _source(data), "objective": objective}),
        *_laid({"executor": executor, "address": address}),
    ]
    if isinstance(settings, str | Path):
        file = Path(settings)
        chosen = [*_of_the_time(read(file, laid), minutes), *laid]
        asked = read(file, chosen)
    else:
        file, raw = None, dict(settings)
        chosen = [*_of_the_time(build(raw, "settings", laid), minutes), *laid]
        asked = build(raw, "settings", chosen)
    return _swept(Request("sweep", asked, study, file, parent_run_id=_parent(parent_run_id)),
                  progress)  # fmt: skip


def train(
    architecture: str,
    *,
    data: Data | None = None,
    study: str | None = None,
    epochs: int | None = None,
    parent_run_id: str | None = None,
    overrides: Mapping[str, Any] | None = None,
    progress: bool = False,
    **hyperparameters: Any,
) -> Training:
    """Train one model, validate it, and return it; the test split is not opened.

    Args:
        architecture: one of README's models, such as "model2_1", or "my_nets.py:build".
        data: as of `sweep`; None: the drawn sample.
        study: its name; None makes one up.
        epochs: at most; None: the architecture's own.
        parent_run_id: as of `sweep`.
        overrides: as of `sweep`.
        progress: as of `sweep`.
        hyperparameters: of the architecture, such as `learning_rate=1e-3`.

    Raises:
        InputError: the settings or the data can't be used; nothing was run.
        RunError: the training failed; its run says why.
    """
    from mineralsweep.app.train import of_one_point
    from mineralsweep.app.train import train as trained

    asked = of_one_point(
        get_architecture(architecture),
        [
            *_laid({f"space.{name}": value for name, value in hyperparameters.items()}),
            *_over(overrides),
            *_laid({"data.source": _source(data), "budget.epochs": epochs}),
        ],
    )
    request = Request("training", asked, study, parent_run_id=_parent(parent_run_id))
    with _followed(request, progress) as (listener, say):
        outcome = trained(request, listener, say)
    return Training(outcome.study, outcome.record)


def resume(
    study: str, *, overrides: Mapping[str, Any] | None = None, progress: bool = False
) -> Sweep:
    """Go on with a sweep, with the settings that it was begun with.

    Args:
        study: its name.
        overrides: entries of its settings that may change, such as `{"budget.trials": 40}`.
        progress: as of `sweep`.

    Raises:
        ConfigError: there is no such sweep here.
    """
    request = Request.again(study, _over(overrides))
    if request.kind != "sweep":
        raise ConfigError(f"study: '{study}' is a {request.kind}, not a sweep")
    return _swept(request, progress)


def load(study: str) -> Sweep:
    """Return a sweep that has ended.

    Args:
        study: its name, or the id of its run in MLflow.

    Raises:
        InputError: there is no such sweep here, or it has no champion yet.
    """
    from mineralsweep.app.drawing import evidence_again

    return Sweep(evidence_again(study, _nothing))


def champion(name: str | None = None) -> Champion:
    """Return a registered model that can be asked.

    Args:
        name: of a registered model, whose champion is taken; or any model's URI, such as
            `models:/mineral-classifier/3`. None: the champion of mineral-classifier.

    Raises:
        InputError: there is no such model, or its files are not those that were registered.
    """
    uri = name if name is None or ":/" in name else f"models:/{name}@champion"
    return Champion(uri)


@dataclass(frozen=True)
class Report:
    """A sweep's report: one page of HTML, with all its pictures. Shown by a notebook as it is."""

    page: str

    def save(self, path: str | Path) -> Path:
        """Write it to a file, and return the file.

        Raises:
            ConfigError: it can't be written.
        """
        from mineralsweep.app.drawing import write_page

        write_page(Path(path), self.page)
        return Path(path)

    def _repr_html_(self) -> str:
        # A frame: the page's own styles stay within it.
        return (
            f'<iframe srcdoc="{html.escape(self.page, quote=True)}" width="100%" height="600"'
            ' style="border: 1px solid #ccc" title="report"></iframe>'
        )


class Sweep:
    """A sweep that has ended: its trials, the best of them, and its report."""

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence

    @property
    def study(self) -> str:
        """Its name: `resume` and `load` take it."""
        return self._evidence.study

    @property
    def run_id(self) -> str:
        """Of its run in MLflow; those of the trials are its children."""
        return self._evidence.run_id

    @property
    def settings(self) -> Settings:
        """What it was run with."""
        return self._evidence.sweep

    @cached_property
    def leaderboard(self) -> pd.DataFrame:
        """A row a trial, the best first, each score with its interval."""
        from mineralsweep.report import leaderboard

        return leaderboard(list(self._evidence.lines), self._evidence.sweep)

    @property
    def best(self) -> TrialRecord:
        """The best trial (or the baseline, if it was better), with its settings and its run."""
        return self._evidence.crowned.record

    @property
    def version(self) -> str:
        """The best trial's version in the registry."""
        return self._evidence.crowned.version

    @property
    def model_uri(self) -> str:
        """The best trial's registered model; MLflow loads it."""
        return f"models:/{self._evidence.sweep.gate.model}/{self.version}"

    @property
    def test(self) -> str:
        """The best trial's score on the test split, with its interval and its n."""
        from mineralsweep.core import objective

        crowned, named = self._evidence.crowned, self._evidence.sweep.objective
        return f"{named.replace('_', ' ')} {objective.get(named).shown(crowned.scores)}"

    @property
    def decision(self) -> str:
        """Whether the best trial became champion, and why, in sentences."""
        decision = self._evidence.crowned.decision
        return f"{decision.sentence()}. {decision.why}"

    def champion(self) -> Champion:
        """Return the best trial's registered model, to be asked."""
        return Champion(self.model_uri)

    def report(self) -> Report:
        """Draw its report."""
        from mineralsweep.app.drawing import drawn

        return Report(drawn(self._evidence).html)

    def plot_history(self) -> Figure:
        """Draw each trial's value, and the best so far."""
        from mineralsweep.report import charts

        return charts.history(self._evidence.records, self._evidence.sweep.objective)

    def plot_importance(self) -> Figure:
        """Draw how much each setting mattered (PED-ANOVA).

        Raises:
            ConfigError: there are too few complete trials, or nothing was varied.
        """
        from mineralsweep.report import charts, study

        try:
            shares = study.importances(self._evidence.records, self._evidence.sweep)
        except (ValueError, RuntimeError, ZeroDivisionError) as error:
            raise ConfigError(f"study: {self.study}: no importance: {error}") from error
        return charts.importance(shares[study.PED_ANOVA])

    def __repr__(self) -> str:
        return f"Sweep(study={self.study!r}, best={self.best.title()!r}, test={self.test!r})"

    def _repr_html_(self) -> str:
        from mineralsweep.report.leaderboard import compact

        said = "<br>".join(
            html.escape(line)
            for line in (f"Best: {self.best.title()}", f"On the test split: {self.test}",
                         f"{self.model_uri}: {self.decision}")
        )  # fmt: skip
        table = compact(self.leaderboard).to_html(index=False, border=0)
        return f"<p><b>{html.escape(self.study)}</b><br>{said}</p>{table}"


@dataclass(frozen=True)
class Training:
    """A single training that has ended.

    Attributes:
        study: its name.
        record: its settings, its scores on the validation images, its run and its model.
    """

    study: str
    record: TrialRecord

    @property
    def run_id(self) -> str:
        """Of its run in MLflow."""
        return self.record.run_id

    @property
    def model_uri(self) -> str:
        """Of its model; MLflow loads it."""
        return f"models:/{self.record.model_id}"

    def model(self) -> Champion:
        """Return the model, to be asked."""
        return Champion(self.model_uri)


class Champion:
    """A model that can be asked. It is loaded when it is first asked.

    Args:
        uri: of the model; None: the champion of mineral-classifier.
    """

    def __init__(self, uri: str | None = None) -> None:
        self._model = Model(uri)
        self.uri: str = self._model.uri
        """With the version's number: it stays the same where the alias moves."""

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of its classes."""
        return self._model.classes

    @property
    def card(self) -> str:
        """What it is, what it was trained on, how good it is, in Markdown; "" without one."""
        from mineralsweep.registry.versions import Versions
        from mineralsweep.tracking import open_store

        kind, _, rest = self.uri.partition(":/")
        name, _, version = rest.rpartition("/")
        if kind != "models" or not name:
            return ""
        return str(Versions(open_store(), name).get(version).description or "")

    def predict(self, images: Photograph | Sequence[Photograph]) -> pd.DataFrame:
        """Classify images.

        Args:
            images: files, contents of files, or images of Pillow's; one, or several.

        Returns:
            A row an image, in their order: `image` (the file, or its place), `label`,
            `confidence` and `probabilities` (a dict by class), `verdict` ("like_training" or
            "unlike_training") and `novelty`, None where the model does not tell, and `reason`: why
            an image could not be used, else "".
        """
        import pandas as pd

        several = _several(images)
        contents = [_read(one) for one in several]
        usable = [content for content, reason in contents if not reason]
        said = iter(
            answer
            for start in range(0, len(usable), BATCH)
            for answer in self._model.ask(usable[start : start + BATCH])
        )
        rows: list[dict[str, Any]] = []
        for place, (one, (_, reason)) in enumerate(zip(several, contents, strict=True)):
            named = str(one) if isinstance(one, str | Path) else str(place)
            answer = reason or next(said)
            told = {"reason": answer} if isinstance(answer, str) else answer
            rows.append({"image": named, **dict.fromkeys(SAID), "reason": "", **told})
        return pd.DataFrame(rows, columns=["image", *SAID, "reason"])

    def explain(self, image: Photograph) -> Figure:
        """Draw where the model looked: what its answer loses where a part is covered.

        Raises:
            UnusableImage: it can't be decoded.
            InputError: the model is of another release or make.
        """
        import numpy as np
        from matplotlib.figure import Figure

        from mineralsweep.data.decode import decode
        from mineralsweep.web import explain

        served = self._model.served
        pixels = decode(_content(image), served.classifier.image_size, served.bits)
        heat = explain.heat(served, pixels)
        [answer] = served.classify(pixels[None])
        best = int(answer.probabilities.argmax())
        height, width = pixels.shape[:2]
        figure = Figure(figsize=(7.2, 3.6))
        for axes, shown in zip(figure.subplots(1, 2), (False, True), strict=True):
            axes.imshow(pixels)
            if shown:
                cell = np.ones((-(-height // len(heat)), -(-width // len(heat))))
                axes.imshow(np.kron(heat, cell)[:height, :width], cmap="viridis", alpha=0.6)
            axes.set_axis_off()
        figure.suptitle(f"{self.classes[best]} {answer.probabilities[best]:.2f}")
        return figure

    def __repr__(self) -> str:
        return f"Champion({self.uri!r})"


def _swept(request: Request, progress: bool) -> Sweep:
    from mineralsweep.app.drawing import evidence_again
    from mineralsweep.app.sweep import run_sweep

    with _followed(request, progress) as (listener, say):
        outcome = run_sweep(request, listener, say)
    return Sweep(evidence_again(outcome.study, _nothing))


@contextlib.contextmanager
def _followed(request: Request, progress: bool) -> Iterator[tuple[Listener, Say]]:
    from rich.console import Console

    from mineralsweep.app.progress import Progress, following

    if progress:
        with following(Console(), suited_to_machine(request.sweep)) as shown:
            yield shown, shown.say
    else:
        unseen = Console(quiet=True, force_terminal=False, force_jupyter=False)
        with Progress(unseen, suited_to_machine(request.sweep)) as quiet:
            yield quiet, _nothing


def _nothing(line: str) -> None:
    """Take what is said, and drop it."""


def _over(entries: Mapping[str, Any] | None) -> list[Override]:
    """Return a caller's own entries; None is a value of theirs."""
    return [Override(place, value, place, null=True) for place, value in (entries or {}).items()]


def _laid(entries: Mapping[str, Any]) -> list[Override]:
    return [Override(place, value, place) for place, value in entries.items() if value is not None]


def _of_the_time(asked: Settings, minutes: float | None) -> list[Override]:
    if minutes is None:
        return []
    return within(asked, minutes).overrides


def _source(data: Data | None) -> str | None:
    """Return what a sweep file would name; a DataFrame is written to a table of its own first.

    Raises:
        ConfigError: the DataFrame lacks a column.
    """
    if data is None or isinstance(data, str | Path):
        return None if data is None else str(data)
    lacking = [name for name in ("file", "label") if name not in data.columns]
    if lacking:
        raise ConfigError(f"data: the DataFrame has no column '{lacking[0]}'; it has"
                          f" {', '.join(map(str, data.columns))}")  # fmt: skip
    table = data.assign(file=[str(Path(str(one)).resolve()) for one in data["file"]])
    text = table.to_csv(index=False)
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    path = (home() / "tables" / f"{digest}.csv").resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    files.write_atomically(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))
    return str(path)


def _several(images: Photograph | Sequence[Photograph]) -> list[Photograph]:
    from PIL.Image import Image

    return [images] if isinstance(images, str | Path | bytes | Image) else list(images)


def _read(image: Photograph) -> tuple[bytes, str]:
    """Return the content of an image's file, and why it can't be read: one of them is empty."""
    try:
        content = _content(image)
    except UnusableImage as error:
        return b"", str(error)
    return content, "" if content else "it is empty"


def _content(image: Photograph) -> bytes:
    """Return the content of an image's file.

    Raises:
        UnusableImage: it can't be read.
    """
    if isinstance(image, bytes):
        return image
    if isinstance(image, str | Path):
        return reading.content(Path(image))
    from PIL import ImageOps

    buffer = io.BytesIO()
    try:
        upright = ImageOps.exif_transpose(image)
        if upright.mode not in OF_PNG:
            upright = upright.convert("RGB")
        upright.save(buffer, "PNG")
    except (OSError, ValueError) as error:
        raise UnusableImage(f"Pillow can't write it: {error}") from error
    return buffer.getvalue()


def _parent(run_id: str | None) -> str:
    """Return the run that a sweep's run belongs to, "" for none."""
    if run_id is not None or "mlflow" not in sys.modules:
        return run_id or ""
    import mlflow

    active = mlflow.active_run()
    return active.info.run_id if active else ""
