"""Masks as the `mask` column keeps them: polygons, or run lengths in COCO's RLE.

Polygons are a JSON list of rings, each a list of `[x, y]` in pixels. Run lengths are a JSON object
`{"size": [height, width], "counts": ...}`: `counts` is a list of run lengths down the columns that starts with
background, or COCO's compressed string of the same (cocodataset/cocoapi, common/maskApi.c, rleToString).
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAX_PIXELS = 100_000_000  # a larger mask is taken for an attack, as a larger image is
LARGE = 1e15  # pixels; no coordinate is beyond it
MAX_CHARACTERS = 7  # of one number in a compressed RLE: 35 bits
SHORT = 120  # characters; a shorter compressed RLE is read faster one by one than by numpy

Rings = list[list[list[float]]]


_ENCODER = json.JSONEncoder(separators=(",", ":"))


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
        columns, tops, bottoms = self._pieces()
        if not len(columns):
            return None
        return float(columns[0]), float(tops.min()), float(columns[-1] + 1), float(bottoms.max())

    def to_rings(self) -> Rings:
        """Outer outlines along the pixel edges, one closed ring a part; holes are not in it.

        Parts that touch only at a corner are two.
        """
        return [_corners(part.exterior) for part in self._parts()]

    def to_outlines(self) -> Rings:
        """All outlines along the pixel edges, of the parts and of the holes in them, closed: to draw."""
        return [_corners(line) for part in self._parts() for line in (part.exterior, *part.interiors)]

    def _parts(self) -> list[Any]:
        """The parts as shapely's polygons."""
        import shapely  # it takes long to load, and outlines are seldom asked for

        columns, tops, bottoms = self._pieces()
        union = shapely.union_all(shapely.box(columns, tops, columns + 1, bottoms))
        return [part for part in getattr(union, "geoms", [union]) if not part.is_empty]

    def _pieces(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """The foreground runs, cut where a column ends: column, first row, row after the last, in order of the columns."""
        height = self.size_hw[0]
        edges = np.concatenate([[0], np.cumsum(np.array(self.counts, np.int64))])
        starts, ends = edges[1:-1:2], edges[2::2]
        starts, ends = starts[starts < ends], ends[starts < ends]
        first = starts // height
        n_columns = (ends - 1) // height - first + 1
        offset = np.arange(n_columns.sum()) - np.repeat(np.cumsum(n_columns) - n_columns, n_columns)
        columns = np.repeat(first, n_columns) + offset
        tops = np.maximum(np.repeat(starts, n_columns) - columns * height, 0)
        bottoms = np.minimum(np.repeat(ends, n_columns) - columns * height, height)
        return columns, tops, bottoms


def from_array(mask: NDArray[Any]) -> Rle:
    """Run lengths of a 2-D array; every value other than zero is foreground."""
    flat = (np.asarray(mask) != 0).ravel(order="F")
    edges = [0, *((flat[1:] != flat[:-1]).nonzero()[0] + 1).tolist(), flat.size]
    counts = [end - start for start, end in itertools.pairwise(edges)]
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
    if not isinstance(counts, list) or not set(map(type, counts)) <= {int} or min(counts, default=0) < 0:
        raise MaskError("RLE counts must be whole numbers from 0, or COCO's compressed string")
    if sum(counts) != size[0] * size[1]:
        raise MaskError(f"RLE counts add up to {sum(counts)}, but {size[0]} x {size[1]} is {size[0] * size[1]}")
    return Rle((size[0], size[1]), tuple(counts))


def decode_counts(text: str) -> list[int]:
    """Run lengths of COCO's compressed string: 5 bits a character, from the fourth on as a difference to two before.

    Raises MaskError for a character outside `0` to `o`, for a string that stops in the middle of a number, and for a
    number of more than 35 bits, which no mask needs.
    """
    if len(text) < SHORT and text.isascii() and (counts := _decode_short(text)) is not None:
        return counts
    bits = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32).astype(np.int64) - 48
    if len(bits) == 0:
        return []
    if bits.min() < 0 or bits.max() > 63:
        bad = text[int(np.flatnonzero((bits < 0) | (bits > 63))[0])]
        raise MaskError(f"{bad!r} is no character of COCO's compressed RLE")
    last = np.flatnonzero(bits < 32)
    if len(last) == 0 or last[-1] != len(bits) - 1:
        raise MaskError("COCO's compressed RLE stops in the middle of a number")
    first = np.concatenate([[0], last[:-1] + 1])
    n_characters = last - first + 1
    if n_characters.max() > MAX_CHARACTERS:
        raise MaskError("a number in COCO's compressed RLE is too long")
    shifts = 5 * (np.arange(len(bits)) - np.repeat(first, n_characters))
    values = np.add.reduceat((bits & 31) << shifts, first)
    values -= np.where(bits[last] & 16, np.int64(1) << (5 * n_characters), 0)
    values[1::2] = np.cumsum(values[1::2])
    values[2::2] = np.cumsum(values[2::2])
    return values.tolist()


def _decode_short(text: str) -> list[int] | None:
    """What decode_counts returns for ASCII, or None where it raises."""
    counts: list[int] = []
    value = shift = 0
    for bits in text.encode("ascii"):
        bits -= 48
        value |= (bits & 31) << shift
        shift += 5
        if bits & ~63 or shift > 5 * MAX_CHARACTERS:
            return None
        if bits < 32:
            value -= (bits & 16) << (shift - 4)  # the sign: 16 is the last bit, its weight twice the highest
            counts.append(value + counts[-2] if len(counts) > 2 else value)
            value = shift = 0
    return None if shift else counts


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
    """JSON text for the `mask` column: rings in pixels, every coordinate a float, or an RLE object as it is."""
    if isinstance(value, list):
        value = [[[float(x), float(y)] for x, y in ring] for ring in value]
    return _ENCODER.encode(value)


def parse_mask(text: str) -> Rings | Rle:
    """Polygons or run lengths from the `mask` column; raises MaskError for anything else."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise MaskError(f"a mask must be JSON: {error}") from error
    if isinstance(value, dict):
        return parse_rle(value)
    if not isinstance(value, list) or not all(map(_is_ring, value)):
        raise MaskError("a mask must be a list of polygons, each a list of [x, y], or an RLE object")
    return value


def rings_of(text: str) -> Rings:
    """The polygons of a `mask` value, for run lengths their outlines; raises MaskError."""
    mask = parse_mask(text)
    return mask.to_rings() if isinstance(mask, Rle) else mask


def outlines_of(text: str) -> Rings:
    """All outlines of a `mask` value, to draw: its polygons, of run lengths the parts and their holes; raises MaskError."""
    mask = parse_mask(text)
    return mask.to_outlines() if isinstance(mask, Rle) else mask


def find_bounds(mask: Rings | Rle) -> tuple[float, float, float, float] | None:
    """`x0, y0, x1, y1` around polygons or run lengths, in pixels, half-open; None where nothing is inside."""
    if isinstance(mask, Rle):
        return mask.bounds()
    points = [point for ring in mask for point in ring]
    if not points:
        return None
    xs, ys = zip(*points, strict=True)
    return min(xs), min(ys), max(xs), max(ys)


def are_finite(values: Collection[Any]) -> bool:
    """Whether all are coordinates: ints or floats below 1e15 either way. Fast: a data set has millions of them."""
    if not set(map(type, values)) <= {int, float}:
        return False
    return not values or (min(values) > -LARGE and max(values) < LARGE and not math.isnan(sum(values)))


def _corners(line: Any) -> list[list[float]]:
    """The points where shapely's closed line along the axes turns, the first one again at the end."""
    outline = np.array(line.coords)[:-1]
    before, after = np.roll(outline, 1, axis=0), np.roll(outline, -1, axis=0)
    straight = ((before == outline) & (outline == after)).any(axis=1)
    points = outline[~straight].tolist()
    return [*points, points[0]]


def _is_ring(value: Any) -> bool:
    if not isinstance(value, list) or not set(map(type, value)) <= {list} or not set(map(len, value)) <= {2}:
        return False
    return are_finite(list(itertools.chain.from_iterable(value)))
