"""Ray Tune with its MLflow callback, as its guides put it together.

`python -m benchmarks.peers.ray_tune TASK.json OUT.json`, RAY_ADDRESS and MLFLOW_TRACKING_URI set:
the same images, networks and epochs as ours, a checkpoint an epoch on a shared disk, as many
retries, the trained model as an artifact. Needs `ray[tune]`.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import ray
from ray import tune
from ray.air.integrations.mlflow import MLflowLoggerCallback


def train(settings: dict[str, Any], pixels: Any, task: dict[str, Any]) -> None:
    """Train one trial; go on from its last checkpoint, if it has one."""
    import keras
    import tensorflow as tf

    from mineralsweep.models import get

    tf.config.threading.set_intra_op_parallelism_threads(1)
    keras.utils.set_random_seed(task["seed"])
    begun = tune.get_checkpoint()
    if begun:
        with begun.as_directory() as folder:
            model = keras.models.load_model(Path(folder) / "model.keras")
            first = int((Path(folder) / "epoch").read_text())
    else:
        shape, classes = (*task["image_size"], 3), len(task["classes"])
        model, first = get(task["architecture"]).build(shape, classes), 0
        model.compile(
            optimizer=keras.optimizers.RMSprop(settings["learning_rate"]),
            loss="sparse_categorical_crossentropy",
            metrics=["accuracy"],
        )
    labels = [tf.constant(task[name]) for name in ("train_labels", "validation_labels")]
    for epoch in range(first, task["epochs"]):
        told = model.fit(
            pixels[task["train"]], labels[0], batch_size=32, verbose=0,
            validation_data=(pixels[task["validation"]], labels[1]),
        )  # fmt: skip
        with tempfile.TemporaryDirectory() as folder:
            model.save(Path(folder) / "model.keras")
            (Path(folder) / "epoch").write_text(str(epoch + 1))
            tune.report(
                {name: values[-1] for name, values in told.history.items()},
                checkpoint=tune.Checkpoint.from_directory(folder),
            )


def main() -> None:
    """Search, and write how many trials ended."""
    import numpy as np

    task = json.loads(Path(sys.argv[1]).read_text())
    ray.init(address=os.environ["RAY_ADDRESS"], logging_level=logging.ERROR)
    pixels = np.load(task["arrays"])
    rate = task["space"]["learning_rate"]
    tuner = tune.Tuner(
        tune.with_resources(tune.with_parameters(train, pixels=pixels, task=task), {"cpu": 1}),
        param_space={"learning_rate": tune.loguniform(rate["low"], rate["high"])},
        tune_config=tune.TuneConfig(num_samples=task["trials"], metric="val_accuracy", mode="max"),
        run_config=tune.RunConfig(
            name="peer",
            storage_path=task["storage"],
            failure_config=tune.FailureConfig(max_failures=9),
            checkpoint_config=tune.CheckpointConfig(num_to_keep=1),
            verbose=0,
            callbacks=[
                MLflowLoggerCallback(
                    tracking_uri=os.environ["MLFLOW_TRACKING_URI"],
                    experiment_name=task["experiment"],
                    save_artifact=True,
                )
            ],
        ),
    )
    results = tuner.fit()
    Path(sys.argv[2]).write_text(json.dumps({"ended": results.num_terminated}))


if __name__ == "__main__":
    main()
