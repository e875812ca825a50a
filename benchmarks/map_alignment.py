"""How far points jump between the t-SNE maps of two versions of one data set, and what laying one on the other does about it.

The map of all images of a project is compared with the maps of a part of them, as if the rest had come with a pull request,
and with that of all, seen by other embeddings (a network that was trained again sees images a little differently; here noise
of a tenth of the embeddings' length stands in for that); then the same with the map of after begun at the places of before.
Jump: root mean square distance of the images in both, in units of their spread. Trust: trustworthiness of the map of after
(scikit-learn, 15 neighbours; 1 is best). `scipy.spatial.procrustes` is run on the same points: its scale is the least-squares
one, so its jump is never larger, and its map the smaller the worse it fits.

    python benchmarks/map_alignment.py --project FOLDER     (after `dvc repro`, or at least its stage neighbors)
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.spatial import procrustes
from sklearn.manifold import trustworthiness

from datatools.evaluate.alignment import align_maps, restart_map
from datatools.evaluate.projection import N_NEIGHBORS, project_tsne
from datatools.similarity.graph import find_neighbors, load_neighbors

PARTS = (0.98, 0.9)
N_TRUST = 2000  # rows that trustworthiness is measured on


def make_map(paths: pd.Index, embeddings: np.ndarray) -> pd.DataFrame:
    """The t-SNE of these rows, index path, columns x and y."""
    indices = find_neighbors(embeddings, N_NEIGHBORS)[0]
    return pd.DataFrame(project_tsne(embeddings, indices), index=paths, columns=["x", "y"])


def compare(name: str, before: pd.DataFrame, after: pd.DataFrame, embeddings: np.ndarray) -> None:
    """Print two lines: `after` laid on `before`, and the map of after begun at the places of before."""
    common = after.index.intersection(before.index)
    old = before.loc[common].to_numpy()
    spread = np.sqrt(((old - old.mean(axis=0)) ** 2).sum(axis=1).mean())
    started = time.process_time()
    anew = restart_map(before, after.index, embeddings, find_neighbors(embeddings, N_NEIGHBORS)[0])
    seconds = time.process_time() - started
    for kind, frame, cost in (("", after, 0.0), (", begun at before", anew, seconds)):
        new = frame.loc[common].to_numpy()
        raw = np.sqrt(((new - old) ** 2).sum(axis=1).mean()) / spread
        found = align_maps(before, frame)
        scipys = np.sqrt(procrustes(old, new)[2])
        far = 100 * float((found.moved > 0.25).mean())
        trust = trustworthiness(embeddings[:N_TRUST], frame.to_numpy()[:N_TRUST], n_neighbors=15)
        print(
            f"{name + kind:<40}{raw:>8.3f}{found.residual:>10.3f}{scipys:>8.3f}{far:>11.1f} %{trust:>9.4f}{cost:>8.1f}"
        )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--project", type=Path, required=True)
    neighbors = load_neighbors(parser.parse_args().project / "data" / "neighbors")
    paths, embeddings = pd.Index(neighbors.paths), np.asarray(neighbors.embeddings)
    rng = np.random.default_rng(0)
    whole = make_map(paths, embeddings)
    head = "".join(
        f"{name:>{width}}" for name, width in (("as is", 8), ("aligned", 10), ("scipy", 8), ("far (> 1/4)", 13))
    )
    print(f"{len(paths):,} images\n{'before':<40}{head}{'trust':>9}{'CPU s':>8}")
    for part in PARTS:
        kept = np.sort(rng.permutation(len(paths))[: int(part * len(paths))])
        compare(f"{100 * part:.0f} % of the images", make_map(paths[kept], embeddings[kept]), whole, embeddings)
    noise = rng.normal(size=embeddings.shape) / np.sqrt(embeddings.shape[1])
    other = (embeddings + 0.1 * noise).astype(np.float32)
    other /= np.linalg.norm(other, axis=1, keepdims=True)
    compare("other embeddings", make_map(paths, other), whole, embeddings)


if __name__ == "__main__":
    main()
