"""The registry: tested once, judged by the gate, registered, promoted, rolled back, found again."""

from mineralsweep.registry.changes import Earlier, learned_before
from mineralsweep.registry.crowning import Crowned, crown, tested
from mineralsweep.registry.decision import Decision
from mineralsweep.registry.evidence import Evidence
from mineralsweep.registry.files import load_classifier, settled, verify
from mineralsweep.registry.promotion import decide, force, rollback
from mineralsweep.registry.versions import CHAMPION_URI, NAME, Versions

__all__ = [
    "CHAMPION_URI", "NAME", "Crowned", "Decision", "Earlier", "Evidence", "Versions", "crown",
    "decide", "force", "learned_before", "load_classifier", "rollback", "settled", "tested",
    "verify",
]  # fmt: skip
