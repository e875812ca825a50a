"""CROWDLAB's consensus of annotators and a model, by cleanlab. Only this file imports cleanlab.multiannotator.

Goh, Tkachenko and Mueller (2022), CROWDLAB: Supervised learning to infer consensus labels and quality scores for data with
multiple annotators.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from datatools.agreement.ratings import Floats, Ratings, as_ratings
from datatools.errors import DatatoolsError, MissingExtraError

TINY = 1e-12


def crowdlab(ratings: pd.DataFrame | Ratings, probs: Floats, classes: Sequence[Any]) -> pd.DataFrame:
    """CROWDLAB's label of each rated item: columns item, label, score (0 worst, 1 fine), agreement, n; in their order.

    `probs` (items, classes) are out-of-fold probabilities for the items of `ratings`. `agreement` is the share of the n
    annotators of the item who gave that label. The labels of an annotator who shares no item with another one tell cleanlab
    nothing: they are left out, and an item that only such rated has no row. Only classes that somebody gave count. Raises DatatoolsError
    for probabilities of another shape or a label that is not in `classes`, MissingExtraError without cleanlab.
    """
    try:
        from cleanlab.multiannotator import get_label_quality_multiannotator
    except ImportError as error:
        raise MissingExtraError("curate", "cleanlab", "curate") from error
    coded = as_ratings(ratings, classes)
    shape = (len(coded.items), len(coded.classes))
    if probs.shape != shape:
        raise DatatoolsError(f"probs must have the shape {shape}, items and classes. Got {probs.shape} instead.")
    met = np.zeros(len(coded.annotators), dtype=bool)
    met[coded.comparable().annotator] = True
    coded = coded.only(met[coded.annotator])
    items, item = np.unique(coded.item, return_inverse=True)
    annotators, annotator = np.unique(coded.annotator, return_inverse=True)
    present, label = np.unique(coded.label, return_inverse=True)
    columns = ["item", "label", "score", "agreement", "n"]
    if not len(items):
        return pd.DataFrame(columns=columns)
    if len(present) == 1:  # cleanlab would divide by the number of other classes
        one = np.ones(len(items))
        return pd.DataFrame(
            {"item": coded.items[items], "label": coded.classes[present[0]], "score": one, "agreement": one}
        ).assign(n=coded.n_of_item[items])
    given = np.full((len(items), len(annotators)), np.nan)
    given[item, annotator] = label
    share = probs[items][:, present].astype(np.float64) + TINY
    share /= share.sum(axis=1, keepdims=True)
    found = get_label_quality_multiannotator(
        given, share, verbose=False, return_detailed_quality=False, return_annotator_stats=False
    )["label_quality"]
    labels = coded.classes[present[found["consensus_label"].to_numpy(dtype=np.int64)]]
    numbers = (found[name].to_numpy() for name in ("consensus_quality_score", "annotator_agreement", "num_annotations"))
    return pd.DataFrame(dict(zip(columns, (coded.items[items], labels, *numbers), strict=True)))
