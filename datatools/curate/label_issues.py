"""Labels that look wrong, from out-of-fold probabilities, by cleanlab."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from datatools.errors import MissingExtraError

Z = 1.959964  # of a 95 % interval


def find_suspects(labels: pd.Series, probs: NDArray[np.float32], classes: Sequence[str]) -> pd.DataFrame:
    """Judge every label: columns path, label, suggested, confidence, score, is_issue; one row a label, in its order.

    `labels` has the index path; `probs` is `(n, len(classes))`, out of fold. `score` is the normalized margin, 0 worst to
    1 fine: (1 + p(label) - the highest p of another class) / 2. `is_issue` is cleanlab's prune_by_noise_rate
    (Northcutt, Jiang, Chuang 2021, Confident Learning). Raises MissingExtraError without cleanlab.
    """
    codes = pd.Index(classes).get_indexer(pd.Index(labels))
    own = probs[np.arange(len(probs)), codes]
    others = probs.copy()
    others[np.arange(len(probs)), codes] = -1.0
    return pd.DataFrame(
        {
            "path": labels.index,
            "label": labels.to_numpy(),
            "suggested": np.asarray(classes, dtype=object)[probs.argmax(axis=1)],
            "confidence": probs.max(axis=1).astype(float),
            "score": ((1.0 + own - others.max(axis=1)) / 2.0).astype(float),
            "is_issue": _cleanlab_issues(codes, probs),
        }
    )


def estimate_errors(labels: pd.Series, probs: NDArray[np.float32], classes: Sequence[str]) -> dict[str, float]:
    """Estimate which share of `labels` is wrong: `n` labels, `rate`, and `low` and `high` of a 95 % interval.

    The confident joint (Northcutt, Jiang, Chuang 2021, equation 1) counts the labels of class k whose image is
    confidently of class j. `rate` is the sum over the classes of P(k) (1 - C[k, k] / C[k]), where C[k] is the row's
    sum; a class without a confident image counts as right. The interval is rate +- 1.96 standard errors, each row taken as
    a binomial sample. Errors of the model count as errors of the label: a weak model estimates too many. Raises
    MissingExtraError without cleanlab.
    """
    codes = pd.Index(classes).get_indexer(pd.Index(labels))
    present, share = _present(codes, probs)
    if len(present) < 2:
        return {"n": len(codes), "rate": 0.0, "low": 0.0, "high": 0.0}
    given = np.searchsorted(present, codes)
    joint = np.asarray(_cleanlab().count.compute_confident_joint(given, share, calibrate=False), dtype=float)
    weights = np.bincount(given, minlength=len(present)) / len(codes)
    n_confident = joint.sum(axis=1)
    wrong = 1.0 - np.divide(np.diag(joint), n_confident, out=np.ones(len(present)), where=n_confident > 0)
    rate = float(weights @ wrong)
    error = float(np.sqrt(np.sum(weights**2 * wrong * (1 - wrong) / np.maximum(n_confident, 1))))
    low, high = max(0.0, rate - Z * error), min(1.0, rate + Z * error)
    return {"n": len(codes), "rate": rate, "low": low, "high": high}


def _cleanlab_issues(codes: NDArray[np.intp], probs: NDArray[np.float32]) -> NDArray[np.bool_]:
    """cleanlab wants every class to occur: it is asked about the classes that do."""
    present, share = _present(codes, probs)
    if len(present) < 2:
        return np.zeros(len(codes), dtype=bool)
    find = _cleanlab().filter.find_label_issues
    issues = find(np.searchsorted(present, codes), share, filter_by="prune_by_noise_rate", n_jobs=1)
    return np.asarray(issues, dtype=bool)


def _present(codes: NDArray[np.intp], probs: NDArray[np.float32]) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """The classes that occur, and the probabilities of these alone."""
    present = np.unique(codes)
    share = probs[:, present].astype(np.float64) + 1e-12
    return present, share / share.sum(axis=1, keepdims=True)


def _cleanlab() -> Any:
    try:
        import cleanlab.count
        import cleanlab.filter
    except ImportError as error:
        raise MissingExtraError("curate", "cleanlab", "curate") from error
    return cleanlab
