"""The nearest images of each image: an exact search over embeddings, once for everything that asks who is like whom."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datatools.errors import DatatoolsError, MissingExtraError
from datatools.store import save_bytes, save_json

Rows = NDArray[np.float32]
Indices = NDArray[np.int32]
EXTRA = 8  # further neighbours that are looked at, so that rounding in the search decides nothing
BLOCK = 1024  # rows that are compared with all others at once
ROUNDING = 1e-5  # more than a float32 inner product of unit rows can be off
FILES = ("embeddings.npy", "graph.npz", "neighbors.json")


@dataclass(frozen=True)
class Neighbors:
    """`embeddings` float32 (n, d), rows of length 1, in the order of `paths`; for each row its nearest others.

    `indices` int32 (n, k) and `similarities` float32 (n, k), the cosine, from the nearest on; ties by row number, an
    image never among its own. k is smaller where there are not so many others, and 0 without embeddings.
    """

    paths: tuple[str, ...]
    embeddings: Rows
    indices: Indices
    similarities: Rows


def find_neighbors(embeddings: Rows, k: int, asked: NDArray[np.int64] | None = None) -> tuple[Indices, Rows]:
    """Return indices and similarities `(m, min(k, n - 1))` of the nearest others of unit rows `(n, d)`, d > 0.

    Of all rows, or of the rows `asked` (m,), among all.

    Exact, and the same bits for any number of threads: faiss finds who may be near, then the cosines are taken again in
    double precision, one pair at a time. Raises MissingExtraError without faiss.
    """
    n = len(embeddings)
    asked = np.arange(n) if asked is None else asked
    k = min(k, max(0, n - 1))
    if not k or not len(asked):
        return np.zeros((len(asked), k), np.int32), np.zeros((len(asked), k), np.float32)
    near, rough = _search(embeddings, asked, min(n, k + 1 + EXTRA))
    indices = np.empty((len(asked), k), np.int32)
    similarities = np.empty((len(asked), k), np.float32)
    for start in range(0, len(asked), BLOCK):
        part = slice(start, start + BLOCK)
        indices[part], similarities[part] = _choose(embeddings, asked[part], near[part], k)
    if near.shape[1] < n:  # more images may be as near as the last one that was looked at
        for number in np.flatnonzero(rough[:, -1] >= similarities[:, -1] - ROUNDING):
            indices[number], similarities[number] = _compare_all(embeddings, int(asked[number]), k)
    return indices, similarities


def repeat_copies(distinct: Neighbors, content: NDArray[np.int64], k: int) -> tuple[Indices, Rows]:
    """What find_neighbors gives for rows `distinct.embeddings[content]`, from the k neighbours of each distinct content.

    `content` int64 (n,) is the row in `distinct` of each image. Copies are neighbours of each other.
    """
    k = min(k, max(0, len(content) - 1))
    itself = np.arange(len(distinct.embeddings))
    contents = np.column_stack([itself, distinct.indices])
    near = measure_similarity(distinct.embeddings, itself, itself)[:, None]
    similarities = np.column_stack([near, distinct.similarities])
    counts = np.bincount(content, minlength=len(itself))
    images, starts = np.argsort(content, kind="stable"), np.cumsum(counts) - counts
    taken = np.minimum(counts, k + 1)[contents]  # of copies, the first ones are as near as the others
    owner = np.repeat(itself, taken.sum(axis=1))
    nth = np.arange(len(owner)) - np.repeat(np.cumsum(taken) - taken.ravel(), taken.ravel())
    rows = images[np.repeat(starts[contents].ravel(), taken.ravel()) + nth]
    known = np.repeat(similarities.ravel(), taken.ravel())
    order = np.lexsort((rows, -known, owner))
    place = np.cumsum(taken.sum(axis=1)) - taken.sum(axis=1)
    best = order[place[:, None] + np.arange(k + 1)] if k else np.zeros((len(itself), 0), np.int64)
    is_self = rows[best][content] == np.arange(len(content))[:, None]
    return _rank(known[best][content], rows[best][content], is_self, k)


def find_candidates(neighbors: Neighbors, similarity_min: float, most: int) -> tuple[NDArray[np.int64], int]:
    """Return the pairs of rows i < j, int64 (m, 2), sorted, of at least that cosine; and how many images are crowded.

    Where the last neighbour in the graph is still that near, the search goes on to `most` neighbours; an image is crowded
    if even these are all so near. A pair counts if one of the two is among the nearest `most` of the other.
    """
    n, k = neighbors.indices.shape
    most = min(most, max(0, n - 1))
    codes, going_on = _pairs_within(
        np.arange(n), n, neighbors.indices[:, :most], neighbors.similarities, similarity_min
    )
    if k < most:
        further = find_neighbors(neighbors.embeddings, most, going_on)
        more, going_on = _pairs_within(going_on, n, *further, similarity_min)
        codes = np.concatenate([codes, more])
    codes = np.unique(codes)
    crowded = len(going_on) if most < n - 1 else 0
    return np.column_stack([codes // max(n, 1), codes % max(n, 1)]), crowded


def _pairs_within(
    rows: NDArray[np.int64], n: int, indices: Indices, similarities: Rows, similarity_min: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Codes i * n + j of the pairs in the radius, and the rows whose last neighbour is in it."""
    near = similarities[:, : indices.shape[1]] >= similarity_min
    place, nth = np.nonzero(near)
    one, other = rows[place], indices[place, nth].astype(np.int64)
    codes = np.minimum(one, other) * n + np.maximum(one, other)
    return codes, rows[near[:, -1]] if near.shape[1] else rows[:0]


def measure_similarity(embeddings: Rows, one: NDArray[Any], other: NDArray[Any]) -> Rows:
    """Cosines of the pairs of rows `one[i]`, `other[i]` of unit rows, as find_neighbors gives them; float32 (m,)."""
    found = np.empty(len(one), np.float32)
    for start in range(0, len(one), BLOCK * 16):
        part = slice(start, start + BLOCK * 16)
        left, right = embeddings[one[part]].astype(np.float64), embeddings[other[part]].astype(np.float64)
        found[part] = np.einsum("md,md->m", left, right)
    return found


def save_neighbors(folder: Path, neighbors: Neighbors, facts: dict[str, Any]) -> None:
    """Write embeddings.npy, graph.npz and neighbors.json (`facts`, any JSON object); equal content gives equal bytes."""
    save_bytes(folder / FILES[0], _npy(neighbors.embeddings))
    graph = io.BytesIO()
    names = np.frombuffer("\0".join(neighbors.paths).encode(), np.uint8)
    np.savez(graph, indices=neighbors.indices, similarities=neighbors.similarities, paths=names)
    save_bytes(folder / FILES[1], graph.getvalue())
    save_json(folder / FILES[2], facts)


def load_neighbors(folder: Path) -> Neighbors:
    """Read what save_neighbors wrote; raises DatatoolsError for files that are missing, broken or not of one run."""
    try:
        embeddings = np.load(folder / FILES[0], allow_pickle=False)
        with np.load(folder / FILES[1], allow_pickle=False) as graph:
            names = graph["paths"].tobytes().decode()
            paths = tuple(names.split("\0")) if names else ()
            found = Neighbors(paths, embeddings, graph["indices"], graph["similarities"])
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise DatatoolsError(f"{folder}: expected the neighbour graph. Got: {error}. Run `dvc repro`.") from error
    if not len(paths) == len(embeddings) == len(found.indices) == len(found.similarities):
        raise DatatoolsError(
            f"{folder}: expected a graph and embeddings of one run. Got {len(paths)} and {len(embeddings)} images: "
            "run `dvc repro`."
        )
    return found


def _search(embeddings: Rows, asked: NDArray[np.int64], k: int) -> tuple[NDArray[np.int64], Rows]:
    """The k nearest rows of each row in `asked` by faiss, itself among them or not; the nearest first."""
    try:
        import faiss
    except ImportError as error:
        raise MissingExtraError("neighbors", "faiss-cpu", "train") from error
    points = np.ascontiguousarray(embeddings, dtype=np.float32)
    similarities, indices = faiss.knn(points[asked], points, k, metric=faiss.METRIC_INNER_PRODUCT)
    return indices, similarities


def _choose(embeddings: Rows, rows: NDArray[np.int64], near: NDArray[np.int64], k: int) -> tuple[Indices, Rows]:
    """The k best of the candidates `near` (m, c) of `rows` (m,), by cosine and row number, themselves left out."""
    left, right = embeddings[rows].astype(np.float64), embeddings[near].astype(np.float64)
    similarities = np.einsum("md,mcd->mc", left, right).astype(np.float32)
    return _rank(similarities, near, near == rows[:, None], k)


def _compare_all(embeddings: Rows, row: int, k: int) -> tuple[Indices, Rows]:
    """The same for one row against all: for images with many equals."""
    others = np.arange(len(embeddings))
    found = measure_similarity(embeddings, np.full(len(others), row), others)[None]
    indices, similarities = _rank(found, others[None], others[None] == row, k)
    return indices[0], similarities[0]


def _rank(similarities: Rows, near: NDArray[np.int64], is_self: NDArray[np.bool_], k: int) -> tuple[Indices, Rows]:
    known = np.where(is_self, -np.inf, similarities)
    order = np.lexsort((near, -known), axis=1)[:, :k]
    chosen = np.take_along_axis(near, order, axis=1).astype(np.int32)
    return chosen, np.take_along_axis(similarities, order, axis=1)


def _npy(array: Rows) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()
