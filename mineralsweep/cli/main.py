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
from mineralsweep.cli import flags
from mineralsweep.errors import MineralsweepError, did_you_mean

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)
SAME_PRESS_SECONDS = 1.0


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, and which flag was meant.

    A flag may be written with "_" for "-": MLflow gives a parameter that MLproject does not declare
    as `--warm_start OLD`.
    """

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        given = sys.argv[1:] if args is None else args
        return super().parse_known_args([_with_dashes(word) for word in given], namespace)

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


def _with_dashes(word: str) -> str:
    name, equals, value = word.partition("=")
    return f"{name.replace('_', '-')}{equals}{value}" if word.startswith("--") else word


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command. Its exit code: 0, 1 (work failed), 2 (bad input) or 130 (stopped)."""
    try:
        options = _options(sys.argv[1:] if arguments is None else arguments)
    except MineralsweepError as error:  # a network of the user's own that can't be loaded
        print(f"mineralsweep: {error}", file=sys.stderr)
        return error.exit_code
    if options is None:
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


def _options(words: Sequence[str]) -> argparse.Namespace | None:
    """Read the words; None, with the help shown, where they name no command.

    Raises:
        ArchitectureError: they name a network of the user's own that can't be loaded.
    """
    parser, by_name = _parsers(words)
    options: argparse.Namespace
    options, unknown = parser.parse_known_args(words)
    if unknown:
        by_name.get(options.module, parser).refuse_unknown(unknown)
    if options.module is None:
        parser.print_help()
        return None
    return options


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


def _parsers(words: Sequence[str] = ()) -> tuple[_Parser, dict[str, _Parser]]:
    """Return the command's parser, and those of its parts; `words` are what it will be given."""
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
        "train": _train(commands, words),
        "reproduce": _reproduce(commands),
        "exclude": _exclude(commands),
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
    group = parser.add_argument_group("laid over the sweep file")
    flags.data(group)
    flags.add(group, "--trials", flags.whole, "N", "trials in all")
    flags.add(group, "--epochs", flags.whole, "N", "epochs a trial, at most")
    flags.add(group, "--workers", flags.whole, "N", "trials at a time")
    flags.add(group, "--seed", flags.whole, "N", "of the search and of every training")
    flags.weights(group)
    flags.add(group, "--timeout", flags.number, "SECONDS", "start no trial after this time")
    flags.objective(group)
    flags.add(group, "--engine", str, "NAME", "who proposes trials: optuna or keras-tuner")
    flags.pairs(group)
    flags.add(parser, "--study", str, "NAME", "a name for the study; an existing one goes on")
    flags.add(parser, "--storage", str, "URL", "a database for the engine (default: a journal)")
    flags.add(parser, "--warm-start", str, "OLD", "another study, whose trials are learned from")
    return parser


def _resume(commands: Any) -> _Parser:
    parser = _add(commands, "resume", "resume", "Go on with a study where it was.")
    parser.add_argument("study", metavar="STUDY", help="its name; .mineralsweep/studies has them")
    group = parser.add_argument_group("what may change")
    flags.add(group, "--trials", flags.whole, "N", "trials in all, those that ended included")
    flags.add(group, "--workers", flags.whole, "N", "trials at a time")
    flags.add(group, "--timeout", flags.number, "SECONDS", "start no trial after this time")
    flags.pairs(group)
    return parser


def _train(commands: Any, words: Sequence[str]) -> _Parser:
    parser = _add(commands, "train", "train", "Train one model.")
    parser.add_argument(
        "--architecture",
        default="model2_1",
        metavar="NAME",
        help="one of README's models, such as model2_1 or compact, or my_nets.py:build",
    )
    group = parser.add_argument_group("settings")
    flags.data(group)
    flags.add(group, "--epochs", flags.whole, "N", "at most")
    flags.add(group, "--seed", flags.whole, "N", "the same seed gives the same result")
    flags.weights(group)
    flags.objective(group)
    flags.add(group, "--study", str, "NAME", "a name for the run")
    flags.pairs(group)
    flags.of_hyperparameters(parser, words)
    return parser


def _reproduce(commands: Any) -> _Parser:
    parser = _add(
        commands, "reproduce", "reproduce", "Train the original's five variants again, as it did."
    )
    group = parser.add_argument_group("settings (default: as the preset says)")
    flags.data(group)
    flags.add(group, "--preset", str, "NAME", "full (default), or quick: fewer epochs")
    flags.add(
        group, "--variants", str, "NAMES", "some of model1,model2,model2_1,vgg16,vgg16_fine_tuned"
    )
    flags.add(group, "--seeds", flags.whole, "N", "single splits with the original's shares")
    flags.add(group, "--folds", flags.whole, "N", "of all images; 0: none")
    flags.add(group, "--epochs", flags.whole, "N", "on a single split, at most")
    flags.add(group, "--fold-epochs", flags.whole, "N", "on a fold, at most")
    flags.add(group, "--workers", flags.whole, "N", "trainings at a time")
    flags.add(group, "--study", str, "NAME", "a name; an existing one goes on")
    flags.weights(group)
    flags.pairs(group)
    return parser


def _exclude(commands: Any) -> _Parser:
    parser = _add(commands, "exclude", "exclude", "Have a trial of a study count no more.")
    parser.add_argument("study", metavar="STUDY", help="its name")
    parser.add_argument("trial", metavar="TRIAL", help="its number, or baseline")
    parser.add_argument("--reason", metavar="TEXT", help="is written on the trial's run")
    return parser


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
    flags.add(parser, "--out", str, "FILE", "write the page there too")
    return parser


def _data(commands: Any) -> _Parser:
    parser = commands.add_parser("data", help="Look at a folder of images.", allow_abbrev=False)
    parser.set_defaults(module=None)
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    check = _add(actions, "check", "data_check", "Show what is usable, and what is not and why.")
    check.add_argument("path", metavar="PATH", help="sample, minet, or a folder")
    flags.add(check, "--page", str, "FILE", "write the page here (default: data-check.html)")
    return check


def _cache(commands: Any) -> _Parser:
    parser = _add(
        commands, "cache", "cache", "Show what is kept on disk to save time, or clear it."
    )
    parser.add_argument("--clear", action="store_true", help="remove all of it: it is made again")
    return parser


def _doctor(commands: Any) -> _Parser:
    return _add(commands, "doctor", "doctor", "Show what this machine has and what is missing.")
