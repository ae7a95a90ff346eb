"""The command's parser. Commands load what they need when they run."""

from __future__ import annotations

import argparse
import os
import re
import signal
import sys
import time
from collections.abc import Sequence
from importlib import import_module
from typing import Any, NoReturn

import mineralsweep
from mineralsweep.cli import values
from mineralsweep.errors import MineralsweepError, did_you_mean

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)
SAME_PRESS_SECONDS = 1.0


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, and which flag was meant."""

    def error(self, message: str) -> NoReturn:
        message = message.removeprefix("argument ")
        chosen = re.match(r"\w+: invalid choice: '(.*)' \(choose from (.*)\)", message)
        if chosen:
            known = chosen[2].replace("'", "").split(", ")
            message = f"{chosen[1]}: unknown command{did_you_mean(chosen[1], known)}"
        self.exit(2, f"{self.prog}: {message}\nsee: {self.prog} --help\n")

    def refuse_unknown(self, unknown: Sequence[str]) -> NoReturn:
        known = [flag for action in self._actions for flag in action.option_strings]
        word = unknown[0].partition("=")[0]
        hint = did_you_mean(word, known) if word.startswith("-") else ""
        self.error(f"{word}: unknown argument{hint}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command. Its exit code: 0, 1 (work failed), 2 (bad input) or 130 (stopped)."""
    parser, by_name = _parsers()
    options, unknown = parser.parse_known_args(arguments)
    if unknown:
        by_name.get(options.module, parser).refuse_unknown(unknown)
    if options.module is None:
        parser.print_help()
        return 2
    # MLflow would print two lines a run, over the progress line; our last lines say where runs are.
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    before = {number: signal.signal(number, _as_interrupt) for number in STOP_SIGNALS}
    try:
        command = import_module(f"mineralsweep.cli.{options.module}")
        return int(command.run(options))
    except MineralsweepError as error:
        print(f"mineralsweep: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("mineralsweep: stopped", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader of our output went away (`| head`): no more can be said.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        print(f"mineralsweep: {error}", file=sys.stderr)
        return 1
    except Exception as error:
        if not type(error).__module__.startswith("mlflow."):
            raise  # a mistake of ours: its traceback is what we need to hear of
        print(f"mineralsweep: MLflow: {str(error).splitlines()[0]}", file=sys.stderr)
        return 1
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _as_interrupt(number: int, frame: Any) -> NoReturn:
    """The first time, let the work end in order; the second time, end at once."""
    first = time.monotonic()

    def at_once(number: int, frame: Any) -> None:
        # One Ctrl-C under `mlflow run` arrives twice: from the terminal, and from MLflow.
        if time.monotonic() - first > SAME_PRESS_SECONDS:
            os.write(2, b"mineralsweep: stopped at once; the next start mends what is open\n")
            os._exit(130)  # the workers see that their driver is gone, and end

    for again in STOP_SIGNALS:
        signal.signal(again, at_once)
    raise KeyboardInterrupt


def _parsers() -> tuple[_Parser, dict[str, _Parser]]:
    parser = _Parser(
        prog="mineralsweep",
        description="Honest hyperparameter sweeps for small photo collections, tracked in MLflow.",
        allow_abbrev=False,
    )
    version = f"mineralsweep {mineralsweep.__version__}"
    parser.add_argument("--version", action="version", version=version)
    parser.set_defaults(module=None)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    by_name = {
        "sweep": _sweep(commands),
        "resume": _resume(commands),
        "train": _train(commands),
        "reproduce": _reproduce(commands),
        "predict": _predict(commands),
        "verify": _verify(commands),
        "evaluate": _evaluate(commands),
        "champion": _champion(commands),
        "promote": _promote(commands),
        "rollback": _rollback(commands),
        "report": _report(commands),
        "data_check": _data(commands),
        "cache": _cache(commands),
        "doctor": _doctor(commands),
    }
    return parser, by_name


def _add(commands: Any, name: str, module: str, text: str) -> _Parser:
    parser: _Parser = commands.add_parser(name, help=text, description=text, allow_abbrev=False)
    parser.set_defaults(module=module)
    return parser


def _sweep(commands: Any) -> _Parser:
    parser = _add(
        commands, "sweep", "sweep", "Search hyperparameters, and register the best model."
    )
    parser.add_argument("file", metavar="FILE", help="a sweep file, such as sweeps/quick.yaml")
    flags = parser.add_argument_group("laid over the sweep file ('auto': as the file says)")
    _flag(
        flags, "--data", values.text, "PATH", "sample, minet, or a folder with one folder a class"
    )
    _flag(flags, "--trials", values.whole, "N", "trials in all")
    _flag(flags, "--epochs", values.whole, "N", "epochs a trial, at most")
    _flag(flags, "--workers", values.whole, "N", "trials at a time")
    _flag(flags, "--folds", values.whole, "N", "train each trial on so many folds; 1: one split")
    _flag(flags, "--repeats", values.whole, "N", "of the folds, each time divided anew")
    _flag(flags, "--seed", values.whole, "N", "of the search and of every training")
    _flag(flags, "--weights", values.text, "WEIGHTS", "for VGG16: imagenet, a file, or none")
    _training_flags(flags)
    _baseline_flag(flags)
    _flag(flags, "--timeout", values.number, "SECONDS", "start no trial after this time")
    _flag(flags, "--engine", values.text, "NAME", "who proposes trials: optuna or keras-tuner")
    _flag(parser, "--study", values.text, "NAME", "a name for the study; an existing one goes on")
    _flag(parser, "--storage", values.text, "URL", "a database for the engine (default: a journal)")
    _flag(
        parser, "--warm-start", values.text, "OLD", "another study, whose trials are learned from"
    )
    return parser


def _resume(commands: Any) -> _Parser:
    parser = _add(commands, "resume", "resume", "Go on with a study where it was.")
    parser.add_argument("study", metavar="STUDY", help="its name; .mineralsweep/studies has them")
    flags = parser.add_argument_group("what may change ('auto': as the study has it)")
    _flag(flags, "--trials", values.whole, "N", "trials in all, those that ended included")
    _flag(flags, "--workers", values.whole, "N", "trials at a time")
    _flag(flags, "--timeout", values.number, "SECONDS", "start no trial after this time")
    _baseline_flag(flags)
    return parser


def _train(commands: Any) -> _Parser:
    parser = _add(commands, "train", "train", "Train one model.")
    parser.add_argument(
        "--architecture",
        default="model2_1",
        metavar="NAME",
        help="one of README's models, such as model2_1 or compact",
    )
    flags = parser.add_argument_group("settings ('auto': the architecture's own)")
    _flag(
        flags, "--data", values.text, "PATH", "sample, minet, or a folder with one folder a class"
    )
    _flag(flags, "--split", values.text, "SHARES", "train/validation/test in per cent, as 40/20/40")
    _flag(flags, "--learning-rate", values.number, "RATE", "of the first step")
    _flag(flags, "--dropout", values.number, "SHARE", "before the last layer, in [0, 0.95]")
    _flag(flags, "--augmentation", values.number, "STRENGTH", "in [0, 1]; 1 is the study's")
    _flag(flags, "--unfrozen", values.whole, "N", "trainable layers from the top of VGG16's trunk")
    _flag(flags, "--optimizer", values.text, "NAME", "adam, adamw, rmsprop, sgd")
    _flag(flags, "--batch-size", values.whole, "N", "images a step")
    _flag(flags, "--epochs", values.whole, "N", "at most")
    _flag(flags, "--patience", values.whole, "N", "epochs without a lower validation loss; 0: off")
    _flag(flags, "--image-size", values.image_size, "SIZE", "pixels: 180, or HEIGHTxWIDTH")
    _flag(flags, "--folds", values.whole, "N", "train on so many folds; 1: on one split")
    _flag(flags, "--repeats", values.whole, "N", "of the folds, each time divided anew")
    _flag(flags, "--seed", values.whole, "N", "the same seed gives the same result")
    _flag(flags, "--weights", values.text, "WEIGHTS", "for VGG16: imagenet, a file, or none")
    _training_flags(flags)
    _flag(flags, "--head-epochs", values.whole, "N", "first train the head alone (default 0)")
    _recipe_flags(parser.add_argument_group("training recipe ('auto': the architecture's own)"))
    _estimator_flags(parser.add_argument_group("settings of colour_texture"))
    return parser


def _recipe_flags(flags: Any) -> None:
    _flag(flags, "--width", values.whole, "N", "channels of compact's first stage")
    _flag(flags, "--depth", values.whole, "N", "residual blocks in each of compact's stages")
    _flag(flags, "--schedule", values.text, "NAME", "of the learning rate: constant or cosine")
    _flag(flags, "--warmup", values.whole, "N", "epochs in which the cosine's rate rises")
    _flag(flags, "--weight-decay", values.number, "SHARE", "of the weights, a step, times the rate")
    _flag(flags, "--label-smoothing", values.number, "SHARE", "of a label, for all classes alike")
    _flag(flags, "--mixup", values.number, "ALPHA", "mix images two by two, by Beta(ALPHA, ALPHA)")
    _flag(flags, "--colour", values.number, "STRENGTH", "of varied colours, in [0, 1]")
    _flag(flags, "--crop", values.number, "STRENGTH", "of random crops and mirroring, in [0, 1]")
    _flag(flags, "--balance", values.number, "SHARE", "weigh rare classes more; 1: all alike")
    _flag(flags, "--average-weights", values.number, "MOMENTUM", "of the weights' moving average")
    _flag(flags, "--flips", values.text, "NAME", "mirrored when it answers: none, horizontal, all")


def _reproduce(commands: Any) -> _Parser:
    parser = _add(
        commands, "reproduce", "reproduce", "Train the study's five variants again, as it did."
    )
    flags = parser.add_argument_group("settings ('auto': as the preset says)")
    _flag(
        flags, "--data", values.text, "PATH", "sample, minet, or a folder with one folder a class"
    )
    _flag(flags, "--preset", values.text, "NAME", "full (default), or quick: fewer epochs")
    _flag(
        flags, "--variants", values.text, "NAMES",
        "some of model1,model2,model2_1,vgg16,vgg16_fine_tuned",
    )  # fmt: skip
    _flag(flags, "--seeds", values.whole, "N", "single splits with the study's shares")
    _flag(flags, "--folds", values.whole, "N", "of all images; 0: none")
    _flag(flags, "--epochs", values.whole, "N", "on a single split, at most")
    _flag(flags, "--fold-epochs", values.whole, "N", "on a fold, at most")
    _flag(flags, "--workers", values.whole, "N", "trainings at a time")
    _flag(flags, "--study", values.text, "NAME", "a name; an existing one goes on")
    _flag(flags, "--weights", values.text, "WEIGHTS", "for VGG16: imagenet, a file, or none")
    _training_flags(flags)
    return parser


def _training_flags(flags: Any) -> None:
    _flag(flags, "--precision", values.text, "NAME", "of the training: float32 or bfloat16")
    _flag(
        flags, "--views", values.whole, "N", "kept views of an image under a frozen trunk; 0: off"
    )


def _baseline_flag(flags: Any) -> None:
    _flag(flags, "--baseline", values.text, "WORD", "none, or eligible: it may become the champion")


def _estimator_flags(flags: Any) -> None:
    _flag(flags, "--estimator", values.text, "NAME", "extra_trees, forest, linear, svm or vote")
    _flag(flags, "--trees", values.whole, "N", "of extra_trees, forest and vote")
    _flag(flags, "--penalty", values.number, "X", "on large weights of linear, svm and vote")
    _flag(flags, "--features", values.text, "SET", "covariance, whole, colour, texture or all")


def _predict(commands: Any) -> _Parser:
    parser = _add(commands, "predict", "predict", "Classify images with the champion.")
    parser.add_argument("images", nargs="+", metavar="IMAGE", help="image files")
    parser.add_argument("--model", metavar="URI", help="another model (default: the champion)")
    parser.add_argument("--json", action="store_true", help="print one JSON object a line")
    return parser


def _verify(commands: Any) -> _Parser:
    parser = _add(
        commands, "verify", "verify", "Check that a model's files are those that were registered."
    )
    parser.add_argument("--model", metavar="URI", help="another model (default: the champion)")
    return parser


def _evaluate(commands: Any) -> _Parser:
    parser = _add(
        commands, "evaluate", "evaluate", "Score a model on images that it has not learned from."
    )
    parser.add_argument("path", metavar="PATH", help="sample, minet, or a folder")
    parser.add_argument("--model", metavar="URI", help="another model (default: the champion)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser


def _champion(commands: Any) -> _Parser:
    parser = _add(
        commands, "champion", "champion", "Say who is champion, why, and what was decided before."
    )
    _registered_model(parser)
    return parser


def _promote(commands: Any) -> _Parser:
    parser = _add(
        commands, "promote", "promote",
        "Put a version before the gate: it becomes champion if it is shown to be better."
        " Exit code 1: refused.",
    )  # fmt: skip
    parser.add_argument(
        "version", metavar="VERSION", help="its number, or a URI such as models:/NAME/3"
    )
    parser.add_argument("--rules", metavar="FILE", help="a sweep file, whose section gate: is used")
    parser.add_argument(
        "--data", metavar="PATH", help="the images, to ask the standing champion about new ones"
    )
    parser.add_argument("--reason", metavar="TEXT", help="is written on the version")
    parser.add_argument("--force", action="store_true", help="past the gate; needs --reason")
    _registered_model(parser)
    return parser


def _rollback(commands: Any) -> _Parser:
    parser = _add(commands, "rollback", "rollback", "Make the former champion champion again.")
    parser.add_argument("--reason", metavar="TEXT", help="is written on the version")
    _registered_model(parser)
    return parser


def _registered_model(parser: _Parser) -> None:
    parser.add_argument("--model", metavar="NAME", help="another registered model")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def _report(commands: Any) -> _Parser:
    parser = _add(commands, "report", "report", "Make the report of a study again.")
    parser.add_argument("study", metavar="STUDY", help="its name, or the id of its run in MLflow")
    _flag(parser, "--out", values.text, "FILE", "write the page there too")
    return parser


def _data(commands: Any) -> _Parser:
    parser = commands.add_parser("data", help="Look at a folder of images.", allow_abbrev=False)
    parser.set_defaults(module=None)
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    check = _add(actions, "check", "data_check", "Show what is usable, and what is not and why.")
    check.add_argument("path", metavar="PATH", help="sample, minet, or a folder")
    _flag(check, "--page", values.text, "FILE", "write the page here (default: data-check.html)")
    return check


def _cache(commands: Any) -> _Parser:
    parser = _add(
        commands, "cache", "cache", "Show what is kept on disk to save time, or clear it."
    )
    parser.add_argument("--clear", action="store_true", help="remove all of it: it is made again")
    return parser


def _doctor(commands: Any) -> _Parser:
    return _add(commands, "doctor", "doctor", "Show what this machine has and what is missing.")


def _flag(parser: Any, name: str, read: Any, metavar: str, text: str) -> None:
    parser.add_argument(name, type=read, metavar=metavar, help=text, default=None)
