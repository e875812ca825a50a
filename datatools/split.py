"""Train, validation and test sides: stratified, the same for the same ids, groups and near-duplicates on one side."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from datatools.agreement.consensus import vote
from datatools.dataset import Dataset
from datatools.errors import DatatoolsError
from datatools.object_labels import label_by_objects
from datatools.params import SplitParams
from datatools.schema import SIDES, SPLIT


@dataclass(frozen=True)
class Split:
    """`table` (SPLIT: path, split, group) and the certificate: what was promised, counted from the table."""

    table: pd.DataFrame
    certificate: Mapping[str, Any]


def split_dataset(dataset: Dataset, params: SplitParams) -> Split:
    """Assign every image to train, val or test.

    A function of paths, groups, near-duplicate clusters, the annotators' labels and the seed; the order of rows does
    not matter. It looks at labels as the annotators gave them, so a changed label moves no image; an excluded one can. Whole groups are
    placed, largest first, each where it brings the class counts closest to the ratios. Raises DatatoolsError when
    the ratios do not add up to 1.
    """
    ratios = np.array([params.train, params.val, params.test])
    if not np.isclose(ratios.sum(), 1.0):
        raise DatatoolsError(
            f"params.yaml: split.train + val + test must be 1. Got {ratios.sum():g} instead: correct one of them."
        )
    images = dataset.images.sort_values("path")
    groups = join_groups(images)
    strata = _strata(dataset, images["path"])
    sides = _assign(groups, strata, ratios, params.seed)
    table = SPLIT.conform(pd.DataFrame({"path": images["path"], "split": sides, "group": groups}))
    return Split(table, certify(table, images, strata, params))


def join_groups(images: pd.DataFrame) -> pd.Series:
    """The unit that stays together for each image: its metadata group joined with its near-duplicate cluster.

    Links chain: two writers who share a near-duplicate are one unit. The name is the unit's smallest path.
    """
    index = np.arange(len(images))
    links = [index]
    for column in ("group", "duplicate_of"):
        first = images.reset_index(drop=True).assign(index=index).groupby(column)["index"].transform("min")
        links.append(first.where(images[column].notna().to_numpy(), pd.Series(index)).to_numpy().astype(int))
    rows, columns = np.tile(index, len(links)), np.concatenate(links)
    graph = coo_matrix((np.ones(len(rows), dtype=np.int8), (rows, columns)), shape=(len(index), len(index)))
    _, unit = connected_components(graph, directed=False)
    return images["path"].groupby(unit).transform("min")


def certify(table: pd.DataFrame, images: pd.DataFrame, strata: NDArray[np.str_], params: SplitParams) -> dict[str, Any]:
    """Count, from the finished table, what the split promises: shares, classes, groups and near-duplicates crossing."""
    joined = table.merge(
        images[["path", "group", "duplicate_of"]].rename(columns={"group": "metadata_group"}), on="path"
    )
    wanted = {side: getattr(params, side) for side in SIDES}
    per_class = pd.crosstab(pd.Series(strata, name="label"), table["split"]).reindex(columns=list(SIDES), fill_value=0)
    labelled = per_class.drop("(none)", errors="ignore")
    shares = labelled.div(labelled.sum(axis=1), axis=0)
    deviation = (shares - pd.Series(wanted)).abs().to_numpy().max() if len(shares) else 0.0
    content = table.to_csv(index=False, lineterminator="\n").encode()
    return {
        "ratios": wanted,
        "sizes": {side: int((table["split"] == side).sum()) for side in SIDES},
        "per_class": {str(label): {side: int(row[side]) for side in SIDES} for label, row in per_class.iterrows()},
        "largest_class_deviation": round(float(deviation), 4),
        "groups": int(table["group"].nunique()),
        "groups_crossing": _crossing(joined, "metadata_group"),
        "near_duplicates_crossing": _crossing(joined, "duplicate_of"),
        "seed": params.seed,
        "assignment_sha256": hashlib.sha256(content).hexdigest(),
    }


def _crossing(table: pd.DataFrame, column: str) -> int:
    return int((table.dropna(subset=[column]).groupby(column)["split"].nunique() > 1).sum())


def _strata(dataset: Dataset, paths: pd.Series) -> NDArray[np.str_]:
    """The class of each image as voted, before any fix, or as its objects say; '(none)' without a label in the class list."""
    ratings = dataset.ratings
    voted = vote(ratings) if ratings.shape[1] else label_by_objects(dataset.annotations).astype("string")
    known = voted[voted.isin(dataset.classes)]
    return paths.map(known).astype("string").fillna("(none)").to_numpy(dtype=str)


def _assign(groups: pd.Series, strata: NDArray[np.str_], ratios: NDArray[np.float64], seed: int) -> NDArray[np.str_]:
    counts = pd.crosstab(groups.to_numpy(), strata)
    names, sizes = counts.index.tolist(), counts.to_numpy().sum(axis=1).tolist()
    order = sorted(range(len(names)), key=lambda number: (-sizes[number], _hash(seed, names[number])))
    totals = counts.sum().to_numpy(dtype=float)
    wanted = ratios[:, None] * totals  # (3, classes)
    filled = np.zeros_like(wanted)
    matrix = counts.to_numpy(dtype=float)
    side_of = {}
    for number in order:
        side = _best_side(matrix[number], wanted, filled, totals)
        filled[side] += matrix[number]
        side_of[names[number]] = SIDES[side]
    return groups.map(side_of).to_numpy(dtype=str)


def _best_side(
    row: NDArray[np.float64], wanted: NDArray[np.float64], filled: NDArray[np.float64], totals: NDArray[np.float64]
) -> int:
    """The side where adding `row` leaves the smallest squared error of class shares and of sizes; ratio 0 takes none."""
    gap = wanted - filled
    weight = 1.0 / np.maximum(totals, 1.0)
    by_class = (((gap - row) ** 2 - gap**2) * weight).sum(axis=1)
    size_gap = gap.sum(axis=1)
    by_size = ((size_gap - row.sum()) ** 2 - size_gap**2) / totals.sum()
    cost = by_class + by_size
    cost[wanted.sum(axis=1) == 0] = np.inf
    return int(np.argmin(np.round(cost, 9)))


def _hash(seed: int, name: str) -> str:
    return hashlib.sha256(f"{seed}/{name}".encode()).hexdigest()
