"""The guide: its links lead somewhere, its code and its commands are real, its words stand once."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from mineralsweep import config, models
from mineralsweep.cli.main import command_parser, main
from mineralsweep.errors import ArchitectureError, ConfigError
from tests.contracts.test_project import ENTRY_POINTS, parse

ROOT = Path(__file__).parents[1]
PAGES = [
    ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]  # fmt: skip
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.M))
SHELL = frozenset(
    ("cp", "createuser", "curl", "docker", "echo", "export", "kubectl", "make", "mineralsweep",
     "mlflow", "pip", "python", "ray", "source", "MINERALSWEEP_READ_PATHS=1")
)  # fmt: skip
"""With which the first line of a block of commands begins."""
OUTPUT = ("rank  trial", "Parity with", "row 1:", "median pruner", "photos/", "cli  pipeline")
"""With which the first line of a block of what is printed, or of a drawing, begins."""
FRAGMENT = {"question": "q?", "space": {"architecture": "compact"}, "image_size": 64}
"""What the part of a sweep file that a page shows is laid over."""


class Block(NamedTuple):
    """Code of a page, a fenced or an indented block; `kind` is a language or "output"."""

    page: str
    kind: str
    text: str


def blocks_of(page: Path) -> Iterator[Block]:
    name = page.relative_to(ROOT).as_posix()
    text = page.read_text(encoding="utf-8")
    fenced = re.compile(r"^ *```(\w*)\n(.*?)^ *```", re.S | re.M)
    for language, code in fenced.findall(text):
        yield Block(name, {"bash": "shell"}.get(language, language), code)
    for indented in re.findall(r"\n\n((?:    .*\n|\n(?=    ))+)", fenced.sub("", text)):
        code = re.sub(r"^    ", "", indented, flags=re.M)
        yield Block(name, kind_of(code), code)


def kind_of(code: str) -> str:
    """Return the language of an indented block, "" for one that is not known."""
    first = code.strip().splitlines()[0]
    if first.removeprefix("$ ").split()[0] in SHELL:
        return "shell"
    if first.startswith(("import ", "from ")):
        return "python"
    if re.fullmatch(r"[a-z_]+:", first):
        return "yaml"
    return "output" if first.startswith(OUTPUT) else ""


BLOCKS = [block for page in PAGES for block in blocks_of(page)]


def of_kind(kind: str) -> pytest.MarkDecorator:
    found = [block for block in BLOCKS if block.kind == kind]
    return pytest.mark.parametrize("block", found, ids=lambda block: block.page)


def commands(block: Block) -> list[str]:
    """Return the commands of a block, without what they print, one a line."""
    text = re.sub(r" *\\\n *|(?<=\|)\n *", " ", block.text)
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    prompted = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
    return prompted or lines


def calls(line: str) -> Iterator[list[str]]:
    """Give the words of each program that a line runs, without what is set for it."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;<>")
    lexer.whitespace_split, lexer.commenters = True, "#"
    words: list[str] = []
    for word in (*lexer, ";"):
        if set(word) <= set("|&;<>"):
            while words and re.match(r"[A-Z_]+=", words[0]):
                words.pop(0)
            yield words
            words = []
        else:
            words.append(word)


@pytest.fixture
def own_networks() -> None:
    """Put the networks that the pages name into the working folder."""
    code = next(block.text for block in BLOCKS
                if block.page == "docs/own-network.md" and block.kind == "python")  # fmt: skip
    Path("my_nets.py").write_text(code, encoding="utf-8")


def check_call(words: list[str]) -> None:
    """Have the program itself read a call, as far as it is ours; nothing is run."""
    if words[:1] == ["mineralsweep"]:
        filled = [{"N": "3", "MINUTES": "5"}.get(word, word) for word in words[1:]]
        options = command_parser(filled).parse_args(filled)
        if options.command == "study.sweep":
            file = config.locate(options.file)  # one without a folder is the reader's own
            assert "/" not in options.file or (ROOT / file).is_file(), options.file
    elif words[:1] == ["make"]:
        assert [word for word in words[1:] if "=" not in word and word not in TARGETS] == []
    elif words[:3] == ["mlflow", "run", "."]:
        check_project(words[3:])
    elif words[:2] == ["python", "-m"] and words[2].split(".")[0] in ("benchmarks", "tests"):
        assert (ROOT / f"{words[2].replace('.', '/')}.py").is_file(), words[2]


def check_project(words: list[str]) -> None:
    name = words[words.index("-e") + 1] if "-e" in words else "main"
    assert name in ENTRY_POINTS
    pairs = [words[place + 1] for place, word in enumerate(words) if word == "-P"]
    given = dict(pair.split("=", 1) for pair in pairs)
    options = parse(name, given)
    for key, value in given.items():
        read = options["file" if key == "config" else key]
        assert read == ([value] if key == "set" else type(read)(value))
    if "/" in given.get("config", ""):
        assert (ROOT / given["config"]).is_file(), given["config"]


def test_the_kind_of_every_block_is_known() -> None:
    assert [(block.page, block.text[:60]) for block in BLOCKS if not block.kind] == []
    counts = Counter(block.kind for block in BLOCKS)
    assert counts.keys() == {"shell", "python", "yaml", "json", "output"}
    assert counts["shell"] >= 50


@of_kind("shell")
@pytest.mark.usefixtures("own_networks")
def test_every_command_is_one_that_there_is(block: Block) -> None:
    lines = commands(block)
    done = subprocess.run(
        ["bash", "-n"], input="\n".join(lines), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    for line in lines:
        for words in calls(line):
            check_call(words)


@pytest.mark.parametrize(
    "line",
    ["mineralsweep sweep sweeps/quikc.yaml", "mineralsweep sweep quikc", "make tset",
     "mineralsweep sweep quick --trails 3", "mlflow run . -e swep", "python -m benchmarks.none",
     "mlflow run . -e sweep -P trails=3"],
)  # fmt: skip
def test_a_command_that_there_is_not_would_be_found(line: str) -> None:
    [words] = calls(line)
    with pytest.raises((AssertionError, SystemExit, ConfigError)):
        check_call(words)


def test_every_command_within_a_sentence_has_its_flags(capsys: pytest.CaptureFixture[str]) -> None:
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for spoken in re.findall(r"`mineralsweep ([a-z][^`\n]*)`", text):
            words = spoken.split()
            command = words[: 2 if words[0] == "data" else 1]
            with pytest.raises(SystemExit, match="0"):
                main([*command, *["--architecture=compact"] * (command == ["train"]), "--help"])
            told = capsys.readouterr().out
            flags = [word for word in words if word.startswith("--")]
            assert [flag for flag in flags if f"{flag} " not in f"{told} "] == [], spoken


@of_kind("python")
def test_every_python_block_is_python(block: Block) -> None:
    compile(block.text, block.page, "exec")


@of_kind("json")
def test_every_json_block_is_json(block: Block) -> None:
    json.loads(block.text)


@of_kind("yaml")
@pytest.mark.usefixtures("own_networks")
def test_every_yaml_block_is_a_sweep_file_or_part_of_one(block: Block) -> None:
    config.build({**FRAGMENT, **yaml.safe_load(block.text)}, block.page)


def anchors(page: Path) -> set[str]:
    """Return the links to a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-") for text in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_pages_and_headings(page: Path) -> None:
    text = re.sub(r"`[^`\n]*`", "", page.read_text())
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if link.startswith(("http://", "https://")):
            continue
        target, _, heading = link.partition("#")
        there = (page.parent / target) if target else page
        assert there.exists(), link
        assert not heading or heading in anchors(there), link


def test_every_decision_is_listed() -> None:
    listed = (ROOT / "docs/decisions/README.md").read_text()
    for page in (ROOT / "docs/decisions").glob("0*.md"):
        assert f"({page.name})" in listed


def test_each_term_of_the_glossary_stands_once() -> None:
    terms = re.findall(r"^\| \*\*(.+?)\*\* \|", (ROOT / "docs/glossary.md").read_text(), re.M)
    assert len(terms) >= 40
    assert [term for term, times in Counter(terms).items() if times > 1] == []


def blocks(language: str) -> list[str]:
    text = (ROOT / "docs/own-network.md").read_text()
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def test_the_example_of_an_own_network_is_searched_and_built(tmp_path: Path) -> None:
    network, _ = blocks("python")
    Path("my_nets.py").write_text(network)
    [sweep_file] = blocks("yaml")
    sweep = config.build(yaml.safe_load(sweep_file), "own.yaml")
    assert set(sweep.space.searched()) == {"architecture", "learning_rate", "stages", "dropout"}
    own = models.get("my_nets.py:build")
    assert own.build((96, 96, 3), 3, **own.defaults()).output_shape == (None, 3)
    with pytest.raises(ArchitectureError, match="width"):
        own.build((96, 96, 3), 3, width=1000)


def test_contributing_names_files_that_there_are_and_every_target() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    paths = re.findall(r"`((?:mineralsweep|tests|docs|sweeps|deploy)/[\w./-]+)`", text)
    assert len(paths) > 15
    for path in paths:
        assert "NAME" in path or "NNNN" in path or (ROOT / path).exists(), path
    table = set(re.findall(r"^\| `make ([a-z-]+)` \|", text, re.M))
    assert table <= TARGETS
    used = {
        "check",
        "test",
        "docs",
        "dist",
        "notebooks",
        "faults",
        "bench",
        "server-test",
        "cluster-test",
        "browser",
    }
    assert table == used


def test_the_form_for_bugs_asks_for_what_doctor_prints() -> None:
    form = yaml.safe_load((ROOT / ".github/ISSUE_TEMPLATE/bug.yml").read_text(encoding="utf-8"))
    asked = {part["id"]: part for part in form["body"]}
    assert "`mineralsweep doctor`" in asked["doctor"]["attributes"]["label"]
    assert asked["doctor"]["validations"] == {"required": True}
    assert all(part["type"] in ("textarea", "dropdown") for part in asked.values())
