"""Counting what a finished split holds, from its table alone: the certificate states these numbers, verify recounts them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix

from datatools.schema import QUARANTINE, SIDES
from datatools.store import iter_csv

ROUNDING = 1.5  # images or objects: the class and the size of the side are both rounded


def count_sizes(table: pd.DataFrame) -> dict[str, int]:
    """Images on each side."""
    return {side: int((table["split"] == side).sum()) for side in SIDES}


def count_crossing_groups(table: pd.DataFrame, columns: Mapping[str, pd.Series]) -> dict[str, dict[str, int]]:
    """For each column how many groups have an image on a side, and how many of them have images on several.

    The columns are in the order of the rows of `table` (SPLIT). Quarantine is no side.
    """
    on_side = (table["split"] != QUARANTINE).to_numpy()
    found = {}
    for name, values in columns.items():
        rows = pd.DataFrame({"value": values.to_numpy(), "split": table["split"].to_numpy()})[on_side].dropna()
        n_sides = rows.groupby("value")["split"].nunique()
        found[name] = {"groups": len(n_sides), "crossing": int((n_sides > 1).sum())}
    return found


def find_crossing_pairs(table: pd.DataFrame, pairs: pd.DataFrame) -> pd.DataFrame:
    """The pairs (PAIRS) of which the images are on different sides, with the columns side and other_side."""
    sides = table.set_index("path")["split"].where(lambda values: values != QUARANTINE)
    both = pairs.assign(side=pairs["path"].map(sides), other_side=pairs["other"].map(sides))
    placed = both.dropna(subset=["side", "other_side"])
    return placed[placed["side"] != placed["other_side"]]


def count_by_side(table: pd.DataFrame, labels: tuple[str, ...], counts: csr_matrix) -> dict[str, dict[str, int]]:
    """label -> side -> the sum of its column of `counts`, whose rows are those of `table`."""
    rows = {side: np.flatnonzero((table["split"] == side).to_numpy()) for side in SIDES}
    sums = {side: np.asarray(counts[chosen].sum(axis=0)).ravel() for side, chosen in rows.items()}
    return {label: {side: int(sums[side][number]) for side in SIDES} for number, label in enumerate(labels)}


def hash_table(table: pd.DataFrame) -> str:
    """SHA-256 of the table as CSV: equal rows, equal hash."""
    total = hashlib.sha256()
    for part in iter_csv(table):
        total.update(part)
    return total.hexdigest()


def describe_deviations(
    by_class: Mapping[str, Mapping[str, int]], ratios: Mapping[str, float], largest: Mapping[str, tuple[str, int]]
) -> list[dict[str, Any]]:
    """How far each class is from the ratios and why, the furthest first. `largest`: the unit with most of a class.

    `off` is the largest difference of a side from its exact part of the class: in images or objects, and as a share of
    the class. Below ROUNDING it is rounding. A unit of k can miss by half of k; what is further off is so because samples
    that were assigned before do not move (or the data brought its own sides).
    """
    rows = []
    for name, counts in by_class.items():
        n = sum(counts.values())
        if not n:
            continue
        off = {side: counts[side] - ratios[side] * n for side in SIDES}
        side = max(SIDES, key=lambda name: round(abs(off[name]), 6))
        unit, k = largest.get(name, ("", 0))
        rows.append(
            {
                "class": name,
                "n": n,
                **counts,
                "side": side,
                "off": round(off[side], 2),
                "off_share": round(off[side] / n, 4),
                "why": _explain(abs(off[side]), unit, k, n),
            }
        )
    return sorted(rows, key=lambda row: (-abs(row["off_share"]), row["class"]))


def _explain(off: float, unit: str, k: int, n: int) -> str:
    if off < ROUNDING:
        return "rounding"
    if k > 1 and off <= k / 2 + 1:
        return f"its largest unit, that of {unit}, has {k:,} of its {n:,} and stays together"
    return "what was assigned before, or the data itself put there, does not move"
