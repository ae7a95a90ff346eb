"""Runs the notebooks of docs/notebooks from top to bottom, each in an empty folder.

`python -m tests.notebooks [NAME ...]` writes their outputs into them, the pictures included.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

FOLDER = Path(__file__).parents[1] / "docs" / "notebooks"
SECONDS_A_CELL = 600
LARGEST = 400_000
"""Characters of one output that are kept in a file under version control: no whole report."""


def execute(notebook: nbformat.NotebookNode, folder: Path) -> None:
    """Run a notebook in a folder, where its runs and studies go too; its outputs are filled in.

    Raises:
        CellExecutionError: a cell raised.
    """
    environment = {
        **os.environ,
        "MLFLOW_TRACKING_URI": f"sqlite:///{folder / 'mlflow.db'}",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    environment.pop("MINERALSWEEP_HOME", None)
    client = NotebookClient(
        notebook, timeout=SECONDS_A_CELL, resources={"metadata": {"path": str(folder)}}
    )
    client.execute(env=environment, cwd=str(folder))


def kept(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Return a notebook without the times of its cells, and without large outputs."""
    text = "Too large to be kept here: run the notebook to see it."
    instead = nbformat.v4.new_output("display_data", data={"text/plain": text})
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            cell.outputs = [one if len(str(one)) <= LARGEST else instead for one in cell.outputs]
    return notebook


def main() -> None:
    """Run the notebooks that are named, or all, and write them back with their outputs."""
    for path in [FOLDER / f"{name}.ipynb" for name in sys.argv[1:]] or sorted(
        FOLDER.glob("*.ipynb")
    ):
        notebook = nbformat.read(path, as_version=4)
        with tempfile.TemporaryDirectory(prefix="notebook-") as folder:
            execute(notebook, Path(folder))
        nbformat.write(kept(notebook), path)
        print(f"{path}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
