"""What a Label Studio task says beside its results (datatools/formats/label_studio.py is the user's page)."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

from datatools.formats.base import dump_attributes
from datatools.formats.carried import OWN, unpack_record
from datatools.formats.documents import BrokenFileError, has_nan
from datatools.formats.label_studio_names import LISTS, LOCAL
from datatools.formats.locate import ImageIndex, clean_path, is_image
from datatools.formats.rows import NOT_JSON, BrokenRowError

Row = dict[str, Any]


def check_tasks(document: Any) -> list[Any]:
    """The tasks of `document`; raises BrokenFileError."""
    if not isinstance(document, list):
        raise BrokenFileError("a Label Studio file is a list of tasks")
    if document and all(isinstance(task, dict) and "annotation_id" in task and "data" not in task for task in document):
        raise BrokenFileError("JSON_MIN leaves out fields that are needed: export as JSON")
    return document


def results_of(task: Any) -> list[Any]:
    """The results of a task, however broken it is."""
    lists = [task.get(key) for key in LISTS] if isinstance(task, dict) else []
    entries = [entry for items in lists if isinstance(items, list) for entry in items if isinstance(entry, dict)]
    return [item for entry in entries if isinstance(entry.get("result"), list) for item in entry["result"]]


def image_name(task: Any) -> str:
    """The image's name in `data`; raises BrokenRowError where the task is none or names no single image."""
    if not isinstance(task, dict) or not isinstance(task.get("data"), dict):
        raise BrokenRowError("a task needs the object data")
    for key in LISTS:
        entries = task.get(key) or []
        if not isinstance(entries, list) or not all(
            isinstance(entry, dict) and isinstance(entry.get("result"), list) for entry in entries
        ):
            raise BrokenRowError(f"{key} must be a list of objects with the list result")
    if has_nan(_without_results(task)):
        raise BrokenRowError(NOT_JSON)
    data = task["data"]
    texts = [value for value in data.values() if isinstance(value, str) and is_image(name_of(value))]
    name = data["image"] if isinstance(data.get("image"), str) else texts[0] if len(texts) == 1 else ""
    if not name_of(name).strip("./"):
        raise BrokenRowError("data names no image, or several: data.image must be the one")
    return str(name)


def _without_results(task: Row) -> Row:
    lists = {key: [{**entry, "result": None} for entry in task.get(key) or []] for key in LISTS}
    own = task["meta"].get(OWN) if isinstance(task.get("meta"), dict) else None
    rows = {"meta": {**task["meta"], OWN: {**own, "annotations": None}}} if isinstance(own, dict) else {}
    return {**task, **lists, **rows}


def own_task(task: Row) -> Row:
    """What datatools keeps in a task; raises BrokenRowError."""
    own = task["meta"].get(OWN) if isinstance(task.get("meta"), dict) else None
    if own is None:
        return {}
    if not isinstance(own, dict) or not isinstance(own.get("annotations", []), list):
        raise BrokenRowError(f"meta.{OWN} must be an object, and its annotations a list")
    return own


def name_of(name: str) -> str:
    """A path or URL as a relative path: of `/data/local-files/` what comes after `?d=`."""
    try:
        parts = urlsplit(name)
    except ValueError:
        return clean_path(name)
    if parts.path.startswith("/data/local-files") and (found := parse_qs(parts.query).get("d")):
        return clean_path(found[0])
    return clean_path(unquote(parts.path)) if parts.scheme and parts.netloc else clean_path(name)


def locate_image(name: str, index: ImageIndex, file: str) -> str | None:
    """The path of the image that a task in `file` calls `name`; None where there is none."""
    plain = name_of(name)
    base = re.sub(r"^[0-9a-f]{8}-", "", PurePosixPath(plain).name)
    for candidate in (clean_path(name), plain, unquote(plain), base, unquote(base)):
        if candidate != "." and (path := index.find(candidate, near=file)):
            return path
    return None


def task_attributes(task: Row, path: str, own: Row) -> Row:
    """The attributes of a task's record, those of its annotations aside."""
    attributes = {key: value for key, value in task.items() if key not in (*LISTS, "data", "meta")}
    attributes |= {key: task[key] for key in LISTS if key in task and task[key] is None}
    if task["data"] != {"image": LOCAL + quote(path)}:
        attributes["data"] = task["data"]
    if "meta" in task:
        rest = {key: value for key, value in task["meta"].items() if key != OWN} if own else task["meta"]
        attributes |= {"meta": rest} if rest or not own else {}
    kept = own.get("attributes")
    return attributes | (kept if isinstance(kept, dict) else {})


def to_record(path: str, attributes: Row, size: Row, own: Row) -> Row | None:
    """The record of a task; None where datatools wrote that there is none."""
    if own.get("record", "") is None:
        return None
    kept = unpack_record({"attributes": {}, **own["record"]}) if isinstance(own.get("record"), dict) else None
    kept = kept or dict.fromkeys(("subset", "metadata", "width_px", "height_px"))
    return {**kept, **size, "path": path, "attributes": dump_attributes(attributes)}


def annotator_of(key: str, entry: Row) -> str | None:
    """Whose an entry of the list `key` is; None where nobody is named."""
    if key == "predictions":
        version = entry.get("model_version")
        return f"model:{version}" if version not in (None, "") else "model"
    by = entry.get("completed_by")
    if isinstance(by, dict):
        email = by.get("email")
        by = email if isinstance(email, str) and email else by.get("id")
    return f"user{by}" if type(by) is int else by if isinstance(by, str) and by else None


def new_entry(annotator: str | None) -> tuple[str, Row]:
    """The list and the fields of an annotation by `annotator` of which nothing else is known."""
    if annotator is not None and re.fullmatch("model(:.+)?", annotator, re.DOTALL):
        return "predictions", {"model_version": annotator[6:]} if annotator != "model" else {}
    if annotator is not None and re.fullmatch(r"user[1-9]\d{0,15}", annotator, re.ASCII):
        return "annotations", {"completed_by": int(annotator[4:])}
    if annotator is not None and re.fullmatch(r"[^@\s]+@[^@\s]+", annotator):
        return "annotations", {"completed_by": {"email": annotator}}
    return "annotations", {}
