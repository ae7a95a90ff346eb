"""The sweeps that come with the package: asked for by name, as in `mineralsweep sweep quick`."""

from __future__ import annotations

from pathlib import Path

from mineralsweep.errors import ConfigError, did_you_mean

_PACKAGE = Path(__file__).parents[1]


def folder() -> Path:
    """Return where they are: in the package, or beside it where it runs from its source."""
    within = _PACKAGE / "sweeps"
    return within if within.is_dir() else _PACKAGE.parent / "sweeps"


def names() -> list[str]:
    """Return what they are called, in alphabetical order."""
    return sorted(path.stem for path in folder().glob("*.yaml"))


def locate(name: str | Path) -> Path:
    """Return the sweep file that is meant: the user's own, or one that comes with the package.

    A file at that very path wins. A path (it has a folder or a suffix) is returned whether there is
    a file or not; `config.load` says what is wrong with it.

    Args:
        name: a path, or the name of a sweep of the package, such as "quick".

    Raises:
        ConfigError: it is the name of none.
    """
    path = Path(name)
    if path.is_file() or path.suffix or path.name != str(name):
        return path
    if path.name not in names():
        raise ConfigError(
            f"{path}: no such sweep file here, and no sweep of that name comes with mineralsweep;"
            f" those are {', '.join(names())}; name one, or the path of a file of yours"
        )
    return folder() / f"{path.name}.yaml"


def instead_of(path: Path) -> str:
    """Say what to do about a sweep file that is not there: a near file, or one of the package."""
    beside = [str(file) for file in path.parent.glob("*.yaml")]
    if path.stem in names():
        return f"; the one that comes with mineralsweep needs its name alone: {path.stem}"
    return did_you_mean(str(path), [*beside, *names()])
