"""Writing Label Studio: tasks (datatools/formats/label_studio.py is the user's page)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from datatools.formats.base import Loss, dump_attributes, load_attributes
from datatools.formats.carried import GIVEN, OWN, is_size, join_rings, lose_row, pack_row, same_row, unpack_row
from datatools.formats.label_studio_names import LISTS, LOCAL, SHAPES, TASK_KEYS
from datatools.formats.label_studio_reading import Reader
from datatools.formats.label_studio_result_reading import check_choices, read_choices, read_region
from datatools.formats.label_studio_result_writing import to_items, without_keys
from datatools.formats.label_studio_tasks import annotator_of, image_name, new_entry
from datatools.formats.locate import clean_path
from datatools.formats.rows import BrokenRowError
from datatools.schema import RECORDS

Row = dict[str, Any]


def to_task(path: str, record: Row | None, rows: Sequence[Row]) -> tuple[Row, list[Loss]]:
    """One task; where it would not be read as it was, all of it goes under `meta.datatools`."""
    losses: list[Loss] = []
    task = _build_task(path, record, rows)
    if not _task_reads_back(task, path, record, rows):
        own = _own_record(record, load_attributes(record["attributes"]) if record else {})
        own["annotations"] = [pack_row(row) for row in rows]
        task = {"data": {"image": LOCAL + quote(path)}, "annotations": [], "meta": {OWN: own}}
    carried = {row["annotation_id"]: row for row in task.get("meta", {}).get(OWN, {}).get("annotations", [])}
    for row in rows:
        if row["annotation_id"] in carried:
            losses += lose_row(row, path, unpack_row(carried[row["annotation_id"]]), "Label Studio")
    if clean_path(path) != path:
        losses.append(Loss("path", path, message="the name is read as another one"))
    return task, losses


def _own_record(record: Row | None, foreign: Row) -> Row:
    if record is None:
        return {"record": None}
    names = ("subset", "metadata", "width_px", "height_px")
    kept = {name: record[name] for name in names if record[name] is not None}
    return {**({"record": kept} if kept else {}), **({"attributes": foreign} if foreign else {})}


def _build_task(path: str, record: Row | None, rows: Sequence[Row]) -> Row:
    attributes = load_attributes(record["attributes"]) if record else {}
    task: Row = {key: value for key, value in attributes.items() if key in TASK_KEYS}
    task["data"] = {"image": LOCAL + quote(path)}
    foreign = {key: value for key, value in attributes.items() if key not in TASK_KEYS}
    own: Row = {}
    if _names_image(foreign.get("data")):
        task["data"] = foreign.pop("data")
        own["path"] = path
    meta = (
        foreign.pop("meta")
        if isinstance(foreign.get("meta"), dict) and foreign["meta"] and OWN not in foreign["meta"]
        else {}
    )
    entries = [
        (key, {**entry, "result": list(entry.get("results", []))})
        for key in LISTS
        if _are_entries(foreign.get(key))
        for entry in foreign.pop(key)
    ]
    for _, entry in entries:
        entry.pop("results", None)
    size_hw = (record and record["height_px"], record and record["width_px"])
    carried = [pack_row(row) for row in rows if not _add_row(entries, row, size_hw)]
    task |= {key: [entry for name, entry in entries if name == key] for key in ("annotations", "predictions")}
    if completions := [entry for name, entry in entries if name == "completions"]:
        task["completions"] = completions
    own |= _own_record(record, foreign) | ({"annotations": carried} if carried else {})
    if any("original_width" in item for _, entry in entries for item in entry["result"]) and own.get("record"):
        own["record"] = {key: value for key, value in own["record"].items() if key in ("subset", "metadata")}
        own = {key: value for key, value in own.items() if key != "record" or value}
    if own or meta:
        task["meta"] = {**meta, **({OWN: own} if own else {})}
    return task


def _task_reads_back(task: Row, path: str, record: Row | None, rows: Sequence[Row]) -> bool:
    reader = Reader("", lambda name: path)
    reader.read_task(task)
    again = {row["annotation_id"]: row for row in reader.rows}
    return (
        not reader.rejected
        and len(reader.rows) == len(again) == len(rows)
        and all(row["annotation_id"] in again and same_row(row, again[row["annotation_id"]]) for row in rows)
        and len(reader.records) == (record is not None)
        and (record is None or same_row(record, reader.records[0], RECORDS.columns))
    )


def _names_image(data: Any) -> bool:
    try:
        return bool(image_name({"data": data}))
    except BrokenRowError:
        return False


def _are_entries(value: Any) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(entry, dict) and "result" not in entry for entry in value)
        and all(isinstance(entry.get("results", []), list) for entry in value)
    )


def _add_row(entries: list[tuple[str, Row]], row: Row, size_hw: tuple[Any, Any]) -> bool:
    """Put `row` into the annotation it belongs to, or into a new one; False where Label Studio has no such thing."""
    attributes = load_attributes(row["attributes"])
    whose = row["annotator"] if row["kind"] != "label" or row["annotator"] != GIVEN else None
    for key, entry in entries:
        named = attributes.get(key[:-1])
        if annotator_of(key, entry) == whose and named in (None, entry.get("id")) and OWN not in entry:
            return _extend(
                entry,
                row,
                attributes if named is None else without_keys(attributes, {key[:-1]}),
                size_hw,
                whose,
                named,
                key,
            )
    key, fields = new_entry(whose)
    entry = {**fields, "result": []}
    if not _extend(entry, row, attributes, size_hw, annotator_of(key, fields)):
        return False
    entries.append((key, entry))
    return True


def _extend(
    entry: Row,
    row: Row,
    attributes: Row,
    size_hw: tuple[Any, Any],
    who: str | None,
    named: Any = None,
    key: str = "",
) -> bool:
    plain = {**row, "attributes": dump_attributes(attributes)}
    for exact in (False, True):
        items = to_items(plain, attributes, size_hw, who, exact)
        if items and _items_read_back(items, plain, who, size_hw):
            entry["result"] += items
            return True
    return False


def _items_read_back(items: Sequence[Row], row: Row, who: str | None, size_hw: tuple[Any, Any]) -> bool:
    size = {"height_px": size_hw[0], "width_px": size_hw[1]} if all(map(is_size, size_hw)) else {}
    try:
        if row["kind"] == "label":
            for item in items:
                check_choices(item)
            again = read_choices(items, row["path"], who)
        else:
            regions = [item for item in items if item.get("type") in SHAPES and OWN in (item.get("meta") or {})]
            others = [item for item in items if not any(item is region for region in regions)]
            again = join_rings([read_region(item, who, size, others) for item in regions])
    except BrokenRowError:
        return False
    return len(again) == 1 and same_row({**again[0], "path": row["path"]}, row)
