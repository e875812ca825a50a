"""Small pictures of images with their boxes and polygons; an image that cannot be read has none.

A photo is a JPEG, which pages show smooth; an icon that is enlarged is a PNG, of which pages show every pixel.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from datatools.dataset import Dataset
from datatools.images import RGB, UnreadableImageError, draw_shapes, encode_jpeg, encode_png
from datatools.masks import rings_of
from datatools.raw import open_raw
from datatools.schema import BOX

SIDE_PX = 192  # a larger image shrinks to this
GROWN_PX = 128  # a smaller one grows to this, by a whole factor
MAX_OBJECTS = 100  # more outlines than this only hide the image
MAX_DECISIONS = 18

Point = list[float]


def draw_thumbnails(
    dataset: Dataset, paths: Iterable[str | None], root: Path, side_px: int = SIDE_PX
) -> dict[str, bytes]:
    """Return path -> JPEG or PNG for each image below `root` that can be read, in the order of `paths`: see `draw_image`."""
    objects = dict(iter(dataset.objects.groupby("path")))
    raw = open_raw(root)
    drawn: dict[str, bytes] = {}
    for path in paths:
        if path and path not in drawn and is_below_root(path):
            try:
                drawn[path] = _encode(raw.decode(path), objects.get(path), side_px)
            except (UnreadableImageError, ValueError):  # ValueError: a path with a null byte
                continue
    return drawn


def choose_paths(summary: dict[str, Any]) -> list[str | None]:
    """The images that a report shows: its conflicts, its latest decisions, the top of its queue."""
    fixes = summary["fixes"]
    rows = [*fixes["conflicts"][:MAX_DECISIONS], *fixes["decisions"][:MAX_DECISIONS]]
    return [row["path"] for row in [*rows, *summary["queue"]["top"][: summary["queue"]["shown"]]]]


def _encode(image: RGB, objects: pd.DataFrame | None, side_px: int) -> bytes:
    drawn = draw_image(image, objects, side_px)
    return encode_png(drawn) if max(drawn.shape) > max(image.shape) else encode_jpeg(drawn)


def draw_image(image: RGB, objects: pd.DataFrame | None = None, side_px: int = SIDE_PX) -> RGB:
    """`image` with each object's outline: its polygons if it has a mask, else its box.

    Its longer side is `side_px` at most; up to 64 px it is enlarged to up to 128 px, every pixel to a square.
    """
    small = shrink_image(image, side_px)
    ratio_xy = small.shape[1] / image.shape[1], small.shape[0] / image.shape[0]
    boxes, polygons = _shapes(objects.head(MAX_OBJECTS)) if objects is not None else ([], [])
    size_wh = image.shape[1], image.shape[0]
    polygons = [[_place(point, size_wh, ratio_xy) for point in polygon] for polygon in polygons]
    corners = [_place(box[:2], size_wh, ratio_xy) + _place(box[2:], size_wh, ratio_xy) for box in boxes]
    return draw_shapes(small, corners, polygons, scale=max(1, GROWN_PX // max(small.shape[:2])))


def shrink_image(image: RGB, side_px: int) -> RGB:
    """Average the area of each new pixel, so that the longer side is `side_px`; a smaller image stays as it is."""
    longest = max(image.shape[:2])
    if longest <= side_px:
        return image
    height, width = (max(1, round(size * side_px / longest)) for size in image.shape[:2])
    shrunk = _average_rows(_average_rows(image, height).swapaxes(0, 1), width).swapaxes(0, 1)
    return np.ascontiguousarray(shrunk.round(), dtype=np.uint8)


def _average_rows(rows: NDArray[Any], n: int) -> NDArray[np.float64]:
    """`n` rows in the place of more, each the average of its share of them: a row on an edge counts in part for both."""
    edges = np.linspace(0, len(rows), n + 1)
    first = edges.astype(int)
    before = (edges - first)[:, None, None] * rows[np.minimum(first, len(rows) - 1)]  # of the row that an edge cuts
    whole = np.add.reduceat(rows, first[:-1], axis=0, dtype=np.float64)
    return np.asarray((whole - before[:-1] + before[1:]) * (n / len(rows)))


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
