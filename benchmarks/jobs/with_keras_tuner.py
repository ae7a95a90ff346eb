"""KerasTuner and MLflow: the script that their guides lead to."""

import json
import sys
import time
from pathlib import Path

import keras
import keras_tuner
import mlflow

folder, weights, seconds, out = sys.argv[1:]
deadline = time.time() + float(seconds)


def images(part, shuffle=True):
    return keras.utils.image_dataset_from_directory(
        Path(folder, part), image_size=(224, 224), seed=0, shuffle=shuffle
    )


train, validation, test = images("train"), images("validation"), images("test", shuffle=False)


class MineralModel(keras_tuner.HyperModel):
    def build(self, hp):
        trunk = keras.applications.MobileNetV2(
            include_top=False, weights=weights, input_shape=(224, 224, 3), pooling="avg"
        )
        unfrozen = hp.Choice("unfrozen", [0, 20, 60])
        trunk.trainable = unfrozen > 0
        for layer in trunk.layers[: len(trunk.layers) - unfrozen]:
            layer.trainable = False
        strength = hp.Float("strength", 0.0, 0.3)
        inputs = x = keras.Input((224, 224, 3))
        x = keras.layers.RandomFlip()(x)
        x = keras.layers.RandomRotation(strength)(x)
        x = keras.layers.RandomZoom(strength)(x)
        x = trunk(keras.layers.Rescaling(1 / 127.5, -1)(x), training=False)
        x = keras.layers.Dropout(hp.Float("dropout", 0.0, 0.6))(x)
        model = keras.Model(
            inputs, keras.layers.Dense(len(train.class_names), activation="softmax")(x)
        )
        rate = hp.Float("rate", 1e-5, 1e-2, sampling="log")
        model.compile(
            keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"]
        )
        return model

    def fit(self, hp, model, *args, **kwargs):
        with mlflow.start_run(nested=True):
            mlflow.log_params(hp.values)
            history = model.fit(*args, **kwargs)
            for name, values in history.history.items():
                for epoch, value in enumerate(values):
                    mlflow.log_metric(name, value, step=epoch)
            mlflow.keras.log_model(model, name="model")
        return history


class OnTime(keras_tuner.BayesianOptimization):
    def on_trial_end(self, trial):
        super().on_trial_end(trial)
        if time.time() > deadline:
            self.oracle.max_trials = len(self.oracle.trials)


mlflow.set_tracking_uri("sqlite:///mlflow.db")
tuner = OnTime(MineralModel(), objective="val_accuracy", max_trials=100, directory="tuner")
with mlflow.start_run():
    tuner.search(
        train,
        validation_data=validation,
        epochs=10,
        callbacks=[keras.callbacks.EarlyStopping(patience=3)],
        verbose=2,
    )
model = tuner.get_best_models()[0]
labels = [train.class_names[i] for i in model.predict(test).argmax(axis=1)]
Path(out).write_text(
    json.dumps({Path(file).stem: label for file, label in zip(test.file_paths, labels)})
)
