"""Who is like whom, for the App: a map of the queue, a similarity index, and how alone each image is.

Everything comes from data/neighbors; nothing is computed from pixels and nothing is downloaded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from datatools.errors import MissingExtraError
from datatools.similarity.graph import FILES, find_neighbors, load_neighbors

if TYPE_CHECKING:
    import fiftyone as fo

MAP, SIMILARITY = "map", "similarity"  # brain keys
N_MIN = 5  # a map of fewer images shows nothing


@dataclass(frozen=True)
class Nearby:
    """`embeddings` (n, d) float32, unit rows, of the images `paths`; `isolation` (n,): 1 less the mean cosine of its neighbours.

    The mean distance to the k nearest of all images of the data set (Angiulli and Pizzuti 2002): 0 has copies, 1 is alone.
    """

    paths: tuple[str, ...]
    embeddings: NDArray[np.float32]
    isolation: NDArray[np.float64]


def load_nearby(folder: Path, paths: Sequence[str]) -> Nearby | None:
    """What data/neighbors knows of the images `paths`; None where there are no embeddings."""
    if not all((folder / name).exists() for name in FILES):
        return None
    found = load_neighbors(folder)
    rows = {path: number for number, path in enumerate(found.paths)}
    chosen = list(dict.fromkeys(path for path in paths if path in rows))
    if not chosen or not found.embeddings.shape[1]:
        return None
    numbers = np.array([rows[path] for path in chosen])
    near = found.similarities[numbers]
    isolation = 1 - near.mean(axis=1, dtype=np.float64) if near.shape[1] else np.zeros(len(chosen))
    return Nearby(tuple(chosen), found.embeddings[numbers], isolation)


def add_map(review: fo.Dataset, nearby: Nearby, ids: Mapping[str, str]) -> None:
    """Give `review` the field `isolation`, a map for the Embeddings panel and an index to sort by similarity.

    `ids` is the sample id of each path. Without openTSNE, or for very few images, there is no map.
    """
    import fiftyone.brain as fob

    for key in review.list_brain_runs():
        review.delete_brain_run(key)
    rows = [number for number, path in enumerate(nearby.paths) if path in ids]
    samples = [ids[nearby.paths[number]] for number in rows]
    values = dict(zip(samples, nearby.isolation[rows].tolist(), strict=True))
    review.set_values("isolation", values, key_field="id", progress=False)
    if len(rows) < N_MIN:
        return
    embeddings = nearby.embeddings[rows]
    view: Any = review.select(samples, ordered=True)
    fob.compute_similarity(view, embeddings=embeddings, backend="sklearn", metric="cosine", brain_key=SIMILARITY)
    points = _place(embeddings)
    if points is not None:
        fob.compute_visualization(view, points=points, brain_key=MAP, progress=False)


def _place(embeddings: NDArray[np.float32]) -> NDArray[np.float64] | None:
    try:
        from datatools.evaluate.projection import N_NEIGHBORS, project_tsne

        indices, _ = find_neighbors(embeddings, N_NEIGHBORS)
    except (ImportError, MissingExtraError):
        return None
    return project_tsne(embeddings, indices)
