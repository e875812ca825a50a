"""Images that belong together and stand on several sides of the split."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from datatools.schema import SIDES


def find_crossing(units: pd.Series, split: pd.DataFrame) -> Iterator[tuple[str, str, str]]:
    """Yield each unit whose images are on several sides, the sides in words, and an example.

    `units` names the unit of each path (the index); images without one, and quarantined ones, cross nothing. The example
    is the first path on another side than the unit's first image.
    """
    rows = split.loc[split["split"].isin(SIDES), ["path", "split"]]
    rows = rows.assign(unit=rows["path"].map(units)).dropna(subset="unit")
    rows = rows[rows.groupby("unit")["split"].transform("nunique") > 1].sort_values("path")
    for unit, members in rows.groupby("unit", sort=True):
        first = members["split"].iloc[0]
        other = members.loc[members["split"] != first, "path"].iloc[0]
        sides = [side for side in SIDES if side in set(members["split"])]
        yield str(unit), " and ".join([", ".join(sides[:-1]), sides[-1]]), str(other)
