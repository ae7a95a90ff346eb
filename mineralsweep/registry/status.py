"""Who is champion, since when and why, as plain data."""

from __future__ import annotations

from typing import Any

from mineralsweep.registry.gate import MB
from mineralsweep.registry.names import CHALLENGER, CHAMPION, PREVIOUS
from mineralsweep.registry.versions import Versions


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
        "macro_f1": scores.macro_f1 if scores else None,
        "recall": {name: str(one) for name, one in scores.recall.items()} if scores else {},
        "latency_ms": evidence.latency_ms if evidence else None,
        "size_mb": evidence.size_bytes / MB if evidence else None,
        "data": evidence.source if evidence else "",
        "test_digest": evidence.digest if evidence else "",
        "openings": versions.store.openings(evidence.digest) if evidence else 0,
    }
