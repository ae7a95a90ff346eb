"""AutoGluon MultiModal on MobileNetV2, whose weights `torch_weights.py` made of Keras' file."""

import json
import sys
from pathlib import Path

import pandas as pd
import torch_weights
from autogluon.multimodal import MultiModalPredictor

folder, weights, seconds, out = sys.argv[1:]


def images(part):
    files = sorted(Path(folder, part).rglob("*.*"))
    return pd.DataFrame(
        {"image": [str(file) for file in files], "label": [file.parent.name for file in files]}
    )


predictor = MultiModalPredictor(label="label", path="autogluon")
predictor.fit(
    images("train"),
    tuning_data=images("validation"),
    time_limit=int(seconds),
    hyperparameters={
        "model.names": ["timm_image"],
        "model.timm_image.checkpoint_name": torch_weights.folder(weights),
        "env.num_workers": 2,
    },
)
test = images("test")
labels = predictor.predict(test)
Path(out).write_text(
    json.dumps({Path(file).stem: label for file, label in zip(test["image"], labels)})
)
