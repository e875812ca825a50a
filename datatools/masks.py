"""Masks as the `mask` column keeps them: polygons, or run lengths in COCO's RLE.

Polygons are a JSON list of rings, each a list of `[x, y]` in pixels. Run lengths are a JSON object
`{"size": [height, width], "counts": ...}`: `counts` is a list of run lengths down the columns that starts with
background, or COCO's compressed string of the same (cocodataset/cocoapi, common/maskApi.c, rleToString).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

MAX_PIXELS = 100_000_000  # a larger mask is taken for an attack, as a larger image is

Rings = list[list[list[float]]]


class MaskError(ValueError):
    """Text or numbers that are not a mask; the message says why."""


@dataclass(frozen=True)
class Rle:
    """Run lengths of a binary mask: `counts` down the columns, background first, sum `height * width`."""

    size_hw: tuple[int, int]
    counts: tuple[int, ...]

    @property
    def n_pixels(self) -> int:
        """Number of foreground pixels."""
        return sum(self.counts[1::2])

    def to_array(self) -> NDArray[np.bool_]:
        """The mask as bool `(height, width)`."""
        values = np.arange(len(self.counts)) % 2 == 1
        return np.repeat(values, self.counts).reshape(self.size_hw, order="F")

    def to_json(self) -> str:
        """What the `mask` column keeps: COCO's object with compressed counts."""
        return dump_mask({"size": list(self.size_hw), "counts": encode_counts(self.counts)})

    def bounds(self) -> tuple[float, float, float, float] | None:
        """`(x0, y0, x1, y1)` around the foreground in pixels, half-open; None for an empty mask."""
        array = self.to_array()
        rows, columns = np.flatnonzero(array.any(axis=1)), np.flatnonzero(array.any(axis=0))
        if not len(rows):
            return None
        return float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)

    def to_rings(self) -> Rings:
        """Outer outlines along the pixel edges, one closed ring a part; holes are not in it."""
        height = self.size_hw[0]
        starts = np.concatenate([[0], np.cumsum(self.counts)])
        boxes = []
        for start, end in zip(starts[1:-1:2], starts[2::2], strict=True):
            while start < end:
                column, top = divmod(int(start), height)
                stop = min(int(end), (column + 1) * height)
                boxes.append(shapely.box(column, top, column + 1, stop - column * height))
                start = stop
        union = shapely.union_all(boxes)
        parts = [part for part in getattr(union, "geoms", [union]) if not part.is_empty]
        return [[[float(x), float(y)] for x, y in part.exterior.coords] for part in parts]


def from_array(mask: NDArray[Any]) -> Rle:
    """Run lengths of a 2-D array; every value other than zero is foreground."""
    flat = (np.asarray(mask) != 0).ravel(order="F")
    changes = np.flatnonzero(np.diff(flat)) + 1
    edges = np.concatenate([[0], changes, [flat.size]])
    counts = np.diff(edges).tolist()
    return Rle((int(mask.shape[0]), int(mask.shape[1])), tuple([0, *counts] if flat.size and flat[0] else counts))


def parse_rle(value: Any, max_pixels: int = MAX_PIXELS) -> Rle:
    """Check COCO's `{"size", "counts"}` and return its run lengths.

    Raises MaskError for a size that is no size or above `max_pixels`, for counts that are no run lengths, and for
    counts whose sum is not `height * width`.
    """
    size = value.get("size") if isinstance(value, dict) else None
    if not isinstance(size, list) or len(size) != 2 or not all(type(side) is int and side > 0 for side in size):
        raise MaskError(f"an RLE needs the size [height, width] in whole pixels, got {size!r}")
    if size[0] * size[1] > max_pixels:
        raise MaskError(f"an RLE of {size[0]} x {size[1]} pixels is larger than {max_pixels} pixels")
    counts = value.get("counts")
    if isinstance(counts, str):
        counts = decode_counts(counts)
    if not isinstance(counts, list) or not all(type(count) is int and count >= 0 for count in counts):
        raise MaskError("RLE counts must be whole numbers from 0, or COCO's compressed string")
    if sum(counts) != size[0] * size[1]:
        raise MaskError(f"RLE counts add up to {sum(counts)}, but {size[0]} x {size[1]} is {size[0] * size[1]}")
    return Rle((size[0], size[1]), tuple(counts))


def decode_counts(text: str) -> list[int]:
    """Run lengths of COCO's compressed string: 5 bits a character, from the third on as a difference to two before.

    Raises MaskError for a character outside `0` to `o` and for a string that stops in the middle of a number.
    """
    counts: list[int] = []
    value = shift = 0
    for character in text:
        bits = ord(character) - 48
        if not 0 <= bits < 64:
            raise MaskError(f"{character!r} is no character of COCO's compressed RLE")
        value |= (bits & 31) << shift
        shift += 5
        if shift > 60:
            raise MaskError("a number in COCO's compressed RLE is too long")
        if not bits & 32:
            if bits & 16:
                value -= 1 << shift
            counts.append(value + (counts[-2] if len(counts) > 2 else 0))
            value = shift = 0
    if shift:
        raise MaskError("COCO's compressed RLE stops in the middle of a number")
    return counts


def encode_counts(counts: Sequence[int]) -> str:
    """COCO's compressed string of run lengths; the inverse of decode_counts."""
    characters = []
    for index, count in enumerate(counts):
        value = count - (counts[index - 2] if index > 2 else 0)
        more = True
        while more:
            bits = value & 31
            value >>= 5
            more = value != -1 if bits & 16 else value != 0
            characters.append(chr(bits + 48 + (32 if more else 0)))
    return "".join(characters)


def dump_mask(value: Any) -> str:
    """JSON text for the `mask` column."""
    return json.dumps(value, separators=(",", ":"))


def parse_mask(text: str) -> Rings | Rle:
    """Polygons or run lengths from the `mask` column; raises MaskError for anything else."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise MaskError(f"a mask must be JSON: {error}") from error
    if isinstance(value, dict):
        return parse_rle(value)
    if not isinstance(value, list) or not all(isinstance(ring, list) for ring in value):
        raise MaskError("a mask must be a list of polygons or an RLE object")
    return value


def rings_of(text: str) -> Rings:
    """The polygons of a `mask` value, for run lengths their outlines; raises MaskError."""
    mask = parse_mask(text)
    return mask.to_rings() if isinstance(mask, Rle) else mask
