"""What the t-SNE picture shows: all data by the shared neighbour graph, the test side as the model sees it, or both."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from datatools.evaluate.projection import N_NEIGHBORS, project_tsne
from datatools.params import EvaluateParams
from datatools.similarity.graph import Neighbors, find_neighbors

DATA, MODEL = "data", "model"


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
) -> Iterator[View]:
    """Yield what `params.tsne` names. Without a graph (`neighbors.model: none`) the model's view stands in for the data's.

    `labels` has the index path for all labelled images. `predicted` (index path) is what the model says of the test side,
    `embeddings` (n, d), in the order of `predicted`, what its last layer sees.
    """
    has_graph = neighbors.indices.size > 0
    if params.tsne != MODEL and has_graph:
        yield _view(DATA, neighbors, labels, predicted, params)
    if params.tsne != DATA or not has_graph:
        paths = tuple(str(path) for path in predicted.index)
        seen = Neighbors(paths, to_unit_rows(embeddings), *_no_graph(len(paths)))
        yield _view(MODEL, seen, labels, predicted, params)


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


def _view(name: str, neighbors: Neighbors, labels: pd.Series, predicted: pd.Series, params: EvaluateParams) -> View:
    wrong = predicted.index[predicted != labels.reindex(predicted.index)]
    shown = choose_shown(neighbors.paths, wrong, params.tsne_max)
    embeddings = np.asarray(neighbors.embeddings[shown])
    # Of a part of the images the graph keeps too few links: the part is searched by itself.
    is_whole = len(shown) == len(neighbors.paths) and neighbors.indices.size > 0
    indices = neighbors.indices if is_whole else find_neighbors(embeddings, N_NEIGHBORS)[0]
    points = project_tsne(embeddings, indices[:, :N_NEIGHBORS])
    paths = pd.Index(neighbors.paths)[shown]
    table = pd.DataFrame({"label": labels.reindex(paths), "predicted": predicted.reindex(paths)}, index=paths)
    return View(name, points, table, len(neighbors.paths))


def _no_graph(n: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    return np.zeros((n, 0), dtype=np.int32), np.zeros((n, 0), dtype=np.float32)
