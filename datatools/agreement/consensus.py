"""One label from several annotators."""

from __future__ import annotations

import pandas as pd


def vote(ratings: pd.DataFrame) -> pd.Series:
    """Majority label of each row of `ratings` (index path, a column an annotator, null = not rated).

    A tie goes to the tied label of the annotator who agrees most often with the others over all rows; annotators
    that agree equally often are taken in the order of their names. Rows that nobody rated are left out.
    """
    order = sorted(ratings.columns, key=lambda name: (-_agreement(ratings, name), name))
    ordered = ratings[order]
    votes = pd.DataFrame({name: ordered.eq(ordered[name], axis=0).sum(axis=1) for name in order}, index=ratings.index)
    votes = votes.where(ordered.notna(), 0)
    rated = ordered.notna().any(axis=1)
    best = votes[rated].to_numpy().argmax(axis=1)  # the first of equals: the most agreeable annotator's
    values = ordered[rated].to_numpy(dtype=object)
    return pd.Series(values[range(len(best)), best], index=ordered.index[rated], name="label", dtype="string")


def _agreement(ratings: pd.DataFrame, name: str) -> float:
    others = ratings.drop(columns=name)
    both = others.notna().mul(ratings[name].notna(), axis=0)
    n_both = int(both.to_numpy().sum())
    same = int(others.eq(ratings[name], axis=0).where(both, False).to_numpy().sum())
    return same / n_both if n_both else 0.0
