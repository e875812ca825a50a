"""The rings of all polygon masks in one array, and what they enclose."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import shapely
from numpy.typing import NDArray

from datatools.checks.pairs import Bools, Floats, Index, Ints, find_crossing_boxes

LOST = 1e-6  # part of a ring's area; a crossing loses more than this


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
    def crosses(self) -> Bools:
        """Whether the ring crosses itself: its signed parts cancel or cover a place twice, or two edges cross inside both.

        A ring that only touches itself, or goes out and back on one line without crossing another, does not.
        """
        crossing = ~shapely.is_valid(self.shapes) & (self.n_different >= 3)
        odd = np.flatnonzero(crossing)
        signed, enclosed = shapely.area(self.shapes[odd]), shapely.area(shapely.make_valid(self.shapes[odd]))
        crossing[odd] = abs(enclosed - signed) > LOST * np.maximum(signed, 1.0)
        for index in odd[~crossing[odd]]:
            crossing[index] = _edges_cross(shapely.get_coordinates(self.shapes[index]))
        return crossing

    @cached_property
    def is_simple(self) -> Bools:
        """Whether the ring has three different points and does not cross itself."""
        return ~self.crosses & (self.n_different >= 3)

    @cached_property
    def sound_shapes(self) -> NDArray[np.object_]:
        """`shapes` that GEOS takes: rings that touch themselves as the areas they enclose."""
        shapes = self.shapes.copy()
        odd = np.flatnonzero(~shapely.is_valid(shapes) & (self.n_different >= 3))
        shapes[odd] = shapely.make_valid(shapes[odd])
        return shapes

    @cached_property
    def joints(self) -> tuple[Ints, Ints, Bools]:
        """Pairs of rings of one mask that share a point, and whether the second lies inside the first."""
        mates = np.flatnonzero(self.is_simple & (np.bincount(self.row, minlength=1)[self.row] > 1))
        one, other = find_crossing_boxes(self.row[mates], self.bounds[mates])
        one, other = mates[one], mates[other]
        shapes = self.sound_shapes
        meet = shapely.intersects(shapes[one], shapes[other])
        one, other = one[meet], other[meet]
        larger = shapely.area(shapes[one]) >= shapely.area(shapes[other])
        one, other = np.where(larger, one, other), np.where(larger, other, one)
        return one, other, shapely.contains(shapes[one], shapes[other])

    @cached_property
    def is_hole(self) -> Bools:
        """Whether the ring lies inside an odd number of other rings of its mask."""
        _, inner, inside = self.joints
        return np.bincount(inner[inside], minlength=len(self.n_points)) % 2 == 1

    @cached_property
    def parts(self) -> Ints:
        """For each ring the first ring of those it is connected with."""
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components

        n = len(self.n_points)
        one, other, _ = self.joints
        number = connected_components(coo_array((np.ones(len(one)), (one, other)), shape=(n, n)), directed=False)[1]
        return np.unique(number, return_index=True)[1][number] if n else self.row

    def ring(self, index: Index) -> Floats:
        """The points of one ring."""
        return self.points[self.begin[index] : self.begin[index + 1]]


def _edges_cross(closed: Floats) -> bool:
    """Whether two edges of a closed ring meet in a point inside both."""
    edges = shapely.linestrings(np.stack([closed[:-1], closed[1:]], axis=1))
    return bool(shapely.STRtree(edges).query(edges, predicate="crosses").size)
