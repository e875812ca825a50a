"""A picture of what augmentation does: parents above one copy of each, their objects drawn on both."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from datatools.augment.dataset import Shown
from datatools.augment.packing import LINES, Row
from datatools.images import RGB, decode_image, draw_shapes, encode_png, resize_image
from datatools.masks import MaskError, rings_of
from datatools.raw import open_raw
from datatools.schema import BOX

A_ROW = 8
CROSS_PX = 1.5  # half of the diamond that marks a point


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
    """The image with its objects, in the top left of a white square."""
    boxes = [[row[name] for name in BOX] for row in objects if row["x0_px"] is not None]
    polygons = [ring for row in objects for ring in _outlines(row)]
    scale = max(1, round(side_px / max(image.shape[:2])))
    drawn = draw_shapes(image, boxes, polygons, scale)
    square = np.full((max(drawn.shape[:2]),) * 2 + (3,), 255, dtype=np.uint8)
    square[: drawn.shape[0], : drawn.shape[1]] = drawn
    return resize_image(square, side_px)


def _outlines(row: Row) -> list[list[list[float]]]:
    if row["mask"] is not None:
        try:
            return rings_of(row["mask"])
        except MaskError:
            return []  # it was dropped, and counted
    attributes = json.loads(row["attributes"] or "{}") if row["kind"] == "shape" else {}
    points = attributes.get("points") or []
    if attributes.get("shape") in LINES:
        return [[*points, *points[::-1]]]
    d = CROSS_PX
    return [[[x - d, y], [x, y - d], [x + d, y], [x, y + d]] for x, y in points]
