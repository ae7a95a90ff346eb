"""One decision about the alias champion, as it is written on a version."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Self

from mineralsweep.core import objective as objectives
from mineralsweep.evaluation import Paired, Scores
from mineralsweep.registry.evidence import Evidence
from mineralsweep.registry.gate import MB

Verdict = Literal["promoted", "refused", "forced", "rolled back"]

GATE = "mineralsweep.gate."
"""What the names of a version's tags begin with that the gate writes."""
DECISIONS = "\n\n**What the gate said**\n\n"
"""Stands in a description above its list of decisions."""
LEFT_OUT = "- Earlier ones: in the tags, and in mineralsweep champion --json."
DESCRIPTION_LENGTH = 5000
"""Of a description, in characters: PostgreSQL's column takes no more."""
NOTE_LENGTH, WHY_LENGTH = 500, 1000
"""Of the texts in a tag's JSON, which must stay whole: escaped, they fit in a tag."""


@dataclass(frozen=True)
class Numbers:
    """What a decision knew of one model. `scores` are those of its own test split."""

    version: str
    scores: Scores
    latency_ms: float
    size_bytes: int
    test_digest: str
    data: str

    @classmethod
    def of(cls, version: str, evidence: Evidence) -> Self:
        """Take them from a model's evidence."""
        return cls(
            version, evidence.scores(), evidence.latency_ms, evidence.size_bytes,
            evidence.digest, evidence.source,
        )  # fmt: skip

    @classmethod
    def from_dict(cls, data: dict[str, Any] | None) -> Self | None:
        """Read what `asdict` and JSON made of one."""
        return cls(**{**data, "scores": Scores.from_dict(data["scores"])}) if data else None


@dataclass(frozen=True)
class Decision:
    """A decision, taken or refused.

    Attributes:
        verdict: whether `version` has the alias now, and by what right.
        version: the version that it is about.
        against: the version that had the alias before, "" without one.
        basis: what it was decided by; see `gate.Basis`; "by hand" beside these.
        why: in sentences.
        note: what the person who decided gave as the reason, "" for the gate.
        by: who ran the command.
        time: UTC, ISO 8601.
        rules: of the gate.
        openings: how often the test split had been opened, over all studies.
    """

    verdict: Verdict
    version: str
    against: str
    basis: str
    why: str
    by: str
    time: str
    note: str = ""
    rules: dict[str, Any] = field(default_factory=dict)
    openings: int = 0
    paired: Paired | None = None
    challenger: Numbers | None = None
    champion: Numbers | None = None

    @property
    def takes(self) -> bool:
        """Whether the version has taken the alias."""
        return self.verdict != "refused"

    def to_json(self) -> str:
        """Return text that `from_json` reads."""
        data = {
            **asdict(self),
            "paired": self.paired and self.paired.to_dict(),
            "challenger": _plain(self.challenger),
            "champion": _plain(self.champion),
        }
        return json.dumps(data, indent=2)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what `to_json` gave."""
        data = json.loads(text)
        return cls(
            **{
                **data,
                "paired": Paired.from_dict(data["paired"]) if data["paired"] else None,
                "challenger": Numbers.from_dict(data["challenger"]),
                "champion": Numbers.from_dict(data["champion"]),
            }
        )

    def sentence(self) -> str:
        """Say in a line what became of the version."""
        return {
            "promoted": f"version {self.version} was promoted to @champion",
            "refused": f"version {self.version} was not promoted to @champion",
            "forced": f"version {self.version} was promoted to @champion by hand",
            "rolled back": f"version {self.version} is @champion again",
        }[self.verdict]

    def to_markdown(self) -> str:
        """Return the record for people."""
        before = f"version {self.against}" if self.against else "nobody"
        lines = [
            f"# {self.sentence().capitalize()}",
            "",
            self.why,
            "",
            *([f"Reason given: {self.note}", ""] if self.note else []),
            f"Decided {self.time} by {self.by}. Champion before: {before}. The test split had been"
            f" opened {times(self.openings)}.",
            "",
            *_table(self.challenger, self.champion),
        ]
        if self.paired is not None:
            lines += [
                "",
                f"On the same {self.paired.n} images: both right {self.paired.both}, the"
                f" challenger alone {self.paired.gained}, the champion alone {self.paired.lost}.",
            ]
        lines += ["", "| rule | value |", "| --- | --- |"]
        lines += [f"| gate.{name} | {value} |" for name, value in self.rules.items()]
        return "\n".join(lines) + "\n"


def times(count: int) -> str:
    """Say how often, in words."""
    return {0: "never", 1: "once", 2: "twice"}.get(count, f"{count} times")


def _plain(numbers: Numbers | None) -> dict[str, Any] | None:
    if numbers is None:
        return None
    return {**asdict(numbers), "scores": numbers.scores.to_dict()}


def _table(challenger: Numbers | None, champion: Numbers | None) -> list[str]:
    """Return a Markdown table, a column a model that is known."""
    known = [one for one in (challenger, champion) if one is not None]
    if not known:
        return []
    head = ["", *(f"version {one.version}" for one in known)]
    rows = [
        ["test accuracy", *(str(one.scores.accuracy) for one in known)],
        ["macro F1", *(objectives.get("macro_f1").shown(one.scores) for one in known)],
    ]
    for name in known[0].scores.recall:
        recalls = (one.scores.recall.get(name, "-") for one in known)
        rows.append([f"recall of {name}", *map(str, recalls)])
    rows += [
        ["latency, ms an image", *(f"{one.latency_ms:.1f}" for one in known)],
        ["size, MB", *(f"{one.size_bytes / MB:.1f}" for one in known)],
        ["data", *(one.data for one in known)],
        ["test split", *(one.test_digest[:16] for one in known)],
    ]
    return ["| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *rows)]


def brief(decision: Decision) -> str:
    """Return the JSON of a decision in short, for a tag."""
    note = "".join(sign for sign in " ".join(decision.note.split()) if sign.isprintable())
    short = {
        "time": decision.time, "verdict": decision.verdict, "version": decision.version,
        "against": decision.against, "by": decision.by, "note": note[:NOTE_LENGTH],
        "why": decision.why[:WHY_LENGTH],
    }  # fmt: skip
    return json.dumps(short, ensure_ascii=False)


def tags_of(decision: Decision) -> dict[str, str]:
    """Return the last decision in few tags: MLflow's page lists them all. The record has the rest.

    Empty ones are removed: what an earlier decision said must not stand beside a later one.
    """
    paired = decision.paired
    tags = {
        "verdict": decision.verdict,
        "why": decision.why,
        "against": decision.against,
        "time": decision.time,
        "p": f"{paired.p:.4g}" if paired else "",
        "difference": (
            f"{paired.difference:+.3f} [{paired.low:+.3f}, {paired.high:+.3f}], n = {paired.n}"
            if paired
            else ""
        ),
    }
    return {f"{GATE}{key}": value for key, value in tags.items()}


def with_decisions(description: str, decisions: list[dict[str, str]]) -> str:
    """Return a version's description with what the gate has said under it, the newest first."""
    lines = [
        f"- {one['time']}, by {one['by']}: **{one['verdict']}**. {one['why']}"
        + (f" Reason given: {one['note']}" if one["note"] else "")
        for one in sorted(decisions, key=lambda one: one["time"], reverse=True)
    ]
    above = description.partition(DECISIONS)[0] + DECISIONS
    room = DESCRIPTION_LENGTH - len(above) - len(LEFT_OUT) - 1
    shown: list[str] = []
    for line in lines:
        if sum(map(len, shown)) + len(shown) + len(line) > room:
            shown.append(LEFT_OUT)
            break
        shown.append(line)
    return (above + "\n".join(shown) + "\n")[:DESCRIPTION_LENGTH]
