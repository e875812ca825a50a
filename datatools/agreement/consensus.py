"""One label from several annotators, and from a model beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from datatools.agreement.dawid_skene import DawidSkene, fit_dawid_skene
from datatools.agreement.ratings import Codes, Floats, Ratings, as_ratings

RULES = ("combined", "model", "dawid_skene", "majority")
FOLDS = 5  # turns in which annotators are held out


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


@dataclass(frozen=True)
class Consensus:
    """One label an item: `labels` (index item), `probs` (items, classes) of the rule that was chosen, one of RULES.

    `agreement` has for each rule the share of labels of held-out annotators that it foresaw; empty where nothing could be held
    out.
    """

    labels: pd.Series
    probs: Floats
    rule: str
    agreement: Mapping[str, float]


def choose_consensus(ratings: pd.DataFrame | Ratings, probs: Floats, classes: Sequence[Any]) -> Consensus:
    """Consensus of annotators and a model by the rule of RULES that foresees other annotators best.

    Annotators are held out in at most FOLDS turns. Each rule decides the items without them; how often their labels are the
    decided ones says which rule is nearest to the truth, as an annotator's errors are taken to be independent of the
    rule's. The truth is not asked. Annotators who share mistakes speak for each other, so that a model has to be clearly
    better to be chosen alone. Of equals the first in RULES is taken, and where there is nobody to hold out or nothing to
    compare, `combined` (see combine). Arguments and errors as in combine.
    """
    coded = as_ratings(ratings, classes)
    n_folds = min(FOLDS, len(coded.annotators))
    hits, n_compared = np.zeros(len(RULES)), 0
    for fold in range(n_folds if n_folds > 1 else 0):
        held = coded.annotator % n_folds == fold
        rest = coded.only(~held)
        decided = _decide_by_each(rest, probs)
        asked = held & (rest.n_of_item[coded.item] > 0)  # where the votes say something, too
        hits += (decided[:, coded.item[asked]] == coded.label[asked]).sum(axis=1)
        n_compared += int(asked.sum())
    agreement = {rule: float(n / n_compared) for rule, n in zip(RULES, hits, strict=True)} if n_compared else {}
    rule = max(RULES, key=lambda name: agreement.get(name, 0.0))
    chosen = _probs_of(rule, coded, probs)
    labels = pd.Series(coded.classes[chosen.argmax(axis=1)].to_numpy(), index=coded.items, name="label")
    return Consensus(labels, chosen, rule, agreement)


def _decide_by_each(ratings: Ratings, probs: Floats) -> Codes:
    """The class of every item by each of RULES, shape (rules, items)."""
    return np.stack([_probs_of(rule, ratings, probs).argmax(axis=1) for rule in RULES])


def _probs_of(rule: str, ratings: Ratings, probs: Floats) -> Floats:
    """Class probabilities of every item by one of RULES; the model's where nobody rated it."""
    if rule == "combined":
        return fit_dawid_skene(ratings, probs).probs
    result = probs.astype(np.float64)
    if rule == "dawid_skene":
        fit = fit_dawid_skene(ratings)
        result[ratings.items.get_indexer(fit.items)] = fit.probs
    elif rule == "majority":
        decided = vote(ratings)
        result[ratings.items.get_indexer(decided.index)] = np.eye(len(ratings.classes))[
            ratings.classes.get_indexer(pd.Index(decided))
        ]
    return result


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
