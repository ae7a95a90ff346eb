"""The comparison with other tools: what is counted, and that all see the same images."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.compare import JOBS, lay_out, lines_of, row
from mineralsweep.data.dataset import Dataset


def test_code_is_counted_without_what_it_says_of_itself() -> None:
    source = '"""A script."""\n\n# a comment\nimport sys\n\nprint(\n    sys.argv,\n)\n'
    assert lines_of(source) == 2
    assert lines_of("import sys\nprint(sys.argv)\n") == 2


@pytest.mark.parametrize("script", sorted(JOBS.glob("*.py")), ids=lambda path: path.stem)
def test_every_job_compiles_and_says_what_it_is(script: Path) -> None:
    source = script.read_text()
    assert source.startswith('"""')
    assert lines_of(source) > 5


def test_every_part_has_the_images_of_the_split(dataset: Dataset, tmp_path: Path) -> None:
    lay_out(dataset, tmp_path)
    for part in ("train", "validation", "test"):
        rows = getattr(dataset.split, part)
        links = list((tmp_path / part).rglob("*.*"))
        assert sorted(int(link.stem) for link in links) == sorted(rows)
        for link in links:
            image = dataset.catalog.images[int(link.stem)]
            assert link.resolve() == image.path.resolve()
            assert link.parent.name == image.label


def test_a_score_has_its_interval_and_a_failure_its_reason() -> None:
    told = row("fastai", {"lines": 30, "seconds": 299.6, "right": 9, "n": 10})
    assert told == "| fastai | 30 | 300 | 0.900 [0.596, 0.982], n = 10 |"
    assert "no memory" in row("x", {"lines": 3, "seconds": 1.0, "failed": "no memory"})
