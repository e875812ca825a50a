"""Boxes and polygons of the tables as FiftyOne draws them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd

from datatools.masks import rings_of

if TYPE_CHECKING:
    import fiftyone as fo


def to_shapes(
    objects: Iterable[Mapping[str, Any]], width_px: int, height_px: int
) -> tuple[fo.Detections, fo.Polylines]:
    """Boxes and polygons of one image (rows of ANNOTATIONS as mappings) in FiftyOne's relative coordinates.

    Swapped corners are put in order; a shape with too few, missing or infinite coordinates is left out, as there is
    nothing to draw. The tables keep it, and its finding names it.
    """
    import fiftyone as fo

    boxes, polygons = [], []
    for row in objects:
        common = {"label": None if pd.isna(row["label"]) else row["label"], "annotation_id": row["annotation_id"]}
        box = _relative_box(row, width_px, height_px)
        if box is not None:
            boxes.append(fo.Detection(bounding_box=box, **common))
        points = _relative_polygons(row["mask"], width_px, height_px)
        if points:
            polygons.append(fo.Polyline(points=points, closed=True, filled=False, **common))
    return fo.Detections(detections=boxes), fo.Polylines(polylines=polygons)


def _relative_box(row: Mapping[str, Any], width_px: int, height_px: int) -> list[float] | None:
    corners = [row[name] for name in ("x0_px", "y0_px", "x1_px", "y1_px")]
    if any(pd.isna(value) or not math.isfinite(value) for value in corners):
        return None
    (x0, x1), (y0, y1) = sorted(corners[0::2]), sorted(corners[1::2])
    return [x0 / width_px, y0 / height_px, (x1 - x0) / width_px, (y1 - y0) / height_px]


def _relative_polygons(mask: Any, width_px: int, height_px: int) -> list[list[tuple[float, float]]]:
    try:
        polygons = [[(float(x), float(y)) for x, y in polygon] for polygon in rings_of(mask)]
    except (TypeError, ValueError):  # no mask, or one that a check speaks of
        return []
    drawn = [points for points in polygons if len(points) > 2 and all(math.isfinite(c) for p in points for c in p)]
    return [[(x / width_px, y / height_px) for x, y in points] for points in drawn]
