"""Images that belong together and stand on several sides of the split."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from datatools.schema import SIDES


def find_crossing(images: pd.DataFrame, split: pd.DataFrame, column: str) -> Iterator[tuple[str, str, str]]:
    """Yield each value of `column` whose images are on several sides, the sides in words, and an example.

    The example is the first path on another side than the value's own image, or its first image.
    """
    rows = images[["path", column]].dropna().merge(split[["path", "split"]], on="path")
    rows = rows[rows.groupby(column)["split"].transform("nunique") > 1].sort_values("path")
    for value, members in rows.groupby(column, sort=True):
        first = members["split"].iloc[0]
        other = members.loc[members["split"] != first, "path"].iloc[0]
        sides = [side for side in SIDES if side in set(members["split"])]
        yield str(value), " and ".join([", ".join(sides[:-1]), sides[-1]]), str(other)
