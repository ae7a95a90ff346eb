"""Who is champion: by the gate, by hand, or as before."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from mlflow.tracking.context.registry import resolve_tags

from mineralsweep.config import Gate
from mineralsweep.core import objective as objectives
from mineralsweep.errors import InputError
from mineralsweep.registry import gate
from mineralsweep.registry.decision import GATE, Decision, Numbers
from mineralsweep.registry.evidence import Evidence
from mineralsweep.registry.gate import MB
from mineralsweep.registry.versions import (
    CHALLENGER,
    CHAMPION,
    PREVIOUS,
    Versions,
    option_for,
)

REPLACED = f"{GATE}replaced_by"
Answers = Callable[[str, Sequence[str]], Mapping[str, str]]
"""(a version, images' digests) -> the classes that it predicts, of the images at hand.

InputError where it can't be asked: its files are not there, or other ones."""


def decide(
    versions: Versions,
    version: str,
    evidence: Evidence,
    rules: Gate,
    answers: Answers | None = None,
    note: str = "",
) -> Decision:
    """Put a version before the gate, and write down what it says; the alias follows.

    A champion whose trial was excluded since is no rival: the minimums alone count. The champion is
    read, compared with and replaced in one locked stretch: two sweeps that end
    at once are judged one after the other.

    Args:
        versions: the registered model.
        version: the challenger.
        evidence: the challenger's.
        rules: of the gate.
        answers: asks the standing champion about images that it has not been asked about; None:
            the images are not at hand.
        note: a person's reason, "" without one.
    """
    with versions.locked():
        standing = versions.holder(CHAMPION)
        if standing == version:
            return _stands(versions, version, evidence, rules)
        theirs = versions.evidence(standing) if standing else None
        excluded = versions.excluded(standing) if standing else ""
        if standing and not excluded:
            known, missing = _ask_champion(standing, evidence, theirs, answers)
            missing = missing or versions.lost_evidence(standing)
            ruling = gate.rule(evidence, theirs, rules, known, f"version {standing}", missing)
        else:
            ruling = gate.first(evidence, rules)
        if excluded and ruling.takes:
            why = (
                f"The trial of version {standing} was excluded: {excluded}. It meets every minimum."
            )
            ruling = dataclasses.replace(ruling, why=why)
        decision = _decision(
            versions, version, evidence, standing, theirs, rules=rules.model_dump(), note=note,
            verdict="promoted" if ruling.takes else "refused",
            basis=ruling.basis, why=ruling.why, paired=ruling.paired,
        )  # fmt: skip
        _carry_out(versions, decision)
    return decision


def _stands(versions: Versions, version: str, evidence: Evidence, rules: Gate) -> Decision:
    """Answer for a version that is champion already: with the decision that made it so.

    A session that was killed after it had set the alias has left its record: it is noted now.
    """
    kept = versions.decision(version)
    if kept is not None and kept.takes:
        return kept
    decision = versions.unnoted(version) or _decision(
        versions, version, evidence, versions.holder(PREVIOUS), None, rules=rules.model_dump(),
        verdict="promoted", basis="no champion",
        why="It holds the alias already; how it came by it was not written down.",
    )  # fmt: skip
    versions.note(decision)
    return decision


def _ask_champion(
    standing: str, evidence: Evidence, theirs: Evidence | None, answers: Answers | None
) -> tuple[Mapping[str, str], str]:
    """Ask the champion about fair images that it has not been asked about yet.

    Returns:
        Its answers, and why it can't be asked, "" where it can or need not.
    """
    comparable = theirs is not None and set(theirs.classes) == set(evidence.classes)
    if theirs is None or not comparable or theirs.drawn != evidence.drawn or answers is None:
        return {}, ""
    told = theirs.answers()
    missing = [image for image in gate.fair_images(evidence, theirs) if image not in told]
    try:
        return (answers(standing, missing) if missing else {}), ""
    except InputError as error:
        return {}, str(error)


def force(
    versions: Versions, version: str, evidence: Evidence | None, rules: Gate, note: str
) -> Decision:
    """Make a version champion by hand, whatever the gate would say; it is recorded as such."""
    with versions.locked():
        standing = versions.holder(CHAMPION)
        if version == standing:
            raise InputError(
                f"VERSION: version {version} of {versions.name} is the champion already;"
                f" see: mineralsweep champion{option_for(versions.name)}"
            )
        evidence = evidence or versions.evidence(version)
        theirs = versions.evidence(standing) if standing else None
        decision = _decision(
            versions, version, evidence, standing, theirs, rules=rules.model_dump(), note=note,
            verdict="forced", basis="by hand", why="Made champion by hand, past the gate.",
        )  # fmt: skip
        _carry_out(versions, decision)
    return decision


def rollback(versions: Versions, note: str = "") -> Decision:
    """Give the alias back to the former champion. The two change places.

    So a second rollback undoes the first.

    Raises:
        InputError: there is no champion, or none before it.
    """
    with versions.locked():
        standing, former = versions.holder(CHAMPION), versions.holder(PREVIOUS)
        if not standing or former in ("", standing):
            option = option_for(versions.name)
            who = "no champion" if not standing else f"no champion before version {standing}"
            raise InputError(
                f"rollback: {versions.name} has {who}; see mineralsweep champion{option}, or make"
                f" another version champion: mineralsweep promote VERSION{option} --force"
                " --reason TEXT"
            )
        evidence, theirs = versions.evidence(former), versions.evidence(standing)
        decision = _decision(
            versions, former, evidence, standing, theirs, note=note, verdict="rolled back",
            basis="by hand", why=f"Rolled back from version {standing}.",
        )  # fmt: skip
        _carry_out(versions, decision)
    return decision


def _decision(
    versions: Versions,
    version: str,
    evidence: Evidence | None,
    standing: str,
    theirs: Evidence | None,
    **said: Any,
) -> Decision:
    """Return a decision about a version, with what it and the standing champion were judged by."""
    return Decision(
        version=version,
        against=standing,
        openings=versions.store.openings(evidence.digest) if evidence else 0,
        challenger=Numbers.of(version, evidence) if evidence else None,
        champion=Numbers.of(standing, theirs) if theirs else None,
        by=str(resolve_tags().get("mlflow.user") or "unknown"),
        time=datetime.now(UTC).isoformat(timespec="seconds"),
        **said,
    )


def _carry_out(versions: Versions, decision: Decision) -> None:
    """Move the aliases as a decision says, and write it on the version."""
    versions.keep_record(decision)
    if decision.takes:
        _move(versions, decision)
    else:
        versions.give(CHALLENGER, decision.version)
    versions.note(decision)


def _move(versions: Versions, decision: Decision) -> None:
    """Set `champion`, and `previous` to the version that had it.

    A kill in between must leave what the user can go on from: a promotion is asked for again,
    and finds its champion unchanged; a rollback has brought back the former champion.
    """
    steps = [(CHAMPION, decision.version)]
    if decision.against:
        steps.insert(len(steps) if decision.verdict == "rolled back" else 0,
                     (PREVIOUS, decision.against))  # fmt: skip
    for alias, version in steps:
        versions.give(alias, version)
    if versions.holder(CHALLENGER) == decision.version:
        versions.give(CHALLENGER, "")
    versions.untag(decision.version, REPLACED)
    if decision.against:
        by = f"version {decision.version}, {decision.time} ({decision.verdict})"
        versions.tag(decision.against, {REPLACED: by})


def status(versions: Versions) -> dict[str, Any]:
    """Return the aliases, the champion's numbers, and every decision, the newest first."""
    champion = versions.holder(CHAMPION)
    history = versions.history()
    return {
        "model": versions.name,
        "champion": _champion(versions, champion, history) if champion else None,
        "previous": versions.holder(PREVIOUS),
        "challenger": versions.holder(CHALLENGER),
        "history": history,
    }


def champion_of(versions: Versions, version: str) -> dict[str, Any]:
    """Return why a version is champion, since when, and what it was judged by."""
    return _champion(versions, version, versions.history())


def _champion(versions: Versions, version: str, history: list[dict[str, str]]) -> dict[str, Any]:
    """Join the decision that made it champion and what it was judged by."""
    took = [one for one in history if one["version"] == version and one["verdict"] != "refused"]
    decided = took[0] if took else {}
    made = versions.get(version)
    evidence = versions.evidence(version)
    scores = evidence.scores() if evidence else None
    return {
        "version": version,
        "since": decided.get("time", "an unknown time"),
        "verdict": decided.get("verdict", "not by the gate"),
        "by": decided.get("by", "unknown"),
        "why": decided.get("why", "How it came by the alias was not written down."),
        "note": decided.get("note", ""),
        "study": made.tags.get("mineralsweep.study", ""),
        "test_accuracy": str(scores.accuracy) if scores else "",
        "test_macro_f1": objectives.get("macro_f1").shown(scores) if scores else "",
        "recall": {name: str(one) for name, one in scores.recall.items()} if scores else {},
        "latency_ms": evidence.latency_ms if evidence else None,
        "size_mb": evidence.size_bytes / MB if evidence else None,
        "data": evidence.source if evidence else "",
        "test_digest": evidence.digest if evidence else "",
        "openings": versions.store.openings(evidence.digest) if evidence else 0,
        "lost": "" if evidence else versions.lost_evidence(version),
    }
