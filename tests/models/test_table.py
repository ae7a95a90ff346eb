"""The documentation's tables are made from the declarations."""

from __future__ import annotations

from mineralsweep.models import ARCHITECTURES, table
from tests.conftest import ROOT


def test_the_guide_holds_exactly_these_tables() -> None:
    guide = (ROOT / "docs" / "sweep-files.md").read_text()
    assert f"\n\n{table.architectures()}\n\n" in guide
    assert f"\n\n{table.hyperparameters()}\n\n" in guide


def test_every_architecture_and_hyperparameter_has_a_row() -> None:
    names = {name for one in ARCHITECTURES.values() for name in one.hyperparameters}
    rows = table.hyperparameters().splitlines()[2:]
    told = [row.split("`")[1] for row in rows]
    assert len(told) == len(names)
    assert {*told} == names
    assert len(table.architectures().splitlines()[2:]) == len(ARCHITECTURES)
