"""Labels that look wrong, from out-of-fold probabilities. Only this file imports cleanlab."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from datatools.errors import MissingExtraError


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


def _cleanlab_issues(codes: NDArray[np.intp], probs: NDArray[np.float32]) -> NDArray[np.bool_]:
    """cleanlab wants every class to occur: it is asked about the classes that do."""
    try:
        from cleanlab.filter import find_label_issues
    except ImportError as error:
        raise MissingExtraError("curate", "cleanlab", "curate") from error
    present = np.unique(codes)
    if len(present) < 2:
        return np.zeros(len(codes), dtype=bool)
    share = probs[:, present].astype(np.float64) + 1e-12
    share /= share.sum(axis=1, keepdims=True)
    issues = find_label_issues(np.searchsorted(present, codes), share, filter_by="prune_by_noise_rate", n_jobs=1)
    return np.asarray(issues, dtype=bool)
