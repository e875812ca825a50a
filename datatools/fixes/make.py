"""Making records: what a decision on an image means for its annotations, and writing it down."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, NotRequired, TypedDict, Unpack

import pandas as pd

from datatools.dataset import Dataset, label_id, load_dataset
from datatools.errors import DatatoolsError
from datatools.fixes.apply import find_reverted, in_force, refold
from datatools.fixes.history import PENDING, Decided, find_record, load_decided
from datatools.fixes.records import FixRecord, append_records, load_records, now, sitting_path
from datatools.fixes.targets import Target, find_disputes
from datatools.fixes.unknown_class import refuse_label
from datatools.project import Project
from datatools.schema import FIX_STATUS, QUEUE, SIDES
from datatools.store import load_if_there, load_table


class Signature(TypedDict):
    """What every record of a decision says beside the decision: who, when (`records.now`), why; `base` is the data version that was
    looked at, and `evidence` what was known of the image then."""

    who: str
    when: str
    why: str
    base: NotRequired[str]
    evidence: NotRequired[Mapping[str, Any]]


def decide(
    project: Project,
    image: str,
    *,
    label: str | None = None,
    confirm: bool = False,
    exclude: bool = False,
    include: bool = False,
    side: str | None = None,
    why: str,
    who: str,
) -> list[FixRecord]:
    """Record one decision on an image of `project` and return its records, on the disk when this returns.

    Decisions made since the last `dvc repro` are taken into account. Raises DatatoolsError for an unknown image or
    class, without exactly one decision, or without a reason.
    """
    if (label is not None) + confirm + exclude + include + (side is not None) != 1:
        raise DatatoolsError(
            "fix: expected one of --label L, --confirm, --exclude, --include, --side S. Got none or several: pass one."
        )
    if side is not None and side not in SIDES:
        raise DatatoolsError(f"--side must be one of {', '.join(SIDES)}. Got {side!r} instead.")
    if not why.strip():
        raise DatatoolsError("fix: expected a reason. Got an empty --why: say it in a few words.")
    seen = load_dataset(project.dataset)
    if include:
        return _include(project, image, why=why, who=who, base=seen.version)
    path, when = find_image(seen, image), now()
    dataset = load_current(project, seen, path)
    signed: Signature = {"who": who, "when": when, "why": why, "base": seen.version}
    signed["evidence"] = _find_evidence(project, path)
    if label is not None:
        records = relabel_image(dataset, path, label, **signed)
    elif side is not None:
        records = [FixRecord("set_split", path=path, after=side, **signed)]
    elif confirm:
        records = confirm_image(dataset, path, **signed)
    else:
        records = exclude_image(dataset, path, **signed)
    append_records(sitting_path(project.fixes, who, when), records)
    return records


def _find_evidence(project: Project, path: str) -> dict[str, Any]:
    """What the queue says of an image, as the app and the page write it; empty where it is not in it."""
    queue = load_if_there(project.queue, QUEUE)
    rows = queue[queue["path"] == path]
    if rows.empty:
        return {}
    first = rows.iloc[0].to_dict()
    shown = {name: first[name] for name in ("rank", "score", "suggested", "codes") if not pd.isna(first[name])}
    return {**{name: value for name, value in shown.items() if value != ""}, "queue": rows["kind"].tolist()}


def _include(project: Project, image: str, *, why: str, who: str, base: str) -> list[FixRecord]:
    """An excluded image is in no table: only its record knows its path."""
    paths = sorted({str(item.record.path) for item in load_decided(project)[0] if item.record.op == "exclude"})
    found = [path for path in paths if path == image] or [path for path in paths if path.endswith("/" + image)]
    if len(found) != 1:
        raise DatatoolsError(
            f"image: expected one that was excluded: {', '.join(paths[:3]) or 'there is none'}. Got {image!r}."
        )
    record = FixRecord("include", who, now(), why, path=found[0], base=base)
    append_records(sitting_path(project.fixes, who, record.when), [record])
    return [record]


def revert(project: Project, record_id: str, *, why: str, who: str) -> FixRecord:
    """Record that an earlier record no longer holds; raises DatatoolsError when the id names none, or several."""
    records, _ = load_records(project.fixes)
    found = find_record([Decided(record, PENDING) for record in records], record_id)
    if found.record.id in find_reverted(records):
        raise DatatoolsError(f"id: expected a record in force. Got {found.record.id}, which is reverted already.")
    record = FixRecord("revert", who, now(), why, reverts=found.record.id)
    append_records(sitting_path(project.fixes, who, record.when), [record])
    return record


def settle(
    project: Project, image: str, *, label: str | None = None, exclude: bool = False, why: str, who: str
) -> list[FixRecord]:
    """End every dispute about an image: about its label and the objects that share it (`label`), or whether it stays.

    The records name those that they overrule. Raises DatatoolsError for an unknown image or class, where nobody disagrees
    about that, or without a reason.
    """
    if not why.strip():
        raise DatatoolsError("settle: expected a reason. Got an empty --why: say it in a few words.")
    seen = load_dataset(project.dataset)
    dataset = load_current(project, seen)
    if label is not None and label not in dataset.classes:
        raise DatatoolsError(refuse_label(label, dataset.classes))
    path, when = _find_disputed(project, image), now()
    labels = dict(
        zip(dataset.annotations["annotation_id"].tolist(), dataset.annotations["label"].tolist(), strict=True)
    )
    signed: dict[str, Any] = {"who": who, "when": when, "why": why, "path": path, "base": seen.version}
    records = []
    for target, disputed in disputes_of(project).items():
        change = _end(target, label, exclude, labels.get(target.name)) if disputed[0].path == path else {}
        if change:
            records.append(FixRecord(**signed, **change, settles=tuple(record.id for record in disputed)))
    if not records:
        raise DatatoolsError(
            f"{path}: expected a dispute about that. Got one about something else: see `datatools fixes blame`."
        )
    append_records(sitting_path(project.fixes, who, when), records)
    return records


def _end(target: Target, label: str | None, exclude: bool, before: Any) -> dict[str, Any]:
    """The operation that ends a dispute about `target`, with what it is about; empty where it was not asked for."""
    if target.kind == "image" and label is None:
        return {"op": "exclude" if exclude else "include"}
    if target.kind != "label" or label is None:
        return {}
    about = {"annotation_id": target.name, "before": None if pd.isna(before) else before}
    return {"op": "confirm", **about} if before == label else {"op": "relabel", "after": label, **about}


def disputes_of(project: Project) -> dict[Target, list[FixRecord]]:
    """What people say differently in the records of a project, by target."""
    return find_disputes(in_force(load_records(project.fixes)[0]))


def _find_disputed(project: Project, image: str) -> str:
    paths = sorted({str(records[0].path) for records in disputes_of(project).values()})
    found = [path for path in paths if path == image] or [path for path in paths if path.endswith("/" + image)]
    if len(found) != 1:
        listed = f" There are disputes about {', '.join(paths[:3])}." if paths else " There is no dispute."
        raise DatatoolsError(f"image: expected one that people disagree about. Got {image!r}.{listed}")
    return found[0]


def load_current(project: Project, dataset: Dataset, path: str | None = None) -> Dataset:
    """`dataset` as the next `dvc repro` will see it: with the records made since the last one.

    With `path`, only the annotations of that image are in it.
    """
    records, _ = load_records(project.fixes)
    annotations, status = dataset.annotations, load_table(project.dataset / "fixes.parquet", FIX_STATUS)
    if path is not None:
        annotations = annotations[annotations["path"] == path].reset_index(drop=True)
        status = status[status["path"] == path]
        records = [record for record in records if record.path in (path, None)]  # a revert has none
    return dataclasses.replace(dataset, annotations=refold(annotations, status, records))


def relabel_image(dataset: Dataset, path: str, label: str, **signature: Unpack[Signature]) -> list[FixRecord]:
    """Records that give the image `path` another label; their base is the version of `dataset`, unless the signature has one.

    The image's label changes, and so does every box or mask in it that carried the same label: one record each.
    Raises DatatoolsError for an unknown image or class, or when the image has that label already.
    """
    rows = _rows_of(dataset, path)
    if label not in dataset.classes:
        raise DatatoolsError(refuse_label(label, dataset.classes))
    before = _label_of(rows, path)
    if before == label:
        raise DatatoolsError(f"{path} has the label {label!r} already. To put that on record, use --confirm.")
    common: dict[str, Any] = {"path": path, "before": before, "after": label, **_sign(signature, dataset)}
    ids = [label_id(path), *_objects_with(rows, before)]
    return [FixRecord("relabel", annotation_id=annotation_id, **common) for annotation_id in ids]


def confirm_image(dataset: Dataset, path: str, **signature: Unpack[Signature]) -> list[FixRecord]:
    """The record that says: a person looked, the label is right. Raises DatatoolsError for an unknown image."""
    before = _label_of(_rows_of(dataset, path), path)
    about: dict[str, Any] = {"path": path, "annotation_id": label_id(path), "before": before}
    return [FixRecord("confirm", **about, **_sign(signature, dataset))]


def exclude_image(dataset: Dataset, path: str, **signature: Unpack[Signature]) -> list[FixRecord]:
    """The record that takes an image out of the data set. Raises DatatoolsError for an unknown image."""
    _rows_of(dataset, path)
    return [FixRecord("exclude", path=path, **_sign(signature, dataset))]


def _sign(signature: Signature, dataset: Dataset) -> dict[str, Any]:
    """The fields of a record that a signature fills."""
    given: dict[str, Any] = {**signature}
    return given | {"base": given.get("base") or dataset.version, "evidence": dict(given.get("evidence") or {})}


def find_image(dataset: Dataset, name: str) -> str:
    """The path that `name` means: a path, or a file name that only one image has. Raises DatatoolsError."""
    paths = dataset.images["path"]
    if (paths == name).any():
        return name
    matches = paths[paths.str.endswith("/" + name)]
    if len(matches) != 1:
        found = "no such image" if matches.empty else f"{len(matches)} images: {', '.join(matches[:3])}"
        example = f", such as {paths.iloc[0]}" if len(paths) else ""
        raise DatatoolsError(f"image: expected a path of the data set{example}. Got {name!r}, {found}.")
    return str(matches.iloc[0])


def _rows_of(dataset: Dataset, path: str) -> pd.DataFrame:
    if not (dataset.images["path"] == path).any():
        raise DatatoolsError(
            f"image: expected a path of the data set. Got {path!r}: see data/dataset/rejected.parquet."
        )
    return dataset.annotations[dataset.annotations["path"] == path]


def _label_of(rows: pd.DataFrame, path: str) -> str:
    found = rows.loc[rows["annotation_id"] == label_id(path), "label"]
    if found.empty:
        raise DatatoolsError(f"{path}: expected an image label. Got none: add a row to a table in data/raw/labels.")
    return str(found.iloc[0])


def _objects_with(rows: pd.DataFrame, label: str) -> list[str]:
    chosen = (rows["kind"] != "label") & (rows["label"] == label)
    return [str(value) for value in rows.loc[chosen, "annotation_id"]]
