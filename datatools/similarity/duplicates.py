"""Pairs of images that show the same picture, found by their content, hashes, embeddings and pixels.

A pair has the same content; or perceptual hashes that differ in few bits; or embeddings that are near and thumbnails that
agree pixel by pixel (datatools/similarity/verification.py). A hash alone misses mirrored and cropped copies; an embedding
alone takes like things for the same.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from datatools.params import NeighborsParams
from datatools.schema import PAIRS
from datatools.similarity.graph import measure_similarity
from datatools.similarity.hashes import count_bits, find_pairs, to_words
from datatools.similarity.verification import verify_pairs

CROP_MARGIN = 0.75  # of the error that is allowed: free scales give unlike pictures more ways to agree
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Placed:
    """Distinct contents as their embeddings and pixels know them; row i is of the i-th distinct content.

    `candidates` int64 (m, 2), i < j, are the pairs near enough to be compared by `thumbs`, grey uint8 (n, side, side).
    """

    embeddings: NDArray[np.float32]
    thumbs: NDArray[np.uint8]
    candidates: Ints


def first_of_each_content(images: pd.DataFrame) -> Ints:
    """Rows of `images` (sorted by path) with a content that no earlier row has."""
    return np.flatnonzero(~images["sha256"].duplicated().to_numpy())


def find_duplicates(images: pd.DataFrame, placed: Placed | None, params: NeighborsParams) -> pd.DataFrame:
    """Return the near-duplicates (PAIRS) among `images` (IMAGES, sorted by path).

    Equal files are linked to the first path of their content; all other pairs are between such first paths. Without
    `placed`, hashes alone decide.
    """
    distinct = first_of_each_content(images)
    words = to_words(list(images["phash"].iloc[distinct]))
    n = len(distinct)
    by_hash = _codes(np.column_stack(find_pairs(words, params.hash_bits)), n)
    looks = _compare(placed, params) if placed is not None else _NO_LOOKS
    looks = looks.set_index(_codes(looks[["one", "other"]].to_numpy(np.int64), n))
    codes = np.union1d(by_hash, looks.index)
    one, other = codes // max(n, 1), codes % max(n, 1)
    paths = images["path"].iloc[distinct].to_numpy(object)
    seen = looks.reindex(codes)
    is_by = np.isin(codes, by_hash), np.isin(codes, looks.index)
    near = pd.DataFrame(
        {
            "path": paths[one],
            "other": paths[other],
            "how": np.select([is_by[0] & is_by[1], is_by[0]], ["both", "hash"], "embedding"),
            "hash_bits": count_bits(words, one, other),
            "similarity": _cosines(placed, one, other),
            "correlation": seen["correlation"].to_numpy(float),
            "view": seen["view"].array,
        }
    )
    return PAIRS.conform(pd.concat([_link_copies(images, placed is not None), near], ignore_index=True))


def _link_copies(images: pd.DataFrame, has_embeddings: bool) -> pd.DataFrame:
    copies = images.loc[images["sha256"].duplicated(), ["path", "sha256"]]
    first = images.drop_duplicates("sha256").set_index("sha256")["path"]
    return pd.DataFrame(
        {
            "path": first.reindex(copies["sha256"]).array,
            "other": copies["path"].array,
            "how": "identical",
            "hash_bits": 0,
            "similarity": 1.0 if has_embeddings else np.nan,
            "correlation": np.nan,
            "view": pd.array([None] * len(copies), dtype="string"),
        }
    )


def _compare(placed: Placed, params: NeighborsParams) -> pd.DataFrame:
    """The candidates that show the same picture by their pixels: one, other, correlation, view."""
    found = verify_pairs(placed.thumbs, placed.candidates)
    allowed = 1 - params.correlation_min
    is_same = found.correlation >= 1 - allowed * np.where(found.is_cropped, CROP_MARGIN, 1.0)
    view = np.array(["same", "mirrored", "cropped", "mirrored and cropped"], dtype=object)
    return pd.DataFrame(
        {
            "one": placed.candidates[is_same, 0],
            "other": placed.candidates[is_same, 1],
            "correlation": found.correlation[is_same].astype(float),
            "view": view[found.is_mirrored[is_same] + 2 * found.is_cropped[is_same]],
        }
    )


_NO_LOOKS = pd.DataFrame({"one": [], "other": [], "correlation": [], "view": []})


def _codes(pairs: Ints, n: int) -> Ints:
    return np.asarray(pairs[:, 0] * n + pairs[:, 1], dtype=np.int64)


def _cosines(placed: Placed | None, one: Ints, other: Ints) -> NDArray[np.float64]:
    if placed is None:
        return np.full(len(one), np.nan)
    return measure_similarity(placed.embeddings, one, other).astype(float)
