"""t-SNE from the shared neighbour graph beside scikit-learn's, on the same vectors in the same run: CPU seconds, trustworthiness.

    python benchmarks/tsne.py [--points 10000] [--embeddings FILE.npy] [--grow]

Data: embeddings of cifar10n's images by the network of the stage `neighbors` (--embeddings keeps them for the next run and is
shared with label_scores.py). The peer is `sklearn.manifold.TSNE(init="pca")`, once on the same vectors and once on their first
50 principal components, which is what `evaluate` did before. Everything runs in this process with one thread; counted is CPU
time (user and system, resource.getrusage). The graph is searched once for all stages; its cost stands beside, and the ratio
is told without and with it. Trustworthiness is scikit-learn's, at 5 and 15 neighbours, against the vectors.

--grow projects 95 % of the points as well and tells how far the common ones move: the median distance as a share of the picture's
radius (root mean square), after no alignment of any kind.
"""

from __future__ import annotations

import argparse
import resource
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
from label_scores import hold_to_one_thread, load_cifar
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE, trustworthiness

from datatools.evaluate.projection import N_NEIGHBORS, project_tsne
from datatools.params import NeighborsParams
from datatools.similarity.graph import find_neighbors

Points = NDArray[np.float64]
T = TypeVar("T")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=10_000)
    parser.add_argument("--embeddings", type=Path, help="file to keep the embeddings of cifar10n in")
    parser.add_argument("--grow", action="store_true", help="how far points move when 5 %% more images come")
    args = parser.parse_args()
    everything = load_cifar(args.embeddings)
    rows = everything[np.sort(np.random.default_rng(0).permutation(len(everything))[: args.points])]
    project_tsne(rows[:200], find_neighbors(rows[:200], N_NEIGHBORS)[0])  # imports and first calls are not counted
    (indices, _), search_s = timed(lambda: find_neighbors(rows, NeighborsParams().k))
    print(f"{len(rows)} points of {rows.shape[1]} columns; the graph: {search_s:.1f} CPU s\n")
    print("| t-SNE | CPU s | of scikit-learn's | with the graph | trust at 5 | at 15 |\n|---|---|---|---|---|---|")
    theirs, theirs_s = timed(lambda: run_sklearn(rows))
    print_row("scikit-learn", theirs, theirs_s, theirs_s, 0.0, rows)
    reduced, reduced_s = timed(lambda: run_sklearn(PCA(50, svd_solver="full").fit_transform(rows)))
    print_row("scikit-learn after PCA to 50", reduced, reduced_s, theirs_s, 0.0, rows)
    ours, ours_s = timed(lambda: project_tsne(rows, indices[:, :N_NEIGHBORS]))
    print_row("datatools", ours, ours_s, theirs_s, search_s, rows)
    if args.grow:
        print_growth(rows)


def run_sklearn(rows: NDArray[np.float32]) -> Points:
    found = TSNE(init="pca", learning_rate="auto", random_state=0, n_jobs=1).fit_transform(rows)
    return np.asarray(found, dtype=np.float64)


def print_row(
    name: str, points: Points, seconds: float, peer_s: float, search_s: float, rows: NDArray[np.float32]
) -> None:
    near = [trustworthiness(rows, points, n_neighbors=k) for k in (5, 15)]
    print(
        f"| {name} | {seconds:.1f} | {seconds / peer_s:.2f} | {(seconds + search_s) / peer_s:.2f} | "
        f"{near[0]:.4f} | {near[1]:.4f} |",
        flush=True,
    )


def print_growth(rows: NDArray[np.float32]) -> None:
    """How far points move between 95 % of the data and all of it."""
    kept = np.sort(np.random.default_rng(1).permutation(len(rows))[: len(rows) * 95 // 100])

    def ours(part: NDArray[np.float32]) -> Points:
        return project_tsne(part, find_neighbors(part, N_NEIGHBORS)[0])

    for name, project in (("datatools", ours), ("scikit-learn", run_sklearn)):
        before, after = project(rows[kept]), project(rows)[kept]
        radius = np.sqrt(((after - after.mean(axis=0)) ** 2).sum(axis=1).mean())
        moved = np.median(np.linalg.norm(after - before, axis=1)) / radius
        print(f"{name}: with 5 % more images the median point moves {moved:.2f} of the radius", flush=True)


def timed(work: Callable[[], T]) -> tuple[T, float]:
    """What `work` gives, and its CPU seconds."""
    before = resource.getrusage(resource.RUSAGE_SELF)
    found = work()
    after = resource.getrusage(resource.RUSAGE_SELF)
    return found, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    hold_to_one_thread()
    main()
