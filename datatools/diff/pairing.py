"""Which annotation of one version is which of the other: by id, by what it says, by where it is.

1. The same id in the same image and the same content: the same annotation, unchanged.
2. Of what is left, equal content in the same image under another id: a file that numbers its rows was written anew.
3. The same id in the same image, unless step 2 found annotations of that image under other ids: then ids say nothing there.
4. Boxes and masks by the assignment with the most pairs of IoU >= `IOU_MIN` (datatools/agreement/matching.py), first among
   those of one annotator, then among all.
5. Labels of whole images by their annotator, and the only one that is left of an image on either side; shapes, whose geometry
   has no area, if they are the only one of their class and annotator.

Content is label, kind, box, mask, annotator and attributes, compared as stored: a box that differs in the last bit of one
coordinate is another box. `source` is where it came from, and no content. Neither the order of the rows nor which version is
the older one plays a part.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from datatools.agreement.matching import collect_objects, find_overlaps, match_pairs
from datatools.checks.geometry import unpack
from datatools.fixes.pairing import IOU_MIN
from datatools.schema import BOX

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
TEXTS = ("path", "label", "kind", "mask", "annotator", "attributes")  # content, but for the box
OBJECTS = ("box", "mask")
ALONE: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("label", ("annotator",)),
    ("label", ()),
    ("shape", ("label", "annotator")),
)


@dataclass(frozen=True)
class Pairing:
    """Rows of both tables that are one annotation; `is_same` where nothing differs but ids. `gone` and `came` have no partner."""

    before: Ints
    after: Ints
    is_same: Bools
    gone: Ints
    came: Ints


@dataclass(frozen=True, eq=False)
class Both:
    """Two tables of annotations, their texts as numbers that mean the same in both; the images of `after` by their old names."""

    before: pd.DataFrame
    after: pd.DataFrame

    def codes(self, name: str) -> tuple[Ints, Ints]:
        """A number for each text of a column; -1 for a null."""
        if name not in self._codes:
            stacked = pd.concat([self.before[name], self.after[name]], ignore_index=True)
            numbers = pd.factorize(stacked)[0].astype(np.int64, copy=False)
            self._codes[name] = (numbers[: len(self.before)], numbers[len(self.before) :])
        return self._codes[name]

    @cached_property
    def boxes(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """`(n, 4)` xyxy in pixels as stored."""
        one, other = (side[BOX].to_numpy(float) for side in (self.before, self.after))
        return one, other

    def is_same(self, before: Ints, after: Ints) -> Bools:
        """Whether these rows have the same content."""
        same = np.ones(len(before), bool)
        for name in TEXTS:
            one, other = self.codes(name)
            same &= one[before] == other[after]
        box, now = self.boxes[0][before], self.boxes[1][after]
        return same & ((box == now) | (np.isnan(box) & np.isnan(now))).all(axis=1)

    @cached_property
    def _codes(self) -> dict[str, tuple[Ints, Ints]]:
        return {}


class _Left:
    """The rows that have no partner yet, and the pairs so far."""

    def __init__(self, both: Both) -> None:
        self.both = both
        self.partner = np.full(len(both.before), -1, np.int64)
        self.is_free = np.ones(len(both.after), bool)
        self.same: Bools = np.zeros(len(both.before), bool)

    def take(self, before: Ints, after: Ints, same: Bools | bool) -> None:
        self.partner[before] = after
        self.is_free[after] = False
        self.same[before] = same

    def rows(self) -> tuple[Ints, Ints]:
        return np.flatnonzero(self.partner < 0), np.flatnonzero(self.is_free)


def pair_annotations(both: Both) -> Pairing:
    """Pair the annotations of two versions; each has at most one partner."""
    left = _Left(both)
    by_id = _pair_equal(*both.codes("annotation_id"), *left.rows())
    by_id = _where(by_id, _of_one_image(both, *by_id))
    same = both.is_same(*by_id)
    left.take(*_where(by_id, same), True)
    found = _pair_equal(*_content(both, *left.rows()), *left.rows(), local=True)
    left.take(*found, True)
    by_id = _where(by_id, ~same & (left.partner[by_id[0]] < 0) & left.is_free[by_id[1]])
    images = both.codes("path")[0]
    left.take(*_where(by_id, ~np.isin(images[by_id[0]], images[found[0]])), False)
    for names in (("path", "annotator"), ("path",)):
        left.take(*_pair_objects(both, names, *left.rows()), False)
    for kind, alike in ALONE:
        left.take(*_pair_only(both, kind, ("path", *alike), *left.rows()), False)
    paired = np.flatnonzero(left.partner >= 0)
    gone, came = left.rows()
    return Pairing(paired, left.partner[paired], left.same[paired], gone, came)


def _where(pairs: tuple[Ints, Ints], chosen: Bools) -> tuple[Ints, Ints]:
    return pairs[0][chosen], pairs[1][chosen]


def _of_one_image(both: Both, before: Ints, after: Ints) -> Bools:
    one, other = both.codes("path")
    return one[before] == other[after]


def _content(both: Both, before: Ints, after: Ints) -> tuple[Ints, Ints]:
    """A number for what each of these rows says: equal for equal content."""
    sides = (before, after)
    columns = [np.concatenate([codes[rows] for codes, rows in zip(both.codes(n), sides, strict=True)]) for n in TEXTS]
    stacked = np.concatenate([box[rows] for box, rows in zip(both.boxes, sides, strict=True)])
    columns += [pd.factorize(stacked[:, side])[0] for side in range(4)]
    key = _combine(columns)
    return key[: len(before)], key[len(before) :]


def _combine(columns: Sequence[Ints]) -> Ints:
    """One number for each row of several columns of numbers from -1."""
    key = np.zeros(len(columns[0]), np.int64)
    for column in columns:
        key = pd.factorize(key * (int(column.max(initial=-1)) + 2) + column + 1)[0].astype(np.int64, copy=False)
    return key


def _pair_equal(one: Ints, other: Ints, before: Ints, after: Ints, local: bool = False) -> tuple[Ints, Ints]:
    """Rows with equal numbers, the first with the first, the second with the second, ...

    `one` and `other` are the numbers of all rows, with `local` those of the rows in `before` and `after`.
    """
    if not local:
        one, other = one[before], other[after]
    frames = [
        pd.DataFrame({"key": key, "n": pd.Series(key).groupby(key).cumcount().to_numpy(), name: rows})
        for key, name, rows in ((one, "before", before), (other, "after", after))
    ]
    pairs = frames[0].merge(frames[1], on=["key", "n"])
    return pairs["before"].to_numpy(np.int64), pairs["after"].to_numpy(np.int64)


def _stack(both: Both, names: Sequence[str], before: Ints, after: Ints) -> Ints:
    """A number for the values of these columns in the rows `before`, then `after`."""
    sides = (before, after)
    return _combine(
        [np.concatenate([codes[rows] for codes, rows in zip(both.codes(name), sides, strict=True)]) for name in names]
    )


def _pair_objects(both: Both, names: Sequence[str], before: Ints, after: Ints) -> tuple[Ints, Ints]:
    """Boxes with boxes and masks with masks that overlap, of equal values in the columns `names`."""
    pairs = [_pair_kind(both, kind, names, *_of_kind(both, kind, before, after)) for kind in OBJECTS]
    return np.concatenate([pair[0] for pair in pairs]), np.concatenate([pair[1] for pair in pairs])


def _pair_kind(both: Both, kind: str, names: Sequence[str], before: Ints, after: Ints) -> tuple[Ints, Ints]:
    if not len(before) or not len(after):
        return before[:0], after[:0]
    table = pd.concat([both.before.iloc[before], both.after.iloc[after]], ignore_index=True)
    side = np.repeat([0, 1], [len(before), len(after)])
    image, label = _stack(both, names, before, after), _stack(both, ("label",), before, after)
    objects = collect_objects(unpack(table), np.arange(len(table)), image, side, label, kind)
    pairs = match_pairs(objects, find_overlaps(objects, IOU_MIN), IOU_MIN)
    return before[objects.rows[pairs.one]], after[objects.rows[pairs.other] - len(before)]


def _of_kind(both: Both, kind: str, before: Ints, after: Ints) -> tuple[Ints, Ints]:
    return (
        before[(both.before["kind"].iloc[before] == kind).to_numpy(bool, na_value=False)],
        after[(both.after["kind"].iloc[after] == kind).to_numpy(bool, na_value=False)],
    )


def _pair_only(both: Both, kind: str, names: Sequence[str], before: Ints, after: Ints) -> tuple[Ints, Ints]:
    """Rows of one kind that are the only one with their values in the columns `names`, before and after."""
    before, after = _of_kind(both, kind, before, after)
    key = _stack(both, names, before, after)
    rows, keys = [], []
    for part, codes in ((before, key[: len(before)]), (after, key[len(before) :])):
        values, first, counts = np.unique(codes, return_index=True, return_counts=True)
        rows.append(part[first[counts == 1]])
        keys.append(values[counts == 1])
    _, one, other = np.intersect1d(keys[0], keys[1], assume_unique=True, return_indices=True)
    return rows[0][one], rows[1][other]
