"""`datatools split verify`: every promise of the certificate counted again from the data, the ledger and the pairs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from datatools.dataset import Dataset, load_dataset
from datatools.errors import DatatoolsError
from datatools.params import NeighborsParams, SplitParams, load_params
from datatools.project import LAYOUT, Project
from datatools.revisions import find_stale, load_stages, read_committed
from datatools.schema import FIX_STATUS, PAIRS, SPLIT
from datatools.split import counting
from datatools.split.ledger import FILE, find_moved, load_ledger, parse_ledger
from datatools.split.links import GROUP, group_columns
from datatools.split.promises import Promise, describe_search
from datatools.split.run import Split, split_dataset
from datatools.store import load_json, load_table

NAMED = 3  # samples named in a line


@dataclass(frozen=True)
class Evidence:
    """What is on disk, and the split that the same data, ledger and parameters give now."""

    dataset: Dataset
    table: pd.DataFrame
    ledger: pd.DataFrame
    pairs: pd.DataFrame
    certificate: Mapping[str, Any]
    again: Split


def verify_split(project: Project, search: bool = False) -> list[Promise]:
    """Count every promise again; with `search`, also search the near-duplicates again.

    Raises DatatoolsError where files are missing or are not of the data, code and parameters on disk.
    """
    check_current(project)
    found = load_evidence(project)
    promises = [*_recount(found), *_compare(found), _compare_with_head(project, found.ledger)]
    return [*promises, *([_search_again(project, found)] if search else [])]


def check_current(project: Project) -> None:
    """Raise DatatoolsError where the split is missing, or is not that of what is on disk."""
    recorded = load_stages(project.root)
    if "split" not in recorded:
        raise DatatoolsError("dvc.lock: expected that the stage split ran. Got no record of it: run `dvc repro split`.")
    stale = find_stale(project.root, recorded, ("split",))
    if stale.startswith(ledger := f"{LAYOUT['split']}/{FILE}"):
        raise DatatoolsError(
            f"split: expected the ledger that the split wrote. Got {stale}: look at `git diff {ledger}`; an edit by hand goes "
            f"with `git checkout {ledger}`, what `git pull` brought is taken in by `dvc repro split`."
        )
    if stale:
        raise DatatoolsError(f"split: expected the split of the data as it is. Got {stale}: run `dvc repro split`.")


def load_evidence(project: Project) -> Evidence:
    """Read all files and split again. Raises DatatoolsError for one that is missing."""
    dataset = load_dataset(project.dataset)
    params = load_params(project.params, SplitParams)
    if not (project.split / FILE).exists():
        raise DatatoolsError(
            f"{project.split / FILE}: expected the ledger. Got no such file: restore it from Git, or run `dvc repro split`."
        )
    ledger, pairs = load_ledger(project.split / FILE), load_table(project.neighbors / "pairs.parquet", PAIRS)
    search = load_json(project.neighbors / "neighbors.json")
    fixes = load_table(project.dataset / "fixes.parquet", FIX_STATUS)
    again = split_dataset(dataset, pairs, ledger, params, search, fixes)
    table = load_table(project.split / "split.parquet", SPLIT)
    return Evidence(dataset, table, ledger, pairs, load_json(project.split / "certificate.json"), again)


def _recount(found: Evidence) -> Iterator[Promise]:
    """What the table on disk holds, whatever the certificate says of it."""
    missing = len(set(found.dataset.images["path"]) ^ set(found.table["path"])) + int(
        found.table["path"].duplicated().sum()
    )
    yield Promise(
        "every image on one side or in quarantine", not missing, f"{missing:,} of {len(found.dataset.images):,} are not"
    )
    if missing:
        return
    facts = found.again.certificate["groups_by_column"]
    columns = _columns_of(found.dataset, facts)
    for name, counted in counting.count_crossing_groups(found.table, columns).items():
        what = "groups" if name == "group" else f"groups of {name}"
        yield Promise(
            f"{what} on one side", not counted["crossing"], f"{counted['crossing']:,} of {counted['groups']:,} cross"
        )
    crossing = counting.find_crossing_pairs(found.table, found.pairs)
    said = (
        f"{len(crossing):,} of {len(found.pairs):,} pairs cross{describe_search(found.certificate.get('search', {}))}"
    )
    yield Promise("near-duplicates on one side", crossing.empty, said + _name(crossing["path"]))
    copies = counting.count_crossing_groups(found.table, {"copies": found.dataset.images["sha256"]})["copies"]
    yield Promise("equal files on one side", not copies["crossing"], f"{copies['crossing']:,} cross")


def _columns_of(dataset: Dataset, names: Mapping[str, Any]) -> dict[str, pd.Series]:
    return group_columns(dataset, [name for name in names if name != GROUP])


def _compare(found: Evidence) -> Iterator[Promise]:
    """What is on disk beside what the same inputs give now."""
    sides = found.table.merge(found.again.table, on="path", how="outer", suffixes=("", "_again"))
    other = sides[sides["split"].fillna("") != sides["split_again"].fillna("")]
    yield Promise(
        "the same split again from the data", other.empty, f"{len(other):,} images differ{_name(other['path'])}"
    )
    unknown = find_moved(found.again.ledger, found.ledger)
    yield Promise(
        "the ledger has every sample on its side",
        unknown.empty,
        f"{len(unknown):,} are missing{_name(unknown['path'])}",
    )
    certificate, again = found.certificate, found.again.certificate
    for name, key in (
        ("the assignment is the certified one", "assignment_sha256"),
        ("the pairs are the certified ones", "pairs_sha256"),
        ("the data is the certified one", "data_version"),
    ):
        now = counting.hash_table(found.table) if key == "assignment_sha256" else again[key]
        yield Promise(name, certificate.get(key) == now, str(now)[:16])
    wrong = sorted(key for key in again if certificate.get(key) != _as_json(again[key]))
    yield Promise("the certificate's numbers are right", not wrong, f"differing: {', '.join(wrong) or 'none'}")


def _as_json(value: Any) -> Any:
    return json.loads(json.dumps(value))


def _compare_with_head(project: Project, ledger: pd.DataFrame) -> Promise:
    """No sample of the ledger in the last commit is missing now or on another side."""
    name = "no sample moved since the last commit"
    text = read_committed(project.root, "HEAD", f"{LAYOUT['split']}/{FILE}")
    if text is None:
        return Promise(name, True, "no ledger in HEAD to compare with: commit data/split/ledger.csv")
    before = parse_ledger(text, f"{FILE} of HEAD")
    moved = find_moved(before, ledger)
    n_before, n_now = len(before), len(ledger)
    new = f"{n_now - n_before:,} new lines since HEAD" if moved.empty else "was and is: "
    examples = (
        "" if moved.empty else ", ".join(f"{row.path} {row.was} -> {row.now}" for row in moved.head(NAMED).itertuples())
    )
    return Promise(name, moved.empty, f"{len(moved):,} of {n_before:,}; {new}{examples}")


def _search_again(project: Project, found: Evidence) -> Promise:
    """The pairs that the search finds now are those on disk, and none is on two sides.

    Embeddings of contents that were embedded before come from the cache; all distances are measured again.
    """
    from datatools.similarity.run import relate_images

    params = load_params(project.params, NeighborsParams)
    again = relate_images(found.dataset.images, project.raw, params, project.state / "cache").pairs
    crossing = counting.find_crossing_pairs(found.table, again)
    keys = ["path", "other"]
    both = found.pairs[keys].merge(again[keys], how="outer", indicator=True)
    differing = both[both["_merge"] != "both"]
    text = f"{len(again):,} found, {len(crossing):,} cross, {len(differing):,} differ from those on disk"
    return Promise(
        "a new search finds the same pairs", crossing.empty and differing.empty, text + _name(differing["path"])
    )


def _name(paths: pd.Series) -> str:
    """The first of what is wrong, for the end of a line."""
    return f", such as {', '.join(map(str, paths.head(NAMED)))}" if len(paths) else ""
