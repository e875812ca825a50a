"""A picture of what augmentation does: parents above one copy of each, their objects drawn on both."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from datatools.augment.dataset import Shown
from datatools.augment.packing import LINES, Row, keypoints_of
from datatools.images import RGB, decode_image, draw_shapes, encode_png, resize_image
from datatools.masks import MaskError, outlines_of
from datatools.raw import open_raw
from datatools.schema import BOX

A_ROW = 8
DIAMOND_PX = ((-2, 0), (0, -2), (2, 0), (0, 2))  # around a point
FAR_PX = 10_000  # from the corner: a line that ends there leaves the picture


def draw_contact_sheet(shown: Sequence[Shown], root: Path, side_px: int = 128) -> bytes:
    """PNG of pairs, eight a row: boxes in red; outlines, lines and points in blue. Blank where there are none."""
    raw = open_raw(root)
    pairs = [
        np.concatenate(
            [
                _draw(raw.decode(pair.path), pair.objects, side_px),
                _draw(decode_image(pair.copy), [row for row in pair.rows if row["kind"] != "label"], side_px),
            ]
        )
        for pair in shown
    ]
    blank = np.full((2 * side_px, side_px, 3), 255, dtype=np.uint8)
    pairs += [blank] * (-len(pairs) % A_ROW or (A_ROW if not pairs else 0))
    rows = [np.concatenate(pairs[start : start + A_ROW], axis=1) for start in range(0, len(pairs), A_ROW)]
    return encode_png(np.concatenate(rows))


def _draw(image: RGB, objects: Sequence[Row], side_px: int) -> RGB:
    """The image with its objects, in the top left of a white square. Lines are drawn last: they are as wide on any image."""
    longest = max(image.shape[:2])
    grown = draw_shapes(image, scale=max(1, round(side_px / longest)))
    square = np.full((max(grown.shape[:2]),) * 2 + (3,), 255, dtype=np.uint8)
    square[: grown.shape[0], : grown.shape[1]] = grown
    ratio = side_px / longest
    boxes = [_scale([row[name] for name in BOX], ratio).tolist() for row in objects if row["x0_px"] is not None]
    lines = [_scale(line, ratio).tolist() for row in objects for line in _lines(row)]
    diamonds = [(place + np.array(DIAMOND_PX)).tolist() for row in objects for place in _scale(_points(row), ratio)]
    return draw_shapes(resize_image(square, side_px), boxes, [*lines, *diamonds], scale=1)


def _scale(places: ArrayLike, ratio: float) -> NDArray[np.float64]:
    """Numbers of pixels of the image in pixels of its picture; what is far outside stays a number that can be drawn."""
    return np.clip(np.array(places, dtype=float) * ratio, -FAR_PX, FAR_PX)


def _lines(row: Row) -> list[list[list[float]]]:
    """The outlines of a mask, holes included, or the line of a shape."""
    if row["mask"] is not None:
        try:
            return outlines_of(row["mask"])
        except MaskError:
            return []  # it was dropped, and counted
    shape = json.loads(row["attributes"] or "{}") if row["kind"] == "shape" else {}
    points = shape.get("points") or []
    return [[*points, *points[::-1]]] if shape.get("shape") in LINES else []


def _points(row: Row) -> NDArray[np.float64]:
    """Those of a shape that is no line, and the keypoints that have a place: (n, 2)."""
    attributes = json.loads(row["attributes"] or "{}")
    own = attributes.get("points") or [] if row["kind"] == "shape" and attributes.get("shape") not in LINES else []
    keypoints = keypoints_of(attributes.get("keypoints") or [])
    places = [*own, *(point[:2] for point in keypoints if len(point) < 3 or point[2])]
    points = np.array(places, dtype=float).reshape(-1, 2)
    return points[np.isfinite(points).all(axis=1)]
