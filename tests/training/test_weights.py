"""Averaged weights, in place for a while, then gone; and which weights training changes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def model(momentum: float | None) -> Any:
    import keras

    made = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    more = {} if momentum is None else {"use_ema": True, "ema_momentum": momentum}
    made.compile(keras.optimizers.SGD(0.1, **more), "mse")
    made.layers[0].kernel.assign([[1.0]])
    return made


def step(made: Any) -> float:
    made.train_on_batch(np.ones((1, 1)), np.zeros((1, 1)))
    return float(made.layers[0].kernel.numpy()[0, 0])


def kernel(made: Any) -> float:
    return float(made.get_weights()[0][0, 0])


def test_it_is_the_moving_average_of_the_weights_after_each_step() -> None:
    from mineralsweep.training.watch import averaged

    made = model(0.7)
    first, second, third = (step(made) for _ in range(3))
    expected = 0.7 * (0.7 * first + 0.3 * second) + 0.3 * third
    with averaged(made):
        assert kernel(made) == pytest.approx(expected, rel=1e-5)
    assert kernel(made) == pytest.approx(third)


def test_without_an_average_nothing_changes() -> None:
    from mineralsweep.training.watch import averaged

    made = model(None)
    last = step(made)
    with averaged(made):
        assert kernel(made) == last


def test_a_network_is_validated_with_its_averaged_weights() -> None:
    from mineralsweep.training.watch import ValidateAveraged, averaged

    made = model(0.9)
    for _ in range(3):
        last = step(made)
    data = np.ones((1, 1)), np.zeros((1, 1))
    plain = made.evaluate(*data, verbose=0)
    found = made.evaluate(*data, verbose=0, callbacks=[ValidateAveraged()])
    with averaged(made):
        assert found == pytest.approx(made.evaluate(*data, verbose=0), rel=1e-6)
    assert found != pytest.approx(plain, rel=1e-3)
    assert kernel(made) == last


def vgg16(unfrozen: int) -> Any:
    from mineralsweep.models import get

    return get("vgg16").build((32, 32, 3), 3, unfrozen=unfrozen, weights="none")


@pytest.mark.slow
@pytest.mark.parametrize(("unfrozen", "numbers"), [(0, 132_099), (4, 7_211_523)])
def test_a_frozen_trunk_is_not_copied(unfrozen: int, numbers: int) -> None:
    from mineralsweep.training.watch import changing

    model = vgg16(unfrozen)
    assert sum(int(np.prod(weight.shape)) for weight in changing(model)) == numbers
    assert [w.path for w in changing(model)] == [w.path for w in model.trainable_weights]
    assert model.count_params() == 14_846_787


def test_moving_statistics_are_kept_where_they_move() -> None:
    import keras

    from mineralsweep.training.watch import changing

    trunk = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(3), keras.layers.BatchNormalization(name="frozen"),
         keras.layers.Dense(2), keras.layers.BatchNormalization(name="free")],
        name="trunk",
    )  # fmt: skip
    for layer in trunk.layers[:2]:
        layer.trainable = False
    model = keras.Sequential([keras.Input((4,)), trunk, keras.layers.Dense(1)])
    names = [weight.path.rpartition("/")[2] for weight in changing(model)]
    assert names == ["kernel", "bias", "gamma", "beta", "moving_mean", "moving_variance",
                     "kernel", "bias"]  # fmt: skip
    trunk.trainable = False
    assert len(changing(model)) == 2
