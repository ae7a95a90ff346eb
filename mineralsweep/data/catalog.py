"""What a source names -> what is in it: usable images by content, the others with a reason."""

from __future__ import annotations

import functools
import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

from mineralsweep import files
from mineralsweep.data import depth, looks, reading
from mineralsweep.data.decode import DECODER_VERSION, ImageFacts, open_rgb
from mineralsweep.data.listing import PARTS, Listed, Listing, Part, Rejected, shown
from mineralsweep.data.work import Say, done, silent, told
from mineralsweep.errors import DataError, UnusableImage, did_you_mean


@dataclass(frozen=True)
class CatalogImage:
    """One usable image.

    Attributes:
        digest: SHA-256 of the file's bytes, in hexadecimal.
        part, group: as of `listing.Listed`.
        copies: other files of the same bytes, which are not used.
    """

    path: Path
    label: str
    digest: str
    facts: ImageFacts
    part: Part | Literal[""] = ""
    group: str = ""
    copies: tuple[Copy, ...] = ()


class Copy(NamedTuple):
    """A file of the same bytes as an image: what it says of the image's group counts too."""

    path: Path
    group: str


@dataclass(frozen=True)
class Catalog:
    """The images of a source, sorted by class and content, never by file name.

    Attributes:
        listing: what the source names.
        rejected: files that can't be used, those that the source knows of included.
        left_out: classes that are not used, with the reason, a sentence each.
    """

    listing: Listing
    classes: tuple[str, ...]
    images: tuple[CatalogImage, ...]
    rejected: tuple[Rejected, ...]
    left_out: tuple[str, ...] = ()

    @property
    def root(self) -> Path:
        """The folder that the files' places are told from."""
        return self.listing.root

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
        folders = self.listing.folders
        passed = f"; {len(folders)} folders passed over" if folders else ""
        return f"{len(self.rejected)} skipped{more}{passed}"

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
    loose = [Listed(path, "") for path in found.loose]
    images: list[CatalogImage] = []
    rejected: list[Rejected] = list(found.rejected)
    missed: set[str] = set()
    for file, one in _examined([*wanted, *loose], say):
        if isinstance(one, Rejected):
            rejected.append(one)
            missed |= {file.label} if one.photograph else set()
        elif file.label:
            images.append(one)
        else:
            rejected.append(Rejected(file.path, found.loose_reason))
    kept, doubles = _without_doubles(images, found.root)
    catalog = Catalog(
        found,
        tuple(sorted({file.label for file in wanted})),
        tuple(kept),
        tuple(rejected + doubles),
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


def _examined(
    listed: Sequence[Listed], say: Say
) -> Iterator[tuple[Listed, CatalogImage | Rejected]]:
    """Yield what each file is. A content that was decoded once is not decoded again."""
    known = _Verdicts(files.folder() / f"verdicts-v{DECODER_VERSION}.{looks.VERSION}.json")
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        read = pool.map(lambda file: _digest(file.path), listed)
        digests = list(told(read, len(listed), "Listing files", say))
    unknown: dict[str, Path] = {}
    for file, digest in zip(listed, digests, strict=True):
        if isinstance(digest, str) and known.get(digest) is None:
            unknown.setdefault(digest, file.path)
    verdicts = done(_verdict, list(unknown.items()), "Reading photographs", say)
    changed = set()
    for digest, verdict in zip(unknown, verdicts, strict=True):
        if verdict is None:
            changed.add(digest)
        else:
            known.put(digest, verdict)
    known.save()
    for file, digest in zip(listed, digests, strict=True):
        if isinstance(digest, Rejected):
            yield file, digest
        elif digest in changed:
            yield file, Rejected(file.path, "changed while it was read; start again")
        else:
            yield file, _as_told(file, digest, known.get(digest))


def _digest(path: Path) -> str | Rejected:
    """Return a file's SHA-256, or why it can't be used."""
    try:
        return hashlib.sha256(reading.content(path)).hexdigest()
    except UnusableImage as error:
        return _refused(path, error)


def _verdict(item: tuple[str, Path]) -> Verdict | None:
    """Decode a file of a known digest; None where it has another one now, or can't be read."""
    digest, path = item
    try:
        content = path.read_bytes()
    except OSError:
        return None
    if hashlib.sha256(content).hexdigest() != digest:
        return None
    try:
        image, facts = open_rgb(content)
    except UnusableImage as error:
        return _plain(error)
    return _plain(replace(facts, look=looks.describe(image)))


def _as_told(file: Listed, digest: str, verdict: Verdict | None) -> CatalogImage | Rejected:
    assert verdict is not None
    if "reason" in verdict:
        return _refused(file.path, UnusableImage(**verdict))
    return CatalogImage(file.path, file.label, digest, ImageFacts(**verdict), file.part, file.group)


def _refused(path: Path, error: UnusableImage) -> Rejected:
    return Rejected(path, str(error), error.photograph)


def _without_doubles(
    images: list[CatalogImage], root: Path
) -> tuple[list[CatalogImage], list[Rejected]]:
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
            doubles += [
                Rejected(one.path, reason, listed=Listed(one.path, "", one.part, one.group))
                for one in copies
            ]
            continue
        others = tuple(Copy(image.path, image.group) for image in copies[1:])
        kept.append(replace(copies[0], copies=others))
        for image in copies[1:]:
            other = image.part != copies[0].part
            where = f" in the {copies[0].part} part, which stays" if other else ""
            reason = f"the same bytes as {shown(copies[0].path, root)}{where}"
            doubles.append(Rejected(image.path, reason))
    return sorted(kept, key=lambda image: (image.label, image.digest)), doubles


Verdict = dict[str, Any]
"""What the decoder said, as plain data: the fields of `ImageFacts`, or of `UnusableImage`."""


def _plain(verdict: ImageFacts | UnusableImage) -> Verdict:
    if isinstance(verdict, UnusableImage):
        return {"reason": str(verdict), "photograph": verdict.photograph}
    return asdict(verdict)


class _Verdicts:
    """What the decoder said of each content, kept on disk so that it is asked once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._changed = False
        self._known: dict[str, Verdict] = {}
        try:
            kept = json.loads(path.read_text(encoding="utf-8"))
            self._known = {digest: self._checked(one) for digest, one in kept.items()}
        except (OSError, ValueError, TypeError, AttributeError):
            self._known = {}

    @staticmethod
    def _checked(kept: Verdict) -> Verdict:
        """Return a verdict that can be read.

        Raises:
            TypeError: it is something else.
        """
        return _plain(UnusableImage(**kept) if "reason" in kept else ImageFacts(**kept))

    def get(self, digest: str) -> Verdict | None:
        return self._known.get(digest)

    def put(self, digest: str, verdict: Verdict) -> None:
        self._known[digest] = verdict
        self._changed = True

    def save(self) -> None:
        if self._changed:
            text = json.dumps(self._known)
            files.write_atomically(self._path, lambda path: path.write_text(text, encoding="utf-8"))
