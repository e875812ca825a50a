"""The test images that the model gets wrong, the most confident first: label errors and blind spots."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from datatools.errors import DatatoolsError

COLUMNS = {"path": "string", "label": "string", "predicted": "string", "confidence": "float64"}


def find_failures(
    paths: Sequence[str], labels: Sequence[str], predicted: Sequence[str], confidences: Sequence[float]
) -> pd.DataFrame:
    """Return the rows in which label and prediction differ: path, label, predicted, confidence (0 to 1).

    The most confident first, then by path. Raises DatatoolsError for lists of different length.
    """
    columns = (paths, labels, predicted, confidences)
    if len({len(column) for column in columns}) > 1:
        raise DatatoolsError(
            f"evaluate: {', '.join(COLUMNS)} must be as many. "
            f"Got {', '.join(str(len(column)) for column in columns)} instead: pass all for the same images."
        )
    frame = pd.DataFrame({name: list(column) for name, column in zip(COLUMNS, columns, strict=True)}).astype(COLUMNS)
    wrong = frame[frame["label"] != frame["predicted"]]
    return wrong.sort_values(["confidence", "path"], ascending=[False, True], kind="stable", ignore_index=True)
