"""Windows and macOS, neither of which these tests ever ran on: nothing is used that they lack.

By reading the code, by importing it where what Unix alone has is hidden, and by trying each way
round what Windows does in another way.
"""

from __future__ import annotations

import ast
import errno
import io
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mineralsweep import allocator, files, machine
from mineralsweep.app.answers import Answer
from mineralsweep.app.sorting import Sorter
from mineralsweep.cli.main import main
from mineralsweep.cli.shell import next_commands
from mineralsweep.core import reference
from mineralsweep.errors import ConfigError
from mineralsweep.executors import local, worker
from mineralsweep.search.state import folder_of
from tests import foreign
from tests.conftest import ROOT

FILES = sorted((ROOT / "mineralsweep").rglob("*.py"))
PLACES = ("/proc", "/sys/", "/dev/", "/etc/", "/tmp", "/var/", "/usr/")  # noqa: S108 (looked for)
SYSTEM = "mineralsweep/machine.py"
"""The one file that may name Unix's own places: each is asked for, and may not be there."""
IN_CONTAINERS = {"mineralsweep/export/docker.py"}


def nodes(path: Path) -> Iterator[ast.AST]:
    return ast.walk(ast.parse(path.read_text(encoding="utf-8")))


def unix_only(path: Path) -> list[str]:
    """Return what a file takes that Windows lacks; `getattr` with a default may ask for it."""
    found = []
    for node in nodes(path):
        if isinstance(node, ast.Import):
            found += [one.name for one in node.names if one.name in foreign.MODULES]
        elif isinstance(node, ast.ImportFrom):
            lacking = foreign.LACKING.get(node.module or "", frozenset())
            found += [one.name for one in node.names if one.name in lacking]
            found += [node.module] if node.module in foreign.MODULES else []
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if node.attr in foreign.LACKING.get(node.value.id, frozenset()):
                found.append(f"{node.value.id}.{node.attr}")
        elif isinstance(node, ast.keyword) and node.arg in ("preexec_fn", "pass_fds", "umask"):
            found.append(str(node.arg))
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_file_takes_what_only_unix_has(path: Path) -> None:
    assert unix_only(path) == []
    texts = [
        node.value for node in nodes(path)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]  # fmt: skip
    if path.relative_to(ROOT).as_posix() not in {SYSTEM, *IN_CONTAINERS}:
        assert [text for text in texts if text.startswith(PLACES)] == []


def test_what_only_unix_has_would_be_found(tmp_path: Path) -> None:
    code = "import fcntl\nfrom os import fork\nimport os, signal\nos.setsid()\nsignal.SIGKILL\n"
    (tmp_path / "x.py").write_text(f"{code}run(preexec_fn=None)\nos.getpid()\n", encoding="utf-8")
    found = {"fcntl", "fork", "os.setsid", "signal.SIGKILL", "preexec_fn"}
    assert set(unix_only(tmp_path / "x.py")) == found


def without_encoding(path: Path) -> list[int]:
    """Return the lines that open a text file in the machine's own encoding."""
    lines = []
    for node in nodes(path):
        if not isinstance(node, ast.Call):
            continue
        name = getattr(node.func, "attr", None) or getattr(node.func, "id", None)
        given = {one.arg for one in node.keywords}
        texts = name in ("read_text", "write_text")
        if name == "fdopen":
            texts = "b" not in ast.unparse(node.args[1])
        if name == "open" and node.args and isinstance(node.args[-1], ast.Constant):
            mode = str(node.args[-1].value)
            texts = 0 < len(mode) <= 3 and set(mode) <= set("rwaxt+")
        if name == "open" and isinstance(node.func, ast.Attribute) and not node.args and not given:
            receiver = ast.unparse(node.func.value)
            texts = receiver in ("path", "file", "target", "self.path")
        if texts and "encoding" not in given:
            lines.append(node.lineno)
    return lines


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_text_file_is_utf8(path: Path) -> None:
    assert without_encoding(path) == []


def test_a_text_file_of_the_machines_own_encoding_would_be_found(tmp_path: Path) -> None:
    lines = ["p.read_text()", "p.write_text(t)", "open(p, 'w')", "p.open('r')", "path.open()",
             "p.open('rb')", "p.read_text(encoding='utf-8')", "Image.open(path)"]  # fmt: skip
    (tmp_path / "x.py").write_text("\n".join(lines), encoding="utf-8")
    assert without_encoding(tmp_path / "x.py") == [1, 2, 3, 4, 5]


@pytest.mark.slow
def test_every_module_loads_where_what_only_unix_has_is_hidden() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.foreign"], capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[-2]) == len(FILES)


def test_a_reader_in_the_way_of_a_rename_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = []
    real = Path.replace

    def busy(self: Path, target: Path) -> Path:
        tries.append(target)
        if len(tries) < 3:
            raise PermissionError(errno.EACCES, "used by another process")
        return real(self, target)

    monkeypatch.setattr(Path, "replace", busy)
    monkeypatch.setattr(files, "MOVE_TRIES", 5)
    target = tmp_path / "a.txt"
    files.write_atomically(target, lambda path: path.write_text("new", encoding="utf-8"))
    assert target.read_text(encoding="utf-8") == "new"
    assert len(tries) == 3
    tries.clear()
    monkeypatch.setattr(files, "MOVE_TRIES", 2)
    with pytest.raises(PermissionError):
        files.write_atomically(target, lambda path: path.write_text("late", encoding="utf-8"))
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".a")] == []


def test_a_lock_ends_though_its_owners_name_is_being_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(self: Path, missing_ok: bool = False) -> None:
        raise PermissionError(errno.EACCES, "used by another process")

    with files.exclusive(tmp_path / "lock"):
        monkeypatch.setattr(Path, "unlink", refused)
    monkeypatch.undo()
    with files.exclusive(tmp_path / "lock"):
        pass


@pytest.mark.parametrize("adopts", [True, False])
def test_a_worker_sees_its_driver_go(monkeypatch: pytest.MonkeyPatch, adopts: bool) -> None:
    monkeypatch.setattr(worker, "ADOPTS", adopts)
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert worker._watching(os.getppid())()
    alive = worker._watching(child.pid)
    if not adopts:  # on Unix the number alone tells: it is another parent's
        assert alive()
    child.communicate(b"\n")
    assert not alive()
    assert not worker._watching(child.pid)()


def test_a_signal_without_a_name_is_told_by_its_number() -> None:
    assert local._ended_by(-9) == "signal SIGKILL"
    assert local._ended_by(-55) == "signal 55"
    assert local._ended_by(0xC0000005) == "exit code 3221225477"  # how Windows tells of a crash


@pytest.mark.parametrize("label", ["con", "Aux", "nul.rock", "COM1"])
def test_a_class_may_be_called_as_windows_calls_a_device(tmp_path: Path, label: str) -> None:
    photo = tmp_path / "a.jpg"
    photo.write_bytes(b"x")
    answer = Answer("a.jpg", "", label=label, sha256="0" * 64, verdict="ok")
    Sorter(tmp_path / "sorted").put(photo, answer)
    [group] = (tmp_path / "sorted").iterdir()
    assert group.name == f"{label}_"
    assert not files.is_reserved("console")
    with pytest.raises(ConfigError, match="Windows keeps"):
        folder_of(label)


def test_links_that_a_system_refuses_have_a_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*arguments: object) -> None:
        raise OSError(errno.EINVAL, "a required privilege is not held by the client")

    photo = tmp_path / "a.jpg"
    photo.write_bytes(b"x")
    monkeypatch.setattr(Path, "symlink_to", refused)
    answer = Answer("a.jpg", "", label="oak", sha256="0" * 64, verdict="ok")
    with pytest.raises(ConfigError, match="leave the flag out: the images are copied"):
        Sorter(tmp_path / "sorted", link=True).put(photo, answer)


def test_a_terminal_of_an_old_code_page_prints_what_it_lacks(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = io.BytesIO()
    monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(page, encoding="cp1252"))
    assert main(["sweep", "花崗岩.yaml"]) == 2
    sys.stderr.flush()
    assert rb"\u82b1\u5d17\u5ca9.yaml: no such sweep file" in page.getvalue()


def test_the_path_of_a_network_is_kept_with_slashes() -> None:
    Path("nets").mkdir()
    Path("nets/mine.py").write_text("", encoding="utf-8")
    assert reference.readable("nets/mine.py:build") == "nets/mine.py:build"
    assert reference.parts(r"C:\nets\mine.py:build") == (r"C:\nets\mine.py", "build")


def test_a_machine_without_linux_files_answers_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("MACHINE_ID", "GPUS"):
        monkeypatch.setattr(machine, name, tmp_path / "nowhere")
    monkeypatch.setattr(Path, "read_text", lambda *a, **k: (_ for _ in ()).throw(OSError("none")))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.delattr(os, "sched_getaffinity")
    assert machine.name.__wrapped__()
    assert machine.cpu_features.__wrapped__() == ()
    assert machine.oom_kills() == 0
    assert machine.gpus() == ()
    assert machine.cores() == os.cpu_count()


def test_an_allocator_that_is_not_glibcs_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(allocator.ctypes, "CDLL", lambda name: object())
    assert not allocator.keep_memory()


def test_windows_activates_an_environment_in_its_own_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "Scripts").mkdir()
    (tmp_path / "Scripts" / "activate").write_text("", encoding="utf-8")
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    monkeypatch.setattr("mineralsweep.cli.shell.WINDOWS", True)
    assert f"\n  {Path('Scripts/activate')}\n" in next_commands("sqlite:///x.db", "models:/m")
