"""Small pictures of images with their boxes and polygons; an image that cannot be read has none."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pandas as pd

from datatools.dataset import Dataset
from datatools.images import RGB, UnreadableImageError, draw_shapes, encode_png
from datatools.masks import rings_of
from datatools.raw import open_raw
from datatools.schema import BOX

SIDE_PX = 192  # a larger image shrinks to this
GROWN_PX = 128  # a smaller one grows to this, by a whole factor
MAX_OBJECTS = 100  # more outlines than this only hide the image
MAX_DECISIONS = 18

Point = list[float]


def draw_thumbnails(dataset: Dataset, paths: Iterable[str | None], root: Path) -> dict[str, bytes]:
    """Return path -> PNG of 128 to 192 px for each image below `root` that can be read, in the order of `paths`."""
    objects = dict(iter(dataset.objects.groupby("path")))
    raw = open_raw(root)
    drawn: dict[str, bytes] = {}
    for path in paths:
        if path and path not in drawn and is_below_root(path):
            try:
                drawn[path] = encode_png(draw_image(raw.decode(path), objects.get(path)))
            except (UnreadableImageError, ValueError):  # ValueError: a path with a null byte
                continue
    return drawn


def choose_paths(summary: dict[str, Any]) -> list[str | None]:
    """The images that a report shows: its conflicts, its latest decisions, the top of its queue."""
    fixes = summary["fixes"]
    rows = [*fixes["conflicts"][:MAX_DECISIONS], *fixes["decisions"][:MAX_DECISIONS]]
    return [row["path"] for row in [*rows, *summary["queue"]["top"][: summary["queue"]["shown"]]]]


def draw_image(image: RGB, objects: pd.DataFrame | None = None) -> RGB:
    """`image`, longer side 128 to 192 px, with each object's outline: its polygons if it has a mask, else its box."""
    small = shrink_image(image, SIDE_PX)
    ratio_xy = small.shape[1] / image.shape[1], small.shape[0] / image.shape[0]
    boxes, polygons = _shapes(objects.head(MAX_OBJECTS)) if objects is not None else ([], [])
    size_wh = image.shape[1], image.shape[0]
    polygons = [[_place(point, size_wh, ratio_xy) for point in polygon] for polygon in polygons]
    corners = [_place(box[:2], size_wh, ratio_xy) + _place(box[2:], size_wh, ratio_xy) for box in boxes]
    return draw_shapes(small, corners, polygons, scale=max(1, GROWN_PX // max(small.shape[:2])))


def shrink_image(image: RGB, side_px: int) -> RGB:
    """Average blocks of whole pixels until no side is longer than `side_px`; a smaller image stays as it is."""
    height, width = image.shape[:2]
    step = math.ceil(max(height, width) / side_px)
    if step <= 1:
        return image
    rows, columns = min(step, height), min(step, width)
    cut = image[: height // rows * rows, : width // columns * columns]
    blocks = cut.reshape(height // rows, rows, width // columns, columns, 3)
    return np.asarray(blocks.mean(axis=(1, 3)).round(), dtype=np.uint8)


def _shapes(objects: pd.DataFrame) -> tuple[list[Point], list[list[Point]]]:
    boxes: list[Point] = []
    polygons: list[list[Point]] = []
    for row in objects.to_dict("records"):
        found = _read_polygons(row["mask"])
        box = [row[name] for name in BOX]
        if found:
            polygons += found
        elif all(pd.notna(value) and math.isfinite(value) for value in box):
            boxes.append(box)
    return boxes, polygons


def _read_polygons(mask: Any) -> list[list[Point]]:
    try:
        arrays = [np.asarray(polygon, dtype=float) for polygon in rings_of(mask)]
    except (TypeError, ValueError):
        return []
    return [array.tolist() for array in arrays if array.ndim == 2 and array.shape[1] == 2 and np.isfinite(array).all()]


def _place(point: Point, size_wh: tuple[int, int], ratio_xy: tuple[float, float]) -> Point:
    """A point of the image in pixels of the small one; a point outside is drawn on the edge."""
    return [min(max(value, 0), size) * ratio for value, size, ratio in zip(point, size_wh, ratio_xy, strict=True)]


def is_below_root(path: str) -> bool:
    """Whether a path of the data set stays in the data root."""
    return not PurePosixPath(path).is_absolute() and ".." not in PurePosixPath(path).parts
