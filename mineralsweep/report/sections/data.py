"""The data set, and the settings of the sweep."""

from __future__ import annotations

from collections import Counter
from typing import Any

import mineralsweep
from mineralsweep.data.names import readable
from mineralsweep.data.profile import profile as profile_of
from mineralsweep.report import charts
from mineralsweep.report.evidence import Evidence
from mineralsweep.report.findings import counts
from mineralsweep.report.svg import inline

REJECTED = 20


def profile(evidence: Evidence) -> dict[str, Any]:
    """Return the images a class and a part, their sizes and formats, and what was left aside."""
    catalog = evidence.dataset.catalog
    points = {
        label: [
            (image.facts.width, image.facts.height)
            for image in catalog.images
            if image.label == label
        ]
        for label in catalog.classes
    }
    formats = Counter(f"{image.facts.format} {image.facts.mode}" for image in catalog.images)
    described = profile_of(catalog)
    whole = described[-1]
    alt = "Width and height of every image"
    if whole.width and whole.height:
        alt += f"; the median is {whole.width.median:.0f} x {whole.height.median:.0f} pixels"
    return {
        "name": evidence.dataset.name,
        "shares": evidence.dataset.shares,
        "split_seed": evidence.dataset.split_seed,
        "digest": catalog.digest,
        "counts": counts(evidence),
        "classes": catalog.classes,
        "profile": described,
        "formats": formats.most_common(),
        "rejected": [
            (readable(one.path.relative_to(catalog.root)), one.reason) for one in catalog.rejected
        ][:REJECTED],
        "together": [evidence.dataset.files(rows) for rows in evidence.dataset.duplicates()],
        "rejected_in_all": len(catalog.rejected),
        "figure": inline(charts.sizes(points), "sizes", f"{alt}."),
    }


def settings(evidence: Evidence) -> dict[str, Any]:
    """Return the settings as MLflow has them, and how to make this page again."""
    params = evidence.store.client.get_run(evidence.run_id).data.params
    shown = {
        name.removeprefix("sweep."): value
        for name, value in sorted(params.items())
        if name.startswith("sweep.")
    }
    return {
        "settings": shown,
        "champion": evidence.best.params,
        "study": evidence.study,
        "run_id": evidence.run_id,
        "version": mineralsweep.__version__,
        "seconds": sum(record.seconds for record in evidence.records),
    }
