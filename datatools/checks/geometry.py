"""Boxes and masks of all annotations, unpacked once a run for all checks.

The checks share the work: `unpack` keeps what it made as long as the annotations live, and compares before it gives it out
again, so that a check still depends on its inputs alone.
"""

from __future__ import annotations

import itertools
import json
import weakref
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from datatools.findings import Finding, Mark, Offer
from datatools.masks import MaskError, Rle, parse_mask
from datatools.run_lengths import RunLengths, collect_runs
from datatools.schema import BOX

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Index = int | np.integer[Any]  # a position in the table, or the number of a ring
COLUMNS = ["annotation_id", "path", "label", "kind", *BOX, "mask", "annotator", "source", "attributes"]
ENOUGH = 20  # fewer of a class show no habit
REPEATED = 10  # objects that two files have in common, and no accident
RARELY = 0.02  # share of a class: it hardly ever happens


@dataclass(frozen=True, eq=False)
class Polygons:
    """All rings of all masks: `points` (n, 2) in pixels one after the other, of ring i those from `begin[i]` to `begin[i + 1]`.

    `row` is the ring's annotation, a position in the table; `part` its place in the mask, from 0.
    """

    points: Floats
    begin: Ints
    row: Ints
    part: Ints

    @cached_property
    def n_points(self) -> Ints:
        """Points of each ring, the repeated last one counted."""
        return np.diff(self.begin)

    @cached_property
    def is_closed(self) -> Bools:
        """Whether the last point repeats the first."""
        closed = self.n_points > 1
        first, last = self.begin[:-1][closed], self.begin[1:][closed] - 1
        closed[closed] = (self.points[first] == self.points[last]).all(axis=1)
        return closed

    @cached_property
    def n_different(self) -> Ints:
        """Different points of each ring: 0, 1, 2 or, for any number above, 3."""
        filled = np.flatnonzero(self.n_points)
        begin, sizes = self.begin[:-1][filled], self.n_points[filled]
        not_first = (self.points != np.repeat(self.points[begin], sizes, axis=0)).any(axis=1)
        place = np.where(not_first, np.arange(len(self.points)), len(self.points))
        second = np.minimum(np.minimum.reduceat(place, begin), len(self.points) - 1) if len(begin) else begin
        not_second = (self.points != np.repeat(self.points[second], sizes, axis=0)).any(axis=1)
        n = np.zeros(len(self.n_points), np.int64)
        if len(begin):
            several = np.maximum.reduceat(not_first, begin)
            n[filled] = 1 + several + (several & np.maximum.reduceat(not_first & not_second, begin))
        return n

    @cached_property
    def bounds(self) -> Floats:
        """`(n, 4)` x0, y0, x1, y1 of each ring in pixels; NaN for one without points."""
        bounds = np.full((len(self.n_points), 4), np.nan)
        filled = np.flatnonzero(self.n_points)
        if len(filled):
            begin = self.begin[:-1][filled]
            bounds[filled, :2] = np.minimum.reduceat(self.points, begin)
            bounds[filled, 2:] = np.maximum.reduceat(self.points, begin)
        return bounds

    @cached_property
    def shapes(self) -> NDArray[np.object_]:
        """Each ring as a Shapely polygon, closed where it is open; None for fewer than three different points."""
        shapes = np.full(len(self.n_points), None, object)
        areal = self.n_different >= 3
        ring = np.repeat(np.cumsum(areal) - 1, self.n_points)
        keep = np.repeat(areal, self.n_points)
        if areal.any():
            shapes[areal] = shapely.polygons(shapely.linearrings(self.points[keep], indices=ring[keep]))
        return shapes

    @cached_property
    def is_simple(self) -> Bools:
        """Whether the ring has an area and neither crosses nor touches itself."""
        return shapely.is_valid(self.shapes) & (self.n_different >= 3)

    @cached_property
    def joints(self) -> tuple[Ints, Ints, Bools]:
        """Pairs of rings of one mask that share a point, and whether the second lies inside the first."""
        mates = np.flatnonzero(self.is_simple & (np.bincount(self.row, minlength=1)[self.row] > 1))
        one, other = find_crossing_boxes(self.row[mates], self.bounds[mates])
        one, other = mates[one], mates[other]
        meet = shapely.intersects(self.shapes[one], self.shapes[other])
        one, other = one[meet], other[meet]
        larger = shapely.area(self.shapes[one]) >= shapely.area(self.shapes[other])
        one, other = np.where(larger, one, other), np.where(larger, other, one)
        return one, other, shapely.contains(self.shapes[one], self.shapes[other])

    @cached_property
    def is_hole(self) -> Bools:
        """Whether the ring lies inside an odd number of other rings of its mask."""
        _, inner, inside = self.joints
        return np.bincount(inner[inside], minlength=len(self.n_points)) % 2 == 1

    @cached_property
    def parts(self) -> Ints:
        """For each ring the first ring of those it is connected with."""
        n = len(self.n_points)
        one, other, _ = self.joints
        number = connected_components(coo_array((np.ones(len(one)), (one, other)), shape=(n, n)), directed=False)[1]
        return np.unique(number, return_index=True)[1][number] if n else self.row

    def ring(self, index: Index) -> Floats:
        """The points of one ring."""
        return self.points[self.begin[index] : self.begin[index + 1]]


@dataclass(frozen=True, eq=False)
class Objects:
    """Annotations in columns, in the order of `table`; masks that cannot be read are left out."""

    table: pd.DataFrame

    @cached_property
    def ids(self) -> NDArray[np.object_]:
        """The annotation ids."""
        return self.table["annotation_id"].to_numpy(object)

    @cached_property
    def paths(self) -> NDArray[np.object_]:
        """The image of each annotation."""
        return self.table["path"].to_numpy(object)

    @cached_property
    def corners(self) -> Floats:
        """`(n, 4)` x0, y0, x1, y1 in pixels as they stand; all NaN where one of them is no number."""
        corners = self.table[BOX].to_numpy(float, copy=True)
        corners[~np.isfinite(corners).all(axis=1)] = np.nan
        return corners

    @cached_property
    def boxes(self) -> Floats:
        """The same with corners in order: x0 <= x1 and y0 <= y1."""
        low, high = self.corners[:, :2], self.corners[:, 2:]
        return np.concatenate([np.minimum(low, high), np.maximum(low, high)], axis=1)

    @cached_property
    def is_box(self) -> Bools:
        """Whether the annotation is a box and nothing else."""
        return (self.table["kind"] == "box").to_numpy(bool, na_value=False)

    @cached_property
    def classes(self) -> Ints:
        """A number for each label; -1 for none."""
        return pd.factorize(self.table["label"])[0]

    @cached_property
    def opinions(self) -> Ints:
        """A number for each image and annotator: what one person says of one image."""
        who = pd.factorize(self.table["annotator"])[0]
        return self._images[0] * (len(self.table) + 1) + who + 1

    def order_pairs(self, one: Ints, other: Ints) -> tuple[Ints, Ints, NDArray[np.intp]]:
        """The same pairs of positions, the earlier annotation first, and their order by the later, then the earlier one.

        Annotations are made in the order of their ids, `#9` before `#10`.
        """
        positions = np.unique(np.concatenate([one, other]))
        ids = self.ids[positions].tolist()
        ranks = np.empty(len(ids), np.int64)
        ranks[sorted(range(len(ids)), key=lambda index: (len(ids[index]), ids[index]))] = np.arange(len(ids))
        first, second = ranks[np.searchsorted(positions, one)], ranks[np.searchsorted(positions, other)]
        swap = first > second
        order = np.lexsort((np.minimum(first, second), np.maximum(first, second)))
        return np.where(swap, other, one), np.where(swap, one, other), order

    @cached_property
    def polygons(self) -> Polygons:
        """The rings of all polygon masks."""
        return self._masks[0]

    @cached_property
    def rles(self) -> dict[int, Rle]:
        """The run-length masks by position."""
        return self._masks[1]

    @cached_property
    def run_rows(self) -> Ints:
        """The positions of the masks in `runs`."""
        return np.fromiter(self.rles, np.int64, len(self.rles))

    @cached_property
    def runs(self) -> RunLengths:
        """The run-length masks, in the order of `run_rows`."""
        return collect_runs(list(self.rles.values()))

    @cached_property
    def mask_rows(self) -> Ints:
        """The positions of all masks that can be read, in order."""
        return np.sort(np.concatenate([self.run_rows, self._masks[2]]))

    @cached_property
    def mask_bounds(self) -> Floats:
        """`(n, 4)` around each mask in pixels; NaN where there is none or it is empty."""
        rings = self.polygons
        bounds = np.full((len(self.table), 4), np.nan)
        np.fmin.at(bounds[:, :2], rings.row, rings.bounds[:, :2])
        np.fmax.at(bounds[:, 2:], rings.row, rings.bounds[:, 2:])
        bounds[self.run_rows] = self.runs.bounds
        return bounds

    @cached_property
    def mask_areas(self) -> Floats:
        """The area of each mask in square pixels: rings less holes, or foreground; 0 where there is none."""
        rings = self.polygons
        areas, crossing = shapely.area(rings.shapes), np.flatnonzero(~rings.is_simple)
        areas[crossing] = shapely.area(shapely.make_valid(rings.shapes[crossing]))
        areas = np.where(rings.is_hole, -1, 1) * np.nan_to_num(areas)
        sums = np.bincount(rings.row, areas, len(self.table))
        sums[self.run_rows] = self.runs.n_pixels
        return np.asarray(sums, np.float64)

    @cached_property
    def n_holes(self) -> Ints:
        """Holes of each mask; 0 where there is no mask."""
        rings = self.polygons
        n_holes = np.bincount(rings.row[rings.is_hole], minlength=len(self.table))
        n_holes[self.run_rows] = self.runs.n_holes
        return n_holes

    @cached_property
    def n_parts(self) -> Ints:
        """Parts of each mask, which share no point; 0 where there is no mask."""
        rings = self.polygons
        n_parts = np.bincount(
            rings.row[rings.is_simple & (rings.parts == np.arange(len(rings.row)))], minlength=len(self.table)
        )
        n_parts[self.run_rows] = self.runs.n_parts
        return n_parts

    def sizes(self, images: pd.DataFrame) -> Floats:
        """`(n, 2)` width and height in pixels of each annotation's image; NaN where there is no such image."""
        codes, names = self._images
        found = pd.Index(images["path"]).get_indexer(pd.Index(names))
        sizes = images[["width_px", "height_px"]].to_numpy(float)
        known = np.full((len(names), 2), np.nan)
        known[found >= 0] = sizes[found[found >= 0]]
        return known[codes]

    def shape(self, position: Index) -> shapely.Geometry:
        """The area of a mask: what its rings cover but for the holes, or the outline of its runs."""
        if position in self.rles:
            return shapely.union_all([shapely.Polygon(ring) for ring in self.rles[int(position)].to_rings()])
        rings = self.rings(position)
        areal = rings[[shape is not None for shape in self.polygons.shapes[rings]]]
        shapes, is_hole = shapely.make_valid(self.polygons.shapes[areal]), self.polygons.is_hole[areal]
        return shapely.union_all(shapes[~is_hole]).difference(shapely.union_all(shapes[is_hole]))

    def rings(self, position: Index) -> Ints:
        """The rings of one mask."""
        return np.arange(*np.searchsorted(self.polygons.row, np.array([position, position + 1])))

    def is_crowd(self, position: Index) -> bool:
        """Whether it marks many objects at once (COCO's `iscrowd`)."""
        text = self.table["attributes"].iat[position]
        return not pd.isna(text) and "iscrowd" in text and bool(json.loads(text).get("iscrowd"))

    def finding(
        self,
        position: Index,
        message: str,
        score: float = 0.0,
        marks: Iterable[Mark] = (),
        offer: Offer | None = None,
    ) -> Finding:
        """A finding about one annotation."""
        path, annotation_id = self.paths[position], self.ids[position]
        return Finding(message, path, annotation_id, score, marks=tuple(marks), offer=offer)

    @cached_property
    def _images(self) -> tuple[Ints, NDArray[np.object_]]:
        codes, names = pd.factorize(self.table["path"])
        return codes, np.asarray(names, object)

    @cached_property
    def _masks(self) -> tuple[Polygons, dict[int, Rle], Ints]:
        texts = self.table["mask"]
        filled = np.flatnonzero(texts.notna())
        flat, n_points, owners, parts = array("d"), array("q"), array("q"), array("q")
        rles: dict[int, Rle] = {}
        drawn = array("q")
        for position, text in zip(filled.tolist(), texts.iloc[filled], strict=True):
            try:
                mask = parse_mask(text)
            except MaskError:
                continue
            if isinstance(mask, Rle):
                rles[position] = mask
                continue
            drawn.append(position)
            for part, ring in enumerate(mask):
                flat.extend(itertools.chain.from_iterable(ring))
                n_points.append(len(ring))
                owners.append(position)
                parts.append(part)
        begin = np.concatenate([[0], np.cumsum(np.array(n_points, np.int64))])
        rows, numbers = np.array(owners, np.int64), np.array(parts, np.int64)
        points = np.array(flat, np.float64).reshape(-1, 2)
        return Polygons(points, begin, rows, numbers), rles, np.array(drawn, np.int64)


_KEPT: dict[int, tuple[weakref.ref[pd.DataFrame], Objects]] = {}


def unpack(annotations: pd.DataFrame) -> Objects:
    """The annotations in columns; made once for a table, as long as it lives and does not change."""
    key, columns = id(annotations), annotations[COLUMNS]
    kept = _KEPT.get(key)
    if kept and kept[0]() is annotations and kept[1].table.equals(columns):
        return kept[1]
    objects = Objects(columns.copy())
    _KEPT[key] = (weakref.ref(annotations, lambda _: _KEPT.pop(key, None)), objects)
    return objects


def iter_near(group: Ints, start: Floats, reach: Floats) -> Iterator[tuple[Ints, Ints]]:
    """Yield all pairs of one group of which the second starts after the first and not beyond its reach, in arrays."""
    order = np.lexsort((start, group))
    group, start, reach = group[order], start[order], reach[order]
    alive, step = np.arange(len(order)), 0
    while len(alive):
        step += 1
        alive = alive[: np.searchsorted(alive, len(order) - step)]
        later = alive + step
        alive = alive[(group[alive] == group[later]) & (start[later] <= reach[alive])]
        yield order[alive], order[alive + step]


def find_crossing_boxes(group: Ints, boxes: Floats, share: float = 0.0) -> tuple[Ints, Ints]:
    """Pairs of one group whose boxes have in common at least `share` of the smaller one, or touch if that is 0."""
    ones, others = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    areas = area_of(boxes)
    for one, other in iter_near(group, boxes[:, 0], boxes[:, 2]):
        low, high = np.maximum(boxes[one, :2], boxes[other, :2]), np.minimum(boxes[one, 2:], boxes[other, 2:])
        common = np.clip(high - low, 0, None).prod(axis=1)
        keep = (low <= high).all(axis=1) & (common >= share * np.minimum(areas[one], areas[other]))
        ones.append(one[keep])
        others.append(other[keep])
    return np.concatenate(ones), np.concatenate(others)


def area_of(boxes: Floats) -> Floats:
    """The area of each box in square pixels."""
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])


def shares(has_it: Bools, groups: Ints) -> tuple[Ints, Floats]:
    """For each member, how many its group has, and the share of them that has it."""
    _, index = np.unique(groups, return_inverse=True)
    n = np.bincount(index)
    return n[index], (np.bincount(index, has_it) / np.maximum(n, 1))[index]


def find_odd(has_it: Bools, groups: Ints, rule: str) -> Ints:
    """Members that have what is `odd`, `allowed`, or (`auto`) odd in a group that is large and hardly ever has it."""
    if rule == "auto":
        n, share = shares(has_it, groups)
        has_it = has_it & (n >= ENOUGH) & (share <= RARELY)
    return np.flatnonzero(has_it) if rule != "allowed" else np.empty(0, np.int64)


def find_repeated_files(
    objects: Objects, rows: Ints, earlier: Ints, later: Ints
) -> tuple[Bools, list[tuple[str, str, int, int]]]:
    """Whole annotation files that say again what another one says, as COCO's files of instances and of keypoints do.

    `rows` are all positions compared, `earlier` and `later` the pairs that say the same. Returns which of the pairs go to
    such files, and for each two files: the one, the other, how many objects both have, how many the smaller has.
    """
    sources, names = pd.factorize(objects.table["source"])
    n_objects = np.bincount(sources[rows[sources[rows] >= 0]], minlength=len(names))
    one, other = np.minimum(sources[earlier], sources[later]), np.maximum(sources[earlier], sources[later])
    keys, index, n_both = np.unique(one * (len(names) + 1) + other, return_inverse=True, return_counts=True)
    one, other = np.divmod(keys, len(names) + 1)
    n_smaller = np.minimum(n_objects[one], n_objects[other]) if len(names) else n_both
    repeated = (one != other) & (one >= 0) & (n_both >= REPEATED) & (2 * n_both >= n_smaller)
    found = []
    for key in np.flatnonzero(repeated):
        first, second = sorted((str(names[one[key]]), str(names[other[key]])))
        found.append((first, second, int(n_both[key]), int(n_smaller[key])))
    return repeated[index], sorted(found)


def mark_box(box: Sequence[float] | Floats) -> Mark:
    """A box to draw, from x0, y0, x1, y1."""
    return Mark("box", tuple(map(float, box)))


def mark_polygon(points: Floats) -> Mark:
    """An outline to draw, from (n, 2) points."""
    return Mark("polygon", tuple(np.ravel(points).tolist()))


def mark_line(first: Floats, second: Floats) -> Mark:
    """A line to draw between two points."""
    return Mark("line", (*map(float, first), *map(float, second)))


def mark_point(point: Floats) -> Mark:
    """A point to draw."""
    return Mark("point", tuple(map(float, point)))


def offer_box(before: Floats, after: Floats) -> Offer:
    """The repair of a box."""
    return Offer("move_box", json.dumps(before.tolist()), json.dumps(after.tolist()))
