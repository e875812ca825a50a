"""The split stage: every image on one side, whole groups and near-duplicates together, what was assigned before unmoved."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from datatools.dataset import Dataset
from datatools.params import SplitParams
from datatools.schema import FIX_STATUS, QUARANTINE, SIDES, SPLIT
from datatools.split.certificate import certify
from datatools.split.decided import read_decided
from datatools.split.declared import Declared, read_declared
from datatools.split.filling import fill_sides
from datatools.split.ledger import UNKNOWN, add_to_ledger, look_up
from datatools.split.links import Ints, find_links, group_columns
from datatools.split.settling import Settled, settle
from datatools.split.strata import Strata, find_strata

NO_SEARCH: Mapping[str, Any] = {}


@dataclass(frozen=True)
class Split:
    """`table` (SPLIT), the ledger (LEDGER) with all that is now on a side, and the certificate: what was promised,
    counted from the table."""

    table: pd.DataFrame
    ledger: pd.DataFrame
    certificate: Mapping[str, Any]


def split_dataset(
    dataset: Dataset,
    pairs: pd.DataFrame,
    ledger: pd.DataFrame,
    params: SplitParams,
    search: Mapping[str, Any] = NO_SEARCH,
    fixes: pd.DataFrame | None = None,
) -> Split:
    """Assign every image to train, val or test, or to quarantine where it would link two.

    A function of paths, contents, groups, near-duplicate `pairs` (PAIRS), the annotators' labels, the seed and the
    `ledger` (LEDGER) of what was assigned before; no order of rows matters. What the ledger has keeps its side, new
    members of its units join them, and the rest fills up towards the ratios. `search` says how the pairs were found,
    for the certificate; `fixes` (FIX_STATUS) what people decided: their word on a side goes before all. Raises
    DatatoolsError when the ratios do not add up to 1 or a group column is not there.
    """
    ratios = check_ratios(params)
    if not dataset.images["path"].is_monotonic_increasing:  # as it is where it was stored
        dataset = dataclasses.replace(dataset, images=dataset.images.sort_values("path", ignore_index=True))
    images, strata = dataset.images, find_strata(dataset)
    columns, declared = group_columns(dataset, params.group_by), read_declared(dataset.images, params)
    links = find_links(images, pairs, columns)
    known = look_up(ledger, images)
    if declared.counts:
        known = np.where(known == UNKNOWN, declared.sides, known)
    decided = read_decided(FIX_STATUS.empty() if fixes is None else fixes, images)
    known = np.where(decided == UNKNOWN, known, decided)
    settled = settle(links, known, is_fixed(declared, known))
    names = images["path"].to_numpy(dtype=object)
    sides = place_free(settled, strata, ratios, names, params.seed)
    folds = cut_folds(settled.units, sides, strata, names, params)
    words = np.array([*SIDES, QUARANTINE], dtype=object)[sides]  # UNKNOWN is the last
    table = SPLIT.conform(pd.DataFrame({"path": names, "split": words, "group": names[settled.units], "fold": folds}))
    # what was known keeps its line, also in quarantine; what is new in quarantine gets none
    ledger = add_to_ledger(ledger, images, np.where(settled.quarantined, known, sides))
    certificate = certify(dataset, table, ledger, strata, columns, pairs, links, declared, decided, params, search)
    return Split(table, ledger, certificate)


def check_ratios(params: SplitParams) -> NDArray[np.float64]:
    """The ratios in the order of SIDES. Raises DatatoolsError when they do not add up to 1, or folds is 1."""
    params.check("params.yaml: split")
    return np.array([getattr(params, side) for side in SIDES])


def is_fixed(declared: Declared, known: NDArray[np.int8]) -> NDArray[np.bool_]:
    """Whether the data itself put an image on the side it is on: its leaks are told, not mended."""
    return np.asarray((declared.sides != UNKNOWN) & (declared.sides == known) & declared.counts)


def place_free(
    settled: Settled, strata: Strata, ratios: NDArray[np.float64], names: NDArray[np.object_], seed: int
) -> NDArray[np.int8]:
    """The side of every image: what is settled, and the units that are free where they are needed most."""
    counts = strata.counts
    sides = np.where(settled.quarantined, UNKNOWN, settled.sides).astype(np.int8)
    free = np.flatnonzero((sides == UNKNOWN) & ~settled.quarantined)
    placed = np.stack([_sum(counts[np.flatnonzero(sides == side)]) for side in range(len(SIDES))])
    sides[free] = _place_units(settled.units[free], counts[free], names, ratios, placed, strata.scales, seed)
    return sides


def cut_folds(
    units: Ints, sides: NDArray[np.int8], strata: Strata, names: NDArray[np.object_], params: SplitParams
) -> pd.array:
    """The fold of each image of train and val, whole units spread evenly; null for all others, and without folds."""
    folds = pd.array([None] * len(sides), dtype="Int64")
    inside = np.flatnonzero((sides == SIDES.index("train")) | (sides == SIDES.index("val")))
    if params.folds and len(inside):
        shares, counts = np.full(params.folds, 1 / params.folds), strata.counts
        nothing = np.zeros((params.folds, counts.shape[1]))
        found = _place_units(units[inside], counts[inside], names, shares, nothing, strata.scales, params.seed)
        folds[inside] = found.astype(np.int64)
    return folds


def _place_units(
    units: Ints,
    counts: csr_matrix,
    names: NDArray[np.object_],
    ratios: NDArray[np.float64],
    placed: NDArray[np.float64],
    scales: NDArray[np.float64],
    seed: int,
) -> NDArray[np.int8]:
    """The side of each row, the same for all rows of a unit; a unit is called by the name of its first image."""
    firsts, unit = np.unique(units, return_inverse=True)
    members = csr_matrix((np.ones(len(unit)), (unit, np.arange(len(unit)))), shape=(len(firsts), len(unit)))
    by_unit = csr_matrix(members @ counts)
    return fill_sides(by_unit, list(names[firsts]), ratios, placed, seed, scales)[unit]


def _sum(counts: csr_matrix) -> NDArray[np.float64]:
    return np.asarray(counts.sum(axis=0), dtype=np.float64).ravel()
