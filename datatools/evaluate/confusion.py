"""Which class is taken for which."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from datatools.evaluate.metrics import count_pairs


def confusion_table(labels: Sequence[str], predicted: Sequence[str], classes: Sequence[str]) -> pd.DataFrame:
    """Count images by given label (rows) and predicted label (columns), both in the order of `classes`.

    Raises DatatoolsError for lists of different length or a name that is not in `classes`.
    """
    return pd.DataFrame(
        count_pairs(labels, predicted, classes),
        index=pd.Index(list(classes), name="actual"),
        columns=pd.Index(list(classes), name="predicted"),
    )


def to_confusion_rows(labels: Sequence[str], predicted: Sequence[str]) -> pd.DataFrame:
    """One row a test image, columns actual and predicted: what DVC's plot template `confusion` reads."""
    return pd.DataFrame({"actual": list(labels), "predicted": list(predicted)}, dtype="string")


def top_confusions(table: pd.DataFrame, n: int = 10) -> pd.DataFrame:
    """The `n` most frequent errors of a confusion table: actual, predicted, count, share (of the actual class).

    Sorted by count, then share, then the order of the classes; pairs that never happened are left out.
    """
    counts = table.to_numpy()
    rows, columns = np.nonzero(counts * ~np.eye(len(counts), dtype=bool))
    pairs = pd.DataFrame(
        {
            "actual": table.index.to_numpy()[rows],
            "predicted": table.columns.to_numpy()[columns],
            "count": counts[rows, columns],
            "share": counts[rows, columns] / counts.sum(axis=1)[rows],
        }
    )
    return pairs.sort_values(["count", "share"], ascending=False, kind="stable", ignore_index=True).head(n)
