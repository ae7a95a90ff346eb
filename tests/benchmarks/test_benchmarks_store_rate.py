"""The benchmark of the store of activations runs, on a few small images."""

from __future__ import annotations

import pytest

from benchmarks.store_rate import measure


@pytest.mark.slow
def test_both_rates_are_measured() -> None:
    found = measure("efficientnet_lite0", 64, images=64, rounds=1)
    assert (found["backbone"], found["size"]) == ("efficientnet_lite0", 64)
    plain, kept = found["plain_images_a_second"], found["kept_images_a_second"]
    assert isinstance(plain, float)
    assert plain > 0
    assert isinstance(kept, float)  # of so few images it may be anything: a difference of two times
