"""Images in a folder a class, by what a model answered; the originals stay as they are."""

from __future__ import annotations

import errno
import os
import re
import shutil
from pathlib import Path

from mineralsweep import files
from mineralsweep.app.answers import UNLIKE, Answer
from mineralsweep.data.sources.unlabelled import Collection
from mineralsweep.errors import ConfigError

FULL = (errno.ENOSPC, errno.EDQUOT)
DIGEST_SIGNS = 16
MOST_BYTES = 200
"""Of a name, before the digest: file systems take 255 in all."""
MOST_OF_ENDING = 16
NO_NAME = re.compile(r'[/\\<>:"|?*\x00-\x1f]')
"""What the name of a folder can't hold, on one system or another."""


def check(folder: Path, collection: Collection) -> None:
    """Refuse a folder whose images would be asked the next time, or mixed with the originals.

    Raises:
        ConfigError: it lies in a folder that is asked, or an image that is asked lies in it.
    """
    target = folder.resolve()
    for source in collection.folders:
        if target.is_relative_to(source.resolve()):
            raise ConfigError(
                f"--sort: {folder} lies in {source}, which is asked: the next run would ask the"
                " sorted images too; name a folder outside"
            )
    for file in collection.files:
        if Path(os.path.realpath(file.path.parent)).is_relative_to(target):
            raise ConfigError(
                f"--sort: {file.name} is asked, and lies in {folder}; name another folder"
            )


class Sorter:
    """Puts images into `folder`/LABEL/, and those unlike the training into one of their own.

    A name is the image's own with its content's digest, so that no two images share one, and what
    is there already need not be done again. Nothing is overwritten.

    Args:
        folder: made if need be.
        link: symbolic links in place of copies.
    """

    def __init__(self, folder: Path, link: bool = False) -> None:
        self.folder = folder
        self._link = link

    def put(self, path: Path, answer: Answer) -> None:
        """Put an image in its place; an unusable one has none.

        Raises:
            OSError: it can't be written.
            ConfigError: this system, or its disk, makes no symbolic links for this user.
        """
        if not answer.usable:
            return
        group = UNLIKE if answer.verdict == UNLIKE else _folder_name(answer.label)
        target = self.folder / group / _file_name(path, answer.sha256)
        if os.path.lexists(target):
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        if self._link:
            _link(target, path.resolve())
        else:
            part = target.with_name(f".{target.name}.part")  # hidden: no collection has it
            shutil.copy2(path, part)
            part.replace(target)


def _link(target: Path, path: Path) -> None:
    try:
        target.symlink_to(path)
    except (OSError, NotImplementedError) as error:
        if isinstance(error, OSError) and error.errno in FULL:
            raise
        raise ConfigError(
            f"--link: {target}: no symbolic link can be made here ({error}); leave the flag out:"
            " the images are copied then"
        ) from None


def _folder_name(label: str) -> str:
    name = NO_NAME.sub("_", label).strip(" .")
    return f"{name}_" if not name or files.is_reserved(name) else name


def _file_name(path: Path, digest: str) -> str:
    """Return photo-3fa9c2d1b0aa4e57.jpg; a long name is cut."""
    ending = path.suffix if len(os.fsencode(path.suffix)) <= MOST_OF_ENDING else ""
    stem = os.fsencode(path.name.removesuffix(ending))[:MOST_BYTES].decode("utf-8", "ignore")
    return f"{stem}-{digest[:DIGEST_SIGNS]}{ending}"
