"""What the network sees, on a plane: t-SNE of its embeddings."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE

N_COMPONENTS = 50  # van der Maaten and Hinton 2008, section 4.1: PCA first, against noise and for speed


def project_tsne(embeddings: NDArray[np.float32], perplexity: float, seed: int) -> NDArray[np.float64]:
    """Project embeddings (n, d) to the plane, (n, 2): t-SNE (van der Maaten and Hinton 2008) after PCA to 50 columns.

    The same input and seed give the same points on one machine. With fewer than 3 x perplexity + 1 points the
    perplexity falls to (n - 1) / 3. Fewer than 3 points, or points that are all equal, have no neighbourhoods: 1 and 2
    points stand on a line, equal points at the origin. Rows that are not finite take the mean of the others.
    """
    points = _fill(np.asarray(embeddings, dtype=np.float64))
    n = len(points)
    if n < 3 or not np.ptp(points, axis=0).any():
        line = np.zeros((n, 2))
        line[:, 0] = np.arange(n) if n < 3 else 0.0
        return line
    if points.shape[1] > N_COMPONENTS and n > N_COMPONENTS:
        points = PCA(N_COMPONENTS, svd_solver="full").fit_transform(points)
    elif points.shape[1] < 2:  # the PCA start needs two columns
        points = np.column_stack([points, np.zeros(n)])
    near = max(1.0, min(perplexity, (n - 1) / 3))
    tsne = TSNE(perplexity=near, init="pca", learning_rate="auto", random_state=seed)
    return np.asarray(tsne.fit_transform(points), dtype=np.float64)


def _fill(points: NDArray[np.float64]) -> NDArray[np.float64]:
    whole: NDArray[np.bool_] = np.asarray(np.isfinite(points).all(axis=1))
    if whole.all():
        return points
    return np.where(whole[:, None], points, points[whole].mean(axis=0) if whole.any() else 0.0)
