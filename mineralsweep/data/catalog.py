"""What a source names -> what is in it: usable images by content, the others with a reason."""

from __future__ import annotations

import functools
import hashlib
import json
import os
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path, PurePath
from typing import Any, Literal

from mineralsweep import files
from mineralsweep.data import depth, looks
from mineralsweep.data.decode import (
    DECODER_VERSION,
    MAX_BYTES,
    ImageFacts,
    open_rgb,
    too_large,
)
from mineralsweep.data.formats import HEAD
from mineralsweep.data.listing import PARTS, Listed, Listing, Part, Rejected, readable, shown
from mineralsweep.data.waiting import Say, silent, told
from mineralsweep.errors import DataError, UnusableImage, did_you_mean


@dataclass(frozen=True)
class CatalogImage:
    """One usable image.

    Attributes:
        digest: SHA-256 of the file's bytes, in hexadecimal.
        part, group: as of `listing.Listed`.
    """

    path: Path
    label: str
    digest: str
    facts: ImageFacts
    part: Part | Literal[""] = ""
    group: str = ""


@dataclass(frozen=True)
class Catalog:
    """The images of a source, sorted by class and content, never by file name.

    Attributes:
        rejected: files that can't be used.
        folders, is_table, divided_by: as of `listing.Listing`.
        left_out: classes that are not used, with the reason, a sentence each.
    """

    root: Path
    classes: tuple[str, ...]
    images: tuple[CatalogImage, ...]
    rejected: tuple[Rejected, ...]
    folders: tuple[Rejected, ...] = ()
    is_table: bool = False
    divided_by: str = ""
    left_out: tuple[str, ...] = ()

    @functools.cached_property
    def bits(self) -> int:
        """How many bits the images with 16 bits a sample use; see `depth`."""
        return max((image.facts.bits for image in self.images), default=0) or depth.FULL

    def file(self, row: int) -> str:
        """Return an image's path for people to read: below the root, or whole."""
        return shown(self.images[row].path, self.root)

    @functools.cached_property
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


def read(
    found: Listing, only: Sequence[str] | None = None, min_images: int = 0, say: Say = silent
) -> Catalog:
    """Read the files that a source names.

    Files are read whole, decoded and hashed once; the cache remembers the outcome by content. A
    class of whose files none is a photograph, or the copy of one, is left out.

    Args:
        found: the files.
        only: class names to keep; None keeps all.
        min_images: classes with fewer usable images are left out.
        say: is told from time to time how many were read.

    Raises:
        DataError: the source lacks a class of `only`.
    """
    wanted = [file for file in found.files if only is None or file.label in only]
    for name in only or ():
        if all(file.label != name for file in wanted):
            hint = did_you_mean(name, found.classes())
            raise DataError(f"{found.root}: no class '{name}'{hint}")
    known = _Verdicts(files.folder() / f"verdicts-v{DECODER_VERSION}.{looks.VERSION}.json")
    images: list[CatalogImage] = []
    rejected: list[Rejected] = list(found.rejected)
    missed: set[str] = set()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        examined = told(
            pool.map(lambda file: _examine(file, known), wanted),
            len(wanted),
            "Reading photographs",
            say,
        )
        for file, one in zip(wanted, examined, strict=True):
            if isinstance(one, CatalogImage):
                images.append(one)
            else:
                rejected.append(one)
                missed |= {file.label} if one.photograph else set()
        loose = (Listed(path, "") for path in found.loose)
        for one in pool.map(lambda file: _examine(file, known), loose):
            if isinstance(one, CatalogImage):
                one = Rejected(one.path, found.loose_reason)
            rejected.append(one)
    known.save()
    kept, doubles = _without_doubles(images)
    catalog = Catalog(
        found.root,
        tuple(sorted({file.label for file in wanted})),
        tuple(kept),
        tuple(rejected + doubles),
        found.folders,
        found.is_table,
        found.divided_by,
    )
    held = {image.label for image in images} | missed
    none = [label for label in catalog.classes if label not in held]
    return _without_small(_without(catalog, none, "no photographs among its files"), min_images)


def _without(catalog: Catalog, labels: Sequence[str], why: str) -> Catalog:
    """Leave classes out, and say why."""
    if not labels:
        return catalog
    return replace(
        catalog,
        classes=tuple(label for label in catalog.classes if label not in labels),
        images=tuple(image for image in catalog.images if image.label not in labels),
        left_out=(*catalog.left_out, f"Left out: {', '.join(labels)} ({why})"),
    )


def _without_small(catalog: Catalog, least: int) -> Catalog:
    small = [label for label, count in catalog.counts().items() if count < least]
    return _without(catalog, small, f"fewer than {least} usable images: data.min_images")


def _examine(file: Listed, known: _Verdicts) -> CatalogImage | Rejected:
    path = file.path
    try:
        # Only regular files: reading a pipe or a device would wait for ever.
        if not path.is_file():
            lost = path.is_symlink() and not path.exists()
            return Rejected(path, "a link to nothing" if lost else "not a regular file")
        size = path.stat().st_size
        if size > MAX_BYTES:
            with path.open("rb") as opened:
                return _refused(path, too_large(opened.read(HEAD), size))
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
    return CatalogImage(path, file.label, digest, verdict, file.part, file.group)


def _refused(path: Path, error: UnusableImage) -> Rejected:
    return Rejected(path, str(error), error.photograph)


def _without_doubles(images: list[CatalogImage]) -> tuple[list[CatalogImage], list[Rejected]]:
    """Keep one file of each content: a copy on both sides of a split would be a leak.

    Of copies in several parts of a ready-made split the test part's stays, so that it is asked for
    what others are asked for.
    """

    def order(image: CatalogImage) -> tuple[str, str, int, str]:
        later = -PARTS.index(image.part) if image.part else 0
        return image.label, image.digest, later, str(image.path)

    by_digest: dict[str, list[CatalogImage]] = {}
    for image in sorted(images, key=order):
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
        for image in copies[1:]:
            other = image.part != copies[0].part
            where = f" in the {copies[0].part} part, which stays" if other else ""
            reason = f"the same bytes as {readable(PurePath(copies[0].path.name))}{where}"
            doubles.append(Rejected(image.path, reason))
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
