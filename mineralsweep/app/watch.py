"""The answers of a served version, compared with its answers to the test images."""

from __future__ import annotations

import re
import sqlite3
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mineralsweep.app.answers import UNLIKE, UNUSABLE
from mineralsweep.errors import ConfigError, InputError
from mineralsweep.evaluation import Proportion, wilson
from mineralsweep.evaluation.shift import Mean, Shift, holm, mean, of_labels, of_numbers, of_shares
from mineralsweep.registry import Evidence, Versions
from mineralsweep.tracking import Store
from mineralsweep.web.answer_log import check

LEAST = 50
"""New images below which nothing is said."""
LEAST_TESTED = 30
"""The same of test images."""
MOST_NOVEL = 10
MOST_DAYS = 14
"""Of a log that spans more, weeks are shown."""
REGISTERED = re.compile(r"models:/([^/@]+)/(\d+)")
AGO = re.compile(r"(\d{1,5})([dh])")

UNLIKE_SHARE, LABELS, SURE, NOVELTY = "unlike training", "labels", "confidence", "novelty"
TOO_FEW, LIKE, DIFFERS, NO_REFERENCE = "too_few", "like", "differs", "no_reference"

References = Callable[[str], Evidence | None]
"""A version's URI -> its answers on the test split; None: there are none."""


@dataclass(frozen=True)
class Summary:
    """Answers to images, each image counted once.

    Attributes:
        labels: how often each was given.
        confidence: None of fewer than 2 images.
        unlike: the share that is unlike the training; None: the model does not say, or no image.
        novelty: the median; None: the model does not say, or no image.
    """

    n: int
    labels: Mapping[str, int]
    confidence: Mean | None
    unlike: Proportion | None
    novelty: float | None


@dataclass(frozen=True)
class Period:
    """A day, or the week that begins then, and the answers to the images first seen in it."""

    start: str
    summary: Summary


@dataclass(frozen=True)
class Novel:
    """One of the images that are most unlike the training; `file` is "" where it was not kept."""

    sha256: str
    label: str
    novelty: float
    file: str


@dataclass(frozen=True)
class Watched:
    """What a log tells of one version.

    Attributes:
        version: its URI.
        first, last: times of answers.
        answers: all of them.
        unusable: of these, to files that are no image.
        repeats: of these, to an image that was asked before.
        known: images that the version learned from or was tested on; they are left out.
        new: the other images.
        tested: the test images, one a group; None: the version left no answers to any.
        shifts: the comparisons of the two; none where either has too few.
        unit: of the periods: "day" or "week".
        novel: the most novel first.
    """

    version: str
    first: str
    last: str
    answers: int
    unusable: int
    repeats: int
    known: int
    new: Summary
    tested: Summary | None
    shifts: tuple[Shift, ...]
    unit: str
    periods: tuple[Period, ...]
    novel: tuple[Novel, ...]

    @property
    def verdict(self) -> str:
        """`NO_REFERENCE`, `TOO_FEW`, `LIKE` or `DIFFERS`."""
        if self.tested is None:
            return NO_REFERENCE
        if _too_few(self.new.n, self.tested.n):
            return TOO_FEW
        return DIFFERS if self.differing else LIKE

    @property
    def differing(self) -> list[str]:
        """What differs significantly."""
        return [one.name for one in self.shifts if one.significant]

    def to_dict(self) -> dict[str, Any]:
        """Return plain data that JSON can hold."""
        return {**asdict(self), "verdict": self.verdict, "differing": self.differing}


def _too_few(new: int, tested: int) -> bool:
    return new < LEAST or tested < LEAST_TESTED


def compare(path: Path, references: References, since: str | None = None) -> list[Watched]:
    """Return what a log tells of each version in it; the one that answered last comes last.

    Args:
        path: of the log.
        references: finds what a version is compared with.
        since: answers from then on: "7d", "12h", or a date or time in ISO 8601, UTC.

    Raises:
        ConfigError: the file is no log, has no answers, or `since` is no time.
    """
    answers = _read(path, "" if since is None else _moment(since))
    if answers.empty:
        when = f" since {since}" if since else ""
        raise ConfigError(f"{path}: has no answers{when}; ask the server, or look further back")
    versions = [
        of_version(str(version), answered, references(str(version)))
        for version, answered in answers.groupby("version", sort=False)
    ]
    return sorted(versions, key=lambda one: one.last)


def references_in(store: Store) -> References:
    """Return what finds versions' answers in a tracking store."""

    def of(uri: str) -> Evidence | None:
        named = REGISTERED.fullmatch(uri)
        if named is None:
            return None
        try:
            return Versions(store, named[1]).evidence(named[2])
        except InputError:  # deleted, or of another store
            return None

    return of


def _moment(text: str) -> str:
    ago = AGO.fullmatch(text)
    if ago:
        unit = {"d": "days", "h": "hours"}[ago[2]]
        moment = datetime.now(UTC) - timedelta(**{unit: int(ago[1])})
        return moment.isoformat(timespec="milliseconds")
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError(f"--since: must be like 7d, 12h or 2026-01-31, got '{text}'") from None
    moment = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    return moment.isoformat(timespec="milliseconds")


def _read(path: Path, since: str) -> pd.DataFrame:
    """Return the answers from a time on, in the order of their times."""
    if not path.is_file():
        raise ConfigError(f"{path}: no such file; mineralsweep serve --log FILE makes one")
    try:
        # Not for reading alone: such a connection can't read what a killed server left unmerged.
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True)) as database:
            check(database, path, empty=False)
            return rows_since(database, since)
    except (sqlite3.Error, pd.errors.DatabaseError) as error:
        raise ConfigError(f"{path}: can't be read as a log of answers: {error}") from None


def rows_since(database: sqlite3.Connection, since: str) -> pd.DataFrame:
    """Return the answers of a log from a time on, in the order of their times."""
    query = "SELECT * FROM answers WHERE time >= ? ORDER BY time, rowid"
    return pd.read_sql_query(query, database, params=[since])


def of_version(version: str, answers: pd.DataFrame, evidence: Evidence | None) -> Watched:
    """Return what answers of one version, rows of a log, tell beside its evidence."""
    usable = answers[answers["verdict"].ne(UNUSABLE) & answers["label"].notna()]
    images = usable.drop_duplicates("sha256")
    seen = {*evidence.learned, *evidence.images} if evidence else set()
    new = images[~images["sha256"].isin(seen)]
    tested = _tested(evidence) if evidence else None
    unit, periods = _periods(new)
    return Watched(
        version=version,
        first=str(answers["time"].iloc[0]),
        last=str(answers["time"].iloc[-1]),
        answers=len(answers),
        unusable=len(answers) - len(usable),
        repeats=len(usable) - len(images),
        known=len(images) - len(new),
        new=_summary(new),
        tested=None if tested is None else _summary(tested),
        shifts=() if tested is None else _shifts(new, tested),
        unit=unit,
        periods=periods,
        novel=_novel(new),
    )


def _tested(evidence: Evidence) -> pd.DataFrame:
    """Return the answers to the test images as rows of a log: one a group, none learned from."""
    answers = pd.DataFrame(
        {
            "sha256": evidence.images,
            "label": [evidence.classes[at] for at in evidence.probabilities.argmax(axis=1)],
            "confidence": evidence.probabilities.max(axis=1).astype(np.float64),
            "novelty": pd.Series(evidence.novelty or [np.nan] * len(evidence.images)),
            "group": evidence.groups,
        }
    )
    answers["verdict"] = np.where(answers["novelty"] > 1, UNLIKE, "")
    return answers[~answers["sha256"].isin(list(evidence.learned))].drop_duplicates("group")


def _summary(answers: pd.DataFrame) -> Summary:
    n, says = len(answers), _says_novelty(answers)
    return Summary(
        n=n,
        labels=dict(sorted(Counter(answers["label"]).items())),
        confidence=mean(answers["confidence"].to_numpy(np.float64)) if n > 1 else None,
        unlike=wilson(int(answers["verdict"].eq(UNLIKE).sum()), n) if says else None,
        novelty=float(answers["novelty"].median()) if says else None,
    )


def _says_novelty(answers: pd.DataFrame) -> bool:
    return len(answers) > 0 and bool(answers["novelty"].notna().all())


def _shifts(new: pd.DataFrame, tested: pd.DataFrame) -> tuple[Shift, ...]:
    if _too_few(len(new), len(tested)):
        return ()
    both = new, tested
    names = [[str(name) for name in one["label"]] for one in both]
    sure = [one["confidence"].to_numpy(np.float64) for one in both]
    shifts = [of_labels(LABELS, names[0], names[1]), of_numbers(SURE, sure[0], sure[1])]
    if all(map(_says_novelty, both)):
        unlike = [one["verdict"].eq(UNLIKE).to_numpy(bool) for one in both]
        novelty = [one["novelty"].to_numpy(np.float64) for one in both]
        shifts = [
            of_shares(UNLIKE_SHARE, unlike[0], unlike[1]),
            of_numbers(NOVELTY, novelty[0], novelty[1]),
            *shifts,
        ]
    return holm(shifts)


def _periods(new: pd.DataFrame) -> tuple[str, tuple[Period, ...]]:
    if new.empty:
        return "day", ()
    days = pd.to_datetime(new["time"], format="ISO8601", utc=True).dt.normalize()
    unit = "week" if (days.max() - days.min()).days >= MOST_DAYS else "day"
    if unit == "week":
        days -= pd.to_timedelta(days.dt.day_of_week, unit="D")
    starts = days.dt.strftime("%Y-%m-%d")
    return unit, tuple(Period(str(start), _summary(rows)) for start, rows in new.groupby(starts))


def _novel(new: pd.DataFrame) -> tuple[Novel, ...]:
    unlike = new[new["verdict"].eq(UNLIKE)]
    most = unlike.sort_values("novelty", ascending=False, kind="stable").head(MOST_NOVEL)
    columns = most[["sha256", "label", "novelty", "file"]]
    return tuple(Novel(*row) for row in columns.itertuples(index=False, name=None))
