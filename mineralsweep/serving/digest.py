"""One digest over every file of a logged model: what was registered is what is loaded."""

from __future__ import annotations

import hashlib
from pathlib import Path

ADDED_BY_MLFLOW = frozenset({"registered_model_meta"})
"""Written beside a model's files when they are downloaded by a registered name."""


def of_folder(folder: Path) -> str:
    """Return SHA-256, in hexadecimal, over the names and the contents of a model's files.

    Compiled code counts too: Python runs a `.pyc` in place of the source beside it. Loading a
    model may write some, so take the digest before anything of the folder is loaded.

    Raises:
        OSError: a file can't be read.
    """
    whole = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = path.relative_to(folder).as_posix()
        if name in ADDED_BY_MLFLOW:
            continue
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        whole.update(f"{name}\0{content}\n".encode())
    return whole.hexdigest()
