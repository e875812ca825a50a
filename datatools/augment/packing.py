"""The objects of an image as arrays that a pipeline moves: all outlines and points in one, run-length masks as bitmaps."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from datatools.augment.moves import Floats
from datatools.masks import MaskError, Rle, parse_mask
from datatools.schema import BOX

Row = dict[str, Any]
POINTS = frozenset({"point", "points"})
LINES = frozenset({"line", "linestrip", "polyline"})
CIRCLE = "circle"  # LabelMe's: its middle and a point on it


class UnmovableError(Exception):
    """An object that cannot be moved along; the message is the reason that is counted."""


@dataclass(frozen=True)
class Item:
    """One object: how it is described (`box`, `rings`, `pixels` or a shape's kind) and where its points are.

    `keypoints` are points beside the outline; `visible` says which of them are placed. `bitmap` is the channel and the
    number of a run-length mask, `n_pixels` its size; its outline is the four corners of its bounds, of `area`.
    """

    row: Row
    form: str
    outlines: tuple[slice, ...]
    keypoints: slice = field(default_factory=lambda: slice(0))
    visible: tuple[bool, ...] = ()
    bitmap: tuple[int, int] = (0, 0)
    n_pixels: int = 0
    area: float = 0.0


@dataclass
class Packed:
    """The objects of one image: `points` (n, 2), `masks` int32 (height, width, channels) or None, what is where.

    `reasons` has one of each object that is not in it.
    """

    points: Floats
    masks: NDArray[np.int32] | None
    items: list[Item]
    reasons: list[str] = field(default_factory=list)


def pack_objects(rows: Sequence[Row], size_wh: tuple[int, int], longest_px: float | None = None) -> Packed:
    """Lay out the objects `rows` of an image. With `longest_px`, edges are cut into pieces no longer, for they will bend."""
    packer = _Packer(size_wh, longest_px)
    for row in rows:
        try:
            packer.add(row)
        except UnmovableError as error:
            packer.reasons.append(str(error))
    points = np.concatenate([np.zeros((0, 2)), *packer.pieces])
    masks = None
    if packer.channels:  # np.stack would copy the one that most images have
        masks = packer.channels[0][..., None] if len(packer.channels) == 1 else np.stack(packer.channels, axis=2)
    return Packed(points, masks, packer.items, packer.reasons)


class _Packer:
    def __init__(self, size_wh: tuple[int, int], longest_px: float | None) -> None:
        self._size_wh, self._longest_px = size_wh, longest_px
        self._n_points = 0
        self.pieces: list[Floats] = []
        self.channels: list[NDArray[np.int32]] = []
        self.items: list[Item] = []
        self.reasons: list[str] = []

    def add(self, row: Row) -> None:
        """Lay out one object; raises UnmovableError."""
        attributes = {} if row["attributes"] in ("{}", "", None) else json.loads(row["attributes"])
        if row["kind"] == "shape":
            self.items.append(self._shape(row, attributes))
            return
        points = keypoints_of(attributes.get("keypoints") or [])
        visible = tuple(len(point) < 3 or bool(point[2]) for point in points)
        keypoints = self._lay(np.array([point[:2] for point in points], dtype=float)) if points else slice(0)
        mask = None if row["mask"] is None else _parse(row["mask"])
        if isinstance(mask, Rle):
            self.items.append(self._pixels(row, mask, keypoints, visible))
        elif mask is None:
            outline = self._corners([row[name] for name in BOX])
            self.items.append(Item(row, "box", (outline,), keypoints, visible))
        elif not mask:
            raise UnmovableError("a mask without outline")
        else:
            self.items.append(Item(row, "rings", tuple(map(self._ring, mask)), keypoints, visible))

    def _shape(self, row: Row, attributes: Row) -> Item:
        kind, points = attributes.get("shape"), attributes.get("points")
        if kind not in POINTS | LINES | {CIRCLE} or not points:
            raise UnmovableError(f"a shape that cannot be moved: {kind}")
        places = np.array(points, dtype=float).reshape(-1, 2)
        return Item(row, str(kind), (self._lay(self._cut(places) if kind in LINES else places),))

    def _pixels(self, row: Row, rle: Rle, keypoints: slice, visible: tuple[bool, ...]) -> Item:
        bitmap = rle.to_array()
        bounds = bounds_of(bitmap)
        if rle.size_hw[::-1] != self._size_wh or bounds is None:
            raise UnmovableError("a mask that is empty or of another size than its image")
        x0, y0, x1, y1 = bounds
        area = float((x1 - x0) * (y1 - y0))
        place = self._place(bitmap, bounds)
        return Item(row, "pixels", (self._corners(bounds),), keypoints, visible, place, rle.n_pixels, area)

    def _place(self, bitmap: NDArray[np.bool_], bounds: tuple[int, int, int, int]) -> tuple[int, int]:
        """Write a mask into the first channel in which nothing else lies there; give it the next number."""
        x0, y0, x1, y1 = bounds
        part = bitmap[y0:y1, x0:x1]
        windows = [channel[y0:y1, x0:x1] for channel in self.channels]
        free = next((n for n, used in enumerate(windows) if not (part & (used > 0)).any()), len(windows))
        if free == len(windows):
            self.channels.append(np.zeros(bitmap.shape, dtype=np.int32))
            windows.append(self.channels[free][y0:y1, x0:x1])
        number = len(self.items) + 1  # 0 is where nothing is
        np.copyto(windows[free], number, where=part)
        return free, number

    def _ring(self, ring: Any) -> slice:
        places = np.array(ring, dtype=float).reshape(-1, 2)
        if len(places) < 3:
            raise UnmovableError("an outline of fewer than three points")
        if (places[0] != places[-1]).any():
            places = np.concatenate([places, places[:1]])
        return self._lay(self._cut(places))

    def _corners(self, box: Sequence[Any]) -> slice:
        x0, y0, x1, y1 = (float("nan") if value is None else float(value) for value in box)
        return self._lay(self._cut(np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1], [x0, y0]])))

    def _cut(self, places: Floats) -> Floats:
        if self._longest_px is None or len(places) < 2 or not np.isfinite(places).all():
            return places
        return shapely.get_coordinates(shapely.segmentize(shapely.linestrings(places), self._longest_px))

    def _lay(self, places: Floats) -> slice:
        if not np.isfinite(places).all():
            raise UnmovableError("an object without place")
        start = self._n_points
        self._n_points += len(places)
        self.pieces.append(places)
        return slice(start, self._n_points)


def keypoints_of(numbers: Sequence[Any]) -> list[list[float]]:
    """`[x, y]` or `[x, y, visible]` of each keypoint, from YOLO's lists or COCO's flat `[x, y, visible, ...]`."""
    if numbers and not isinstance(numbers[0], list):
        return [list(numbers[start : start + 3]) for start in range(0, len(numbers), 3)]
    return [list(point) for point in numbers]


def _parse(text: str) -> Any:
    try:
        return parse_mask(text)
    except MaskError as error:
        raise UnmovableError("a mask that cannot be read") from error


def bounds_of(bitmap: NDArray[np.bool_]) -> tuple[int, int, int, int] | None:
    """`(x0, y0, x1, y1)` around what is set, half-open, in pixels; None where nothing is."""
    columns, rows = np.asarray(bitmap.any(axis=0)), np.asarray(bitmap.any(axis=1))
    if not columns.any():
        return None
    x0, y0, right, below = (int(line.argmax()) for line in (columns, rows, columns[::-1], rows[::-1]))
    return x0, y0, len(columns) - right, len(rows) - below
