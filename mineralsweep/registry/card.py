"""The description of a registered version: what MLflow's page shows of it."""

from __future__ import annotations

from mineralsweep.data.dataset import Dataset
from mineralsweep.engines.engine import TrialRecord
from mineralsweep.evaluation import Scores
from mineralsweep.registry.decision import times


def card(record: TrialRecord, scores: Scores, dataset: Dataset, openings: int) -> str:
    """Return the Markdown of a version.

    Args:
        record: its trial.
        scores: on the test split.
        dataset: that it was trained and tested on.
        openings: of the test split, over all studies.
    """
    recalls = "\n".join(f"| {name} | {recall} |" for name, recall in scores.recall.items())
    stale = " Each look makes the score less fresh." if openings > 1 else ""
    return (
        f"**{record.params['architecture']}**, {record.title()}, chosen on the validation"
        f" split ({record.interval()}).\n\n"
        f"Test split, opened {times(openings)}: accuracy **{scores.accuracy}** (95 % Wilson"
        f" interval), macro-F1 {scores.macro_f1:.3f}.{stale}\n\n"
        f"| class | recall [95 % interval], n |\n| --- | --- |\n{recalls}\n\n"
        f"Data: {dataset.describe()}. Input: one column `image` with the bytes of an image file."
    )
