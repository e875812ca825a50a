"""Consensus that learns how far to trust each annotator on each class.

Dawid and Skene (1979), Maximum likelihood estimation of observer error-rates using the EM algorithm. An item's true class
k has the probability p_k; annotator a gives it the label l with the probability c_a[k, l]. EM starts from the shares of
the votes; the E step sets the classes' probabilities of each item, the M step p and c from them, until the probabilities
of an item change by less than `tolerance` on average. It may end on a local maximum. Each c_a[k, l] starts with PSEUDO or
PSEUDO_RIGHT ratings (a Dirichlet prior): without it an annotator who never met class k may be credited with any error.

With a model's probabilities the items have priors of their own in the place of p (see combine in consensus.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from datatools.agreement.calibration import Calibration, improve
from datatools.agreement.ratings import Codes, Floats, Ratings, as_ratings
from datatools.agreement.resampling import group_alike
from datatools.errors import DatatoolsError

TINY = 1e-10  # a probability whose logarithm is taken is at least this
PSEUDO = 0.01  # ratings that every label of every class starts with ...
PSEUDO_RIGHT = 1.0  # ... and these if it is the right one: without evidence an annotator is believed


@dataclass(frozen=True)
class DawidSkene:
    """What the fit says; arrays are in the order of `items`, `annotators` and `classes`.

    `items` are those somebody rated (all of them where priors were given). `probs` (items, classes) are the soft labels,
    `prior` (classes) the classes' shares. `counts` (annotators, classes) and `cells` keep the error rates, see confusion.
    `log_likelihood` is that of all ratings. `converged` is False where `max_iter` came first.
    """

    items: pd.Index
    annotators: pd.Index
    classes: pd.Index
    probs: Floats
    prior: Floats
    counts: Floats  # expected number of each annotator's ratings of each true class
    cells: tuple[Codes, Codes, Floats]  # annotator, label, expected number for each true class
    log_likelihood: float
    n_iter: int
    converged: bool

    @property
    def labels(self) -> pd.Series:
        """The most probable class of each item; of equals the first in the class order."""
        best = self.probs.argmax(axis=1) if self.probs.size else np.zeros(0, dtype=np.int64)
        return pd.Series(self.classes[best].to_numpy(), index=self.items, name="label")

    def confusion(self, annotator: Any) -> pd.DataFrame:
        """How likely this annotator gives which label: a row a true class, a column a label; rows sum to 1."""
        number = self.annotators.get_loc(annotator)
        owner, label, n = self.cells
        table = PSEUDO + PSEUDO_RIGHT * np.eye(len(self.classes))
        table[:, label[owner == number]] += n[owner == number].T
        return pd.DataFrame(table / table.sum(axis=1, keepdims=True), index=self.classes, columns=self.classes)


def fit_dawid_skene(
    ratings: pd.DataFrame | Ratings, priors: Floats | None = None, max_iter: int = 500, tolerance: float = 1e-5
) -> DawidSkene:
    """Fit error rates and soft labels to `ratings`.

    `priors` (items, classes) are a model's probabilities of each item before anyone rated it; they are calibrated in the
    M step (calibration.py), so that only their order and their shape count, not how sure the model says it is.
    Raises DatatoolsError for priors of another shape.
    """
    coded = as_ratings(ratings)
    shape = (len(coded.items), len(coded.classes))
    if priors is not None and priors.shape != shape:
        raise DatatoolsError(f"priors must have the shape {shape}, items and classes. Got {priors.shape} instead.")
    rated = np.arange(shape[0]) if priors is not None else np.unique(coded.item)
    logs = None if priors is None else np.log(np.maximum(priors.astype(np.float64), TINY))
    cells = _Cells.of(coded, rated, alike=priors is None)
    posterior = cells.votes(priors)
    calibration = Calibration(1.0, np.zeros(shape[1]))
    likelihood, n_iter, converged = 0.0, 0, False
    while not converged and n_iter < max_iter:
        n_iter, before = n_iter + 1, posterior
        counts, totals = cells.count(posterior)
        if logs is None:
            log_prior = np.log(np.maximum(cells.shares(posterior), TINY))[None]
        else:
            calibration = improve(calibration, logs, posterior)
            log_prior = calibration.log_probs(logs)
        posterior, likelihood = cells.judge(log_prior, cells.log_rates(counts, totals))
        converged = bool(cells.weight @ np.abs(posterior - before).sum(axis=1) <= tolerance * len(rated))
    return DawidSkene(
        *(coded.items[rated], coded.annotators, coded.classes, posterior[cells.kind_of_item]),
        *(cells.shares(posterior), totals, (cells.annotator_of_cell, cells.label_of_cell, counts)),
        *(likelihood, n_iter, converged),
    )


@dataclass(frozen=True)
class _Cells:
    """The ratings as EM needs them. Items that the same annotators gave the same labels are one kind with a weight."""

    kind_of_item: Codes
    weight: Floats  # items of each kind
    kind: Codes  # of each rating, sorted
    cell: Codes  # of each rating: annotator and label, numbered as they occur
    annotator_of_cell: Codes
    label_of_cell: Codes
    rounds: list[tuple[Codes, Codes]]  # the kinds with a first, second, ... rating, and which rating that is
    n_annotators: int
    n_classes: int

    @classmethod
    def of(cls, ratings: Ratings, rated: Codes, alike: bool) -> _Cells:
        """The cells of `ratings`; `rated` are the items that somebody rated, `alike` joins those with equal ratings."""
        n_classes = len(ratings.classes)
        item = np.searchsorted(rated, ratings.item)
        used, cell = np.unique(ratings.annotator * max(n_classes, 1) + ratings.label, return_inverse=True)
        if alike:
            group = group_alike(item, cell, len(rated))
            _, one, n = np.unique(group, return_index=True, return_counts=True)
            chosen = np.isin(item, one)
            order = np.argsort(group[item[chosen]], kind="stable")
            kind, cell = group[item[chosen]][order], cell[chosen][order]
        else:
            group, kind, n = np.arange(len(rated)), item, np.ones(len(rated), dtype=np.int64)
        annotator, label = np.divmod(used, max(n_classes, 1))
        sizes = (len(ratings.annotators), n_classes)
        return cls(group, n.astype(np.float64), kind, cell, annotator, label, _rounds(kind), *sizes)

    def votes(self, priors: Floats | None) -> Floats:
        """Share of each class among the labels of each kind; without labels, what `priors` says."""
        flat = self.kind * self.n_classes + self.label_of_cell[self.cell]
        n_kinds = len(self.weight)
        votes = np.bincount(flat, minlength=n_kinds * self.n_classes).reshape(n_kinds, self.n_classes).astype(float)
        total = votes.sum(axis=1, keepdims=True)
        if priors is not None:
            votes = np.where(total > 0, votes, priors)
        return votes / np.maximum(votes.sum(axis=1, keepdims=True), TINY)

    def shares(self, posterior: Floats) -> Floats:
        """Share of each class among the items."""
        return np.asarray(self.weight @ posterior / max(self.weight.sum(), 1.0))

    def count(self, posterior: Floats) -> tuple[Floats, Floats]:
        """Expected number of ratings of each true class k: by cell (cells, k) and by annotator (annotators, k)."""
        counts = np.zeros((len(self.label_of_cell), self.n_classes))
        for k, share in enumerate((posterior * self.weight[:, None]).T):
            counts[:, k] = np.bincount(self.cell, share[self.kind], len(counts))
        totals = np.zeros((self.n_annotators, self.n_classes))
        np.add.at(totals, self.annotator_of_cell, counts)
        return counts, totals

    def log_rates(self, counts: Floats, totals: Floats) -> Floats:
        """log c_a[k, l] of each cell (a, l): shape (cells, classes k)."""
        started = counts + PSEUDO
        started[np.arange(len(counts)), self.label_of_cell] += PSEUDO_RIGHT
        logs = np.log(totals + PSEUDO * self.n_classes + PSEUDO_RIGHT)
        return np.asarray(np.log(started) - logs[self.annotator_of_cell])

    def judge(self, log_prior: Floats, log_rates: Floats) -> tuple[Floats, float]:
        """The classes' probabilities of each kind, and the log-likelihood of all ratings."""
        score = np.array(np.broadcast_to(log_prior, (len(self.weight), self.n_classes)), order="C")
        for kinds, ratings in self.rounds:
            if len(kinds) == len(score):
                score += log_rates[self.cell[ratings]]
            else:
                score[kinds] += log_rates[self.cell[ratings]]
        if not score.size:
            return score, 0.0
        top = score.max(axis=1, keepdims=True)
        share = np.exp(score - top)
        total = share.sum(axis=1, keepdims=True)
        return share / total, float(self.weight @ (np.log(total) + top)[:, 0])


def _rounds(kind: Codes) -> list[tuple[Codes, Codes]]:
    kinds, first, n = np.unique(kind, return_index=True, return_counts=True)
    return [(kinds[n > place], first[n > place] + place) for place in range(int(n.max(initial=0)))]
