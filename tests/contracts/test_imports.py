"""What is loaded when: the command answers at once, and the driver loads no TensorFlow."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("tensorflow", "keras", "mlflow", "optuna", "sklearn", "matplotlib", "pandas")


def loaded(statement: str) -> list[str]:
    """Return which heavy packages a new process has loaded after a statement."""
    code = f"{statement}\nimport sys; print([one for one in {HEAVY} if one in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    names: list[str] = eval(done.stdout.splitlines()[-1])  # noqa: S307 - printed above
    return names


@pytest.mark.parametrize(
    "statement",
    [
        "import mineralsweep",
        "import mineralsweep.core.objective, mineralsweep.core.trial, mineralsweep.config",
        "import mineralsweep.executors, mineralsweep.models, mineralsweep.engines",
        "import mineralsweep.report",
        "import mineralsweep.app.sweep, mineralsweep.cli.study, mineralsweep.cli.registry",
        "import mineralsweep.cli.predict",
        "import mineralsweep as ms; ms.sweep, ms.champion",
    ],
)
def test_nothing_heavy_is_loaded(statement: str) -> None:
    assert set(loaded(statement)) <= {"pandas"}


@pytest.mark.parametrize(
    "module", ["search.study", "app.session", "app.sweep", "app.reproduce", "cli.study", "tracking"]
)
def test_the_driver_loads_no_tensorflow(module: str) -> None:
    assert not {"tensorflow", "keras"} & set(loaded(f"import mineralsweep.{module}"))
