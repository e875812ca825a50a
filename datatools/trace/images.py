"""The story of an image, and of one annotation: where it came from, what was found and decided, and who learnt it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from datatools.dataset import label_id
from datatools.fixes.history import Decided, describe_change
from datatools.project import LAYOUT
from datatools.report.summary import to_plain
from datatools.schema import BOX, CONSENSUS
from datatools.split.ledger import FILE, write_line
from datatools.trace.changes import list_past_changes
from datatools.trace.models import list_learnt, list_models
from datatools.trace.past import find_commit_of
from datatools.trace.place import EVALUATED, Place

Story = dict[str, Any]
FACTS = ("sha256", "width_px", "height_px", "format", "n_bytes", "source", "group", "subset")
SAID = ("annotation_id", "kind", "label", *BOX, "annotator", "source")


def tell_image(place: Place, path: str) -> Story:
    """The story of the image `path`, whether it is in the data set now or only was."""
    rows = place.dataset.images[place.dataset.images["path"] == path]
    row = rows.iloc[0] if len(rows) else None
    changes, missing = list_past_changes(place.past, path)
    return to_story({
        "kind": "image",
        "name": path,
        "in_data_set": row is not None,
        "left_out": _rows(place.rejected, "path", path, ("reason", "message", "source")),
        "facts": {} if row is None else {name: row[name] for name in FACTS},
        "metadata": {} if row is None else json.loads(row["metadata"]),
        "annotations": _rows(place.dataset.annotations, "path", path, SAID),
        "near_duplicates": _list_near_duplicates(place, path),
        "split": _tell_side(place, path, None if row is None else str(row["sha256"])),
        "findings": _rows(place.findings, "path", path, ("code", "severity", "annotation_id", "message")),
        "queue": _rows(place.queue, "path", path, ("rank", "kind", "suggested", "reason")),
        "fixes": tell_fixes(place, path),
        "copies": sorted(set(place.copies.loc[place.copies["parent_path"] == path, "path"])),
        "learnt_by": _list_learners(place, path),
        "predicted": _find_prediction(place, path),
        "changes": changes,
        "missing": missing,
    })  # fmt: skip


def tell_annotation(place: Place, name: str) -> Story:
    """The story of the annotation `name`, whether it is in the data set now or only was; its image is named."""
    rows = _rows(place.dataset.annotations, "annotation_id", name, ("path", *SAID, "mask", "attributes"))
    gone = _rows(place.rejected, "annotation_id", name, ("path", "reason", "message", "source"))
    records = [item.record for item in place.decided if item.record.annotation_id == name]
    path = next((str(row["path"]) for row in (*rows, *gone) if row["path"]), None)
    path = path or next((record.path for record in records if record.path), None)
    changes, missing = list_past_changes(place.past, path, name) if path else ([], [])
    ratings = _rows(place.dataset.annotations, "path", path or "", SAID)
    is_vote = bool(rows) and rows[0]["annotator"] == CONSENSUS and rows[0]["kind"] == "label"
    return to_story({
        "kind": "annotation",
        "name": name,
        "in_data_set": bool(rows),
        "left_out": [{key: row[key] for key in ("reason", "message", "source")} for row in gone],
        "value": rows[0] if rows else {},
        "image": path,
        "votes": [row for row in ratings if row["kind"] == "label" and row["annotator"] != CONSENSUS] if is_vote else [],
        "findings": _rows(place.findings, "annotation_id", name, ("code", "severity", "message")),
        "queue": _rows(place.queue, "annotation_id", name, ("rank", "kind", "suggested", "reason")),
        "fixes": tell_fixes(place, name),
        "learnt_by": _list_learners(place, path) if path else [],
        "changes": changes,
        "missing": missing,
    })  # fmt: skip


def tell_fixes(place: Place, name: str) -> list[Story]:
    """The fix records about an image or annotation, and the reverts of these, oldest first."""
    about = {name, label_id(name)}
    ids = {item.record.id for item in place.decided if about & {item.record.annotation_id, item.record.path}}
    return [tell_fix(item) for item in place.decided if item.record.id in ids or item.record.reverts in ids]


def tell_fix(item: Decided) -> Story:
    """A fix record in the words of `datatools fixes show`."""
    record = item.record
    names = ("id", "op", "who", "when", "why", "path", "annotation_id", "before", "after")
    story = {name: getattr(record, name) for name in names}
    return {**story, "what": describe_change(record), "status": item.status, "message": item.message}


def to_story(story: Story) -> Story:
    """The story as JSON knows it: no NaN, no NumPy."""
    plain: Story = to_plain(story)
    return plain


def _rows(table: pd.DataFrame, key: str, value: str, columns: Sequence[str]) -> list[Story]:
    found = table[(table[key] == value).fillna(False)]
    return [dict(row) for row in found[list(columns)].to_dict("records")]


def _list_near_duplicates(place: Place, path: str) -> list[Story]:
    names = ["how", "similarity", "correlation"]
    one = place.pairs[place.pairs["path"] == path].rename(columns={"other": "image"})
    two = place.pairs[place.pairs["other"] == path].rename(columns={"path": "image"})
    both = pd.concat([one[["image", *names]], two[["image", *names]]]).sort_values("image")
    sides = place.split.set_index("path")["split"]
    return [{**row, "split": sides.get(row["image"])} for row in both.to_dict("records")]


def _tell_side(place: Place, path: str, sha256: str | None) -> Story:
    """The side now, the unit that it stays together with, and since when Git knows it there."""
    rows = place.split[place.split["path"] == path]
    if rows.empty:
        return {}
    row = rows.iloc[0]
    lines = place.ledger[(place.ledger["path"] == path) & (place.ledger["sha256"] == sha256)]
    is_listed = row["split"] in set(lines["split"])
    line = write_line(path, str(sha256), str(row["split"]))
    since = find_commit_of(place.project.root, line, f"{LAYOUT['split']}/{FILE}") if is_listed else {}
    together = place.split[(place.split["group"] == row["group"]).fillna(False)]
    return {"side": row["split"], "group": row["group"], "fold": row["fold"], "together": len(together), "since": since}


def _list_learners(place: Place, path: str) -> list[Story]:
    """The models that learnt the image, oldest first, and the label it had for them: null where nothing here tells."""
    found = []
    for model in list_models(place):
        learnt = list_learnt(model, path)
        if learnt is None or path in learnt:
            found.append({**model.describe(), "label": None if learnt is None else learnt[path]})
    return found


def _find_prediction(place: Place, path: str) -> Story | None:
    """What the model on disk said of the image when it was measured; None where it was not asked."""
    rows = _rows(place.predictions, "path", path, ("label", "predicted", "confidence"))
    if rows:
        return {**rows[0], "right": rows[0]["label"] == rows[0]["predicted"]}
    file = place.project.root / EVALUATED / "failures.csv"  # of a run that wrote no predictions
    return _find_failure(file, path) if file.is_file() and place.predictions.empty else None


def _find_failure(file: Path, path: str) -> Story | None:
    table = pd.read_csv(file, dtype={"path": str, "label": str, "predicted": str}, keep_default_na=False)
    rows = _rows(table, "path", path, ("label", "predicted", "confidence"))
    return {**rows[0], "right": False} if rows else None
