"""data/split/certificate.json: what a split promises, counted again from the finished table.

It says nothing of how the split came about, only of what is there: the same data, ledger and parameters give the same
certificate, whether the samples are new in this run or old.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from datatools.dataset import Dataset
from datatools.params import SplitParams
from datatools.schema import QUARANTINE, SIDES
from datatools.split import counting
from datatools.split.declared import Declared
from datatools.split.ledger import UNKNOWN, find_disputes, look_up
from datatools.split.links import Links
from datatools.split.quarantine import describe_quarantine
from datatools.split.strata import NO_CLASS, Strata

Certificate = dict[str, Any]
SEARCH = (
    "model",
    "weights_sha256",
    "hash_bits",
    "similarity_min",
    "correlation_min",
    "crowded_images",
)  # of neighbors.json; not the hardware


def certify(
    dataset: Dataset,
    table: pd.DataFrame,
    ledger: pd.DataFrame,
    strata: Strata,
    columns: Mapping[str, pd.Series],
    pairs: pd.DataFrame,
    links: Links,
    declared: Declared,
    decided: NDArray[np.int8],
    params: SplitParams,
    search: Mapping[str, Any],
) -> Certificate:
    """State and count every promise. The images of `dataset` and the rows of `table` are in the order of their paths.

    `ledger` is the one that goes with the table, `columns` and `links` are what keeps images together, `search` says
    how `pairs` were found. `decided` are the sides by number on which people put images: these are no moves.
    """
    sides = table["split"].map({side: number for number, side in enumerate(SIDES)}).fillna(UNKNOWN).to_numpy(np.int8)
    by_ledger = look_up(ledger, dataset.images)
    known = np.where(decided == UNKNOWN, by_ledger, decided).astype(np.int8)
    groups = counting.count_crossing_groups(table, columns)
    copies = counting.count_crossing_groups(table, {"copies": dataset.images["sha256"]})["copies"]["crossing"]
    pairs_crossing = len(counting.find_crossing_pairs(table, pairs))
    facts: Certificate = {
        **_count_shares(table, strata, params),
        "groups": int(table["group"].nunique()),
        "groups_crossing": sum(found["crossing"] for found in groups.values()),
        "groups_by_column": groups,
        "near_duplicates": len(pairs),
        "near_duplicates_crossing": pairs_crossing,
        "copies_crossing": copies,
        "search": {name: search[name] for name in SEARCH if name in search},
        "quarantined": describe_quarantine(
            links, sides, known, np.flatnonzero(sides == UNKNOWN), table["path"].to_numpy()
        ),
        "ledger": _describe_ledger(ledger, dataset.images, known, sides),
        "source": _describe_source(declared, known, table, params),
        "decided": _describe_decided(decided, by_ledger, table),
        "folds": _count_folds(table, params),
        "seed": params.seed,
        "data_version": dataset.version,
        "pairs_sha256": counting.hash_table(pairs),
        "assignment_sha256": counting.hash_table(table),
    }
    facts["holds"] = not (facts["groups_crossing"] or pairs_crossing or copies or facts["ledger"]["moved"])
    return {"verdict": write_verdict(facts), **facts}


def write_verdict(facts: Mapping[str, Any]) -> str:
    """The certificate in a few short sentences, the leaks first."""
    leaks = [
        (facts["groups_crossing"], "group", "groups"),
        (facts["near_duplicates_crossing"], "pair of near-duplicates", "pairs of near-duplicates"),
        (facts["copies_crossing"], "set of equal files", "sets of equal files"),
    ]
    found = [f"{n:,} {one if n == 1 else many}" for n, one, many in leaks if n]
    head = f"It leaks: {' and '.join(found)} on several sides." if found else (
        "No leak: no group and no pair of near-duplicates is on two sides."
    )  # fmt: skip
    moved, n_quarantined = facts["ledger"]["moved"], len(facts["quarantined"])
    sentences = [
        head,
        f"{moved:,} assigned {'sample' if moved == 1 else 'samples'} moved." if moved else "No assigned sample moved.",
    ]
    if n_quarantined:
        sentences.append(f"{n_quarantined:,} {'image' if n_quarantined == 1 else 'images'} in quarantine.")
    if facts["deviations"]:
        worst, images = facts["deviations"][0], f"{facts['deviations'][0]['n']:,} images"
        off = f"{abs(worst['off']):.1f}"
        sentences.append(
            f"Furthest from the ratios: {worst['class']}, by {off} of its {images}."
            if off != "0.0"
            else "Every class is as the ratios ask."
        )
    return " ".join(sentences)


def _count_shares(table: pd.DataFrame, strata: Strata, params: SplitParams) -> Certificate:
    sizes, ratios = counting.count_sizes(table), {side: getattr(params, side) for side in SIDES}
    total = max(sum(sizes.values()), 1)
    per_class = counting.count_by_side(table, strata.labels, strata.images)
    objects = counting.count_by_side(table, strata.classes, strata.objects)
    named = {name: counts for name, counts in per_class.items() if name != NO_CLASS}
    deviations = counting.describe_deviations(named, ratios, _largest(table, strata.labels, strata.images))
    return {
        "ratios": ratios,
        "reached": {side: round(n / total, 4) for side, n in sizes.items()},
        "sizes": sizes,
        "quarantine": int((table["split"] == QUARANTINE).sum()),
        "per_class": per_class,
        "objects_per_class": objects,
        "largest_class_deviation": abs(deviations[0]["off_share"]) if deviations else None,
        "deviations": deviations,
        "object_deviations": counting.describe_deviations(
            objects, ratios, _largest(table, strata.classes, strata.objects)
        ),
    }


def _largest(table: pd.DataFrame, labels: tuple[str, ...], counts: csr_matrix) -> dict[str, tuple[str, int]]:
    """The unit on one side that has most of each class, by its name, and how many; sides that came with the data may cut units."""
    codes, names = pd.factorize(table["group"])
    sides = table["split"].where(table["split"] != QUARANTINE)
    placed = (sides.notna() & (sides.groupby(table["group"]).transform("nunique") == 1)).to_numpy(dtype=float)
    members = csr_matrix((placed, (codes, np.arange(len(codes)))), shape=(len(names), len(codes)))
    by_unit = csr_matrix(members @ counts)
    if not by_unit.shape[0]:
        return {}
    rows = np.asarray(by_unit.argmax(axis=0)).ravel()
    return {
        label: (str(names[row]), int(by_unit[row, number])) for number, (label, row) in enumerate(zip(labels, rows))
    }


def _describe_ledger(ledger: pd.DataFrame, images: pd.DataFrame, known: np.ndarray, sides: np.ndarray) -> Certificate:
    """`moved`: images on another side than the ledger's. `away`: samples that the data no longer has."""
    disputes = find_disputes(ledger)
    samples = ledger[["path", "sha256"]].drop_duplicates()
    here = samples.merge(images[["path", "sha256"]], on=["path", "sha256"])
    return {
        "samples": len(samples),
        "away": len(samples) - len(here),
        "moved": int(((known != sides) & (known != UNKNOWN) & (sides != UNKNOWN)).sum()),
        "disputes": [{"path": row.path, "splits": list(row.splits)} for row in disputes.itertuples()],
        "sha256": counting.hash_table(ledger),
    }


def _describe_source(declared: Declared, known: np.ndarray, table: pd.DataFrame, params: SplitParams) -> Certificate:
    """Whose sides these are, and the images that the ledger has elsewhere than the data now says."""
    differs = np.flatnonzero(
        (declared.sides != UNKNOWN) & (known != UNKNOWN) & (declared.sides != known) & declared.counts
    )
    return {
        "asked": params.source,
        "used": "predefined" if declared.counts else "own",
        "why": declared.why,
        "differs": [
            {"path": str(table["path"].iloc[row]), "data": SIDES[declared.sides[row]], "ledger": SIDES[known[row]]}
            for row in differs
        ],
    }


def _describe_decided(decided: NDArray[np.int8], by_ledger: NDArray[np.int8], table: pd.DataFrame) -> list[Certificate]:
    """The images that a person put on a side, and where the ledger has them."""
    words = {UNKNOWN: None, **dict(enumerate(SIDES))}
    return [
        {"path": str(table["path"].iloc[row]), "side": words[int(decided[row])], "ledger": words[int(by_ledger[row])]}
        for row in np.flatnonzero(decided != UNKNOWN)
    ]


def _count_folds(table: pd.DataFrame, params: SplitParams) -> list[Certificate]:
    """Images and units of each fold."""
    rows = table[table["fold"].notna()]
    return [
        {
            "fold": fold,
            "images": int((rows["fold"] == fold).sum()),
            "groups": int(rows.loc[rows["fold"] == fold, "group"].nunique()),
        }
        for fold in range(params.folds)
    ]
