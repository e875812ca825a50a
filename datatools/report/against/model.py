"""The part of the report that is about the model: both versions on the same test images, and their maps laid on each other."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from datatools.dataset import Dataset
from datatools.errors import DatatoolsError
from datatools.evaluate.alignment import Alignment, align_maps, restart_map
from datatools.evaluate.comparison import compare_models
from datatools.evaluate.projection import N_NEIGHBORS
from datatools.project import LAYOUT
from datatools.report.against.other_changes import find_other_changes
from datatools.report.summary import to_plain
from datatools.schema import PREDICTIONS
from datatools.similarity.graph import find_neighbors
from datatools.version_files import VersionFiles

Section = dict[str, Any]
FOLDER = "reports/evaluate"
LIFT = "reports/lift.json"
CASES = 100  # of each kind in the document
NEAR = 0.05  # of the spread: a map that lies so well on the other is left as the stage made it
VIEWS = ("data", "model")  # the map to show: of all data where both versions have it


def summarise_models(
    before: VersionFiles,
    after: VersionFiles,
    datasets: tuple[Dataset, Dataset],
    splits: tuple[Any, Any],
    same: Mapping[str, str],
) -> Section:
    """The comparison (datatools/evaluate/comparison.py) as a document; `missing` says why there is none.

    `also_changed` lists parameters and code behind the models that differ as well.
    """
    try:
        tables = [
            load_predictions(files, dataset, split)
            for files, dataset, split in zip((before, after), datasets, splits, strict=True)
        ]
    except DatatoolsError as error:
        return {"missing": str(error)}
    for name, table in zip(("before", "after"), tables, strict=True):
        if table is None:
            return {"missing": f"{name}: no stage evaluate wrote predictions"}
    found = compare_models(tables[0], tables[1], same, datasets[1].classes)
    found["cases"] = {kind: {"n": len(rows), "shown": rows[:CASES]} for kind, rows in found["cases"].items()}
    facts = {
        "stale": after.find_stale("evaluate") or _of_before(before.find_stale("evaluate")),
        "also_changed": find_other_changes(before.stages, after.stages),
        "runs": {name: load_run(files) for name, files in (("before", before), ("after", after))},
    }
    plain: Section = to_plain({**found, **facts})
    return plain


def _of_before(stale: str) -> str:
    return f"before: {stale}" if stale else ""


def load_predictions(files: VersionFiles, dataset: Dataset, split: pd.DataFrame | None) -> pd.DataFrame | None:
    """PREDICTIONS of a version; None where it has none.

    A version of before predictions.parquet was written has confusion.csv, a row a test image in the order of paths: that
    says the same, without confidences. It counts only if its labels are those of the data set.
    """
    table = files.load_table(f"{FOLDER}/predictions.parquet", PREDICTIONS)
    if table is not None:
        return table
    rows = files.load_csv(f"{FOLDER}/confusion.csv")
    if rows is None or split is None:
        return None
    labels = dataset.labels
    labels = labels[labels.index.isin(split.loc[split["split"] == "test", "path"])]
    if list(labels) != list(rows["actual"]):
        return None
    return PREDICTIONS.conform(
        pd.DataFrame({"path": labels.index, "label": labels.array, "predicted": rows["predicted"].array})
    )


def load_run(files: VersionFiles) -> Section:
    """What model.json says of a training, as far as a reader of the pull request needs it; empty without one."""
    try:
        document = files.load_json(f"{LAYOUT['models']}/model.json")
    except DatatoolsError:
        return {}
    record = document.get("record", {}) if isinstance(document, dict) else {}
    names = ("data_version", "code_commit", "seed", "epochs", "best_epoch", "device")
    return {name: record.get(name) for name in names if name in record}


def load_lift(files: VersionFiles, data: str | None) -> Section | None:
    """reports/lift.json of this version, if one was measured, of the data version `data`."""
    try:
        lift = json.loads(files.read_text(LIFT) or "null")
    except (DatatoolsError, ValueError):
        return None
    is_ours = isinstance(lift, dict) and lift.get("measured") and lift.get("data_version") == data
    return lift if is_ours else None


@dataclass(frozen=True)
class Maps:
    """The t-SNE of before by the paths of after, that of after laid on it, and how; `view` is data or model."""

    view: str
    before: pd.DataFrame
    alignment: Alignment
    is_restarted: bool


def align_versions(
    before: VersionFiles, after: VersionFiles, same: Mapping[str, str], paths: Sequence[str]
) -> Maps | None:
    """Both maps; None where a version has no map, or they have none of the same kind.

    A map of all data that a turn does not lay on the other is made anew from the places of before, if the embeddings of
    after are here. `same`: see find_same_images; `paths`: of the images of after, in order.
    """
    try:
        tables = [files.load_csv(f"{FOLDER}/tsne.csv") for files in (before, after)]
    except DatatoolsError:
        return None
    if any(table is None or "view" not in table for table in tables):
        return None
    for view in VIEWS:
        old, new = (_read_view(table, view) for table in tables if table is not None)
        if len(old) and len(new):
            names = {was: now for now, was in same.items()}
            old.index = pd.Index([names.get(path, f"before: {path}") for path in old.index], name="path")
            found = align_maps(old, new)
            if view == "data" and found.residual is not None and found.residual > NEAR:
                anew = _restart(after, old, new, pd.Index(paths))
                if anew is not None:
                    return Maps(view, old, align_maps(old, anew), is_restarted=True)
            return Maps(view, old, found, is_restarted=False)
    return None


def _restart(after: VersionFiles, old: pd.DataFrame, new: pd.DataFrame, paths: pd.Index) -> pd.DataFrame | None:
    """`new` with other places: its t-SNE begun at those of `old`; None without embeddings."""
    try:
        data = after.read(f"{LAYOUT['neighbors']}/embeddings.npy")
    except DatatoolsError:
        return None
    embeddings = None if data is None else np.load(io.BytesIO(data), allow_pickle=False)
    rows = paths.get_indexer(new.index)
    if embeddings is None or len(embeddings) != len(paths) or (rows < 0).any():
        return None
    shown = np.ascontiguousarray(embeddings[rows])
    indices = find_neighbors(shown, N_NEIGHBORS)[0]
    return new.assign(**restart_map(old, new.index, shown, indices))


def _read_view(table: pd.DataFrame, view: str) -> pd.DataFrame:
    rows = table[table["view"] == view].drop_duplicates("path").set_index("path")
    return rows.assign(x=rows["x"].astype(float), y=rows["y"].astype(float))
