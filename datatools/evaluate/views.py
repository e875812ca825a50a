"""What the t-SNE picture shows: all data by the shared neighbour graph, the test side as the model sees it, or both.

The map of all data knows neither labels nor models: of many images it shows those that their paths' hashes choose, so that it
stays as it was until images come or go, and is kept by what it was made of. The model's view is another one for each model; of
many images it shows the misclassified ones first.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from datatools.cache import load_or_compute
from datatools.params import EvaluateParams
from datatools.provenance import hash_module, package_versions
from datatools.similarity.graph import Neighbors, find_neighbors

DATA, MODEL = "data", "model"
# What places depend on, beside the images.
MADE_BY = ("datatools", "faiss-cpu", "numpy", "openTSNE", "scikit-learn", "scipy")


@dataclass(frozen=True)
class View:
    """Images on a plane: `name` data or model, `points` (n, 2) in the order of `table`, which has the index path.

    `table` has the columns label and predicted; each is null where nothing is known. `n_all` images could have been shown.
    """

    name: str
    points: NDArray[np.float64]
    table: pd.DataFrame
    n_all: int


def make_views(
    neighbors: Neighbors,
    labels: pd.Series,
    predicted: pd.Series,
    embeddings: NDArray[np.float32],
    params: EvaluateParams,
    cache: Path | None = None,
) -> Iterator[View]:
    """Yield what `params.tsne` names. Without a graph (`neighbors.model: none`) the model's view stands in for the data's.

    `labels` has the index path for all labelled images. `predicted` (index path) is what the model says of the test side,
    `embeddings` (n, d), in the order of `predicted`, what its last layer sees. The folder `cache` keeps the map of all data.
    """
    has_graph = neighbors.indices.size > 0
    if params.tsne != MODEL and has_graph:
        shown = choose_shown(neighbors.paths, pd.Index([]), params.tsne_max)
        yield _view(DATA, neighbors, shown, labels, predicted, cache)
    if params.tsne != DATA or not has_graph:
        paths = tuple(str(path) for path in predicted.index)
        seen = Neighbors(paths, to_unit_rows(embeddings), *_no_graph(len(paths)))
        wrong = predicted.index[predicted != labels.reindex(predicted.index)]
        yield _view(MODEL, seen, choose_shown(paths, wrong, params.tsne_max), labels, predicted)


def choose_shown(paths: Sequence[str], first: pd.Index, at_most: int) -> NDArray[np.int64]:
    """Row numbers, ascending, of at most so many `paths`: those in `first`, then by the SHA-256 of the path.

    A new image takes the place of at most one other: the choice is stable while the data grows. Where `first` alone are too
    many, the hash decides among these.
    """
    index = pd.Index(paths)
    if len(index) <= at_most:
        return np.arange(len(index))
    hashes = np.array([hashlib.sha256(str(path).encode()).digest()[:8] for path in index], dtype="S8")
    return np.sort(np.lexsort([hashes, ~index.isin(first)])[:at_most])


def to_unit_rows(embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows (n, d) of length 1. A row that is not finite takes the mean of the others; a row of zeros stays."""
    rows = np.asarray(embeddings, dtype=np.float32)
    whole: NDArray[np.bool_] = np.asarray(np.isfinite(rows).all(axis=1))
    if not whole.all():
        rows = np.where(whole[:, None], rows, rows[whole].mean(axis=0) if whole.any() else np.float32(0))
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(np.divide(rows, length, out=np.zeros_like(rows), where=length > 0))


def _view(
    name: str,
    neighbors: Neighbors,
    shown: NDArray[np.int64],
    labels: pd.Series,
    predicted: pd.Series,
    cache: Path | None = None,
) -> View:
    embeddings = np.asarray(neighbors.embeddings[shown])
    # Of a part of the images the graph keeps too few links: the part is searched by itself.
    is_whole = len(shown) == len(neighbors.paths) and neighbors.indices.size > 0
    indices = neighbors.indices if is_whole else None
    paths = pd.Index(neighbors.paths)[shown]
    table = pd.DataFrame({"label": labels.reindex(paths), "predicted": predicted.reindex(paths)}, index=paths)
    return View(name, _place(embeddings, indices, cache), table, len(neighbors.paths))


def _place(
    embeddings: NDArray[np.float32], indices: NDArray[np.int32] | None, cache: Path | None
) -> NDArray[np.float64]:
    """Rows of `embeddings` on the plane, by their neighbours `indices`, or those that are found now; from `cache` if there."""

    def compute() -> Mapping[str, NDArray[Any]]:
        """Search and place."""
        from datatools.evaluate.projection import N_NEIGHBORS, project_tsne

        near = find_neighbors(embeddings, N_NEIGHBORS)[0] if indices is None else indices
        return {"points": project_tsne(embeddings, near[:, :N_NEIGHBORS])}

    if cache is None:
        return compute()["points"]
    rows = [
        hashlib.sha256(np.ascontiguousarray(part).data).hexdigest()
        for part in (embeddings, indices)
        if part is not None
    ]
    code = hash_module("evaluate/projection"), hash_module("similarity/graph"), package_versions(MADE_BY)
    return load_or_compute(cache, ("map", embeddings.shape, rows, code), compute)["points"]


def _no_graph(n: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    return np.zeros((n, 0), dtype=np.int32), np.zeros((n, 0), dtype=np.float32)
