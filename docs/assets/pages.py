"""What `make docs` changes of the pages, which are written to be read beside the code.

README.md, CONTRIBUTING.md and CHANGELOG.md stand above docs/: they become pages of the site, and
the links between them and docs/ lead there. A list may follow its paragraph at once, as elsewhere.
Notebooks become pages, with their outputs.
"""

from __future__ import annotations

import html
import json
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ABOVE = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md",
         "CHANGELOG.md": "changelog.md"}  # fmt: skip
"""Files above docs/, and the pages that they become."""
LINK = re.compile(r"(?<=\]\()([^)\s#]+)")
ITEM = re.compile(r" {0,3}([-*]|\d+\.) ")
FENCE = re.compile(r" *```")
STYLE = re.compile(r"<style.*?</style>", re.DOTALL)
ANSI = re.compile(r"\x1b\[[0-9;]*m")
"""A terminal's colours."""


def on_config(config: Any) -> Any:
    """Name every decision and every notebook in the navigation."""
    pages = sorted(Path(config.docs_dir, "decisions").glob("0*.md"))
    _section(config.nav, "Decisions").extend(f"decisions/{page.name}" for page in pages)
    _section(config.nav, "Notebooks")[:] = [
        f"notebooks/{path.stem}.md" for path in _notebooks(config)
    ]
    return config


def _notebooks(config: Any) -> list[Path]:
    return sorted(Path(config.docs_dir, "notebooks").glob("*.ipynb"))


def _section(nav: list[Any], name: str) -> list[Any]:
    """Return the list of a section, wherever it is.

    Raises:
        KeyError: there is none.
    """
    found = _within(nav, name)
    if found is None:
        raise KeyError(f"mkdocs.yml: nav has no section {name}")
    return found


def _within(nav: list[Any], name: str) -> list[Any] | None:
    for entry in nav:
        for title, within in entry.items() if isinstance(entry, dict) else ():
            if isinstance(within, list):
                found: list[Any] | None = within if title == name else _within(within, name)
                if found is not None:
                    return found
    return None


def on_files(files: Files, config: Any) -> Files:
    """Add the pages that stand above docs/."""
    above = Path(config.docs_dir).parent
    for name, page in ABOVE.items():
        text = (above / name).read_text(encoding="utf-8")
        files.append(File.generated(config, page, content=LINK.sub(_from_above, text)))
    for path in _notebooks(config):
        text = as_markdown(json.loads(path.read_text(encoding="utf-8")))
        files.append(File.generated(config, f"notebooks/{path.stem}.md", content=text))
    return files


def as_markdown(notebook: dict[str, Any]) -> str:
    """Return a notebook as a page: its text, its code, and what the code gave."""
    parts: list[str] = []
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(source)
        else:
            parts.append(f"```python\n{source}\n```")
            parts += [_output(one) for one in cell["outputs"]]
    return "\n\n".join(parts) + "\n"


def _output(output: dict[str, Any]) -> str:
    data = output.get("data", {})
    if "image/png" in data:
        picture = "".join(data["image/png"]).replace("\n", "")
        return f'<img alt="What this cell draws" src="data:image/png;base64,{picture}">'
    if "text/html" in data:
        table = "".join(data["text/html"]).replace(' class="dataframe"', "")  # the theme's own
        return f'<div class="output">{STYLE.sub("", table)}</div>'
    text = ANSI.sub("", "".join(output.get("text") or data.get("text/plain", "")))
    if "```" in text:
        return f'<pre class="output">{html.escape(text)}</pre>'
    return f"```text\n{text.rstrip()}\n```"


def _from_above(link: re.Match[str]) -> str:
    return ABOVE.get(link[1], link[1].removeprefix("docs/"))


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Have links to files above docs/ lead to their pages, and lists begin where they stand.

    A page without a section has no list of pages beside it.
    """
    if page.parent is None:
        page.meta["hide"] = ["navigation"]
    return with_lists(LINK.sub(_to_page, markdown))


def _to_page(link: re.Match[str]) -> str:
    if link[1].endswith(".ipynb"):
        return link[1].removesuffix("ipynb") + "md"
    up, _, name = link[1].rpartition("../")
    return f"{up}{ABOVE[name]}" if link[1].startswith("../") and name in ABOVE else link[1]


def with_lists(markdown: str) -> str:
    """Put an empty line between a paragraph and the list that follows it; code stays as it is."""
    lines: list[str] = []
    fenced, listed = False, False
    for line in markdown.splitlines():
        fenced ^= bool(FENCE.match(line))
        item = bool(ITEM.match(line)) and not fenced
        before = lines[-1] if lines else ""
        if item and not listed and before.strip() and not before.startswith("    "):
            lines.append("")
        if item:
            listed = True
        elif not line.strip() or not (listed and line.startswith(" ")):
            listed = False
        lines.append(line)
    return "\n".join(lines) + "\n"
