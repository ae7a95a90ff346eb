"""AutoKeras: its image classifier. It takes no time limit: its first model, 10 epochs."""

import json
import sys
from pathlib import Path

import autokeras
import keras
import numpy as np

folder, weights, seconds, out = sys.argv[1:]


def images(part):
    found = keras.utils.image_dataset_from_directory(
        Path(folder, part), image_size=(224, 224), shuffle=False
    )
    pixels, labels = zip(*found.unbatch().as_numpy_iterator())
    return np.array(pixels), np.array(found.class_names)[list(labels)], found.file_paths


train, train_labels, _ = images("train")
validation, validation_labels, _ = images("validation")
test, _, files = images("test")
classifier = autokeras.ImageClassifier(max_trials=1, directory="autokeras")
classifier.fit(
    train, train_labels, validation_data=(validation, validation_labels), epochs=10, verbose=2
)
labels = classifier.predict(test)[:, 0]
Path(out).write_text(
    json.dumps({Path(file).stem: str(label) for file, label in zip(files, labels)})
)
