"""The registry: tested once, judged by the gate, registered, promoted, rolled back, found again."""

from mineralsweep.registry.changes import kept_in_test, since_champion
from mineralsweep.registry.crowning import Crowned, crown, tested
from mineralsweep.registry.decision import Decision
from mineralsweep.registry.evidence import Evidence
from mineralsweep.registry.files import load_classifier, verify
from mineralsweep.registry.promotion import decide, force, rollback
from mineralsweep.registry.versions import CHAMPION_URI, NAME, Versions

__all__ = [
    "CHAMPION_URI", "NAME", "Crowned", "Decision", "Evidence", "Versions", "crown",
    "decide", "force", "kept_in_test", "load_classifier", "rollback", "since_champion", "tested",
    "verify",
]  # fmt: skip
