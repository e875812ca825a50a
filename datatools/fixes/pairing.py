"""Which annotation that came back from a drawing tool is which one that was sent: by id, else by where it is.

What carries the id of an annotation of its image and kind is that annotation. The rest is matched by the assignment with the
most pairs of IoU >= `IOU_MIN`, of those the one with the largest sum of IoU, of those the one with the most equal classes
(datatools/agreement/matching.py): a tool that renumbers what it saves changes nothing. An image has one label: it is itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from datatools.agreement.matching import collect_objects, find_overlaps, match_pairs
from datatools.checks.geometry import unpack
from datatools.fixes.sent import Item
from datatools.fixes.values import parse_box
from datatools.masks import MaskError, Rle, find_bounds, parse_mask
from datatools.schema import ANNOTATIONS, BOX

IOU_MIN = 0.5  # below it, an object without its id is another object
TOLERANCE_PX = 0.01  # CVAT writes two decimals
OBJECTS = ("box", "mask")


@dataclass(frozen=True)
class Pair:
    """An annotation as it was sent and as it came back; None where there is no such thing. `how`: id, overlap, image or empty."""

    sent: Item | None
    came: Item | None
    how: str = ""


def pair_items(sent: Sequence[Item], came: Sequence[Item]) -> list[Pair]:
    """Every item of both sides once: the pairs in the order of `sent`, then what is new in the order of `came`."""
    place = {_identity(item): number for number, item in enumerate(sent)}
    found: dict[int, tuple[int, str]] = {}
    for number, item in enumerate(came):
        at = place.get(_identity(item))
        if at is not None and at not in found:
            found[at] = (number, "id")
    for how, find in (("image", _pair_labels), ("overlap", _pair_objects)):
        taken = {number for number, _ in found.values()}
        left = [at for at in range(len(sent)) if at not in found]
        new = [number for number in range(len(came)) if number not in taken]
        found |= {at: (number, how) for at, number in find(sent, left, came, new)}
    taken = {number for number, _ in found.values()}
    pairs = [
        Pair(item, came[found[at][0]], found[at][1]) if at in found else Pair(item, None)
        for at, item in enumerate(sent)
    ]
    return pairs + [Pair(None, item) for number, item in enumerate(came) if number not in taken]


def is_moved(sent: Item, came: Item) -> bool:
    """Whether a box or mask is another one than was sent, rounding aside."""
    if sent.kind == "box":
        return not np.allclose(parse_box(sent.box), parse_box(came.box), rtol=0, atol=TOLERANCE_PX, equal_nan=True)
    return sent.kind == "mask" and not _is_same_mask(sent.mask, came.mask)


def bounds_of(mask: str | None) -> list[float] | None:
    """The box around a mask, xyxy in pixels; None where it has no extent or cannot be read."""
    try:
        bounds = find_bounds(parse_mask(mask or "[]"))
    except MaskError:
        return None
    return None if bounds is None else [float(side) for side in bounds]


def _identity(item: Item) -> tuple[str, str, str]:
    return item.annotation_id, item.path, item.kind


def _pair_labels(
    sent: Sequence[Item], left: Sequence[int], came: Sequence[Item], new: Sequence[int]
) -> list[tuple[int, int]]:
    by_path = {came[number].path: number for number in new if came[number].kind == "label"}
    labels = [at for at in left if sent[at].kind == "label" and sent[at].path in by_path]
    return [(at, by_path[sent[at].path]) for at in labels]


def _pair_objects(
    sent: Sequence[Item], left: Sequence[int], came: Sequence[Item], new: Sequence[int]
) -> list[tuple[int, int]]:
    busy = {sent[at].path for at in left} & {came[number].path for number in new}
    left = [at for at in left if sent[at].path in busy]
    new = [number for number in new if came[number].path in busy]
    if not left or not new:
        return []
    items = [*(sent[at] for at in left), *(came[number] for number in new)]
    table = ANNOTATIONS.conform(pd.DataFrame([_to_row(item, n) for n, item in enumerate(items)]))
    unpacked = unpack(table)
    side = np.arange(len(items)) >= len(left)
    image, label = (pd.factorize(table[name])[0].astype(np.int64) for name in ("path", "label"))
    pairs = []
    for kind in OBJECTS:
        rows = np.flatnonzero([item.kind == kind for item in items])
        objects = collect_objects(unpacked, rows, image[rows], side[rows].astype(np.int64), label[rows], kind)
        matches = match_pairs(objects, find_overlaps(objects, IOU_MIN), IOU_MIN)
        ends = zip(objects.rows[matches.one].tolist(), objects.rows[matches.other].tolist(), strict=True)
        pairs += [(left[one], new[other - len(left)]) for one, other in ends]
    return pairs


def _to_row(item: Item, number: int) -> dict[str, Any]:
    """A row of ANNOTATIONS that stays at its place when they are sorted."""
    row = {"annotation_id": f"{number:012d}", "path": item.path, "kind": item.kind, "label": item.label}
    box = dict(zip(BOX, parse_box(item.box), strict=True))
    return {**row, **box, "mask": item.mask, "attributes": "{}"}


def _is_same_mask(one: str | None, other: str | None) -> bool:
    if one == other or one is None or other is None:
        return one == other
    try:
        a, b = parse_mask(one), parse_mask(other)
    except MaskError:
        return False
    if isinstance(a, Rle) or isinstance(b, Rle):
        return isinstance(a, Rle) and isinstance(b, Rle) and _pixels(a) == _pixels(b)
    rings = [(_open_ring(ring), _open_ring(again)) for ring, again in zip(a, b, strict=False)]
    return len(a) == len(b) and all(
        len(ring) == len(again) and np.allclose(ring, again, rtol=0, atol=TOLERANCE_PX) for ring, again in rings
    )


def _pixels(mask: Rle) -> tuple[tuple[int, int], bytes]:
    return mask.size_hw, mask.to_array().tobytes()


def _open_ring(ring: Sequence[Sequence[float]]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """The points of a ring without the last, where that is the first again: a tool may leave it out or add it."""
    points = np.array(ring, float).reshape(-1, 2)
    return points[:-1] if len(points) > 1 and (points[0] == points[-1]).all() else points
