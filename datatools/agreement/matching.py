"""Which boxes or masks of several annotators mean the same object.

**Overlap.** IoU of two boxes is that of their half-open rectangles, of two masks that of their areas in the plane: a polygon is
the region it encloses (even-odd where it crosses itself; several polygons are their union, less those that lie inside
another, which are holes), a pixel of run
lengths is the unit square. So two run lengths give the IoU that pycocotools gives, and a polygon can be compared with run
lengths. Nothing is rasterised. An object without area is no object and is left out.

**Two annotators.** The assignment with the most matches of IoU >= the threshold; of those the one with the largest sum of
IoU; of those the one with the most equal classes (Kuhn, 1955, by scipy.optimize.linear_sum_assignment). Classes play no other
part, so that two names for one object show as a confusion and not as two missing objects.

**Several annotators.** Objects that are joined by a chain of such matches are one. Where a chain would hold two objects of one
annotator, its matches are taken in the order of their IoU and only those kept that join no annotator with itself. Neither
the order of the rows nor the names of the annotators play a part.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from datatools.checks.geometry import Objects as Unpacked
from datatools.masks import Rle
from datatools.run_lengths import collect_runs

FLOOR = 0.1  # overlaps below this IoU are not kept: they say nothing about who meant what
SAME_CLASS = (
    1e-9  # of equally good assignments the one with the most equal classes; below any difference of IoU that counts
)
MAX_PAIRS = 1_000_000  # candidate pairs held at once

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Objects:
    """The n boxes, or masks, to compare, as columns of codes. `rows` are positions in the table they come from."""

    rows: Ints
    image: Ints
    annotator: Ints
    label: Ints
    box: Floats  # (n, 4) xyxy; of a mask its own bounds
    area: Floats
    rank: Ints  # by place, size and class; equal for what cannot be told apart
    shapes: NDArray[Any] | None  # of masks: a shapely geometry or an Rle each

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True)
class Pairs:
    """Pairs of objects of two annotators on one image: positions in Objects, `one` of the annotator with the lower code."""

    one: Ints
    other: Ints
    iou: Floats

    def __len__(self) -> int:
        return len(self.one)

    def take(self, chosen: NDArray[Any]) -> Pairs:
        """The pairs at these positions, or where this is true."""
        return Pairs(self.one[chosen], self.other[chosen], self.iou[chosen])


def collect_objects(unpacked: Unpacked, rows: Ints, image: Ints, annotator: Ints, label: Ints, kind: str) -> Objects:
    """The boxes, or masks, at these positions that have an area, with their codes.

    A box with a corner missing, a mask that does not decode and anything without area are left out.
    """
    shapes = _collect_shapes(unpacked, rows) if kind == "mask" else None
    box, area = _measure_boxes(unpacked.boxes[rows]) if shapes is None else _measure_shapes(shapes)
    kept = np.flatnonzero((area > 0) & np.isfinite(area))
    image, annotator, label = image[kept], annotator[kept], label[kept]
    box, area = box[kept], area[kept]
    rank = _rank(image, label, box, area)
    return Objects(rows[kept], image, annotator, label, box, area, rank, None if shapes is None else shapes[kept])


def box_iou(one: Floats, other: Floats) -> Floats:
    """IoU of boxes xyxy, shapes `(..., 4)`, broadcast; 0 where neither has an area."""
    sides = np.minimum(one[..., 2:], other[..., 2:]) - np.maximum(one[..., :2], other[..., :2])
    shared = np.clip(sides, 0, None).prod(axis=-1)
    whole = (one[..., 2:] - one[..., :2]).prod(axis=-1) + (other[..., 2:] - other[..., :2]).prod(axis=-1) - shared
    return np.divide(shared, whole, out=np.zeros(np.shape(shared)), where=whole > 0)


def find_overlaps(objects: Objects, iou_min: float) -> Pairs:
    """All pairs of different annotators on one image with IoU >= `iou_min` (above 0), in a stable order."""
    parts = [_overlaps(objects, one, other, iou_min) for one, other in _candidates(objects)]
    if not parts:
        return Pairs(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))
    pairs = Pairs(*(np.concatenate([getattr(part, name) for part in parts]) for name in ("one", "other", "iou")))
    return pairs.take(np.lexsort((pairs.other, pairs.one)))


def match_pairs(objects: Objects, overlaps: Pairs, iou_min: float) -> Pairs:
    """The best assignment between every two annotators on every image, of pairs with IoU >= `iou_min`."""
    pairs = overlaps.take(overlaps.iou >= iou_min)
    if not len(pairs):
        return pairs
    # An object stands once for each annotator it is compared with.
    n = int(objects.annotator.max()) + 1
    keys = np.concatenate(
        [pairs.one * n + objects.annotator[pairs.other], pairs.other * n + objects.annotator[pairs.one]]
    )
    _, nodes, degrees = np.unique(keys, return_inverse=True, return_counts=True)
    one, other = nodes[: len(pairs)], nodes[len(pairs) :]
    alone = (degrees[one] == 1) & (degrees[other] == 1)
    kept = [np.flatnonzero(alone)]
    rest = np.flatnonzero(~alone)
    if len(rest):
        groups = _components(one[rest], other[rest], len(degrees))
        kept += [rest[group][_assign(objects, pairs.take(rest[group]))] for group in _split(groups)]
    return pairs.take(np.sort(np.concatenate(kept)))


def cluster(objects: Objects, matches: Pairs) -> Ints:
    """Number of the object that each row of `objects` means: 0, 1, ...; no number has two rows of one annotator."""
    numbers = _components(matches.one, matches.other, len(objects), nodes=True)
    if not len(objects):
        return numbers
    n = int(objects.annotator.max()) + 1
    keys, counts = np.unique(numbers * n + objects.annotator, return_counts=True)
    torn = np.unique(keys[counts > 1] // n)
    if len(torn):
        inside = np.flatnonzero(np.isin(numbers[matches.one], torn))
        numbers = _join_apart(objects, matches.take(inside), numbers, np.isin(numbers, torn))
    return np.unique(numbers, return_inverse=True)[1].astype(np.int64)


def _measure_boxes(boxes: Floats) -> tuple[Floats, Floats]:
    with np.errstate(invalid="ignore", over="ignore"):
        return boxes, (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)


def _measure_shapes(shapes: NDArray[Any]) -> tuple[Floats, Floats]:
    """Bounds and area of each mask; area 0 for what is no mask."""
    box, area = np.full((len(shapes), 4), np.nan), np.zeros(len(shapes))
    runs = np.array([isinstance(shape, Rle) for shape in shapes], bool)
    for position in np.flatnonzero(runs):
        box[position], area[position] = shapes[position].bounds() or np.nan, shapes[position].n_pixels
    box[~runs], area[~runs] = shapely.bounds(shapes[~runs].astype(object)), shapely.area(shapes[~runs])
    return box, np.nan_to_num(area)


def _collect_shapes(unpacked: Unpacked, rows: Ints) -> NDArray[Any]:
    """The masks at these positions: a geometry without lines and points, an Rle, or None."""
    shapes = np.full(len(rows), None, object)
    if not len(rows):
        return shapes
    place = np.full(len(unpacked.table), -1)
    place[rows] = np.arange(len(rows))
    for row, rle in unpacked.rles.items():
        if place[row] >= 0:
            shapes[place[row]] = rle
    rings = unpacked.polygons
    chosen = np.flatnonzero((place[rings.row] >= 0) & (rings.n_different >= 3))
    polygons, is_hole, owner = rings.shapes[chosen], rings.is_hole[chosen], place[rings.row[chosen]]
    broken = np.flatnonzero(~rings.is_simple[chosen])
    polygons[broken] = [_surface(shape) for shape in shapely.make_valid(polygons[broken])]
    for members in _split(owner) if len(owner) else ():
        parts, holes = polygons[members[~is_hole[members]]], polygons[members[is_hole[members]]]
        whole = parts[0] if len(parts) == 1 else shapely.union_all(parts)
        shapes[owner[members[0]]] = (
            _surface(shapely.difference(whole, shapely.union_all(holes))) if len(holes) else whole
        )
    return shapes


def _surface(shape: Any) -> Any:
    """The polygons of a geometry without its lines and points."""
    parts = shapely.get_parts(shapely.get_parts(shape))
    return shapely.multipolygons(parts[shapely.get_dimensions(parts) == 2])


def _rank(image: Ints, label: Ints, box: Floats, area: Floats) -> Ints:
    content = (label, area, *box.T[::-1], image)
    order = np.lexsort(content)
    steps = np.zeros(max(len(order) - 1, 0), bool)
    for column in content:
        steps |= np.diff(column[order]) != 0
    rank = np.empty(len(order), np.int64)
    rank[order] = np.r_[0, np.cumsum(steps)][: len(order)]
    return rank


def _candidates(objects: Objects) -> Iterator[tuple[Ints, Ints]]:
    """Pairs on one image whose boxes share some x, in blocks: a sweep along x."""
    if len(objects) < 2:
        return
    x0, x1 = objects.box[:, 0], objects.box[:, 2]
    order = np.lexsort((x0, objects.image))
    sorted_x0 = np.sort(x0)
    # Ranks among all x0 in place of the coordinates: exact whatever their size.
    base = objects.image[order] * (len(order) + 1)
    starts = base + np.searchsorted(sorted_x0, x0[order], "left")
    ends = np.searchsorted(starts, base + np.searchsorted(sorted_x0, x1[order], "left"), "left")
    counts = np.maximum(ends - np.arange(len(order)) - 1, 0)
    block = np.cumsum(counts) // MAX_PAIRS
    for rows in np.split(np.arange(len(order)), np.flatnonzero(np.diff(block)) + 1):
        n = counts[rows]
        first = np.repeat(rows, n)
        second = first + 1 + np.arange(n.sum()) - np.repeat(np.cumsum(n) - n, n)
        yield order[first], order[second]


def _overlaps(objects: Objects, one: Ints, other: Ints, iou_min: float) -> Pairs:
    apart = objects.annotator[one] != objects.annotator[other]
    one, other = one[apart], other[apart]
    swapped = objects.annotator[one] > objects.annotator[other]
    one, other = np.where(swapped, other, one), np.where(swapped, one, other)
    if objects.shapes is None:
        iou = box_iou(objects.box[one], objects.box[other])
    else:
        one, other = _may_overlap(objects, one, other, iou_min)
        iou = _mask_ious(objects, one, other)
    return Pairs(one, other, iou).take(iou >= iou_min)


def _may_overlap(objects: Objects, one: Ints, other: Ints, iou_min: float) -> tuple[Ints, Ints]:
    """Those whose boxes and areas allow the IoU."""
    a, b = objects.box[one], objects.box[other]
    room = np.clip(np.minimum(a[:, 2:], b[:, 2:]) - np.maximum(a[:, :2], b[:, :2]), 0, None).prod(axis=1)
    room = np.minimum(room, np.minimum(objects.area[one], objects.area[other]))
    may = room > (1 - 1e-9) * iou_min * (objects.area[one] + objects.area[other] - room)
    return one[may], other[may]


def _mask_ious(objects: Objects, one: Ints, other: Ints) -> Floats:
    assert objects.shapes is not None
    n = len(objects)
    runs = np.array([isinstance(shape, Rle) for shape in objects.shapes], bool)
    size = np.array([shape.size_hw if isinstance(shape, Rle) else (0, 0) for shape in objects.shapes]).reshape(n, 2)
    alike = runs[one] & runs[other] & (size[one] == size[other]).all(axis=1)
    drawn = ~runs[one] & ~runs[other]
    shared = np.zeros(len(one))
    used = np.unique(np.r_[one[alike], other[alike]])
    lengths = collect_runs(list(objects.shapes[used]))
    shared[alike] = lengths.intersect(np.searchsorted(used, one[alike]), np.searchsorted(used, other[alike]))
    shared[drawn] = shapely.area(shapely.intersection(objects.shapes[one[drawn]], objects.shapes[other[drawn]]))
    for position in np.flatnonzero(~alike & ~drawn):
        surfaces = [_as_surface(objects.shapes[side[position]]) for side in (one, other)]
        shared[position] = shapely.intersection(*surfaces).area
    return np.minimum(shared / (objects.area[one] + objects.area[other] - shared), 1.0)


def _as_surface(shape: Any) -> Any:
    if not isinstance(shape, Rle):
        return shape
    columns = np.pad(shape.to_array().astype(np.int8), ((1, 1), (0, 0))).T
    column, top = np.nonzero(np.diff(columns, axis=1) == 1)
    _, bottom = np.nonzero(np.diff(columns, axis=1) == -1)
    return shapely.union_all(shapely.box(column, top, column + 1, bottom))


def _components(one: Ints, other: Ints, n: int, nodes: bool = False) -> Ints:
    """Number of the connected component of each edge, or of each of the `n` nodes."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    if n == 0:
        return np.zeros(0, np.int64)
    graph = coo_array((np.ones(len(one), bool), (one, other)), shape=(n, n))
    numbers = connected_components(graph, directed=False)[1].astype(np.int64)
    return numbers if nodes else numbers[one]


def _split(groups: Ints) -> list[Ints]:
    """The positions of each group."""
    order = np.argsort(groups, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(groups[order])) + 1)


def _assign(objects: Objects, pairs: Pairs) -> Ints:
    """Positions of the best assignment in `pairs`, which are all of two annotators and hang together."""
    from scipy.optimize import linear_sum_assignment

    sides = [_by_content(objects, side) for side in (pairs.one, pairs.other)]
    # Which side is the rows must not depend on whose it is, or a tie could be broken by a name.
    if objects.rank[sides[0]].tolist() > objects.rank[sides[1]].tolist():
        sides, pairs = sides[::-1], Pairs(pairs.other, pairs.one, pairs.iou)
    places = [dict(zip(side.tolist(), range(len(side)), strict=True)) for side in sides]
    rows = np.array([places[0][item] for item in pairs.one.tolist()])
    columns = np.array([places[1][item] for item in pairs.other.tolist()])
    shape = (len(sides[0]), len(sides[1]))
    worth, position = np.zeros(shape), np.full(shape, -1)
    # One match more outweighs all IoU there can be.
    worth[rows, columns] = (
        min(shape) + 1 + pairs.iou + SAME_CLASS * (objects.label[pairs.one] == objects.label[pairs.other])
    )
    position[rows, columns] = np.arange(len(pairs))
    chosen = position[linear_sum_assignment(worth, maximize=True)]
    return chosen[chosen >= 0]


def _by_content(objects: Objects, members: Ints) -> Ints:
    once = np.unique(members)
    return once[np.argsort(objects.rank[once], kind="stable")]


def _join_apart(objects: Objects, matches: Pairs, numbers: Ints, torn: NDArray[np.bool_]) -> Ints:
    """`numbers` with the `torn` objects joined again along the best matches, never two of one annotator."""
    numbers = numbers.copy()
    numbers[torn] = len(numbers) + np.flatnonzero(torn)
    members = {int(numbers[item]): [int(item)] for item in np.flatnonzero(torn)}
    low = np.minimum(objects.rank[matches.one], objects.rank[matches.other])
    high = np.maximum(objects.rank[matches.one], objects.rank[matches.other])
    for position in np.lexsort((high, low, -matches.iou)):
        a, b = int(numbers[matches.one[position]]), int(numbers[matches.other[position]])
        if a == b or {*objects.annotator[members[a]]} & {*objects.annotator[members[b]]}:
            continue
        members[a] += members.pop(b)
        numbers[members[a]] = a
    return numbers
