"""Images in clouds, their neighbour graph and what a model says of them."""

from __future__ import annotations

import numpy as np
import pandas as pd

from datatools.evaluate.views import to_unit_rows
from datatools.similarity.graph import Neighbors, find_neighbors

CLASSES = ("a", "b", "c")


def make_neighbors(n: int, k: int = 8, seed: int = 0) -> Neighbors:
    """n images in three clouds, called 000.png and so on; the cloud is the number modulo 3."""
    rows = np.random.default_rng(seed).normal(size=(n, 6)) + 6 * np.eye(3, 6)[np.arange(n) % 3]
    embeddings = to_unit_rows(rows.astype(np.float32))
    return Neighbors(tuple(f"{number:03d}.png" for number in range(n)), embeddings, *find_neighbors(embeddings, k))


def no_neighbors(n: int) -> Neighbors:
    """What stays of make_neighbors with `neighbors.model: none`."""
    nothing = np.zeros((n, 0), np.float32)
    return Neighbors(make_neighbors(n).paths, nothing, nothing.astype(np.int32), nothing)


def labels_of(neighbors: Neighbors) -> pd.Series:
    """The cloud of each image as its label."""
    names = [CLASSES[number % 3] for number in range(len(neighbors.paths))]
    return pd.Series(names, index=pd.Index(neighbors.paths, name="path"), dtype="string")
