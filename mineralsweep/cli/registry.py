"""Commands on registered models: champion, promote, rollback, verify, evaluate."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from collections.abc import Mapping
from shlex import quote
from typing import TYPE_CHECKING, Any

from mineralsweep.config import load_gate
from mineralsweep.core import objective as objectives
from mineralsweep.data.settings import DataSettings
from mineralsweep.data.sources import open_catalog
from mineralsweep.errors import ConfigError, InputError
from mineralsweep.search.state import exists

if TYPE_CHECKING:
    from mineralsweep.registry import Decision, Versions
    from mineralsweep.registry.candidate import Evaluated

DECISIONS = 10
"""Of the history, that `champion` shows."""


def _versions(options: Namespace) -> Versions:
    from mineralsweep.registry import NAME, Versions
    from mineralsweep.tracking import open_store

    return Versions(open_store(), options.model or NAME)


def _print_json(data: Any) -> None:
    print(json.dumps(data, indent=2, ensure_ascii=False))


def recalls(recall: Mapping[str, Any]) -> list[str]:
    """Return a line a class."""
    return [f"  recall of {name}: {share}" for name, share in recall.items()]


def freshness(openings: int) -> str:
    """Say how often a test split was opened, and what that means."""
    from mineralsweep.registry.decision import times

    stale = ": each look makes the score less fresh" if openings > 1 else ""
    return f"{times(openings)} in all{stale}"


def champion(options: Namespace) -> int:
    """Say who is champion, why, since when, and what was decided before."""
    from mineralsweep.registry.promotion import status

    versions = _versions(options)
    state = status(versions)
    if not state["champion"] and not state["history"]:
        raise InputError(
            f"{versions.name}: has no version yet; make one with mineralsweep sweep"
            " quick, or name another model: --model NAME"
        )
    if options.json:
        _print_json(state)
    else:
        print("\n".join([*_standing(state), *_history(state["history"])]))
    return 0


def _standing(state: dict[str, Any]) -> list[str]:
    holder = state["champion"]
    lines = [f"{state['model']}: nobody is champion"]
    if holder:
        lines = [
            f"{state['model']}: version {holder['version']} is champion since"
            f" {holder['since']} ({holder['verdict']}, by {holder['by']})",
            f"  {holder['why']}",
            *([f"  Reason given: {holder['note']}"] if holder["note"] else []),
            *_numbers(holder),
        ]
    others = [f"{alias} version {state[alias]}" for alias in ("previous", "challenger")
              if state[alias]]  # fmt: skip
    return [*lines, "Also: " + ", ".join(others)] if others else lines


def _numbers(holder: dict[str, Any]) -> list[str]:
    if not holder["test_accuracy"]:
        lost = holder["lost"]
        return [f"  It was tested: {lost}" if lost else "  It was never tested."]
    return [
        f"  test accuracy {holder['test_accuracy']}; macro F1 {holder['test_macro_f1']}",
        *recalls(holder["recall"]),
        f"  {holder['latency_ms']:.1f} ms an image, {holder['size_mb']:.1f} MB",
        f"  data {holder['data']}, test split {holder['test_digest'][:16]},"
        f" opened {freshness(holder['openings'])}",
    ]


def _history(history: list[dict[str, str]]) -> list[str]:
    lines = ["History, the newest first:"]
    for one in history[:DECISIONS]:
        against = f" against version {one['against']}" if one["against"] else ""
        note = f" ({one['note']})" if one["note"] else ""
        lines.append(
            f"  {one['time']}  version {one['version']} {one['verdict']}{against},"
            f" by {one['by']}{note}: {one['why']}"
        )
    more = len(history) - DECISIONS
    return [*lines, f"  {more} more: --json"] if more > 0 else lines


def promote(options: Namespace) -> int:
    """Put a version before the gate, or past it; exit with 1 where it was refused."""
    if options.force and not options.reason:
        raise ConfigError("--force: needs --reason TEXT; it is written on the version")
    rules = load_gate(options.rules) if options.rules else None
    catalog = open_catalog(DataSettings(options.data)) if options.data else None

    from mineralsweep.registry import decide, force
    from mineralsweep.registry.candidate import evidence_for, find, rules_of
    from mineralsweep.registry.crowning import answers_from
    from mineralsweep.tracking import open_store

    versions, version = find(open_store(), options.version, options.model)
    rules = rules or rules_of(versions, version)
    if options.force:
        decision = force(versions, version, versions.evidence(version), rules, options.reason)
    else:
        evidence, dataset = evidence_for(versions, version)
        images = catalog or (dataset.catalog if dataset else None)
        answers = answers_from(versions, images) if images else None
        decision = decide(versions, version, evidence, rules, answers, options.reason or "")
    if options.json:
        print(decision.to_json())
    else:
        study = versions.get(version).tags.get("mineralsweep.study", "")
        study = study if study and exists(study) else ""
        _show(decision, versions.name, study, photographs_given=catalog is not None)
    return 0 if decision.takes else 1


def _show(decision: Decision, name: str, study: str, photographs_given: bool) -> None:
    """Print what was decided, and what can be done about it."""
    from mineralsweep.registry.versions import option_for, uri_of

    option = option_for(name)
    print(f"{name}: {decision.sentence()}. {decision.why}")
    if decision.note:
        print(f"Reason given: {decision.note}")
    if decision.takes:
        if decision.against:
            print(
                f"Before: version {decision.against}, alias previous. Back: mineralsweep"
                f" rollback{option}"
            )
        print(
            "mineralsweep serve takes it within seconds; mlflow models serve has to be started"
            " again."
        )
        return
    stands = f"version {decision.against}" if decision.against else "nobody"
    print(f"Champion stays {stands}.")
    if _may_be_asked(decision) and not photographs_given:
        print(
            "With the images at hand, the champion is asked about those that it did not learn"
            f" from: mineralsweep promote {decision.version}{option} --data PATH"
        )
    uri = quote(uri_of(name, decision.version))
    print(f"To try it: mineralsweep predict PHOTO.jpg --model {uri}")
    for label, command in ways_on(decision, name, study):
        print(f"{label}: {command}")


def _may_be_asked(decision: Decision) -> bool:
    """Say whether answers of the champion are all that a comparison lacks: it knows the classes."""
    one, other = decision.challenger, decision.champion
    alike = one and other and one.scores.recall.keys() == other.scores.recall.keys()
    return decision.basis == "not comparable" and bool(alike)


def ways_on(decision: Decision, name: str, study: str) -> list[tuple[str, str]]:
    """Return what can be done with a version that is not champion, each with its command.

    Args:
        decision: about the version.
        name: of the registered model.
        study: that made the version; "" where it is not here to go on with.
    """
    from mineralsweep.registry.versions import option_for

    option, version = option_for(name), decision.version
    ways = []
    if decision.basis in ("not comparable", "drawn sample"):
        ways.append(("The champion's own scores", f"mineralsweep champion{option}"))
        if study:
            keep = f"mineralsweep resume {study} --set gate.model=NAME"
            ways.append(("To keep both, register it under another name", keep))
    force = f"mineralsweep promote {version}{option} --force --reason TEXT"
    return [*ways, ("Past the gate", force)]


def rollback(options: Namespace) -> int:
    """Make the former champion champion again."""
    from mineralsweep.registry import rollback

    versions = _versions(options)
    decision = rollback(versions, options.reason or "")
    if options.json:
        print(decision.to_json())
        return 0
    print(f"{versions.name}: {decision.sentence()}. {decision.why}")
    print(f"Version {decision.against} is the previous one now; a second rollback undoes this one.")
    print(
        "mineralsweep serve takes it within seconds; mlflow models serve has to be started again."
    )
    return 0


def verify(options: Namespace) -> int:
    """Compare a registered model's files with the digest recorded at registration."""
    from mineralsweep.registry import CHAMPION_URI, verify
    from mineralsweep.tracking import open_store

    open_store()
    print(verify(options.model or CHAMPION_URI))
    return 0


def evaluate(options: Namespace) -> int:
    """Score a model on a folder of images that it has not learned from."""
    from mineralsweep.cli.data import with_defaults

    asked = with_defaults(options).data.settings()
    catalog = open_catalog(asked)

    from mineralsweep.registry import CHAMPION_URI
    from mineralsweep.registry.candidate import evaluate
    from mineralsweep.tracking import open_store

    uri = options.model or CHAMPION_URI
    result = evaluate(open_store(), uri, catalog, asked.groups, _say)
    if options.json:
        _print_json(result.to_dict())
    else:
        print("\n".join([f"{uri} on {options.path}: {_scores(result)}", *_cautions(result)]))
    return 0


def _say(line: str) -> None:
    print(line, file=sys.stderr)


def _scores(result: Evaluated) -> str:
    scores = result.scores
    macro_f1 = objectives.get("macro_f1").shown(scores)
    head = f"accuracy {scores.accuracy}; macro F1 {macro_f1}; loss {scores.loss:.3f}"
    return "\n".join([head, *recalls(scores.recall), "  (95 % intervals)"])


def _cautions(result: Evaluated) -> list[str]:
    lines = []
    if result.learned is None:
        lines.append("  Careful: it is not known which images it learned from; some may be here.")
    elif result.learned:
        lines.append(
            f"  {result.learned} images are left out: it has learned from them or from copies."
        )
    if result.tested:
        lines.append(
            f"  Careful: {result.tested} of these images are in its test split, which the gate"
            " uses."
        )
    return lines
