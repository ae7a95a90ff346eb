"""The page of `mineralsweep data check`: what a folder of photographs holds, what is in doubt."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import Any

from markupsafe import Markup

from mineralsweep.data.catalog import Catalog
from mineralsweep.data.decode import open_rgb
from mineralsweep.data.listing import shown
from mineralsweep.data.profile import profile
from mineralsweep.errors import UnusableImage
from mineralsweep.report import charts
from mineralsweep.report.examination import Findings, Group
from mineralsweep.report.page import Page, Section, blank, of_image, render

GROUPS_SHOWN = 60
SHOWN_SIDE = 512
"""Pixels a side that are enough for a small copy."""
PICTURES_A_GROUP = 8
DOUBTS_SHOWN = 24
OUTLIERS_SHOWN = 12
POOR_SHOWN = 24
SAMPLES = 6
"""Images a class that are shown beside those of the others."""
CLASSES_SHOWN = 30
SKIPPED_SHOWN = 200


def page(
    findings: Findings, title: str, problems: Sequence[str] = (), remarks: Sequence[str] = ()
) -> Page:
    """Return the page.

    Args:
        findings: of `examine`.
        title: the data set's name, for people.
        problems: what would end a sweep.
        remarks: what a sweep would say of it.
    """
    pictures = _Pictures(findings)
    catalog = findings.catalog
    sections = [
        Section("classes", "Classes", partial(_classes, catalog)),
        Section("samples", "Classes side by side", partial(_samples, catalog, pictures)),
        Section("duplicates", "Near-duplicates", partial(_duplicates, findings, pictures)),
        Section("labels", "Look at these labels first", partial(_labels, findings, pictures)),
        Section("outliers", "Unlike all others", partial(_outliers, findings, pictures)),
        Section(
            "quality", "Dark, faint, blurred or oddly shaped", partial(_poor, findings, pictures)
        ),
        Section("sizes", "Sizes and formats", partial(sizes, catalog)),
        Section("skipped", "Skipped files", partial(_skipped, catalog)),
    ]
    mislabelled = any(len(group.classes) > 1 for group in findings.groups)
    html = render(
        "photographs.html",
        sections,
        title=title,
        findings=findings,
        mislabelled=mislabelled,
        problems=problems,
        remarks=remarks,
    )
    return Page(html)


class _Pictures:
    """Small copies of a catalogue's images, each made once."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._uris: dict[int, Markup] = {}

    def of(self, row: int, **more: Any) -> dict[str, Any]:
        """Return what a template shows of an image, and more."""
        facts = self._findings.catalog.images[row].facts
        if row not in self._uris:
            self._uris[row] = self._uri(row)
        return {
            "uri": self._uris[row],
            "file": self._findings.file(row),
            "size": f"{facts.width} x {facts.height}",
            **more,
        }

    def _uri(self, row: int) -> Markup:
        try:
            catalog = self._findings.catalog
            content = catalog.images[row].path.read_bytes()
            image, _ = open_rgb(content, catalog.bits, least=SHOWN_SIDE)
        except (OSError, UnusableImage):
            return blank()  # removed since the folder was read; its name stays
        return of_image(image)


def _classes(catalog: Catalog) -> dict[str, Any]:
    rows = profile(catalog)
    return {"profile": rows, "most": max([1, *(row.count for row in rows[:-1])])}


def _samples(catalog: Catalog, pictures: _Pictures) -> dict[str, Any]:
    """Return a few images of each class; which ones depends on their content alone."""
    rows: dict[str, list[int]] = {label: [] for label in catalog.classes[:CLASSES_SHOWN]}
    for row, image in enumerate(catalog.images):  # sorted by digest: by chance
        if len(rows.get(image.label, [0] * SAMPLES)) < SAMPLES:
            rows[image.label].append(row)
    shown = {label: [pictures.of(row) for row in some] for label, some in rows.items()}
    return {"samples": shown, "more": len(catalog.classes) - CLASSES_SHOWN}


def _poor(findings: Findings, pictures: _Pictures) -> dict[str, Any]:
    shown = findings.poor[:POOR_SHOWN]
    return {
        "shown": [pictures.of(one.row, reasons=one.reasons) for one in shown],
        "more": len(findings.poor) - POOR_SHOWN,
    }


def _duplicates(findings: Findings, pictures: _Pictures) -> dict[str, Any]:
    groups = findings.groups
    return {
        "groups": [_group(group, pictures) for group in groups[:GROUPS_SHOWN]],
        "more": len(groups) - GROUPS_SHOWN,
        "count": len(groups),
        "crossing": sum(group.crosses for group in groups),
        "divided": any(group.sides for group in groups),
        "shares": findings.shares,
    }


def _group(group: Group, pictures: _Pictures) -> dict[str, Any]:
    return {
        "classes": group.classes,
        "sides": group.sides,
        "crosses": group.crosses,
        "pictures": [pictures.of(row) for row in group.rows[:PICTURES_A_GROUP]],
        "more": len(group.rows) - PICTURES_A_GROUP,
    }


def _labels(findings: Findings, pictures: _Pictures) -> dict[str, Any]:
    doubts, images = findings.doubts, findings.catalog.images
    return {
        "doubts": doubts,
        "shown": [
            pictures.of(doubt.row, label=images[doubt.row].label, doubt=doubt)
            for doubt in doubts.found[:DOUBTS_SHOWN]
        ],
        "more": len(doubts.found) - DOUBTS_SHOWN,
    }


def _outliers(findings: Findings, pictures: _Pictures) -> dict[str, Any]:
    outliers = findings.outliers
    return {
        "shown": [
            pictures.of(one.row, deviations=one.deviations) for one in outliers[:OUTLIERS_SHOWN]
        ],
        "more": len(outliers) - OUTLIERS_SHOWN,
    }


def sizes(catalog: Catalog) -> dict[str, Any]:
    """Return the images' sizes, a class a row, their formats, and a chart of them."""
    rows = profile(catalog)
    formats = Counter(f"{image.facts.format} {image.facts.mode}" for image in catalog.images)
    alt, whole = f"Width and height of {len(catalog.images)} images", rows[-1]
    if whole.width and whole.height:
        alt += f"; the median is {whole.width.median:.0f} x {whole.height.median:.0f} pixels"
    figure = charts.inline(charts.sizes(catalog), "sizes", f"{alt}.") if catalog.images else ""
    return {"profile": rows, "formats": formats.most_common(), "figure": figure}


def _skipped(catalog: Catalog) -> dict[str, Any]:
    rejected = [
        (shown(item.path, catalog.root), item.reason)
        for item in catalog.listing.folders + catalog.rejected
    ]
    return {"skipped": rejected[:SKIPPED_SHOWN], "more": len(rejected) - SKIPPED_SHOWN}
