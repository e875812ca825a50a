"""Annotations in columns, and boxes and masks as numbers: unpacked once a run for all checks.

The checks share the work: `unpack` keeps what it made as long as the annotations live, and compares before it gives it out
again, so that a check still depends on its inputs alone.
"""

from __future__ import annotations

import itertools
import json
import weakref
from array import array
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
import pyarrow as pa
import shapely
from numpy.typing import NDArray

from datatools.checks.columns import Codes, Texts, encode, find_texts, is_among, is_unchanged, number, place
from datatools.checks.pairs import Bools, Floats, Index, Ints, where
from datatools.checks.polygons import Polygons
from datatools.findings import Finding, Mark, Offer
from datatools.masks import MaskError, Rle, parse_mask
from datatools.run_lengths import RunLengths, collect_runs
from datatools.schema import BOX

REPEATED = 10  # objects that two files have in common, and no accident
SIZES = ["path", "width_px", "height_px"]
COLUMNS = ["annotation_id", "path", "label", "kind", *BOX, "mask", "annotator", "source", "attributes"]


@dataclass(frozen=True, eq=False)
class Objects:
    """Annotations in columns, in the order of `table`; masks that cannot be read are left out."""

    table: pd.DataFrame

    @cached_property
    def ids(self) -> Texts:
        """The annotation ids."""
        return Texts.of(self.table["annotation_id"])

    @cached_property
    def paths(self) -> Texts:
        """The image of each annotation."""
        return Texts.of(self.table["path"])

    @cached_property
    def attributes(self) -> Texts:
        """What else is said of each annotation, as JSON."""
        return Texts.of(self.table["attributes"])

    @cached_property
    def corners(self) -> Floats:
        """`(n, 4)` x0, y0, x1, y1 in pixels as they stand; all NaN where one of them is no number."""
        columns = self.table[BOX]
        if set(columns.dtypes) == {np.dtype(float)}:
            corners = columns.to_numpy()  # the table's own memory where the four lie together
        else:
            corners = np.empty((len(columns), 4), order="F")  # checks go by columns
            for side, name in enumerate(BOX):
                corners[:, side] = columns[name].to_numpy(float, na_value=np.nan)
        finite = [np.isfinite(corners[:, side]) for side in range(4)]
        if not all(map(np.all, finite)):
            corners = np.array(corners, order="F")
            corners[~np.logical_and.reduce(finite)] = np.nan
        return corners

    @cached_property
    def swapped(self) -> Ints:
        """The positions of boxes with x1 < x0 or y1 < y0."""
        x0, y0, x1, y1 = self.corners.T
        return np.flatnonzero((x1 < x0) | (y1 < y0))

    @cached_property
    def boxes(self) -> Floats:
        """The same with corners in order: x0 <= x1 and y0 <= y1."""
        if not len(self.swapped):
            return self.corners
        boxes, low, high = np.empty_like(self.corners), self.corners[:, :2], self.corners[:, 2:]
        np.minimum(low, high, out=boxes[:, :2])
        np.maximum(low, high, out=boxes[:, 2:])
        return boxes

    @cached_property
    def sides(self) -> Floats:
        """`(n, 2)` width and height of each box in pixels; NaN where there is none."""
        return self.boxes[:, 2:] - self.boxes[:, :2]

    @cached_property
    def areas(self) -> Floats:
        """The area of each box in square pixels; NaN where there is none."""
        return self.sides[:, 0] * self.sides[:, 1]

    @cached_property
    def is_box(self) -> Bools:
        """Whether the annotation is a box and nothing else."""
        return self.is_kind("box")

    @cached_property
    def is_label(self) -> Bools:
        """Whether the annotation is the label of a whole image."""
        return self.is_kind("label")

    def is_kind(self, kind: str) -> Bools:
        """Whether the annotation is of this kind."""
        return is_among(self.kinds, kind)

    @cached_property
    def kinds(self) -> Codes:
        """The kinds by number."""
        return number(self.table["kind"])

    @cached_property
    def labels(self) -> Codes:
        """The labels by number."""
        return number(self.table["label"])

    @cached_property
    def annotators(self) -> Codes:
        """The annotators by number."""
        return number(self.table["annotator"])

    @cached_property
    def sources(self) -> Codes:
        """The annotation files by number."""
        return number(self.table["source"])

    @cached_property
    def images(self) -> tuple[Ints, pa.Array]:
        """The paths of the images by number; there are many, so they stay as Arrow has them."""
        return encode(self.table["path"])

    @property
    def classes(self) -> Ints:
        """A number for each label; -1 for none."""
        return self.labels[0]

    @cached_property
    def opinions(self) -> Ints:
        """A number from 0 for each image, annotator and class: what one person says of one image's cells, cats, ..."""
        opinions = self.images[0] + 1
        for codes, names in (self.annotators, self.labels):
            opinions *= len(names) + 1
            opinions += codes
            opinions += 1
        return opinions

    @cached_property
    def masked(self) -> tuple[Ints, list[str]]:
        """The positions of all annotations with a mask, and the texts of the masks."""
        texts = self.table["mask"]
        rows = np.flatnonzero(texts.notna())
        return rows, texts.iloc[rows].tolist() if len(rows) else []

    def order_pairs(self, one: Ints, other: Ints) -> tuple[Ints, Ints, NDArray[np.intp]]:
        """The same pairs of positions, the earlier annotation first, and their order by the later, then the earlier one.

        Annotations are made in the order of their ids, `#9` before `#10`.
        """
        positions = np.unique(np.concatenate([one, other]))
        ids = [text or "" for text in self.ids.take(positions)]
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
        areas = np.where(rings.is_hole, -1, 1) * np.nan_to_num(shapely.area(rings.sound_shapes))
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
        return self._of(images)[1]

    def is_annotated(self, images: pd.DataFrame, among: Bools) -> Bools:
        """For each of `images`, whether one of the annotations `among` is of it."""
        rows = self._of(images)[0]
        codes = self.images[0]
        used = np.bincount(codes[where(among & (codes >= 0))], minlength=len(rows)) > 0
        annotated = np.zeros(len(images), bool)
        annotated[rows[used & (rows >= 0)]] = True
        return annotated

    def _of(self, images: pd.DataFrame) -> tuple[Ints, Floats]:
        """The row of each numbered image in `images`, -1 for none, and the size of each annotation's image."""
        if self._seen and self._seen[0][0] is images and self in _SHARED:
            return self._seen[0][2:]
        if not self._seen or not is_unchanged(self._seen[0][1][SIZES], images):
            codes, paths = self.images
            rows = find_texts(paths, images["path"])
            known, sizes = np.full(len(rows) + 1, np.nan), np.empty((len(codes), 2), order="F")
            for side, name in enumerate(SIZES[1:]):
                known[:-1][rows >= 0] = images[name].to_numpy(float)[rows[rows >= 0]]
                np.take(known, codes, out=sizes[:, side], mode="wrap")  # the last is of no image: -1
            self._seen[:] = [(images, images.copy(deep=False), rows, sizes)]
        return self._seen[0][2:]

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
        text = self.attributes[position]
        return text is not None and "iscrowd" in text and bool(json.loads(text).get("iscrowd"))

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
    def _seen(self) -> list[tuple[pd.DataFrame, pd.DataFrame, Ints, Floats]]:
        """The images last asked about, and what `_of` says of them."""
        return []

    @cached_property
    def _masks(self) -> tuple[Polygons, dict[int, Rle], Ints]:
        filled, texts = self.masked
        flat, n_points, owners, parts = array("d"), array("q"), array("q"), array("q")
        rles: dict[int, Rle] = {}
        drawn = array("q")
        for position, text in zip(filled.tolist(), texts, strict=True):
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
        points = np.asarray(flat, np.float64).reshape(-1, 2)
        return Polygons(points, begin, rows, numbers), rles, np.array(drawn, np.int64)


_KEPT: dict[int, tuple[weakref.ref[pd.DataFrame], Objects, list[object]]] = {}
_SHARED: list[Objects] = []  # of tables that nobody changes for now


@contextmanager
def sharing(annotations: pd.DataFrame | None) -> Iterator[None]:
    """While checks run, which change no input (test_contract), their table need not be compared each time."""
    if annotations is None:
        yield
        return
    _SHARED.append(unpack(annotations))
    try:
        yield
    finally:
        _SHARED.pop()


def unpack(annotations: pd.DataFrame) -> Objects:
    """The annotations in columns; made once for a table, as long as it lives and does not change."""
    key = id(annotations)
    kept = _KEPT.get(key)
    if kept and kept[0]() is annotations and kept[1] in _SHARED:
        return kept[1]
    places = [place(annotations[name]) for name in COLUMNS]
    if kept and kept[0]() is annotations and (kept[2] == places or is_unchanged(kept[1].table[COLUMNS], annotations)):
        return kept[1]
    table = annotations.copy(deep=False)  # pandas copies on write: later changes are not in it, and its memory stays
    objects = Objects(table)
    _KEPT[key] = (weakref.ref(annotations, lambda _: _KEPT.pop(key, None)), objects, places)
    return objects


def find_repeated_files(
    objects: Objects, rows: slice | Ints, earlier: Ints, later: Ints
) -> tuple[Bools, list[tuple[str, str, int, int]]]:
    """Whole annotation files that say again what another one says, as COCO's files of instances and of keypoints do.

    `rows` are all positions compared, `earlier` and `later` the pairs that say the same. Returns which of the pairs go to
    such files, and for each two files: the one, the other, how many objects both have, how many the smaller has.
    """
    texts = Texts.of(objects.table["source"])
    if texts.pick(earlier).equals(texts.pick(later)):  # as mostly: then nobody need know all sources
        return np.zeros(len(earlier), bool), []
    sources, names = objects.sources
    one, other = np.minimum(sources[earlier], sources[later]), np.maximum(sources[earlier], sources[later])
    keys, index, n_both = np.unique((one + 1) * (len(names) + 1) + other + 1, return_inverse=True, return_counts=True)
    one, other = np.stack(np.divmod(keys, len(names) + 1)) - 1  # -1: no source
    n_objects = np.bincount(sources[rows] + 1, minlength=len(names) + 1)[1:]
    n_smaller = np.minimum(n_objects[one], n_objects[other]) if len(names) else n_both
    repeated = (one != other) & (one >= 0) & (n_both >= REPEATED) & (2 * n_both >= n_smaller)
    found = []
    for key in np.flatnonzero(repeated):
        first, second = sorted((str(names[one[key]]), str(names[other[key]])))
        found.append((first, second, int(n_both[key]), int(n_smaller[key])))
    return repeated[index], sorted(found)
