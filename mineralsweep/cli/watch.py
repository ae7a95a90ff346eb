"""The command watch: are the images that a server gets like those of the training?"""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from shlex import quote

from mineralsweep.app.watch import (
    DIFFERS,
    LABELS,
    LEAST,
    LEAST_TESTED,
    LIKE,
    NO_REFERENCE,
    NOVELTY,
    SURE,
    TOO_FEW,
    UNLIKE_SHARE,
    Summary,
    Watched,
    compare,
    references_in,
)
from mineralsweep.evaluation import Proportion, wilson
from mineralsweep.evaluation.shift import Mean, Shift
from mineralsweep.serving.familiarity import FALSE_ALARMS

EXIT = {LIKE: 0, TOO_FEW: 0, DIFFERS: 1, NO_REFERENCE: 2}
PERIODS, BAR = 14, 20


def watch(options: Namespace) -> int:
    """Print what a log tells; the exit code is about the version that answered last."""
    from mineralsweep.tracking import open_store

    versions = compare(Path(options.file), references_in(open_store()), options.since)
    if options.json:
        plain = {"versions": [one.to_dict() for one in versions]}
        print(json.dumps(plain, indent=2, ensure_ascii=False))
    else:
        print("\n\n".join("\n".join(_told(one)) for one in versions))
    return EXIT[versions[-1].verdict]


def _told(one: Watched) -> list[str]:
    return [
        f"{one.version}, {one.first[:16]} to {one.last[:16]} UTC",
        f"  {one.answers} answers, {one.new.n} new images. Left out: repeats {one.repeats},"
        f" training and test images {one.known}, unusable {one.unusable}",
        *_compared(one),
        *_false_alarms(one.new.unlike),
        *_periods(one),
        *_novel(one),
        *_verdict(one),
    ]


def _compared(one: Watched) -> list[str]:
    """Return a line a number: of the new images, of the test images, and the test of the two."""
    both = [one.new] if one.tested is None else [one.new, one.tested]
    tests = {shift.name: shift for shift in one.shifts}
    heads = ["new images", "test images"]
    lines = [_row("", [f"{head}, n = {x.n}" for head, x in zip(heads, both, strict=False)])]
    if any(x.unlike for x in both):
        lines.append(_row(UNLIKE_SHARE, [_interval(x.unlike) for x in both], tests))
        lines.append(_row(NOVELTY, [_median(x.novelty) for x in both], tests))
    lines.append(_row(SURE, [_interval(x.confidence) for x in both], tests))
    lines.append(_row(LABELS, ["" for _ in both], tests))
    for name in sorted({name for x in both for name in x.labels}):
        lines.append(_row(f"  {name}", [_of_label(x, name) for x in both]))
    return lines


def _row(name: str, cells: list[str], tests: Mapping[str, Shift] | None = None) -> str:
    shift = tests.get(name) if tests else None
    told = (
        "" if shift is None else f"{shift.test} p = {shift.p:.2g}, corrected {shift.corrected:.2g}"
    )
    return "  " + f"{name:<18}{''.join(f'{cell:<25}' for cell in cells)}{told}".rstrip()


def _interval(x: Proportion | Mean | None) -> str:
    return "" if x is None else f"{x.value:.3f} [{x.low:.3f}, {x.high:.3f}]"


def _median(novelty: float | None) -> str:
    return "" if novelty is None else f"{novelty:.2f} (median)"


def _of_label(x: Summary, name: str) -> str:
    return _interval(wilson(x.labels.get(name, 0), x.n)) if x.n else ""


def _false_alarms(unlike: Proportion | None) -> list[str]:
    if unlike is None:
        return []
    place = "around" if unlike.low <= FALSE_ALARMS <= unlike.high else "above"
    place = "below" if unlike.high < FALSE_ALARMS else place
    return [f"  Stated false alarms: {FALSE_ALARMS:g}; the new images' interval lies {place} it."]


def _periods(one: Watched) -> list[str]:
    if len(one.periods) < 2:
        return []
    shown = one.periods[-PERIODS:]
    told = [
        f"  {period.start}  n = {period.summary.n:<6} {_interval(period.summary.unlike):<22}"
        f" {_bar(period.summary.unlike)}".rstrip()
        for period in shown
    ]
    return [f"  By {one.unit}, the share unlike the training:", *told]


def _bar(share: Proportion | None) -> str:
    return "" if share is None else "#" * round(BAR * share.value)


def _novel(one: Watched) -> list[str]:
    lines = [
        f"    {image.novelty:6.2f}  {image.label}  {image.file or f'sha256 {image.sha256}'}"
        for image in one.novel
    ]
    if not any(image.file for image in one.novel):
        lines.append(
            "    To have such images kept: mineralsweep serve --log FILE --log-images FOLDER"
        )
    return ["  The most novel images (novelty, label):", *lines] if one.novel else []


def _verdict(one: Watched) -> list[str]:
    if one.verdict == NO_REFERENCE:
        return [
            f"No verdict: {one.version} left no answers to test images in this store;"
            " see mineralsweep doctor, or set MLFLOW_TRACKING_URI"
        ]
    if one.verdict == TOO_FEW:
        return [f"Nothing to see: n too small: {_lacking(one)}."]
    if one.verdict == LIKE:
        return [f"Like the training, as far as {one.new.n} images tell."]
    mix = ""
    if one.differing == [LABELS]:
        mix = " A different mix of classes alone does that: the photographs may be like before."
    return [f"Differs: {', '.join(one.differing)} (corrected p < 0.05).{mix}", *_next(one)]


def _lacking(one: Watched) -> str:
    if one.new.n < LEAST:
        return f"{one.new.n} new images, needs about {LEAST}"
    tested = one.tested.n if one.tested else 0
    return f"{tested} test images, needs about {LEAST_TESTED}: a sweep over more images has them"


def _next(one: Watched) -> list[str]:
    return [
        "Next: put some of the new images, drawn at random, into a folder a class, NEW; those of"
        " none of the classes stay out: unlike_training is their right answer",
        "  mineralsweep data check NEW",
        f"  mineralsweep evaluate NEW --model {quote(one.version)}",
        "Where its accuracy is lower there than on its test split, add them and the most novel to"
        " the collection, and train again:",
        "  mineralsweep sweep quick --data COLLECTION --warm-start STUDY",
    ]
