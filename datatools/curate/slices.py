"""How many images each class and each value of a metadata column has, and how well the model does there."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from datatools.errors import DatatoolsError

COLUMNS = ["column", "value", "n", "share", "n_wanted", "accuracy", "is_rare"]
LABEL = "label"


def count_slices(
    labels: pd.Series, metadata: pd.DataFrame, correct: pd.Series, columns: Sequence[str], share_min: float
) -> pd.DataFrame:
    """Return a row for each class and each value of `columns`, rarest first within its column.

    `labels` and `correct` (bool: the out-of-fold prediction equals the label) have the index path. A slice is rare with
    fewer than `n_wanted` = share_min * n / number of values images. Raises DatatoolsError for an unknown column.
    """
    unknown = sorted(set(columns) - set(metadata.columns))
    if unknown:
        known = ", ".join(metadata.columns) or "none"
        raise DatatoolsError(
            f"params.yaml: curate.slice_columns must be columns of metadata.csv ({known}). Got {unknown[0]!r} instead."
        )
    tables = [_count(LABEL, labels, correct, share_min)]
    tables += [
        _count(column, metadata[column].reindex(labels.index).dropna(), correct, share_min) for column in columns
    ]
    return pd.concat(tables, ignore_index=True)[COLUMNS]


def _count(column: str, values: pd.Series, correct: pd.Series, share_min: float) -> pd.DataFrame:
    grouped = correct.reindex(values.index).groupby(values.to_numpy())
    table = pd.DataFrame({"n": grouped.size(), "accuracy": grouped.mean().astype(float)})
    table["share"] = table["n"] / max(len(values), 1)
    table["n_wanted"] = round(share_min * len(values) / max(len(table), 1))
    table["is_rare"] = table["n"] < table["n_wanted"]
    table = table.rename_axis("value").reset_index().assign(column=column)
    return table.sort_values(["n", "value"], ignore_index=True)
