"""What keeps images together: a value of a metadata column, the same bytes, or a pair of near-duplicates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import bmat, csr_matrix
from scipy.sparse.csgraph import connected_components

from datatools.dataset import Dataset
from datatools.errors import DatatoolsError

GROUP = "group"  # of IMAGES: what ingest.group_column named
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Links:
    """Who is linked with whom: `members` (n_images, n_links) has a 1 where the image is part of the link.

    A link has two members or more, and every two of them are linked directly. `kinds` says of each what it is, in words.
    """

    members: csr_matrix
    kinds: NDArray[np.object_]

    def touched(self, mask: Bools) -> Bools:
        """Which images share a link with an image of `mask` (n_images,); those of the mask touch themselves if linked."""
        return np.asarray(self.members @ (self.members.T @ mask.astype(np.int32)) > 0)

    def units(self) -> Ints:
        """The unit of each image, as the smallest row number in it: links chain."""
        n = self.members.shape[0]
        graph = bmat([[None, self.members], [self.members.T, None]]) if self.members.shape[1] else csr_matrix((n, n))
        _, found = connected_components(graph, directed=False)
        return _first_of(found[:n])

    def first_members(self, mask: Bools) -> Ints:
        """For each link the smallest row of `mask` (n_images,) in it; n_images where there is none."""
        row, link = self.members.nonzero()
        firsts = np.full(self.members.shape[1], self.members.shape[0], dtype=np.int64)
        np.minimum.at(firsts, link[mask[row]], row[mask[row]])
        return firsts

    def rows(self, chosen: Ints) -> Links:
        """The links among the images `chosen` (row numbers), which become rows 0, 1, ..."""
        part = self.members[chosen]
        several = np.flatnonzero(np.asarray(part.sum(axis=0)).ravel() > 1)
        return Links(csr_matrix(part[:, several]), self.kinds[several])


def group_columns(dataset: Dataset, group_by: Sequence[str]) -> dict[str, pd.Series]:
    """The columns whose values keep images together, in the order of `dataset.images`: IMAGES.group and `group_by`.

    An empty value groups nothing. Raises DatatoolsError for a column that the metadata does not have.
    """
    columns = {GROUP: dataset.images[GROUP].reset_index(drop=True)}
    if group_by and len(dataset.images):
        metadata = dataset.metadata
        for name in group_by:
            if name not in metadata:
                known = ", ".join(sorted(metadata)) or "none"
                raise DatatoolsError(
                    f"params.yaml: split.group_by takes columns of the images' metadata ({known}). "
                    f"Got {name!r} instead: correct it."
                )
            columns[name] = metadata[name].reset_index(drop=True)
    return {name: values.mask(values.str.strip() == "") for name, values in columns.items()}


def find_links(images: pd.DataFrame, pairs: pd.DataFrame, columns: Mapping[str, pd.Series]) -> Links:
    """The links among `images`, in their order, by `columns`, by equal bytes and by `pairs` (PAIRS).

    Pairs of which an image is not there are passed over.
    """
    found = [_by_value(values, f"the same {name}") for name, values in columns.items()]
    found.append(_by_value(images["sha256"].reset_index(drop=True), "the same bytes"))
    found.append(_by_pair(images["path"], pairs))
    rows, links, kinds, n_links = [], [], [], 0
    for row, link, kind in found:
        rows.append(row)
        links.append(link + n_links)
        kinds.append(kind)
        n_links += len(kind)
    row, link = np.concatenate(rows), np.concatenate(links)
    members = csr_matrix((np.ones(len(row), np.int32), (row, link)), shape=(len(images), n_links))
    return Links(members, np.concatenate(kinds))


def _by_value(values: pd.Series, kind: str) -> tuple[Ints, Ints, NDArray[np.object_]]:
    codes, _ = pd.factorize(values, use_na_sentinel=True)
    rows = np.flatnonzero(codes >= 0)
    shared = rows[np.bincount(codes[rows], minlength=1)[codes[rows]] > 1] if len(rows) else rows
    found, link = np.unique(codes[shared], return_inverse=True)
    return shared, link.astype(np.int64), np.full(len(found), kind, dtype=object)


def _by_pair(paths: pd.Series, pairs: pd.DataFrame) -> tuple[Ints, Ints, NDArray[np.object_]]:
    index = pd.Index(paths)
    one, other = index.get_indexer(pd.Index(pairs["path"])), index.get_indexer(pd.Index(pairs["other"]))
    known = np.flatnonzero((one >= 0) & (other >= 0))
    rows = np.concatenate([one[known], other[known]]).astype(np.int64)
    return rows, np.tile(np.arange(len(known)), 2), np.full(len(known), "near-duplicate", dtype=object)


def _first_of(numbers: Ints) -> Ints:
    """For each row the first row with the same number."""
    _, first, inverse = np.unique(numbers, return_index=True, return_inverse=True)
    return np.asarray(first[inverse], dtype=np.int64)
