"""Cross-fitting: judge every image by a model that never saw it, nor any image of its group."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from sklearn.model_selection import GroupKFold, StratifiedGroupKFold

from datatools.errors import DatatoolsError
from datatools.learn.device import choose_device
from datatools.learn.fitting import Learner, infer, reproducible, to_probs
from datatools.learn.pixels import Examples, Pixels, check_images, compute_scale
from datatools.learn.spread import average_spread, measure_spread
from datatools.params import TrainParams

Fold = tuple[NDArray[np.int64], NDArray[np.int64]]


class CrossFit(NamedTuple):
    """What models say of images that they never saw.

    `probs` float32 (n, n_classes), rows in the order of the examples. `spread` float64 (n_classes,): how far each class
    spreads in the models' embeddings (learn/spread.py), 1 for the median class, mean over the folds.
    """

    probs: NDArray[np.float32]
    spread: NDArray[np.float64]


def cross_fit(
    examples: Examples,
    groups: NDArray[np.object_],
    n_classes: int,
    params: TrainParams,
    folds: int,
    epochs: int,
    seed: int,
    tick: Callable[[int], None] | None = None,
) -> CrossFit:
    """Return out-of-fold class probabilities and the spread of the classes.

    `groups` (n,) keeps images together; a null stands alone. Each fold's model learns `epochs` passes over the other
    folds and is never stopped by the fold it will judge. Model, batch size, rates and device are those of `params`;
    seeds come from `seed`. The same rows in the same order give the same bits on the same machine. `tick(1)` is called
    after each epoch, at most folds x epochs times.

    Fewer groups than folds: as many folds as groups. A class in fewer groups than folds is judged, where all its
    members are held out at once, by a model that does not know it: low probabilities, so a person gets to see it.

    Raises DatatoolsError for fewer than two groups, or an image side other than `params.image_size_px`.
    """
    check_images(examples.images, params.image_size_px)
    plan = plan_folds(examples.labels, groups, folds, seed)
    device = choose_device(params.device, params.precision)
    pixels = Pixels(examples.images, compute_scale(examples.images), device)
    labels, probs = torch.tensor(examples.labels), np.zeros((len(examples), n_classes), dtype=np.float32)
    spreads = np.zeros((len(plan), n_classes))
    counts = np.zeros((len(plan), n_classes), dtype=np.int64)
    for number, (learn, judge) in enumerate(plan):
        with reproducible(seed + number, device):
            learner = Learner(pixels, labels, torch.tensor(learn), n_classes, params, epochs, seed + number)
            for _ in range(epochs):
                learner.run_epoch()
                if tick is not None:
                    tick(1)
            logits, embeddings = infer(learner.model, pixels, torch.tensor(judge))
            probs[judge] = to_probs(logits)
            spreads[number] = measure_spread(embeddings.float().numpy(), examples.labels[judge], n_classes)
            counts[number] = np.bincount(examples.labels[judge], minlength=n_classes)
    return CrossFit(probs, average_spread(spreads, counts))


def plan_folds(labels: NDArray[np.int64], groups: NDArray[np.object_], folds: int, seed: int) -> list[Fold]:
    """Cut rows into (learn, judge) pairs of indices: each row judged once, no group on both sides, classes spread.

    scikit-learn's StratifiedGroupKFold, or GroupKFold where the classes are too small to be spread.
    Raises DatatoolsError for fewer than two groups.
    """
    codes = _number_groups(groups)
    n_folds = min(folds, len(np.unique(codes)))
    if n_folds < 2:
        raise DatatoolsError(
            "curate: cross-fitting needs images of at least 2 groups. "
            f"Got {len(np.unique(codes))}: check ingest.group_column in params.yaml."
        )
    if np.bincount(labels).max() >= n_folds:
        splitter = StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # a class smaller than the folds; see cross_fit
            plan = list(splitter.split(labels, labels, codes))
        if all(len(learn) and len(judge) for learn, judge in plan):
            return plan
    return list(GroupKFold(n_folds).split(labels, labels, codes))


def _number_groups(groups: NDArray[np.object_]) -> NDArray[np.int64]:
    codes, known = pd.factorize(np.asarray(groups, dtype=object))
    alone = codes < 0
    codes[alone] = len(known) + np.arange(alone.sum())
    return codes.astype(np.int64)
