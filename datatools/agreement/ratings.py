"""Who gave which item which label, as three arrays: as small for 747 annotators with 3 labels an item as for three."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from datatools.errors import DatatoolsError

Codes = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Ratings:
    """One entry a rating, ordered by item and annotator: positions in `items`, `annotators` and `classes`.

    Nobody rates an item twice. `items` may hold items that nobody rated, `classes` classes that nobody gave.
    """

    items: pd.Index
    annotators: pd.Index
    classes: pd.Index
    item: Codes
    annotator: Codes
    label: Codes

    @property
    def n_of_item(self) -> Codes:
        """How many ratings each item has."""
        return np.bincount(self.item, minlength=len(self.items))

    def only(self, keep: NDArray[np.bool_]) -> Ratings:
        """The ratings where `keep`; items, annotators and classes stay."""
        kept = (values[keep] for values in (self.item, self.annotator, self.label))
        return Ratings(self.items, self.annotators, self.classes, *kept)

    def others(self) -> tuple[Codes, Codes, Codes]:
        """What the other annotators of its item say of each rating: position of the rating, label, how many gave it.

        One entry a rating and label that another gave, ordered by rating.
        """
        n_classes = max(len(self.classes), 1)
        cell, n = np.unique(self.item * n_classes + self.label, return_counts=True)
        item, label = np.divmod(cell, n_classes)
        n_cells = np.bincount(item, minlength=len(self.items))
        first, width = (np.cumsum(n_cells) - n_cells)[self.item], n_cells[self.item]
        rating = np.repeat(np.arange(len(self.item)), width)
        place = np.arange(len(rating)) - np.repeat(np.cumsum(width) - width, width) + np.repeat(first, width)
        n_others = n[place] - (label[place] == self.label[rating])
        kept = n_others > 0
        return rating[kept], label[place[kept]], n_others[kept]

    def comparable(self) -> Ratings:
        """The ratings of items that at least two annotators rated: the only ones that tell of agreement."""
        return self.only(self.n_of_item[self.item] >= 2)


def from_table(ratings: pd.DataFrame, classes: Iterable[Any] | None = None) -> Ratings:
    """Ratings from a table: index item, a column an annotator, null = not rated.

    `classes` gives the classes and their order; without it they are the labels found, sorted. Raises DatatoolsError for a
    label that is not in `classes`.
    """
    n_items, n_annotators = ratings.shape
    columns = [ratings.iloc[:, number] for number in range(n_annotators)]
    flat = pd.concat(columns, ignore_index=True) if columns else pd.Series([], dtype="string")
    codes, names = _encode(flat, classes)
    codes = codes.reshape(n_annotators, n_items).T.ravel()
    rated = np.flatnonzero(codes >= 0)
    item = rated // max(n_annotators, 1)
    return Ratings(ratings.index, ratings.columns, names, item, rated - item * n_annotators, codes[rated])


def from_long(
    rows: pd.DataFrame,
    item: str = "item",
    annotator: str = "annotator",
    label: str = "label",
    classes: Iterable[Any] | None = None,
) -> Ratings:
    """Ratings from a table with one row a rating; the three names say which columns.

    A row with a null in one of them is no rating. Of several labels that one annotator gave one item the first counts, as
    in `Dataset.ratings`. Items and annotators are sorted; `classes` as in from_table. Raises DatatoolsError for a missing
    column and for a label that is not in `classes`.
    """
    wanted = [item, annotator, label]
    missing = [name for name in wanted if name not in rows.columns]
    if missing:
        known = ", ".join(map(str, rows.columns))
        raise DatatoolsError(
            f"ratings: expected the columns {', '.join(wanted)}. Got {known}: {missing[0]!r} is missing."
        )
    given = rows[wanted].dropna()
    codes, names = _encode(given[label], classes)
    items, item_names = _encode(given[item])
    annotators, annotator_names = _encode(given[annotator])
    key = items * max(len(annotator_names), 1) + annotators
    _, first = np.unique(key, return_index=True)  # sorted by item and annotator
    return Ratings(item_names, annotator_names, names, items[first], annotators[first], codes[first])


def as_ratings(ratings: pd.DataFrame | Ratings, classes: Iterable[Any] | None = None) -> Ratings:
    """A table as from_table reads it, or the Ratings themselves, with their classes in the order of `classes`."""
    if isinstance(ratings, pd.DataFrame):
        return from_table(ratings, classes)
    if classes is None:
        return ratings
    names = pd.Index(list(classes))
    place = names.get_indexer(ratings.classes)
    label = place[ratings.label]
    if (label < 0).any():
        _raise_unknown(ratings.classes[ratings.label[label < 0][0]], names)
    return Ratings(ratings.items, ratings.annotators, names, ratings.item, ratings.annotator, label)


def as_numbers(classes: pd.Index, why: str) -> Floats:
    """The classes as numbers. Raises DatatoolsError that says `why` numbers are needed."""
    try:
        return classes.to_numpy(dtype=np.float64)
    except (TypeError, ValueError) as error:
        shown = ", ".join(map(repr, classes[:5]))
        raise DatatoolsError(f"ratings: {why} needs labels that are numbers. Got {shown}.") from error


def _encode(values: pd.Series, names: Iterable[Any] | None = None) -> tuple[Codes, pd.Index]:
    if names is None:
        codes, found = pd.factorize(values, sort=True)
        return codes.astype(np.int64), pd.Index(found)
    known = pd.Index(list(names))
    raw, found = pd.factorize(values)
    place = np.append(known.get_indexer(pd.Index(found)), -1)  # the last for -1, null
    codes = place[raw]
    unknown = (codes < 0) & (raw >= 0)
    if unknown.any():
        _raise_unknown(pd.Index(found)[raw[unknown][0]], known)
    return codes.astype(np.int64), known


def _raise_unknown(label: Any, known: pd.Index) -> None:
    raise DatatoolsError(f"ratings: classes are {', '.join(map(str, known))}. Got {label!r} instead: add or rename it.")
