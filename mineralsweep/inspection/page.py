"""Findings -> one HTML page that stands alone: pictures inside it, nothing fetched, no script."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from html import escape

from mineralsweep.data.names import readable
from mineralsweep.data.profile import ClassProfile, Spread, profile
from mineralsweep.inspection.findings import SHARES, Findings, Group
from mineralsweep.inspection.pictures import Pictures, sizes_chart

GROUPS_SHOWN = 60
PICTURES_A_GROUP = 8
DOUBTS_SHOWN = 24
OUTLIERS_SHOWN = 12
SKIPPED_SHOWN = 200

STYLE = """
:root{color-scheme:light dark;--line:#c8c8c8;--soft:#f4f4f4;--ink:#1a1a1a;--ground:#fff;
--mark:#0072b2;--warn:#8a3b00}
@media(prefers-color-scheme:dark){:root{--line:#555;--soft:#262626;--ink:#eee;--ground:#181818;
--mark:#7cc4f2;--warn:#ffb26b}}
body{font:16px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--ground);
max-width:72rem;margin:0 auto;padding:1rem}
h1{font-size:1.5rem;line-height:1.25;margin:.5rem 0}
h2{font-size:1.15rem;margin:2.2rem 0 .4rem;border-top:1px solid var(--line);padding-top:1rem}
p{margin:.4rem 0;max-width:46rem}
nav a{display:inline-block;margin-right:1rem}a{color:var(--mark)}
.row{display:flex;flex-wrap:wrap;gap:.75rem;margin:.6rem 0}
.group{border:1px solid var(--line);border-radius:.4rem;padding:.5rem .75rem}
.group .row{margin:.2rem 0}
figure{margin:0;width:11rem}
figure img{width:100%;height:9rem;object-fit:contain;background:var(--soft);display:block}
figcaption{font-size:.82rem;line-height:1.35;overflow-wrap:anywhere;margin-top:.25rem}
.warn{color:var(--warn);font-weight:600}
.scroll{overflow-x:auto}
table{border-collapse:collapse;font-variant-numeric:tabular-nums}
th,td{text-align:right;padding:.2rem .7rem;border-bottom:1px solid var(--line);white-space:nowrap}
th:first-child,td:first-child{text-align:left}
td:has(.bar){text-align:left}
td.free{white-space:normal;overflow-wrap:anywhere;text-align:left;min-width:12rem}
.bar{display:inline-block;height:.7rem;background:var(--mark);vertical-align:middle}
svg{max-width:100%;height:auto}svg text{fill:var(--ink);font-size:12px}
@media(max-width:30rem){figure{width:calc(50% - .4rem)}figure img{height:7.5rem}}
@media print{.group,figure{break-inside:avoid}nav{display:none}}
"""


def page(findings: Findings, title: str) -> str:
    """Return the page.

    Args:
        findings: of `examine`.
        title: the data set's name, for people.
    """
    pictures = Pictures(findings)
    sections = [
        ("classes", "Classes", _classes(findings)),
        ("duplicates", "Near-duplicates", _duplicates(findings, pictures)),
        ("labels", "Look at these labels first", _labels(findings, pictures)),
        ("outliers", "Unlike all others", _outliers(findings, pictures)),
        ("sizes", "Sizes and formats", _sizes(findings)),
        ("skipped", "Skipped files", _skipped(findings)),
    ]
    links = " ".join(f'<a href="#{key}">{escape(name)}</a>' for key, name, _ in sections)
    body = "\n".join(
        f'<section id="{key}"><h2>{escape(name)}</h2>{text}</section>'
        for key, name, text in sections
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Photographs: {escape(title)}</title><style>{STYLE}</style></head><body>"
        f"<h1>Photographs: {escape(title)}</h1>{_summary(findings)}<nav>{links}</nav>\n{body}\n"
        "</body></html>\n"
    )


def _summary(findings: Findings) -> str:
    catalog = findings.catalog
    groups = findings.groups
    lines = [
        f"{_many(len(catalog.images), 'usable image')} in {len(catalog.classes)} classes,"
        f" {len(catalog.rejected)} skipped. {_many(len(groups), 'group')} of near-duplicates,"
        f" {_many(len(findings.doubts.found), 'label')} in doubt,"
        f" {_many(len(findings.outliers), 'image')} unlike all others."
    ]
    if any(len(group.classes) > 1 for group in groups):
        lines.append(_warn("A group of near-duplicates stands in two classes: a label is wrong."))
    digest = f"<p><small>Digest of the data set: {catalog.digest[:16]}</small></p>"
    return "".join(f"<p>{line}</p>" for line in lines) + digest


def _classes(findings: Findings) -> str:
    rows = profile(findings.catalog)
    most = max(row.count for row in rows[:-1]) or 1
    cells = [
        [
            escape(row.label),
            str(row.count),
            "" if row.label == "all" and row is rows[-1] else _bar(row.count / most),
            _pixels(row),
        ]
        for row in rows
    ]
    return _table(["class", "images", "", "median height x width, pixels"], cells)


def _bar(share: float) -> str:
    return f'<span class="bar" style="width:{8 * share:.2f}rem"></span>'


def _pixels(row: ClassProfile) -> str:
    if row.height is None or row.width is None:
        return "-"
    return f"{row.height.median:.0f} x {row.width.median:.0f}"


def _duplicates(findings: Findings, pictures: Pictures) -> str:
    groups = findings.groups
    if not groups:
        return "<p>None was found.</p>"
    crossing = sum(group.crosses for group in groups)
    text = (
        "<p>Each box holds what looks like one photograph: rescaled, mirrored, turned, with another"
        " mark, or packed anew. A split and the folds keep a box on one side."
    )
    if any(group.sides for group in groups):
        text += f" Without that, {crossing} of {len(groups)} would stand on both sides ({SHARES})."
    shown = "".join(_group(group, findings, pictures) for group in groups[:GROUPS_SHOWN])
    return f'{text}</p><div class="row">{shown}</div>{_more(len(groups), GROUPS_SHOWN)}'


def _group(group: Group, findings: Findings, pictures: Pictures) -> str:
    notes = []
    if len(group.classes) > 1:
        notes.append(_warn(f"In {_and(group.classes)}: a label is wrong."))
    if group.crosses:
        notes.append(f"Would have been divided: {escape(_and(group.sides))}.")
    figures = "".join(
        pictures.figure(row, escape(findings.file(row))) for row in group.rows[:PICTURES_A_GROUP]
    )
    more = _more(len(group.rows), PICTURES_A_GROUP)
    return (
        f'<div class="group"><p>{" ".join(notes)}</p><div class="row">{figures}</div>{more}</div>'
    )


def _labels(findings: Findings, pictures: Pictures) -> str:
    found = findings.doubts
    if found.accuracy is None:
        return f"<p>Not looked at: {escape(found.missing)}.</p>"
    text = (
        "<p>Trees that had not seen the image judged it by colour and texture. These got more votes"
        f" for another class; the surest come first. The trees are right for {found.accuracy:.0%}"
        " of all images, so many of these labels are right as well: look, then decide.</p>"
    )
    shown = [
        pictures.figure(
            doubt.row,
            f"{escape(findings.file(doubt.row))}<br>labelled"
            f" <b>{escape(findings.catalog.images[doubt.row].label)}</b> ({doubt.own_share:.0%} of"
            f" votes), looks like <b>{escape(doubt.looks_like)}</b> ({doubt.share:.0%})",
        )
        for doubt in found.found[:DOUBTS_SHOWN]
    ]
    return f'{text}<div class="row">{"".join(shown)}</div>{_more(len(found.found), DOUBTS_SHOWN)}'


def _outliers(findings: Findings, pictures: Pictures) -> str:
    found = findings.outliers
    if not found:
        return "<p>None was found.</p>"
    text = (
        "<p>In colour and texture these are far from every other image: a drawing, a map, a table,"
        " another subject, or a rare but good photograph.</p>"
    )
    shown = [
        pictures.figure(
            outlier.row,
            f"{escape(findings.file(outlier.row))}<br>{outlier.deviations:.1f} deviations out",
        )
        for outlier in found[:OUTLIERS_SHOWN]
    ]
    return f'{text}<div class="row">{"".join(shown)}</div>{_more(len(found), OUTLIERS_SHOWN)}'


def _sizes(findings: Findings) -> str:
    images = findings.catalog.images
    if not images:
        return "<p>No images.</p>"
    rows = [
        [escape(row.label), *_spread(row.height), *_spread(row.width)]
        for row in profile(findings.catalog)
    ]
    sides = [f"{side} {name}" for side in ("height", "width")
             for name in ("25 %", "median", "75 %")]  # fmt: skip
    kinds = Counter(f"{image.facts.format} {image.facts.mode}" for image in images)
    formats = [[escape(kind), str(count)] for kind, count in kinds.most_common()]
    return (
        f"{sizes_chart(findings.catalog)}{_table(['class', *sides], rows)}"
        f"<p></p>{_table(['format and mode, by content', 'images'], formats)}"
    )


def _spread(spread: Spread | None) -> list[str]:
    if spread is None:
        return ["-"] * 3
    quartiles = (spread.lower_quartile, spread.median, spread.upper_quartile)
    return [f"{value:.0f}" for value in quartiles]


def _skipped(findings: Findings) -> str:
    rejected = findings.catalog.rejected
    if not rejected:
        return "<p>None.</p>"
    rows = [
        [f'<td class="free">{escape(readable(item.path))}</td>'
         f'<td class="free">{escape(item.reason)}</td>']
        for item in rejected[:SKIPPED_SHOWN]
    ]  # fmt: skip
    lines = "".join(f"<tr>{row[0]}</tr>" for row in rows)
    return (
        f'<div class="scroll"><table><tr><th>file</th><th>reason</th></tr>{lines}</table></div>'
        f"{_more(len(rejected), SKIPPED_SHOWN)}"
    )


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    top = "".join(f"<th>{escape(name)}</th>" for name in head)
    lines = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f'<div class="scroll"><table><tr>{top}</tr>{lines}</table></div>'


def _more(count: int, shown: int) -> str:
    return f"<p>... and {count - shown} more.</p>" if count > shown else ""


def _warn(text: str) -> str:
    return f'<span class="warn">Careful: {escape(text)}</span>'


def _many(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count} {word}s"


def _and(words: Iterable[str]) -> str:
    return " and ".join(words)
