"""Many run-length masks at once: area, bounds, parts, holes and overlaps without a bitmap.

The foreground is cut into pieces, one run of one column each. Two pieces in neighbouring columns that share an edge join;
so a mask's parts are the connected pieces, and by Euler's formula its holes are `parts - pieces + joints`.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from datatools.masks import Rle

Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class RunLengths:
    """`n` masks: their sizes `(n, 2)` as height and width, and all foreground runs, flat down the columns of each mask.

    Run `i` belongs to mask `mask[i]` and covers its pixels `start[i]` to `end[i]`, half-open, none of them empty.
    """

    size_hw: Ints
    mask: Ints
    start: Ints
    end: Ints

    @cached_property
    def n_pixels(self) -> Ints:
        """Foreground pixels of each mask."""
        return _count(self.mask, len(self.size_hw), self.end - self.start)

    @cached_property
    def bounds(self) -> NDArray[np.float64]:
        """`(n, 4)` x0, y0, x1, y1 around the foreground in pixels, half-open; NaN for an empty mask."""
        mask, column, top, bottom = self._pieces
        bounds = np.full((len(self.size_hw), 4), np.nan)
        if len(mask):
            first = np.flatnonzero(np.diff(mask, prepend=-1))
            last = np.append(first[1:], len(mask)) - 1
            bounds[mask[first]] = np.stack(
                [column[first], np.minimum.reduceat(top, first), column[last] + 1, np.maximum.reduceat(bottom, first)],
                1,
            )
        return bounds

    @cached_property
    def n_parts(self) -> Ints:
        """Parts of each mask; two that meet at a corner are one."""
        return self._count_parts(*self._join(reach=1))

    @cached_property
    def n_holes(self) -> Ints:
        """Holes of each mask: background that no way of straight and diagonal steps leads out of."""
        one, other = self._join(reach=0)
        pieces = self._pieces[0]
        n = len(self.size_hw)
        return self._count_parts(one, other) - _count(pieces, n) + _count(pieces[one], n)

    def intersect(self, one: Ints, other: Ints) -> Ints:
        """Pixels that the masks `one[k]` and `other[k]`, of equal size, have in common, for each pair `k`."""
        base = np.concatenate([[0], np.cumsum(self.size_hw.prod(axis=1))])
        begin, end = base[self.mask] + self.start, base[self.mask] + self.end
        below = np.concatenate([[0], np.cumsum(end - begin)])
        first = np.searchsorted(self.mask, one)
        n_runs = np.searchsorted(self.mask, one, side="right") - first
        pair = np.repeat(np.arange(len(one)), n_runs)
        run = np.repeat(first, n_runs) + _count_up(n_runs)

        def covered(position: Ints) -> Ints:
            """Foreground of all masks before this place in all masks laid end to end."""
            index = np.searchsorted(begin, position, side="right")
            inside = np.where(index > 0, np.minimum(position, end[index - 1]) - begin[index - 1], 0)
            return below[np.maximum(index - 1, 0)] + inside

        shift = base[other[pair]]
        return _count(pair, len(one), covered(shift + self.end[run]) - covered(shift + self.start[run]))

    @cached_property
    def _pieces(self) -> tuple[Ints, Ints, Ints, Ints]:
        """The runs, cut where a column ends: mask, column, first row, row after the last; in order."""
        height = self.size_hw[self.mask, 0]
        first = self.start // height
        n_columns = (self.end - 1) // height - first + 1
        run = np.repeat(np.arange(len(self.mask)), n_columns)
        column, height = first[run] + _count_up(n_columns), height[run]
        top = np.maximum(self.start[run] - column * height, 0)
        bottom = np.minimum(self.end[run] - column * height, height)
        return self.mask[run], column, top, bottom

    def _join(self, reach: int) -> tuple[Ints, Ints]:
        """Pairs of pieces in neighbouring columns that share an edge, with `reach` 1 at least a corner."""
        mask, column, top, bottom = self._pieces
        if not len(mask):
            return mask, mask
        tall = int(self.size_hw[:, 0].max()) + 2
        line = np.concatenate([[0], np.cumsum(self.size_hw[:, 1] + 1)])[mask] + column
        starts, ends = line * tall + top, line * tall + bottom
        low = np.searchsorted(ends, starts + tall - reach, side="right")
        high = np.searchsorted(starts, ends + tall + reach)
        n_joints = np.maximum(high - low, 0)
        return np.repeat(np.arange(len(mask)), n_joints), np.repeat(low, n_joints) + _count_up(n_joints)

    def _count_parts(self, one: Ints, other: Ints) -> Ints:
        pieces = self._pieces[0]
        if not len(pieces):
            return np.zeros(len(self.size_hw), np.int64)
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components

        graph = coo_array((np.ones(len(one), np.int8), (one, other)), shape=(len(pieces), len(pieces)))
        part = connected_components(graph, directed=False)[1]
        return _count(pieces[np.unique(part, return_index=True)[1]], len(self.size_hw))


def collect_runs(rles: Sequence[Rle]) -> RunLengths:
    """The runs of all masks, in their order."""
    sizes = np.array([rle.size_hw for rle in rles], np.int64).reshape(-1, 2)
    n_counts = np.array([len(rle.counts) for rle in rles], np.int64)
    counts = np.fromiter(itertools.chain.from_iterable(rle.counts for rle in rles), np.int64, n_counts.sum())
    mask = np.repeat(np.arange(len(rles)), n_counts)
    ends = np.cumsum(counts) - np.concatenate([[0], np.cumsum(sizes.prod(axis=1))])[mask]
    keep = (_count_up(n_counts) % 2 == 1) & (counts > 0)
    mask, starts, ends = mask[keep], (ends - counts)[keep], ends[keep]
    goes_on = (mask[1:] == mask[:-1]) & (starts[1:] == ends[:-1])  # a background run of length 0 between two
    return RunLengths(sizes, *_merge(mask, starts, ends, goes_on))


def list_regions(mask: NDArray[np.bool_]) -> list[tuple[int, tuple[int, int, int, int]]]:
    """Pixels and half-open bounds `(x0, y0, x1, y1)` of each part of a bitmap, the smallest first; corners join."""
    from scipy import ndimage

    labels, n_parts = ndimage.label(mask, np.ones((3, 3)))
    sizes = np.bincount(labels.ravel(), minlength=n_parts + 1)[1:].tolist()
    bounds = [(x.start, y.start, x.stop, y.stop) for y, x in ndimage.find_objects(labels)]
    return sorted(zip(sizes, bounds, strict=True))


def list_holes(mask: NDArray[np.bool_]) -> list[tuple[int, tuple[int, int, int, int]]]:
    """The same of each hole: background from which no straight or diagonal steps lead out."""
    from scipy import ndimage

    labels, _ = ndimage.label(np.pad(~mask, 1, constant_values=True), np.ones((3, 3)))
    return list_regions((labels != labels[0, 0])[1:-1, 1:-1] & ~mask)


def _merge(mask: Ints, starts: Ints, ends: Ints, goes_on: NDArray[np.bool_]) -> tuple[Ints, Ints, Ints]:
    first, last = np.append(True, ~goes_on)[: len(mask)], np.append(~goes_on, True)[: len(mask)]
    return mask[first], starts[first], ends[last]


def _count_up(lengths: Ints) -> Ints:
    """0, 1, ... for each length, one after the other."""
    return np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)


def _count(index: Ints, n: int, weight: Ints | None = None) -> Ints:
    """The sum of the weights (1 each where none are given) at every index below `n`."""
    return np.bincount(index, weight, n).astype(np.int64)
