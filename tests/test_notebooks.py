"""The notebooks run from top to bottom, and are kept with their outputs."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest

from tests.notebooks import FOLDER, LARGEST, execute, kept

NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


def test_there_are_notebooks() -> None:
    assert len(NOTEBOOKS) == 6


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_is_kept_with_its_outputs(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell.outputs]
    assert not [one for one in outputs if one.output_type == "error"]
    assert any("image/png" in one.get("data", {}) for one in outputs)
    assert all(len(str(one)) <= LARGEST for one in outputs)


def test_a_large_output_is_left_out_and_the_notebook_stays_one() -> None:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("print(1)")])
    small = nbformat.v4.new_output("stream", text="1")
    large = nbformat.v4.new_output("stream", text="1" * (LARGEST + 1))
    notebook.cells[0].outputs = [small, large]
    nbformat.validate(kept(notebook))
    assert notebook.cells[0].outputs[0] == small
    assert "Too large" in notebook.cells[0].outputs[1].data["text/plain"]


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_runs_from_top_to_bottom(path: Path, tmp_path: Path) -> None:
    execute(nbformat.read(path, as_version=4), tmp_path)
    assert (tmp_path / "mlflow.db").exists()
