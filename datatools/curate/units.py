"""The unit of each image: what must be held out together, or a copied wrong label would confirm itself."""

from __future__ import annotations

import pandas as pd

from datatools.similarity.clusters import cluster_pairs


def find_units(split: pd.DataFrame, pairs: pd.DataFrame) -> pd.Series:
    """The smallest path of the unit of each image of `split` (SPLIT), index path: groups of the split and PAIRS, chained.

    The split keeps a quarantined image apart from the near-duplicates that it would link; here it joins them.
    """
    first = split.groupby("group")["path"].transform("min")
    in_group = pd.DataFrame({"path": split["path"], "other": first.fillna(split["path"])})
    return cluster_pairs(list(split["path"]), pd.concat([in_group, pairs[["path", "other"]]]))
