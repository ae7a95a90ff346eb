"""Optuna, MLflow and Keras: the script that their guides lead to."""

import json
import sys
from pathlib import Path

import keras
import mlflow
import optuna

folder, weights, seconds, out = sys.argv[1:]


def images(part, shuffle=True):
    return keras.utils.image_dataset_from_directory(
        Path(folder, part), image_size=(224, 224), seed=0, shuffle=shuffle
    )


train, validation, test = images("train"), images("validation"), images("test", shuffle=False)


def build(rate, dropout, strength, unfrozen):
    trunk = keras.applications.MobileNetV2(
        include_top=False, weights=weights, input_shape=(224, 224, 3), pooling="avg"
    )
    trunk.trainable = unfrozen > 0
    for layer in trunk.layers[: len(trunk.layers) - unfrozen]:
        layer.trainable = False
    inputs = x = keras.Input((224, 224, 3))
    x = keras.layers.RandomFlip()(x)
    x = keras.layers.RandomRotation(strength)(x)
    x = keras.layers.RandomZoom(strength)(x)
    x = trunk(keras.layers.Rescaling(1 / 127.5, -1)(x), training=False)
    x = keras.layers.Dropout(dropout)(x)
    model = keras.Model(inputs, keras.layers.Dense(len(train.class_names), activation="softmax")(x))
    model.compile(
        keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    return model


class Log(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        mlflow.log_metrics(logs, step=epoch)


def objective(trial):
    settings = {
        "rate": trial.suggest_float("rate", 1e-5, 1e-2, log=True),
        "dropout": trial.suggest_float("dropout", 0.0, 0.6),
        "strength": trial.suggest_float("strength", 0.0, 0.3),
        "unfrozen": trial.suggest_categorical("unfrozen", [0, 20, 60]),
    }
    with mlflow.start_run(nested=True):
        mlflow.log_params(settings)
        model = build(**settings)
        stop = keras.callbacks.EarlyStopping(patience=3, restore_best_weights=True)
        history = model.fit(
            train, validation_data=validation, epochs=10, callbacks=[stop, Log()], verbose=2
        )
        mlflow.keras.log_model(model, name="model")
        model.save(f"trial-{trial.number}.keras")
    return max(history.history["val_accuracy"])


mlflow.set_tracking_uri("sqlite:///mlflow.db")
study = optuna.create_study(
    study_name="minerals", storage="sqlite:///optuna.db", direction="maximize", load_if_exists=True
)
with mlflow.start_run():
    study.optimize(objective, timeout=float(seconds))
model = keras.models.load_model(f"trial-{study.best_trial.number}.keras")
labels = [train.class_names[i] for i in model.predict(test).argmax(axis=1)]
Path(out).write_text(
    json.dumps({Path(file).stem: label for file, label in zip(test.file_paths, labels)})
)
