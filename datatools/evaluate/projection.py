"""A neighbour graph on a plane: t-SNE. Only this file imports openTSNE."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from openTSNE import TSNEEmbedding
from openTSNE.affinity import PrecomputedAffinities
from scipy.sparse import csr_matrix
from sklearn.decomposition import PCA
from threadpoolctl import threadpool_limits

N_NEIGHBORS = 15  # Böhm, Berens and Kobak 2022: attracted alike, they give the picture of a perplexity of 30
# Half the steps of openTSNE's defaults: a third of the time for .0006 less trustworthiness (cifar10n, 10,000 points)
N_EARLY, N_LATE = 125, 250
EXAGGERATION = 12  # of early attraction, with momentum 0.5, then 0.8: van der Maaten 2014, openTSNE's defaults
EARLY_MOMENTUM, LATE_MOMENTUM = 0.5, 0.8
START_STD = 1e-4  # Kobak and Berens 2019: PCA scaled down to this keeps the global shape and is the same every time
FFT_FROM = 1500  # points from which interpolation (Linderman et al. 2019) costs less than Barnes and Hut's tree
CELL = 1.5  # side of an interpolation cell; openTSNE's 1.0 costs about twice as much for the same trustworthiness
MIN_CELLS = 10  # along a side; openTSNE's 50 make small maps, as all are at first, cost three times as much


def project_tsne(
    embeddings: NDArray[np.float32], indices: NDArray[np.int32], start: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """Place rows of `embeddings` (n, d) on the plane, (n, 2), so that the neighbours `indices` (n, k) lie close.

    t-SNE with the graph as it is: each of the k neighbours attracts alike. Nothing is searched. The embeddings give the
    start, their first two principal components, so that pictures of a growing data set resemble each other. No chance is
    involved and one thread works: the same input gives the same bytes.

    Fewer than 3 points, or points that are all equal, have no neighbourhoods: 1 and 2 points stand on a line, equal points at
    the origin. Embeddings must be finite.

    With `start` (n, 2), places of an earlier map, the points move on from there: without early attraction, which would tear
    that map up, and for as many steps as the late ones are.
    """
    n = len(embeddings)
    if n < 3 or not np.ptp(embeddings, axis=0).any():
        line = np.zeros((n, 2))
        line[:, 0] = np.arange(n) if n < 3 else 0.0
        return line
    method = "fft" if n >= FFT_FROM else "bh"
    points = TSNEEmbedding(
        _start(embeddings) if start is None else start, PrecomputedAffinities(_attract(indices)), negative_gradient_method=method,
        ints_in_interval=CELL, min_num_intervals=MIN_CELLS, n_jobs=1,
    )  # fmt: skip
    if start is None:
        points.optimize(N_EARLY, exaggeration=EXAGGERATION, momentum=EARLY_MOMENTUM, inplace=True)
    points.optimize(N_LATE, momentum=LATE_MOMENTUM, inplace=True)
    return np.array(points, dtype=np.float64)


def _attract(indices: NDArray[np.int32]) -> csr_matrix:
    """Who attracts whom, (n, n): symmetric, sum 1."""
    n, k = indices.shape
    directed = csr_matrix((np.ones(n * k), indices.ravel(), np.arange(0, n * k + 1, k)), shape=(n, n))
    both = csr_matrix(directed + directed.T)
    both.sort_indices()
    return both / both.sum()


def _start(embeddings: NDArray[np.float32]) -> NDArray[np.float64]:
    """The first two principal components, small; a second one that is not there is made of a wave that breaks the tie."""
    n, d = embeddings.shape
    start = np.zeros((n, 2))
    pca = PCA(min(2, d), svd_solver="randomized" if min(n, d) > 2 else "full", random_state=0)
    with threadpool_limits(1, user_api="blas"):  # the products are small: more threads only wait for each other
        start[:, : min(2, d)] = pca.fit_transform(np.asarray(embeddings, dtype=np.float64))
    start /= start[:, 0].std()
    if start[:, 1].std() < 1e-6:
        start[:, 1] = np.sin(np.arange(n)) * 1e-2
    return start.round(6) * START_STD  # rounded: the sums of another number of BLAS threads end in other bits
