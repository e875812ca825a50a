"""Two maps of the same images laid on each other, so that a point that did not change does not jump.

A t-SNE says who is near whom. Where up is, and which side is left, is chance: two maps of almost the same data can be each
other's mirror image. The map of after is therefore turned, mirrored, shifted and scaled as a whole onto the map of before, by
the images that both have: orthogonal Procrustes analysis (Schönemann, 1966, Psychometrika 31: 1-10; Gower, 1975, Psychometrika
40: 33-51). Distances within the map keep their proportions: nothing is moved to look better. The scale makes both spread alike;
the least-squares scale would shrink a map the more the less it fits.

The `residual` says how far the common images then still are from their old places, root mean square, in units of their spread
(root mean square distance from the centre): 0 is the same map, 1.4 (the root of 2) two maps that have nothing in common.

That cannot undo what a turn does not explain: a t-SNE of 2 % more images lays clusters out in another way, and a third of the
points end up far from where they were (benchmarks/map_alignment.py). `restart_map` therefore makes the map of after anew, from
the places that the map of before has: the start decides the layout (Kobak and Linderman, 2021, Nature Biotechnology 39:
156-157), and only what changed in the data moves points.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from datatools.evaluate.projection import project_tsne

Points = NDArray[np.float64]


@dataclass(frozen=True)
class Alignment:
    """`after` (index path, columns x and y, the others as they were) in the frame of before, and how well it fits.

    `moved` (index path) is each common image's distance from its old place, in units of their spread; `residual` its root
    mean square, None with fewer than 3 common images: then there is nothing to align by and the map stays as it was.
    """

    after: pd.DataFrame
    moved: pd.Series
    residual: float | None


def align_maps(before: pd.DataFrame, after: pd.DataFrame) -> Alignment:
    """Lay `after` on `before`; both have the index path, one row an image, and columns x and y. They are not changed."""
    common = after.index.intersection(before.index)
    old, new = (frame.loc[common, ["x", "y"]].to_numpy(float) for frame in (before, after))
    if len(common) < 3 or not np.ptp(old, axis=0).any() or not np.ptp(new, axis=0).any():
        return Alignment(after, pd.Series(dtype=float), None)
    turn, scale = find_similarity(old, new)
    placed = (after[["x", "y"]].to_numpy(float) - new.mean(axis=0)) @ turn * scale + old.mean(axis=0)
    aligned = after.assign(x=placed[:, 0], y=placed[:, 1])
    away = np.linalg.norm(aligned.loc[common, ["x", "y"]].to_numpy(float) - old, axis=1) / _spread(old)
    return Alignment(aligned, pd.Series(away, index=common), float(np.sqrt(np.mean(away**2))))


def restart_map(
    before: pd.DataFrame, paths: pd.Index, embeddings: NDArray[np.float32], indices: NDArray[np.int32]
) -> pd.DataFrame:
    """The t-SNE of `paths`, begun at the places in `before` (index path, columns x and y): index path, columns x and y.

    `embeddings` (n, d) and their neighbours `indices` (n, k) are in the order of `paths`. An image that `before` does not have
    begins in the middle of those of its neighbours that it has, else in the middle of the map.
    """
    places = before[["x", "y"]].reindex(paths).to_numpy(float)
    is_old = ~np.isnan(places).any(axis=1)
    middle = places[is_old].mean(axis=0) if is_old.any() else np.zeros(2)
    weights = is_old[indices].astype(float)
    total = weights.sum(axis=1, keepdims=True)
    around = np.einsum("nk,nkd->nd", weights, np.nan_to_num(places)[indices])
    start = np.where(is_old[:, None], places, np.where(total > 0, around / np.maximum(total, 1), middle))
    # Two new images between the same neighbours would have no way apart.
    start += 1e-3 * (_spread(start) or 1.0) * np.sin(np.arange(start.size)).reshape(start.shape) * ~is_old[:, None]
    return pd.DataFrame(project_tsne(embeddings, indices, start - middle), index=paths, columns=["x", "y"])


def find_similarity(old: Points, new: Points) -> tuple[Points, float]:
    """The turn or mirror (2, 2) and the scale that lay the centred `new` (n, 2) on the centred `old` (n, 2)."""
    one, other = old - old.mean(axis=0), new - new.mean(axis=0)
    left, _, right = np.linalg.svd(other.T @ one)
    return left @ right, _spread(old) / _spread(new)


def _spread(points: Points) -> float:
    return float(np.sqrt(((points - points.mean(axis=0)) ** 2).sum(axis=1).mean()))
