"""mineralsweep predict PATH...: a few images on the screen, collections into a table or folders."""

from __future__ import annotations

import contextlib
import json
import shlex
import sys
import time
from argparse import Namespace
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.text import Text

from mineralsweep.app import answers, sorting
from mineralsweep.app.answers import UNLIKE, Answer
from mineralsweep.app.predict import Model, Predicted, predict
from mineralsweep.app.progress import LINE_EVERY, duration
from mineralsweep.data.sources.unlabelled import Collection, collect
from mineralsweep.errors import ConfigError, InputError

FEW = 20
"""Up to so many images have a line each."""
REASONS_SHOWN = 5
ARGUMENTS_SHOWN = 5


def classify(options: Namespace) -> int:
    """Classify what was named.

    Returns:
        0: done, whatever files of a folder, a pattern or a table could not be used; 2: an image
        that was named itself could not be used, or of all the files none could.
    """
    collection = _collection(options)
    tally = _Tally()
    few = len(collection.files) <= FEW
    if not (few or options.csv or options.sort or options.json):
        _note(f"{len(collection.files)} images: only counts are printed; --csv FILE keeps answers")
    with contextlib.ExitStack() as stack:
        table = sorter = None
        if options.csv:
            table = stack.enter_context(answers.opened(Path(options.csv), options.again))
        if options.sort:
            sorter = sorting.Sorter(Path(options.sort), options.link)
        stack.enter_context(_how_to_go_on(tally, options))
        hidden = few or (options.json and sys.stdout.isatty())  # two moving outputs at once
        progress = stack.enter_context(_Progress(len(collection.files), hidden))
        for one in predict(collection, Model(options.model), table, sorter):
            tally.add(one)
            progress.add(one)
            if options.json and one.counts:
                print(json.dumps(one.answer.to_dict(), ensure_ascii=False), flush=True)
            elif one.counts and (few or not one.answer.usable):
                _show(one, few)
    _end(options, collection, tally, few)
    return tally.exit_code()


def _collection(options: Namespace) -> Collection:
    if options.link and not options.sort:
        raise ConfigError("--link: needs --sort FOLDER")
    if options.again and not options.csv:
        raise ConfigError("--again: needs --csv FILE, whose answers are replaced")
    collection = collect(options.paths, options.column)
    if not collection.files:
        raise InputError(f"{' '.join(options.paths)}: no files in it; name other folders or images")
    if options.sort:
        sorting.check(Path(options.sort), collection)
    return collection


def _note(line: str) -> None:
    print(f"mineralsweep: {line}", file=sys.stderr)


def _show(one: Predicted, few: bool) -> None:
    """Print an answer, or why there is none; of many files, of those alone that were named."""
    if one.answer.usable:
        print(_line(one.answer))
    elif few or one.source.origin == "file":
        _note(f"{one.answer.file}: {one.answer.reason}")


def _line(answer: Answer) -> str:
    shares = ", ".join(f"{name} {p:.3f}" for name, p in answer.probabilities.items())
    novelty = "" if answer.novelty is None else f", novelty {answer.novelty:.2f}"
    unlike = f"; unlike the training images{novelty}" if answer.verdict == UNLIKE else ""
    return f"{answer.file}: {answer.label} {answer.confidence:.3f} ({shares}){unlike}"


@dataclass
class _Tally:
    """What was answered.

    Attributes:
        labels: images a class.
        unlike: of these, those unlike the training images.
        earlier: those that a run before this one asked.
        unusable: images that could not be used.
        named: of these, those that the user named themselves.
        others: files in folders that are no photographs.
    """

    labels: Counter[str] = field(default_factory=Counter)
    unlike: int = 0
    earlier: int = 0
    unusable: list[Answer] = field(default_factory=list)
    named: int = 0
    others: int = 0

    @property
    def usable(self) -> int:
        return self.labels.total()

    def add(self, one: Predicted) -> None:
        if not one.counts:
            self.others += 1
        elif not one.answer.usable:
            self.unusable.append(one.answer)
            self.named += one.source.origin == "file"
        else:
            self.labels[one.answer.label] += 1
            self.unlike += one.answer.verdict == UNLIKE
            self.earlier += one.earlier

    def exit_code(self) -> int:
        return 2 if self.named or not self.usable else 0

    def lines(self) -> Iterator[str]:
        """Say in a few lines what was answered."""
        counts = ", ".join(f"{name} {count:,}" for name, count in sorted(self.labels.items()))
        total = self.usable + len(self.unusable)
        parts = [counts, f"{self.unlike:,} unlike the training images" if self.unlike else ""]
        parts.append(f"{len(self.unusable):,} unusable" if self.unusable else "")
        yield f"{total:,} images: {'; '.join(filter(None, parts))}"
        for answer in self.unusable[:REASONS_SHOWN]:
            yield f"  unusable: {answer.file}: {answer.reason}"
        if len(self.unusable) > REASONS_SHOWN:
            yield f"  and {len(self.unusable) - REASONS_SHOWN:,} more"
        if self.others:
            yield f"Files passed over that are no photographs (videos, texts): {self.others:,}"
        if self.earlier:
            yield f"Answers of an earlier run, not asked again: {self.earlier:,}"


def _end(options: Namespace, collection: Collection, tally: _Tally, few: bool) -> None:
    """Say what was answered, where it is, and what can be done next."""
    lines: list[str] = []
    if not few or options.csv or options.sort:
        lines += tally.lines()
    if collection.passed_over and not few:
        lines.append(
            f"Folders passed over (hidden, other programs', read already):"
            f" {len(collection.passed_over):,}"
        )
    if options.csv:
        lines.append(f"Wrote {options.csv}: a row an image")
    if options.sort:
        lines.append(f"Sorted into {options.sort}: a folder a class; the originals are untouched")
    if lines and tally.usable:
        lines.append(f"Next: {_next(options)}")
    print(*lines, sep="\n", end="\n" if lines else "", file=sys.stderr if options.json else None)


def _next(options: Namespace) -> str:
    if options.sort:
        return f"mineralsweep data check {shlex.quote(options.sort)}"
    paths = options.paths[:ARGUMENTS_SHOWN]
    words = ["mineralsweep", "predict", *paths]
    words += ["--column", options.column] if options.column else []
    words += ["--model", options.model] if options.model else []
    more = " ..." if len(paths) < len(options.paths) else ""
    rest = ["--csv", options.csv, "--sort", "sorted"] if options.csv else ["--csv", "answers.csv"]
    return f"{shlex.join(words)}{more} {shlex.join(rest)}"


@contextlib.contextmanager
def _how_to_go_on(tally: _Tally, options: Namespace) -> Iterator[None]:
    """Where it breaks off, say what is kept."""
    try:
        yield
    except BaseException:
        if options.csv and tally.usable:
            without = ", without --again" if options.again else ""
            _note(
                f"not done: {tally.usable:,} answers are in {options.csv}; the same command goes"
                f" on{without}"
            )
        raise


class _Progress:
    """How far it is, on stderr: one line that moves, or without a terminal a line now and then.

    Args:
        total: files to be asked.
        hidden: says nothing.
    """

    def __init__(self, total: int, hidden: bool) -> None:
        self._console = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)
        self._live = Live(console=self._console, transient=True, auto_refresh=False)
        self._total, self._hidden = total, hidden
        self._done = self._asked = 0
        self._first = 0.0
        self._last_line = time.monotonic()

    def __enter__(self) -> Self:
        if self._console.is_terminal and not self._hidden:
            self._live.start()
            self._live.update(Text(f"{self._total:,} images; loading the model"), refresh=True)
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def add(self, one: Predicted) -> None:
        """Count a file."""
        now = time.monotonic()
        self._done += 1
        if one.counts and not one.earlier:
            self._first = self._first or now
            self._asked += 1
        if self._hidden:
            return
        if self._console.is_terminal:
            self._live.update(Text(self._status(now), no_wrap=True), refresh=True)
        elif now - self._last_line > LINE_EVERY:
            self._last_line = now
            self._console.print(self._status(now))

    def _status(self, now: float) -> str:
        """Return the line. The pace is that of the images that the model was asked about."""
        parts = [f"{self._done:,} of {self._total:,} images"]
        seconds = now - self._first
        if self._asked > 1 and seconds > 1:
            rate = (self._asked - 1) / seconds
            left = (self._total - self._done) / rate
            parts += [f"{rate:.1f} a second", f"about {duration(left)} left"]
        return " | ".join(parts)
