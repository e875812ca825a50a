"""What it finds: a mask polygon whose outline crosses itself.

Why it matters: inside and outside change places at a crossing; area, IoU and rasterised masks come out differently in
every tool.

What to do: redraw the outline around the crossing. Two points in the wrong order are the usual cause.

Options: none. The test is Shapely's (OGC simple feature rules): edges that cross or run over each other; outlines that
only touch themselves in a point are fine.
"""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd
from shapely.geometry import Polygon as ShapelyPolygon
from shapely.validation import explain_validity, make_valid

from datatools.checks.base import Check, Inputs
from datatools.checks.geometry import Polygon, iter_polygons, open_ring
from datatools.findings import Finding

TOUCHES = "Ring Self-intersection"  # a point visited twice


def find_self_crossings(annotations: pd.DataFrame) -> Iterator[Finding]:
    """Yield a finding for each polygon that crosses itself, with the first crossing in pixels."""
    for path, annotation_id, part, points in iter_polygons(annotations):
        ring = open_ring(points)
        if len(ring) < 3:
            continue
        reason = explain_validity(ShapelyPolygon(ring))
        if reason.startswith("Self-intersection") or (reason.startswith(TOUCHES) and _crosses(ring)):
            x, y = map(float, reason.partition("[")[2].rstrip("]").split())
            yield Finding(f"polygon {part + 1} crosses itself at ({x:.1f}, {y:.1f})", path, annotation_id)


def _crosses(ring: Polygon) -> bool:
    """Whether a ring that meets itself in a corner crosses there: then its signed parts cancel and area is lost."""
    shape = ShapelyPolygon(ring)
    return abs(make_valid(shape).area - shape.area) > 1e-6 * max(shape.area, 1.0)


def _spoil(inputs: Inputs) -> Inputs:
    annotations = inputs["annotations"].copy()
    row = annotations["mask"].first_valid_index()
    annotations.loc[row, "mask"] = "[[[1,1],[9,9],[9,1],[1,9],[1,1]]]"
    return {**inputs, "annotations": annotations}


CHECK = Check("MSK002", "self-crossing polygon", "error", find_self_crossings, _spoil)
