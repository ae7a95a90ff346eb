"""Keras' weights of MobileNetV2's trunk -> a folder that timm reads as `mobilenetv2_100`."""

import json
from pathlib import Path

import h5py
import numpy as np
import timm
import torch

EPSILON = 1e-3 - 1e-5
"""Keras adds more to a variance than timm does."""


def folder(weights):
    """Write the folder into the working directory, and return its path."""
    found = Path("mobilenetv2_100").resolve()
    found.mkdir(exist_ok=True)
    model = timm.create_model("mobilenetv2_100", num_classes=0)
    state = model.state_dict()
    with h5py.File(weights) as file:
        names = list(map(str, file.attrs["layer_names"]))
        layers = [file[name] for name in names if len(file[name].attrs["weight_names"])]
        arrays = [
            {
                str(name).rsplit("/", 1)[-1].split(":")[0]: np.array(layer[name])
                for name in layer.attrs["weight_names"]
            }
            for layer in layers
        ]
    modules = [
        (name, module)
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Conv2d | torch.nn.BatchNorm2d)
    ]
    for (name, module), own in zip(modules, arrays, strict=True):
        if isinstance(module, torch.nn.Conv2d):
            [kernel] = own.values()
            axes = (2, 3, 0, 1) if module.groups > 1 else (3, 2, 0, 1)
            state[f"{name}.weight"] = torch.tensor(kernel.transpose(axes))
        else:
            state[f"{name}.weight"] = torch.tensor(own["gamma"])
            state[f"{name}.bias"] = torch.tensor(own["beta"])
            state[f"{name}.running_mean"] = torch.tensor(own["moving_mean"])
            state[f"{name}.running_var"] = torch.tensor(own["moving_variance"] + EPSILON)
    model.load_state_dict(state)
    torch.save(state, found / "pytorch_model.bin")
    settings = {"mean": [0.5] * 3, "std": [0.5] * 3, "input_size": [3, 224, 224]}
    told = {
        "architecture": "mobilenetv2_100",
        "pretrained_cfg": settings,
        "num_classes": 0,
        "num_features": 1280,
    }
    (found / "config.json").write_text(json.dumps(told))
    return str(found)
