"""How many images show each class."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from datatools.schema import CONSENSUS

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
MAX_CELLS = 50_000_000  # images times classes that are counted in a table of one byte each


def count_images(annotations: pd.DataFrame) -> pd.Series:
    """Index label -> number of images: by the vote where whole images are labelled, and by what is drawn in them.

    A vote made of an image's objects repeats one of them; a label that the vote overruled does not count.
    """
    images, paths = pd.factorize(annotations["path"])
    labels, names = pd.factorize(annotations["label"])
    is_label = (annotations["kind"] == "label").fillna(False).to_numpy(bool)
    is_vote = (annotations["annotator"] == CONSENSUS).fillna(False).to_numpy(bool)
    counts = count_by_number(images, labels, is_label, is_vote, (len(paths), len(names)))
    return pd.Series(counts, index=pd.Index(names, name="label"), name="count").loc[lambda n: n > 0]


def count_by_number(images: Ints, labels: Ints, is_label: Bools, is_vote: Bools, shape: tuple[int, int]) -> Ints:
    """What count_images says, for each class: of rows with the number of their image and class (-1: none).

    `shape` is the number of images and of classes.
    """
    n_images, n_classes = shape
    counted = (labels >= 0) & (images >= 0)
    if is_vote.any():
        counted &= ~is_label | is_vote
    cells = images[counted] * n_classes + labels[counted]
    if n_images * n_classes <= MAX_CELLS:
        seen = np.zeros(n_images * n_classes, bool)
        seen[cells] = True
        return np.asarray(seen.reshape(n_images, n_classes).sum(axis=0), np.int64)
    return np.bincount(np.unique(cells) % n_classes, minlength=n_classes)
