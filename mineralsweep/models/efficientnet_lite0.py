"""EfficientNet-Lite0, which Keras does not have, and its ImageNet weights from a package."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from mineralsweep.models import torch_file

if TYPE_CHECKING:
    import keras

FILE = "efficientnet-lite0-57934424.pth"

BLOCKS = (
    (1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80), (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192), (1, 3, 1, 6, 320),
)  # fmt: skip
"""A stage a row: its blocks, and of these the kernel, the first one's stride, by how much the
channels are widened within, and the channels that leave it."""

STAGES = {
    "stage1": "block0_project_norm", "stage2": "block2_add", "stage3": "block4_add",
    "stage4": "block7_add", "stage5": "block10_add", "stage6": "block14_add",
    "stage7": "block15_project_norm", "top": "top_relu",
}  # fmt: skip
EPSILON = 1e-3


def build(input_shape: tuple[int | None, int | None, int], name: str) -> keras.Model:
    """Build the network without its top: 3,413,024 parameters, random.

    EfficientNet (Tan & Le, arXiv:1905.11946) for devices without fast sigmoids: ReLU6 instead of
    swish, no squeeze-and-excitation, stem and top not widened (Liu 2020, TensorFlow's blog).

    Args:
        input_shape: (height, width, 3) in pixels, or None for any height and width. Inputs are
            (x - 127) / 128 of RGB in [0, 255].
        name: of the model.
    """
    import keras
    from keras import layers

    inputs = keras.Input(input_shape)
    x = layers.Conv2D(32, 3, 2, "same", use_bias=False, name="stem_conv")(inputs)
    x = _norm(x, "stem", relu=True)
    number = 0
    for blocks, kernel, stride, widened, channels in BLOCKS:
        for place in range(blocks):
            x = _block(x, f"block{number}", kernel, 1 if place else stride, widened, channels)
            number += 1
    x = layers.Conv2D(1280, 1, use_bias=False, name="top_conv")(x)
    return keras.Model(inputs, _norm(x, "top", relu=True), name=name)


def _block(x: Any, name: str, kernel: int, stride: int, widened: int, channels: int) -> Any:
    """Widen the channels, filter each by itself, narrow them; add what came in where it fits."""
    from keras import layers

    before = x
    if widened > 1:
        wide = x.shape[-1] * widened
        x = layers.Conv2D(wide, 1, use_bias=False, name=f"{name}_expand_conv")(x)
        x = _norm(x, f"{name}_expand", relu=True)
    x = layers.DepthwiseConv2D(
        kernel, stride, "same", use_bias=False, name=f"{name}_depthwise_conv"
    )(x)
    x = _norm(x, f"{name}_depthwise", relu=True)
    x = layers.Conv2D(channels, 1, use_bias=False, name=f"{name}_project_conv")(x)
    x = _norm(x, f"{name}_project", relu=False)
    if stride == 1 and before.shape[-1] == channels:
        x = layers.Add(name=f"{name}_add")([before, x])
    return x


def _norm(x: Any, name: str, relu: bool) -> Any:
    from keras import layers

    x = layers.BatchNormalization(epsilon=EPSILON, name=f"{name}_norm")(x)
    return layers.ReLU(6.0, name=f"{name}_relu")(x) if relu else x


def load(trunk: keras.Model, path: Path) -> None:
    """Give a network of `build` the weights in a PyTorch file.

    Raises:
        OSError, ValueError: it can't be read, or is another network's.
    """
    import keras

    arrays = torch_file.read(path)

    def take(layer: keras.layers.Layer, *names: str, axes: tuple[int, ...] | None = None) -> None:
        missing = [name for name in names if name not in arrays]
        if missing:
            raise ValueError(f"has no {missing[0]}")
        found = [arrays[name] for name in names]
        layer.set_weights([one if axes is None else one.transpose(axes) for one in found])

    for layer in trunk.layers:
        place, _, kind = layer.name.rpartition("_")
        if isinstance(layer, keras.layers.DepthwiseConv2D):
            take(layer, f"{_prefix(place)}.weight", axes=(2, 3, 0, 1))
        elif isinstance(layer, keras.layers.Conv2D):
            take(layer, f"{_prefix(place)}.weight", axes=(2, 3, 1, 0))
        elif kind == "norm":
            of = ("weight", "bias", "running_mean", "running_var")
            take(layer, *(f"{_prefix(place, norm=True)}.{one}" for one in of))


def _prefix(place: str, norm: bool = False) -> str:
    """Return what the file calls the convolution or normalisation at a place, as block3_expand."""
    if place in ("stem", "top"):
        first = {"stem": ("_conv_stem", "_bn0"), "top": ("_conv_head", "_bn1")}
        return first[place][norm]
    block, _, part = place.rpartition("_")
    norms = {"expand": "_bn0", "depthwise": "_bn1", "project": "_bn2"}
    number = block.removeprefix("block")
    return f"_blocks.{number}.{norms[part] if norm else f'_{part}_conv'}"
