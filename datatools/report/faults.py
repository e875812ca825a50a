"""Pictures of findings: the part of the image where the fault is, the object's outline, and the fault over it.

Pixels go into the page as a bitmap, lines as vectors in pixels of the image, so that they stay thin at any zoom.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from datatools.engine import map_ordered
from datatools.findings import Mark, parse_marks
from datatools.images import RGB, UnreadableImageError, encode_jpeg, encode_png
from datatools.masks import rings_of
from datatools.raw import open_raw
from datatools.report.pages import to_data_uri
from datatools.report.thumbnails import is_below_root, shrink_image
from datatools.schema import BOX

SIDE_PX = 240  # of the bitmap; a larger part of the image shrinks to this
NARROWEST_PX = 64  # no part of an image is shown closer than this
WHOLE = 0.7  # a part this long compared to the image is no help: the whole image is shown
MAX_POINTS = 2000  # of an outline
MAX_RINGS = 50

Point = tuple[float, float]
Window = tuple[float, float, float, float]  # x, y, width, height in pixels of the image; may reach over its edges


@dataclass(frozen=True)
class FaultPicture:
    """What to draw, all in pixels of the image: the window, the bitmap and where it lies, outlines, the fault."""

    window: Window
    bitmap: str  # data: URI
    bitmap_at: Window
    size_wh: tuple[int, int]
    outlines: tuple[tuple[Point, ...], ...]
    marks: tuple[Mark, ...]
    zoom: float  # how much closer than the whole image

    @property
    def unit(self) -> float:
        """A hundredth of the window's longer side, for the size of points."""
        return max(self.window[2:]) / 100

    @property
    def is_coarse(self) -> bool:
        """Whether single pixels are seen."""
        return max(self.window[2:]) < SIDE_PX


def draw_faults(examples: pd.DataFrame, annotations: pd.DataFrame, root: Path) -> dict[int, FaultPicture]:
    """Index of `examples` -> its picture, for those whose image below `root` can be read.

    `examples` are rows of FINDINGS. Each image is decoded once.
    """
    chosen = annotations[annotations["annotation_id"].isin(examples["annotation_id"].dropna())]
    outlines = {row["annotation_id"]: read_outlines(row) for row in chosen.to_dict("records")}
    todo: dict[str, list[tuple[int, tuple[Mark, ...], Any]]] = {}
    for index, row in zip(examples.index, examples.to_dict("records")):
        if pd.notna(row["path"]) and is_below_root(row["path"]):
            marks = tuple(mark for mark in parse_marks(row["marks"]) if _is_drawable(mark))
            todo.setdefault(row["path"], []).append((index, marks, outlines.get(row["annotation_id"], ())))
    draw = functools.partial(_draw_image, root=root)
    return {index: picture for drawn in map_ordered(draw, list(todo.items())) for index, picture in drawn}


def draw_fault(image: RGB, marks: Sequence[Mark], outlines: Sequence[Sequence[Point]] = ()) -> FaultPicture:
    """The picture of one fault. Points far outside the image are pulled to half an image's side from its edge."""
    size_wh = image.shape[1], image.shape[0]
    near = tuple(Mark(mark.shape, _flat([_pull(point, size_wh) for point in _points(mark)])) for mark in marks)
    rings = tuple(tuple(_pull(point, size_wh) for point in ring) for ring in outlines)
    window = choose_window([_points(mark) for mark in near], rings, size_wh)
    x0, y0 = max(math.floor(window[0]), 0), max(math.floor(window[1]), 0)
    x1 = min(math.ceil(window[0] + window[2]), size_wh[0])
    y1 = min(math.ceil(window[1] + window[3]), size_wh[1])
    small = shrink_image(image[y0:y1, x0:x1], SIDE_PX)
    uri = _to_uri(np.ascontiguousarray(small))
    zoom = max(size_wh) / max(window[2:])
    return FaultPicture(window, uri, (x0, y0, x1 - x0, y1 - y0), size_wh, rings, near, zoom)


def choose_window(
    faults: Sequence[Sequence[Point]], outlines: Sequence[Sequence[Point]], size_wh: tuple[int, int]
) -> Window:
    """The part of the image to show: the fault with room around it, or all of the image where that is hardly less.

    Without a fault to draw it is the object. What lies outside the image is in the window, too.
    """
    width, height = size_wh
    shown = [*faults] or [*outlines]
    if not shown:
        return 0.0, 0.0, float(width), float(height)
    x0, y0, x1, y1 = _bounds(shown)
    x0, x1, y0, y1 = min(x0, width - 1), max(x1, 1), min(y0, height - 1), max(y1, 1)  # some of the image, too
    of_object = _bounds(outlines) if outlines else (x0, y0, x1, y1)
    object_side = max(of_object[2] - of_object[0], of_object[3] - of_object[1])
    side = max(1.8 * max(x1 - x0, y1 - y0), 0.4 * object_side, NARROWEST_PX)
    if side >= WHOLE * max(width, height):
        (left, across), (top, down) = _whole(x0, x1, width), _whole(y0, y1, height)
    else:
        (left, across), (top, down) = _part(x0, x1, side, width), _part(y0, y1, side, height)
    return left, top, across, down


def corners_of(mark: Mark) -> list[Point]:
    """The points to draw for a mark: of a box all four corners."""
    points = _points(mark)
    if mark.shape != "box":
        return points
    (x0, y0), (x1, y1) = points
    return [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]


def read_outlines(row: Mapping[str, Any]) -> tuple[tuple[Point, ...], ...]:
    """The outlines of one annotation: its mask's rings, else its box; none where neither can be drawn."""
    try:
        rings = [np.asarray(ring, dtype=float) for ring in rings_of(row["mask"])]
    except (TypeError, ValueError):
        rings = []
    sound = [ring for ring in rings[:MAX_RINGS] if ring.ndim == 2 and ring.shape[1] == 2 and np.isfinite(ring).all()]
    if sound:
        return tuple(tuple((float(x), float(y)) for x, y in ring[:MAX_POINTS]) for ring in sound)
    box = [row[name] for name in BOX]
    if any(pd.isna(value) or not math.isfinite(value) for value in box):
        return ()
    x0, y0, x1, y1 = map(float, box)
    return (((x0, y0), (x1, y0), (x1, y1), (x0, y1)),)


def _to_uri(image: RGB) -> str:
    """Single pixels stay as they are; what is shown smaller than it is may lose a little."""
    is_large = max(image.shape[:2]) > SIDE_PX / 2
    return to_data_uri(encode_jpeg(image) if is_large else encode_png(image))


def _draw_image(
    item: tuple[str, list[tuple[int, tuple[Mark, ...], Any]]], root: Path
) -> list[tuple[int, FaultPicture]]:
    path, faults = item
    try:
        image = open_raw(root).decode(path)
    except (UnreadableImageError, ValueError):  # ValueError: a path with a null byte
        return []
    return [(index, draw_fault(image, marks, outlines)) for index, marks, outlines in faults]


def _whole(low: float, high: float, size: int) -> tuple[float, float]:
    """Start and length of a window on one axis: all of the image, and what stands out of it."""
    room = 0.04 * size
    start, end = min(0.0, low - room if low < 0 else 0.0), max(float(size), high + room if high > size else 0.0)
    return start, end - start


def _part(low: float, high: float, side: float, size: int) -> tuple[float, float]:
    """Start and length of a window of length `side` around `low` to `high`; outside the image only if these are."""
    room = (side - (high - low)) / 2
    start, end = low - room, high + room
    if low >= 0:
        start, end = max(start, 0.0), end - min(start, 0.0)
    if high <= size:
        start, end = start - max(end - size, 0.0), min(end, float(size))
    start = max(start, 0.0) if low >= 0 else start
    return start, end - start


def _is_drawable(mark: Mark) -> bool:
    n_points = {"point": 1, "line": 2, "box": 2}.get(mark.shape)
    sound = len(mark.xy) % 2 == 0 and all(map(math.isfinite, mark.xy)) and len(mark.xy) <= 2 * MAX_POINTS
    return sound and (len(mark.xy) == 2 * n_points if n_points else mark.shape == "polygon" and len(mark.xy) >= 2)


def _points(mark: Mark) -> list[Point]:
    return list(zip(mark.xy[::2], mark.xy[1::2]))


def _flat(points: Sequence[Point]) -> tuple[float, ...]:
    return tuple(value for point in points for value in point)


def _pull(point: Point, size_wh: tuple[int, int]) -> Point:
    x, y = (min(max(value, -size / 2), 1.5 * size) for value, size in zip(point, size_wh))
    return x, y


def _bounds(shapes: Sequence[Sequence[Point]]) -> Window:
    xs, ys = zip(*(point for shape in shapes for point in shape))
    return min(xs), min(ys), max(xs), max(ys)
