"""One label from several annotators, and from a model beside them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from datatools.agreement.dawid_skene import DawidSkene, fit_dawid_skene
from datatools.agreement.ratings import Floats, Ratings, as_ratings


def vote(ratings: pd.DataFrame | Ratings) -> pd.Series:
    """Majority label of each row of `ratings` (index path, a column an annotator, null = not rated).

    A tie goes to the tied label of the annotator who agrees most often with the others over all rows; annotators
    that agree equally often are taken in the order of their names. Rows that nobody rated are left out.
    """
    coded = as_ratings(ratings)
    n_same = _same_label(coded)
    shares = _agreement(coded, n_same)
    names = list(coded.annotators)
    order = sorted(range(len(names)), key=lambda number: (-shares[number], names[number]))
    rank = np.empty(len(names), dtype=np.int64)
    rank[order] = np.arange(len(names))
    best_first = np.lexsort((rank[coded.annotator], -n_same, coded.item))
    items, first = np.unique(coded.item[best_first], return_index=True)
    labels = coded.classes.to_numpy()[coded.label[best_first[first]]]
    return pd.Series(labels, index=coded.items[items], name="label", dtype="string")


def decide(ratings: pd.DataFrame | Ratings, rule: str) -> pd.Series:
    """One label for each rated item (index item, name `label`) by `rule`: majority (see vote) or dawid_skene."""
    if rule == "majority":
        return vote(ratings)
    return fit_dawid_skene(ratings).labels.astype("string").sort_index()


def combine(ratings: pd.DataFrame | Ratings, probs: Floats, classes: Sequence[Any]) -> DawidSkene:
    """Consensus of the annotators and a model.

    `probs` (items, classes) are the model's probabilities for the items of `ratings`, in their order; the model must not
    have been trained on the item it judges. Item i has the class k with a probability proportional to
    q_ik * prod_a c_a[k, l_ia]: the annotators' error rates c as in Dawid and Skene (1979) and, in the place of the class
    shares, the calibrated probabilities of the model, as in Raykar et al. (2010), Learning from crowds. c and the
    calibration are those that make the labels most likely (EM); the truth is not asked at any step. As in Dawid and
    Skene's model, annotators who share a mistake on an image count as independent witnesses: a model that is
    better than all of them together can lose by being combined with them.
    Raises DatatoolsError for probabilities of another shape or for a label that is not in `classes`.
    """
    return fit_dawid_skene(as_ratings(ratings, classes), probs)


def _same_label(ratings: Ratings) -> Floats:
    """For each rating, how many ratings of its item have its label, itself included."""
    _, cell, n = np.unique(
        ratings.item * max(len(ratings.classes), 1) + ratings.label, return_inverse=True, return_counts=True
    )
    return n[cell].astype(np.float64)


def _agreement(ratings: Ratings, n_same: Floats) -> Floats:
    """Share of the others' labels, over all items of an annotator, that are the annotator's own; 0 without any."""
    n = len(ratings.annotators)
    others = ratings.n_of_item[ratings.item] - 1
    both = np.bincount(ratings.annotator, weights=others, minlength=n)
    same = np.bincount(ratings.annotator, weights=n_same - 1, minlength=n)
    return np.asarray(same / np.maximum(both, 1))
