"""Commands on a study: sweep, train, resume, exclude, report, dashboard."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from mineralsweep.app.checks import suited_to_machine, within
from mineralsweep.app.progress import following
from mineralsweep.app.session import Request
from mineralsweep.app.train import of_one_point
from mineralsweep.cli.flags import OVERRIDES, SETTINGS, hyperparameters
from mineralsweep.cli.shell import next_commands, plain_console, run_line, with_store
from mineralsweep.config import Override, Sweep, load, locate, pairs, presets
from mineralsweep.core import objective as objectives
from mineralsweep.core.record import epoch_named
from mineralsweep.errors import ConfigError, did_you_mean
from mineralsweep.models import get as get_architecture
from mineralsweep.models.architecture import Architecture

if TYPE_CHECKING:
    from pandas import DataFrame
    from rich.table import Table

    from mineralsweep.app.sweep import SweepOutcome

LINES = 15
"""Of the leaderboard."""


def sweep(options: Namespace) -> int:
    """Run a sweep and say where everything went."""
    file = locate(options.file)
    read = load(file, [*_of_the_time(file, options), *overrides(options)])
    return _sweep(Request("sweep", read, options.study, file, options.storage, options.warm_start))


def _of_the_time(file: Path, options: Namespace) -> list[Override]:
    """Return what --preset or --minutes lays over a sweep file; nothing without them."""
    minutes = presets.minutes_of(options.preset, options.minutes)
    if minutes is None:
        return []
    read = load(file, [one for one in overrides(options) if one.place.split(".")[0] == "data"])
    chosen = within(read, minutes)
    print(chosen.sentence)
    return chosen.overrides


def train(options: Namespace) -> int:
    """Train one model and say where it went."""
    return _train(Request("training", sweep_of_one(options), options.study))


def resume(options: Namespace) -> int:
    """Go on with a study of any kind, with the settings that it was begun with."""
    from mineralsweep.cli import reproduce

    request = Request.again(options.study, overrides(options))
    kinds = {"sweep": _sweep, "training": _train, "reproduction": reproduce.carry_out}
    return kinds[request.kind](request)


def exclude(options: Namespace) -> int:
    """Have a trial count no more, and say how the champion is chosen anew."""
    from mineralsweep.app.exclude import exclude

    exclude(options.study, options.trial, options.reason or "")
    print(f"Study {options.study}: trial {options.trial} is excluded.")
    print(f"Next, to choose the champion without it: mineralsweep resume {options.study}")
    return 0


def report(options: Namespace) -> int:
    """Draw a study's report again, and say where it is."""
    from mineralsweep.app.drawing import FILE, draw_again

    out = None if options.out is None else Path(options.out)
    run_id, page = draw_again(options.study, out, print)
    for warning in page.warnings:
        print(f"Careful: {warning}")
    print(f"{FILE}: {len(page.html.encode()) / 1e6:.2f} MB, an artifact of run {run_id}")
    if out is not None:
        print(f"Also in {out}")
    return 0


DASHBOARD_PORT = 8080


def dashboard(options: Namespace) -> int:
    """Serve a study's dashboard until it is stopped."""
    from mineralsweep.app.dashboard import server

    port = DASHBOARD_PORT if options.port is None else options.port
    if not 0 < port < 65536:
        raise ConfigError(f"--port: must be from 1 to 65535, got {port}")
    with server(options.study, port) as made:
        print(f"Study {options.study} in optuna-dashboard: http://127.0.0.1:{port}/dashboard/")
        print("Ctrl-C ends it.")
        with suppress(KeyboardInterrupt):
            made.serve_forever()
    return 0


def overrides(options: Namespace, flags: Iterable[str] = OVERRIDES) -> list[Override]:
    """Return what flags and --set lay over a sweep file; a flag that was left out changes nothing.

    Args:
        options: of the command.
        flags: that mean an entry of a sweep file in this command.
    """
    given = {name: getattr(options, name, None) for name in flags}
    laid = [Override(OVERRIDES[name], value, f"--{name}") for name, value in given.items()]
    return [*laid, *pairs(options.set)]


def sweep_of_one(options: Namespace) -> Sweep:
    """Return the flags of `train` as a sweep of one point.

    Raises:
        ConfigError: the architecture has no such hyperparameter, or a value breaks a rule.
    """
    architecture = get_architecture(options.architecture)
    flags = OVERRIDES.keys() & SETTINGS  # the others may be hyperparameters of a user's own
    return of_one_point(
        architecture, [*_of_the_space(options, architecture), *overrides(options, flags)]
    )


def _of_the_space(options: Namespace, architecture: Architecture) -> list[Override]:
    laid = []
    for one in hyperparameters(options.architecture):
        value, flag = getattr(options, one.name, None), f"--{one.name.replace('_', '-')}"
        if value is None or one.name in SETTINGS:
            continue
        if not architecture.has(one.name):
            known = architecture.hyperparameters
            hint = did_you_mean(one.name, known) if known else ""
            raise ConfigError(
                f"{flag}: {architecture.name} has no hyperparameter '{one.name}'{hint}"
            )
        laid.append(Override(f"space.{one.name}", value, flag))
    return laid


def _train(request: Request) -> int:
    from mineralsweep.app.train import train

    console = plain_console()
    with following(console, suited_to_machine(request.sweep)) as progress:
        outcome = train(request, progress, progress.say)
    record, store = outcome.record, outcome.store
    architecture = get_architecture(str(record.params["architecture"]))
    network = architecture.kind == "network"
    kept = f", weights of {epoch_named(record.best_epoch)} kept" if network else ""
    scores = ", ".join(
        f"{name.replace('_', ' ')} {text}"
        for name, text in record.scores(request.sweep.objective).items()
    )
    console.print(f"{architecture.name}, on the validation images: {scores}{kept}")
    from mineralsweep.registry.versions import option_for

    console.print(
        "The test split was not opened. To open it and put this model before the gate:"
        f" {with_store(store.uri)}mineralsweep promote models:/{record.model_id}"
        f"{option_for(request.sweep.gate.model)}"
    )
    console.print(run_line(record.run_id, store))
    console.print(next_commands(store.uri, serve=f"models:/{record.model_id}"))
    return 0


def _sweep(request: Request) -> int:
    from mineralsweep.app.sweep import run_sweep

    suited, console = suited_to_machine(request.sweep), plain_console()
    console.print(f"Question: {' '.join(suited.question.split())}")
    with following(console, suited) as progress:
        outcome = run_sweep(request, progress, progress.say)
    console.print(_leaderboard(outcome, console.width))
    uri = _show_champion(console, outcome)
    for line in outcome.beside:
        console.print(line)
    console.print(f"Took {outcome.minutes:.1f} minutes.")
    store = outcome.store
    console.print(run_line(outcome.run_id, store))
    console.print(
        f"Report: report.html on that run's page; as a file: {with_store(store.uri)}mineralsweep"
        f" report {outcome.study} --out report.html"
    )
    console.print(next_commands(store.uri, serve=uri))
    return 0


def _leaderboard(outcome: SweepOutcome, width: int) -> Table:
    """Return the first trials, each score with its interval in one column.

    Settings that don't fit into `width` characters are left out by name.
    """
    from rich.table import Table

    from mineralsweep.report import compact, judged_on

    rows, more = compact(outcome.table.head(LINES)), len(outcome.table) - LINES
    shown = Table(title=f"Leaderboard on {judged_on(outcome.records)}", box=None)
    shown.title_justify = "left"
    rows, missing = fitting(rows, width)
    for name in rows.columns:
        shown.add_column(str(name), no_wrap=True)
    for row in rows.itertuples(index=False):
        shown.add_row(*row)
    left = [f"{more} more trials"] * (more > 0) + missing
    if left:
        shown.caption = f"In the run's leaderboard.csv: {', '.join(left)}"
        shown.caption_justify = "left"
    return shown


def fitting(rows: DataFrame, width: int) -> tuple[DataFrame, list[str]]:
    """Return a leaderboard with as many settings as there is room for, and the names of the others.

    Args:
        rows: of `report.compact`; settings stand between the architecture and the state.
        width: in characters.
    """
    names = list(rows.columns)
    needed = sum(max(len(name), *rows[name].str.len()) + 2 for name in names)
    settings = names[names.index("architecture") + 1 : -1]
    missing: list[str] = []
    while needed > width and settings:
        name = settings.pop()
        missing.insert(0, name)
        needed -= max(len(name), *rows[name].str.len()) + 2
    return rows.drop(columns=missing), missing


def _show_champion(console: Console, outcome: SweepOutcome) -> str:
    """Print the best trial's scores and what the gate said; return its address for the next steps.

    Aliases are asked for now: a study that is resumed tells of a decision that may be an old one.
    """
    from mineralsweep.cli.registry import freshness, recalls, ways_on
    from mineralsweep.registry import Versions
    from mineralsweep.registry.versions import CHALLENGER, CHAMPION, uri_of

    crowned, model = outcome.crowned, outcome.sweep.gate.model
    best, decision, version = crowned.record, crowned.decision, crowned.version
    versions = Versions(outcome.store, model)
    standing = versions.holder(CHAMPION)
    held = [alias for alias in (CHAMPION, CHALLENGER) if versions.holder(alias) == version]
    word = "Chosen trial" if outcome.sweep.costs else "Best trial"
    lines = [
        f"{'Champion' if standing == version else word}: {best.title()},"
        f" {best.params['architecture']}"
        f" -> {', '.join([f'{model} version {version}', *(f'@{alias}' for alias in held)])}",
        *(
            f"  test {name.replace('_', ' ')} {objectives.get(name).shown(crowned.scores)}"
            for name in dict.fromkeys((outcome.sweep.objective, "accuracy", "macro_f1"))
        ),
        *recalls(crowned.scores.recall),
        f"  (95 % intervals; the test split was opened {freshness(crowned.openings)})",
        *(f"  Careful: {warning}" for warning in outcome.warnings),
        f"Gate: {decision.sentence()}. {decision.why}",
    ]
    if standing == version:
        console.print("\n".join(lines))
        return f"models:/{model}@{CHAMPION}"
    who = f"@champion is version {standing}" if standing else "No version is @champion"
    lines.append(f"  {who}, not version {version}: the commands below name version {version}.")
    lines += [
        f"  {label}: {with_store(outcome.store.uri)}{command}"
        for label, command in ways_on(decision, model, outcome.study)
    ]
    console.print("\n".join(lines))
    return uri_of(model, version)
