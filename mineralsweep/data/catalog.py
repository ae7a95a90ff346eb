"""A folder a class -> what is in it: usable images by content, and the others with a reason."""

from __future__ import annotations

import hashlib
import json
import os
import unicodedata
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path, PurePath
from typing import Any

from mineralsweep import files
from mineralsweep.data import looks
from mineralsweep.data.decode import (
    DECODER_VERSION,
    MAX_BYTES,
    ImageFacts,
    open_rgb,
    too_large,
)
from mineralsweep.data.formats import HEAD
from mineralsweep.errors import DataError, UnusableImage, did_you_mean


def readable(path: PurePath) -> str:
    """Return a path as text; bytes in it that are no UTF-8 stand as `\\xNN`."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


@dataclass(frozen=True)
class CatalogImage:
    """One usable image. `digest` is the SHA-256 of the file's bytes, in hexadecimal."""

    path: Path
    label: str
    digest: str
    facts: ImageFacts


@dataclass(frozen=True)
class Rejected:
    """One file that can't be used, and why.

    `photograph`: whether it was lost; a video or a sidecar file is missed by nobody.
    """

    path: Path
    reason: str
    photograph: bool = True


@dataclass(frozen=True)
class Catalog:
    """The images of a folder, sorted by class and content, never by file name."""

    root: Path
    classes: tuple[str, ...]
    images: tuple[CatalogImage, ...]
    rejected: tuple[Rejected, ...]

    @property
    def digest(self) -> str:
        """SHA-256 over every (class, content) pair: equal on every machine, for any names."""
        text = "".join(f"{image.label}\0{image.digest}\n" for image in self.images)
        return hashlib.sha256(text.encode()).hexdigest()

    def skipped(self) -> str:
        """Say how many files can't be used, and how many of these are no photographs."""
        others = sum(not one.photograph for one in self.rejected)
        more = f", {others} of them no photographs (videos, sidecar files)" if others else ""
        return f"{len(self.rejected)} skipped{more}"

    def counts(self) -> dict[str, int]:
        """Return the number of usable images a class, 0 for an empty one."""
        found = Counter(image.label for image in self.images)
        return {label: found[label] for label in self.classes}


def read(root: Path, only: Sequence[str] | None = None) -> Catalog:
    """List the images under `root`, one sub-folder a class.

    Files are read whole, decoded and hashed once; the cache remembers the outcome by content.
    Hidden files and folders are passed over. Symbolic links to folders are not followed.

    Args:
        root: a folder with one sub-folder a class.
        only: class names to keep; None keeps all.

    Raises:
        DataError: `root` is no folder, has no sub-folder, or lacks a class of `only`.
    """
    folders = _class_folders(root)
    if only is not None:
        for name in only:
            if name not in folders:
                raise DataError(f"{root}: no class folder '{name}'{did_you_mean(name, folders)}")
        folders = {name: folders[name] for name in folders if name in only}
    images: list[CatalogImage] = []
    rejected: list[Rejected] = []
    known = _Verdicts(files.folder() / f"verdicts-v{DECODER_VERSION}.{looks.VERSION}.json")
    listed = [
        (label, path) for label, folder in folders.items() for path in _files(folder, rejected)
    ]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for found in pool.map(lambda item: _examine(item[0], item[1], known), listed):
            if isinstance(found, CatalogImage):
                images.append(found)
            else:
                rejected.append(found)
    known.save()
    rejected += [
        Rejected(path, "not in a class folder; put it into one")
        for path in _entries(root)
        if path.is_file() and not path.name.startswith(".")
    ]
    kept, doubles = _without_doubles(images)
    return Catalog(root, tuple(sorted(folders)), tuple(kept), tuple(rejected + doubles))


def _class_folders(root: Path) -> dict[str, Path]:
    if not root.exists():
        raise DataError(f"{root}: no such folder; give a folder with one sub-folder a class")
    if not root.is_dir():
        raise DataError(f"{root}: is a file; give a folder with one sub-folder a class")
    folders: dict[str, Path] = {}
    for path in _entries(root):
        if not path.is_dir() or path.name.startswith("."):
            continue
        label = unicodedata.normalize("NFC", path.name)
        if label in folders:
            raise DataError(
                f"{root}: two folders are named '{label}', in two spellings of Unicode;"
                " put their images into one"
            )
        folders[label] = path
    if not folders:
        raise DataError(f"{root}: has no sub-folders; put the images of each class into one")
    return folders


def _entries(root: Path) -> list[Path]:
    try:
        return sorted(root.iterdir())
    except OSError as error:
        raise DataError(f"{root}: can't be read: {error.strerror or error}") from None


def _files(folder: Path, unreadable: list[Rejected]) -> list[Path]:
    def note(error: OSError) -> None:
        reason = f"the folder can't be read: {error.strerror or error}"
        unreadable.append(Rejected(Path(error.filename), reason))

    found = []
    for parent, folders, names in os.walk(folder, onerror=note):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [Path(parent, name) for name in sorted(names) if not name.startswith(".")]
    return found


def _examine(label: str, path: Path, known: _Verdicts) -> CatalogImage | Rejected:
    try:
        # Only regular files: reading a pipe or a device would wait for ever.
        if not path.is_file():
            return Rejected(path, "not a regular file")
        size = path.stat().st_size
        if size > MAX_BYTES:
            with path.open("rb") as file:
                return _refused(path, too_large(file.read(HEAD), size))
        content = path.read_bytes()
    except OSError as error:
        return Rejected(path, f"can't be read: {error.strerror or error}")
    digest = hashlib.sha256(content).hexdigest()
    verdict = known.get(digest)
    if verdict is None:
        try:
            image, facts = open_rgb(content)
            verdict = replace(facts, look=looks.describe(image))
        except UnusableImage as error:
            # A new one: an error that was raised holds what its frames held, the content included.
            verdict = UnusableImage(str(error), error.photograph)
        known.put(digest, verdict)
    if isinstance(verdict, UnusableImage):
        return _refused(path, verdict)
    return CatalogImage(path, label, digest, verdict)


def _refused(path: Path, error: UnusableImage) -> Rejected:
    return Rejected(path, str(error), error.photograph)


def _without_doubles(images: list[CatalogImage]) -> tuple[list[CatalogImage], list[Rejected]]:
    """Keep one file of each content: a copy on both sides of a split would be a leak."""
    by_digest: dict[str, list[CatalogImage]] = {}
    for image in sorted(images, key=lambda image: (image.label, image.digest, str(image.path))):
        by_digest.setdefault(image.digest, []).append(image)
    kept: list[CatalogImage] = []
    doubles: list[Rejected] = []
    for copies in by_digest.values():
        labels = sorted({image.label for image in copies})
        if len(labels) > 1:
            reason = f"the same bytes stand in the classes {' and '.join(labels)}"
            doubles += [Rejected(image.path, reason) for image in copies]
            continue
        kept.append(copies[0])
        reason = f"the same bytes as {readable(PurePath(copies[0].path.name))}"
        doubles += [Rejected(image.path, reason) for image in copies[1:]]
    return sorted(kept, key=lambda image: (image.label, image.digest)), doubles


def _plain(verdict: ImageFacts | UnusableImage) -> dict[str, Any]:
    if isinstance(verdict, UnusableImage):
        return {"reason": str(verdict), "photograph": verdict.photograph}
    return asdict(verdict)


class _Verdicts:
    """What the decoder said of each content, kept on disk so that it is asked once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._changed = False
        self._known: dict[str, ImageFacts | UnusableImage] = {}
        try:
            for digest, kept in json.loads(path.read_text()).items():
                refused = "reason" in kept
                self._known[digest] = UnusableImage(**kept) if refused else ImageFacts(**kept)
        except (OSError, ValueError, TypeError, AttributeError):
            self._known = {}

    def get(self, digest: str) -> ImageFacts | UnusableImage | None:
        return self._known.get(digest)

    def put(self, digest: str, verdict: ImageFacts | UnusableImage) -> None:
        self._known[digest] = verdict
        self._changed = True

    def save(self) -> None:
        if not self._changed:
            return
        text = json.dumps({digest: _plain(verdict) for digest, verdict in self._known.items()})
        files.write_atomically(self._path, lambda path: path.write_text(text))
