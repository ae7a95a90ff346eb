"""The model that a server answers with: it follows its alias, and loses no request on the way."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from mineralsweep.registry.files import load_classifier
from mineralsweep.registry.promotion import champion_of
from mineralsweep.registry.versions import Versions, uri_of
from mineralsweep.serving.served import Served

if TYPE_CHECKING:
    from mineralsweep.tracking import Store

BY_ALIAS = re.compile(r"models:/([^/@]+)@(.+)")

TRY_AGAIN_SECONDS = 300.0
"""After which a version that could not be loaded is tried again: each try may be a download."""

Say = Callable[[str], None]
Load = Callable[[str], Any]
"""A model's URI -> MLflow's pyfunc."""


@dataclass(frozen=True)
class Loaded:
    """One model in memory.

    Attributes:
        uri: that names this model and no other.
        model: MLflow's pyfunc.
        about: which version it is, since when, why; for `/version`.
        learned: SHA-256 of the files that it learned from -> their class.
    """

    uri: str
    model: Any
    about: Mapping[str, Any]
    learned: Mapping[str, str] = field(default_factory=dict)

    @property
    def classifier(self) -> Any | None:
        """What answers within the pyfunc; None: it is of another release, or another make."""
        inner = self.model.unwrap_python_model()
        return inner if isinstance(getattr(inner, "served", None), Served) else None


class LiveModel:
    """A model in memory, and the next one once its alias has moved.

    Whoever takes `loaded` keeps that model: a request is answered by the one with which it began.

    Args:
        store: where the model is registered.
        uri: `models:/NAME@ALIAS` is followed; any other stays.
        load: reads a model.

    Raises:
        InputError: there is no such model, or its files are other ones.
    """

    def __init__(self, store: Store, uri: str, load: Load = load_classifier) -> None:
        self._load = load
        followed = BY_ALIAS.fullmatch(uri)
        self._versions = Versions(store, followed[1]) if followed else None
        self._alias = followed[2] if followed else ""
        self._changing = threading.Lock()
        self._failed = "", 0.0
        self.loaded = self._read(self._wanted() or uri)

    @property
    def metadata(self) -> Any:
        return self.loaded.model.metadata

    def refresh(self) -> bool:
        """Load the version that the alias points to now; say whether it is another one."""
        with self._changing:
            wanted = self._wanted()
            failed, until = self._failed
            if not wanted or wanted == self.loaded.uri:
                return False
            if wanted == failed and time.monotonic() < until:
                return False
            try:
                self.loaded = self._read(wanted)
            except Exception:
                self._failed = wanted, time.monotonic() + TRY_AGAIN_SECONDS
                raise
            return True

    def follow(self, seconds: float, say: Say) -> None:
        """Refresh every so many seconds, in a thread that ends with the process."""

        def watch() -> None:
            told = ""
            while True:
                time.sleep(seconds)
                try:
                    if self.refresh():
                        say(f"now answering: {self.title()}")
                        told = ""
                except Exception as error:  # the model in memory goes on
                    reason = next(iter(str(error).splitlines()), type(error).__name__)
                    if reason != told:
                        say(f"can't look for another version: {reason}")
                    told = reason

        if self._versions is not None:
            threading.Thread(target=watch, daemon=True).start()

    def title(self) -> str:
        """Return what people call the model."""
        about = self.loaded.about
        return (
            f"{about['model']} version {about['version']}"
            if "version" in about
            else (self.loaded.uri)
        )

    def _wanted(self) -> str:
        """Return the URI of the version with the alias; "" where none is followed or has it."""
        version = self._versions.holder(self._alias) if self._versions else ""
        return uri_of(self._versions.name, version) if self._versions and version else ""

    def _read(self, uri: str) -> Loaded:
        model = self._load(uri)
        about: dict[str, Any] = {"uri": uri, "loaded": datetime.now(UTC).isoformat("T", "seconds")}
        if self._versions is None:
            return Loaded(uri, model, about)
        version = uri.rpartition("/")[2]
        evidence = self._versions.evidence(version)
        about |= {"model": self._versions.name, **champion_of(self._versions, version)}
        return Loaded(uri, model, about, evidence.learned if evidence else {})
