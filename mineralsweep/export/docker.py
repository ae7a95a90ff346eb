"""A registered model as a folder that `docker build` makes an image of."""

from __future__ import annotations

import shutil
from pathlib import Path

PORT = 8080
START = (
    "mlflow", "models", "serve", "--model-uri", "model", "--env-manager", "local", "--host",
    "0.0.0.0", "--port", str(PORT),  # noqa: S104 - of the container alone; -p says who reaches it
)  # fmt: skip

DOCKERFILE = """\
# {uri}, served over HTTP: POST /invocations as with mlflow models serve.
FROM python:{python}-slim
ENV PYTHONDONTWRITEBYTECODE=1 PIP_NO_CACHE_DIR=1
WORKDIR /srv
COPY requirements.txt .
RUN pip install -r requirements.txt
COPY model model
RUN useradd --create-home server
USER server
EXPOSE {port}
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s CMD {health}
CMD {start}
"""
HEALTH = "import urllib.request as r; r.urlopen('http://127.0.0.1:{port}/ping', timeout=5)"


def write(packaged: Path, uri: str, folder: Path) -> None:
    """Write a Dockerfile, requirements.txt and the model.

    Args:
        packaged: the model's files as MLflow has them, with their requirements, pinned.
        uri: of the model.
        folder: is there.

    Raises:
        OSError: the model has no requirements, or they can't be copied.
    """
    shutil.copytree(packaged, folder / "model", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copyfile(packaged / "requirements.txt", folder / "requirements.txt")
    health = "python", "-c", HEALTH.format(port=PORT)
    text = DOCKERFILE.format(
        uri=uri, python=_python(packaged), port=PORT, health=_as_list(health), start=_as_list(START)
    )
    (folder / "Dockerfile").write_text(text, encoding="utf-8")


def _as_list(words: tuple[str, ...]) -> str:
    """Return a command in the form in which no shell reads it."""
    return "[" + ", ".join(f'"{word}"' for word in words) + "]"


def _python(packaged: Path) -> str:
    """Return the version of Python that the model was made with: "3.11"."""
    import yaml

    told = yaml.safe_load((packaged / "python_env.yaml").read_text(encoding="utf-8"))
    return ".".join(str(told["python"]).split(".")[:2])
