"""Rows that geometry checks look at, unpacked once."""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from datatools.schema import BOX

Polygon = NDArray[np.float64]  # (n, 2) x and y in pixels


def with_sizes(annotations: pd.DataFrame, images: pd.DataFrame) -> pd.DataFrame:
    """`annotations` with the true `width_px` and `height_px` of their image."""
    return annotations.merge(images[["path", "width_px", "height_px"]], on="path", how="inner")


def ordered_boxes(annotations: pd.DataFrame) -> pd.DataFrame:
    """The rows that have a box, with corners in order: x0 <= x1 and y0 <= y1."""
    boxes = annotations.dropna(subset=BOX)
    x, y = boxes[["x0_px", "x1_px"]], boxes[["y0_px", "y1_px"]]
    return boxes.assign(x0_px=x.min(axis=1), x1_px=x.max(axis=1), y0_px=y.min(axis=1), y1_px=y.max(axis=1))


def iter_polygons(annotations: pd.DataFrame) -> Iterator[tuple[str, str, int, Polygon]]:
    """Yield path, annotation id, part number and points of every polygon."""
    rows = annotations.dropna(subset=["mask"])
    for path, annotation_id, text in zip(rows["path"], rows["annotation_id"], rows["mask"], strict=True):
        mask = json.loads(text)
        for part, points in enumerate(mask if isinstance(mask, list) else ()):  # run lengths have no points
            yield str(path), str(annotation_id), part, np.asarray(points, dtype=float).reshape(-1, 2)


def is_closed(points: Polygon) -> bool:
    """Whether the last point repeats the first."""
    return len(points) > 1 and bool(np.array_equal(points[0], points[-1]))


def open_ring(points: Polygon) -> Polygon:
    """The points without the repeated last one."""
    return points[:-1] if is_closed(points) else points
