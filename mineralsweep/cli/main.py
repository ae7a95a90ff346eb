"""The command's parser. Commands load what they need when they run."""

from __future__ import annotations

import argparse
import io
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
    _say_all()
    before = {number: signal.signal(number, _as_interrupt) for number in STOP_SIGNALS}
    try:
        module, _, function = options.command.partition(".")
        return int(getattr(import_module(f"mineralsweep.cli.{module}"), function)(options))
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


def _say_all() -> None:
    """Print what an old code page lacks as its number: a class may have a name of any letters."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and not stream.encoding.lower().startswith("utf"):
            stream.reconfigure(errors="backslashreplace")


def _options(words: Sequence[str]) -> argparse.Namespace | None:
    """Read the words; None, with the help shown, where they name no command.

    Raises:
        ArchitectureError: they name a network of the user's own that can't be loaded.
    """
    parser = command_parser(words)
    options: argparse.Namespace
    options, unknown = parser.parse_known_args(words)
    if unknown:
        options.parser.refuse_unknown(unknown)
    if options.command is None:
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


def command_parser(words: Sequence[str] = ()) -> argparse.ArgumentParser:
    """Return the parser; `words` are what it will be given.

    It answers with `command`, the module and function that carry it out, and its own `parser`.
    """
    parser = _Parser(
        prog="mineralsweep",
        description="Honest hyperparameter sweeps for small photo collections, tracked in MLflow.",
        allow_abbrev=False,
    )
    version = f"mineralsweep {mineralsweep.__version__}"
    parser.add_argument("--version", action="version", version=version)
    parser.set_defaults(command=None, parser=parser)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    _sweep(commands)
    _resume(commands)
    _train(commands, words)
    _reproduce(commands)
    _exclude(commands)
    _add_to_registry(commands)
    _serve(commands)
    _watch(commands)
    _export(commands)
    _report(commands)
    _dashboard(commands)
    _data(commands)
    _environment(commands)
    return parser


def _add(commands: Any, name: str, command: str, text: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(
        name, help=text, description=text, allow_abbrev=False
    )
    parser.set_defaults(command=command, parser=parser)
    return parser


def _sweep(commands: Any) -> None:
    text = "Search hyperparameters, and register the best model."
    parser = _add(commands, "sweep", "study.sweep", text)
    parser.add_argument(
        "file",
        metavar="FILE",
        help="a sweep file, or the name of one that comes along: quick, best",
    )
    of_time = parser.add_argument_group("by time, in place of the file's space and budget")
    flags.add(of_time, "--preset", str, "NAME", "quick (2 minutes), medium (15) or best (60)")
    flags.add(of_time, "--minutes", flags.number, "N", "so many minutes, the report included")
    group = parser.add_argument_group("laid over the sweep file")
    flags.data(group)
    flags.budget(group)
    flags.add(group, "--epochs", flags.whole, "N", "epochs a trial, at most")
    flags.add(group, "--seed", flags.whole, "N", "of the search and of every training")
    flags.weights(group)
    flags.objective(group)
    flags.add(group, "--engine", str, "NAME", "who proposes trials: optuna or keras-tuner")
    flags.pairs(group)
    flags.add(parser, "--study", str, "NAME", "a name for the study; an existing one goes on")
    flags.add(parser, "--storage", str, "URL", "a database for the engine (default: a journal)")
    flags.add(parser, "--warm-start", str, "OLD", "another study, whose trials are learned from")


def _resume(commands: Any) -> None:
    parser = _add(commands, "resume", "study.resume", "Go on with a study where it was.")
    parser.add_argument("study", metavar="STUDY", help="its name; .mineralsweep/studies has them")
    group = parser.add_argument_group("what may change")
    flags.budget(group)
    flags.pairs(group)


def _train(commands: Any, words: Sequence[str]) -> None:
    parser = _add(commands, "train", "study.train", "Train one model.")
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


def _reproduce(commands: Any) -> None:
    text = "Train the original's five variants again, as it did."
    parser = _add(commands, "reproduce", "reproduce.reproduce_original", text)
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


def _exclude(commands: Any) -> None:
    parser = _add(commands, "exclude", "study.exclude", "Have a trial of a study count no more.")
    parser.add_argument("study", metavar="STUDY", help="its name")
    parser.add_argument("trial", metavar="TRIAL", help="its number, or baseline")
    parser.add_argument("--reason", metavar="TEXT", help="is written on the trial's run")


def _add_to_registry(commands: Any) -> None:
    _predict(commands)
    text = "Check that a model's files are those that were registered."
    flags.model(_add(commands, "verify", "registry.verify", text))
    text = "Score a model on images that it has not learned from."
    evaluate = _add(commands, "evaluate", "registry.evaluate", text)
    evaluate.add_argument(
        "path", metavar="PATH", help="sample, minet, a folder a class, or a table"
    )
    flags.model(evaluate)
    flags.pairs(evaluate)
    evaluate.add_argument("--json", action="store_true", help="print one JSON object")
    text = "Say who is champion, why, and what was decided before."
    flags.registered(_add(commands, "champion", "registry.champion", text))
    _promote(commands)
    text = "Make the former champion champion again."
    rollback = _add(commands, "rollback", "registry.rollback", text)
    rollback.add_argument("--reason", metavar="TEXT", help="is written on the version")
    flags.registered(rollback)


def _serve(commands: Any) -> None:
    text = "Serve the champion over HTTP, with a page to try it."
    parser = _add(commands, "serve", "serve.serve", text)
    flags.model(parser)
    flags.add(parser, "--host", str, "ADDRESS", "to listen on (default: 127.0.0.1, this machine)")
    flags.add(parser, "--port", flags.whole, "N", "default: 5001")
    flags.add(
        parser, "--allowed-hosts", str, "NAMES",
        "names that others call it by, divided by commas: of a proxy before it",
    )  # fmt: skip
    flags.add(
        parser, "--photographs", str, "PATH",
        "the training images, which the page may then show beside an answer",
    )  # fmt: skip
    flags.add(
        parser, "--refresh", flags.number, "SECONDS",
        "how often to look whether the alias has moved (default: 10)",
    )  # fmt: skip
    flags.add(parser, "--log", str, "FILE", "write answers to an SQLite file, for watch")
    flags.add(parser, "--log-images", str, "FOLDER", "keep the images too, under their digest")
    flags.add(
        parser, "--log-images-mb", flags.whole, "N",
        "keep no more images once that folder holds so much (default: 1000)",
    )  # fmt: skip


def _dashboard(commands: Any) -> None:
    parser = _add(
        commands, "dashboard", "study.dashboard",
        "Look at a study in optuna-dashboard, while it runs too. Nothing can be changed there.",
    )  # fmt: skip
    parser.add_argument("study", metavar="STUDY", help="its name")
    flags.add(parser, "--port", flags.whole, "N", "of the server on this machine (default: 8080)")


def _watch(commands: Any) -> None:
    parser = _add(
        commands, "watch", "watch.watch",
        "Compare a server's answers with those to the test images. Exit code 1: they differ.",
    )  # fmt: skip
    parser.add_argument("file", metavar="FILE", help="of mineralsweep serve --log")
    flags.add(parser, "--since", str, "WHEN", "answers from then on: 7d, 12h, or 2026-01-31")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def _export(commands: Any) -> None:
    parser = _add(
        commands, "export", "export.run",
        "Write the champion to a folder, in another format or for Docker. Exit code 1: the exported"
        " model names other classes than the served one.",
    )  # fmt: skip
    parser.add_argument("out", metavar="OUT", help="the folder to write")
    flags.model(parser)
    parser.add_argument(
        "--format", required=True, metavar="FORMAT", help="onnx, litert, keras or docker"
    )


def _predict(commands: Any) -> None:
    parser = _add(
        commands, "predict", "predict.classify",
        "Classify images with the champion: files, folders, patterns, tables. Exit code 2: an image"
        " that was named itself could not be used, or none at all could.",
    )  # fmt: skip
    parser.add_argument(
        "paths", nargs="+", metavar="PATH",
        help="images; folders and all below them; patterns in quotes, such as 'photos/**/*.jpg';"
        " tables with a column of files",
    )  # fmt: skip
    flags.add(
        parser, "--csv", str, "FILE", "write a row an image; what is there is not asked again"
    )
    parser.add_argument("--again", action="store_true", help="replace the answers in --csv FILE")
    flags.add(parser, "--sort", str, "FOLDER", "put the images into a folder a class there")
    way = parser.add_mutually_exclusive_group()
    way.add_argument("--copy", action="store_true", help="of --sort: copies (default)")
    way.add_argument("--link", action="store_true", help="of --sort: symbolic links")
    flags.add(parser, "--column", str, "NAME", "of a table, that names the files (default: file)")
    flags.model(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object a line")


def _promote(commands: Any) -> None:
    parser = _add(
        commands, "promote", "registry.promote",
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
    flags.registered(parser)


def _report(commands: Any) -> None:
    parser = _add(commands, "report", "study.report", "Make the report of a study again.")
    parser.add_argument("study", metavar="STUDY", help="its name, or the id of its run in MLflow")
    flags.add(parser, "--out", str, "FILE", "write the page there too")


def _data(commands: Any) -> None:
    parser = commands.add_parser("data", help="Look at a folder of images.", allow_abbrev=False)
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    text = "Say whether a sweep can be run; show what is usable, what is not, and why."
    check = _add(actions, "check", "data.check", text)
    check.add_argument("path", metavar="PATH", help="sample, minet, a folder, or a table")
    flags.add(
        check,
        "--config",
        str,
        "FILE",
        "a sweep file, whose split and folds are tried (default: quick)",
    )
    flags.pairs(check)
    flags.add(check, "--page", str, "FILE", "write the page here (default: data-check.html)")
    text = "Write a table with what was found mended or marked; no photograph is touched."
    fix = _add(actions, "fix", "data.fix", text)
    fix.add_argument("path", metavar="PATH", help="sample, minet, a folder, or a table")
    flags.add(fix, "--out", str, "FILE", "write the table here (default: photographs.csv)")
    flags.pairs(fix)


def _environment(commands: Any) -> None:
    text = "Show what is kept on disk to save time, or clear it."
    cache = _add(commands, "cache", "environment.cache", text)
    cache.add_argument("--clear", action="store_true", help="remove all of it: it is made again")
    text = "Have MLflow look for its files where a project is now that was renamed or copied."
    relocate = _add(commands, "relocate", "environment.relocate", text)
    relocate.add_argument("old", metavar="OLD", help="the folder that the project was in")
    relocate.add_argument("new", metavar="NEW", help="the folder that it is in now")
    relocate.add_argument("--force", action="store_true", help="also where NEW lacks files")
    text = "Show what this machine has and what is missing."
    parser = _add(commands, "doctor", "environment.doctor", text)
    parser.add_argument(
        "--store",
        action="store_true",
        help="write to the tracking store for a second: how many trials does it take?",
    )
