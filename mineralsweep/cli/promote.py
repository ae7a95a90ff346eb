"""mineralsweep promote VERSION"""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from mineralsweep.config import load_gate
from mineralsweep.data.source import open_catalog
from mineralsweep.errors import ConfigError

if TYPE_CHECKING:
    from mineralsweep.registry import Decision


def run(options: Namespace) -> int:
    """Put a version before the gate, or past it; exit with 1 where it was refused."""
    if options.force and not options.reason:
        raise ConfigError("--force: needs --reason TEXT; it is written on the version")
    rules = load_gate(Path(options.rules)) if options.rules else None
    catalog = open_catalog(options.data) if options.data else None

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
        show(decision, versions.name, photographs_given=catalog is not None)
    return 0 if decision.takes else 1


def show(decision: Decision, name: str, photographs_given: bool = True) -> None:
    """Print what was decided, and what can be done about it."""
    from mineralsweep.registry.versions import option_for

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
        return
    stands = f"version {decision.against}" if decision.against else "nobody"
    print(f"Champion stays {stands}.")
    if decision.basis == "not comparable" and not photographs_given:
        print(
            "With the images at hand, the champion is asked about those that it did not learn"
            f" from: mineralsweep promote {decision.version}{option} --data PATH"
        )
    print(f"Past the gate: mineralsweep promote {decision.version}{option} --force --reason TEXT")
