"""fastai on MobileNetV2, whose weights `torch_weights.py` made of Keras' file."""

import json
import sys
from pathlib import Path

import torch
import torch_weights
from fastai.vision.all import (
    ImageDataLoaders,
    Normalize,
    Resize,
    accuracy,
    aug_transforms,
    get_image_files,
    vision_learner,
)

folder, weights, seconds, out = sys.argv[1:]
loaders = ImageDataLoaders.from_folder(
    folder,
    valid="validation",
    item_tfms=Resize(224),
    batch_tfms=[*aug_transforms(flip_vert=True), Normalize.from_stats([0.5] * 3, [0.5] * 3)],
    bs=32,
)
learner = vision_learner(
    loaders,
    "mobilenetv2_100",
    pretrained=False,
    normalize=False,
    metrics=accuracy,
    pad_type="same",
)
state = torch.load(f"{torch_weights.folder(weights)}/pytorch_model.bin", weights_only=True)
learner.model[0].model.load_state_dict(state, strict=False)
learner.fine_tune(12)
learner.export("fastai.pkl")
files = get_image_files(Path(folder, "test"))
answers, _ = learner.get_preds(dl=loaders.test_dl(files))
labels = [loaders.vocab[int(i)] for i in answers.argmax(dim=1)]
Path(out).write_text(json.dumps({Path(file).stem: label for file, label in zip(files, labels)}))
