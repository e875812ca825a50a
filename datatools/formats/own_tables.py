"""Tables that lose nothing: every column of the data model as CSV, and the simple layout where that is enough."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from datatools.dataset import label_id
from datatools.formats.base import Content, Row, Rows, dump_attributes, is_number, load_attributes
from datatools.formats.documents import BrokenFileError, parse_json
from datatools.formats.locate import clean_path
from datatools.formats.rows import BrokenBoxError, BrokenRowError, broken_row, mask_error
from datatools.formats.table_files import Sheet, dump_csv
from datatools.masks import MaskError, parse_mask
from datatools.schema import ANNOTATIONS, BOX, CONSENSUS, KINDS, RECORDS

OBJECT_COLUMNS = [name for name in ANNOTATIONS.columns if name != "source"]
IMAGE_COLUMNS = [name for name in RECORDS.columns if name != "source"]
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff]|[\ud800-\udfff]")
FILE_NAME = re.compile(r"\w[\w .@+-]*(?<![ .])")


# ---- reading ----


def from_own_table(
    source: str,
    sheet: Sheet,
    records: dict[str, Row],
    annotations: Rows,
    rejected: list[Row],
    find: Callable[[str], str] = str,
) -> None:
    """Add the rows of annotations.csv to `annotations` or those of images.csv to `records`, bad ones to `rejected`.

    `find` gives the path of the image that a cell names.
    """
    is_objects = "annotation_id" in sheet.columns
    for line, message in sheet.broken:
        rejected.append(broken_row(source, line, None, message))
    for line, cells in sheet.take_rows():
        try:
            row = _read_row(cells, "annotations" if is_objects else "records")
            row["path"] = find(row["path"])
            if not is_objects and row["path"] in records:
                raise BrokenRowError("this image has a row already")
        except BrokenRowError as error:
            name = str(cells.get("annotation_id") or "") or None
            rejected.append(
                {**broken_row(source, line, str(cells["path"] or "") or None, error), "annotation_id": name}
            )
            continue
        if is_objects:
            annotations.append({**row, "source": source})
        else:
            records[row["path"]] = {**row, "source": source}


def _read_row(cells: Mapping[str, Any], table: str) -> Row:
    columns = ANNOTATIONS.columns if table == "annotations" else RECORDS.columns
    row = {name: _read_cell(cells[name], name, kind) for name, kind in columns.items() if name in cells}
    needed = ("annotation_id", "path", "kind") if table == "annotations" else ("path",)
    empty = [name for name in needed if row[name] is None]
    if empty:
        raise BrokenRowError(f"{empty[0]} is empty")
    if row.get("kind", "box") not in KINDS:
        raise BrokenRowError(f"kind must be one of {', '.join(KINDS)}, got {row['kind']!r:.40}")
    return row


def _read_cell(value: Any, name: str, kind: str) -> Any:
    text = _decode(value, name)
    if text is None:
        return None
    if kind == "string":
        return CHECKS.get(name, _as_it_is)(text, name)
    try:
        number = float(text) if kind == "float64" else int(float(text)) if isinstance(text, float) else int(text)
    except (ValueError, OverflowError):
        number = None
    if not is_number(number):
        raise (BrokenBoxError if name in BOX else BrokenRowError)(
            f"{name} must be a {'finite' if kind == 'float64' else 'whole'} number, got {text!r:.40}"
        )
    return number


def _decode(value: Any, name: str) -> Any:
    """Null for an empty cell; what a JSON string holds; else the cell itself."""
    if not isinstance(value, str):
        return value
    if not value.startswith('"'):
        return value or None
    try:
        text = json.loads(value)
    except ValueError:
        text = None
    if not isinstance(text, str):
        raise BrokenRowError(f"{name} begins with a quotation mark and is no JSON string: {value!r:.40}")
    return text


def _as_it_is(text: Any, name: str) -> str:
    return str(text)


def _check_object(text: Any, name: str) -> str:
    try:
        if isinstance(parse_json(str(text).encode()), dict):
            return str(text)
        raise BrokenRowError(f"{name} must be a JSON object, got {text!r:.40}")
    except (BrokenFileError, UnicodeEncodeError) as error:
        raise BrokenRowError(f"{name} must be a JSON object: {error}") from error


def _check_mask(text: Any, name: str) -> str:
    try:
        parse_mask(str(text))
    except MaskError as error:
        raise mask_error(text, error) from error
    return str(text)


CHECKS: dict[str, Callable[[Any, str], str]] = {
    "attributes": _check_object,
    "metadata": _check_object,
    "mask": _check_mask,
}


# ---- writing ----


def to_tables(content: Content) -> dict[str, str]:
    """Text by file name; what it takes to hold `content` exactly, and no more."""
    files = _to_simple(content)
    if files is None:
        files = {
            name: dump_csv(columns, [_write_row(row, columns) for row in frame.to_dict("records")])
            for name, columns, frame in [
                ("annotations.csv", OBJECT_COLUMNS, content.annotations),
                ("images.csv", IMAGE_COLUMNS, content.records),
            ]
            if len(frame)
        }
    if content.extras or not _are_lines(content.classes):
        document = {"classes": list(content.classes), "extras": dict(content.extras)}
        files["tables.json"] = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    elif content.classes:
        files["classes.txt"] = "".join(f"{name}\n" for name in content.classes)
    return files


def _to_simple(content: Content) -> dict[str, str] | None:
    """labels/<annotator>.csv and metadata.csv; None where they cannot hold the content."""
    rows, records = content.annotations.to_dict("records"), content.records.to_dict("records")
    annotators = sorted({row["annotator"] for row in rows if isinstance(row["annotator"], str)})
    metadata = [load_attributes(record["metadata"]) for record in records]
    names = list(metadata[0]) if metadata else []
    if (
        not all(map(_is_simple_label, rows))
        or not all(map(_is_simple_record, records, metadata))
        or any(list(values) != names for values in metadata)
        or not _are_simple_columns(names)
        or len({name.casefold() for name in annotators}) < len(annotators)
        or not all(map(_is_simple_annotator, annotators))
    ):
        return None
    files = {
        f"labels/{who}.csv": dump_csv(
            ["path", "label"],
            [{"path": row["path"], "label": row["label"]} for row in rows if row["annotator"] == who],
        )
        for who in annotators
    }
    if records:
        lines = [{"path": record["path"], **values} for record, values in zip(records, metadata)]
        files["metadata.csv"] = dump_csv(["path", *names], lines)
    return files


def _is_simple_label(row: Row) -> bool:
    return (
        row["kind"] == "label"
        and isinstance(row["label"], str)
        and row["label"] == row["label"].strip() != ""
        and _is_plain(row["label"])
        and isinstance(row["annotator"], str)
        and row["annotation_id"] == label_id(row["path"], row["annotator"])
        and _is_simple_path(row["path"])
        and row["attributes"] == "{}"
        and pd.isna(row["mask"])
        and all(math.isnan(row[name]) for name in BOX)
    )


def _is_simple_record(record: Row, metadata: Mapping[str, Any]) -> bool:
    return (
        _is_simple_path(record["path"])
        and record["attributes"] == "{}"
        and all(pd.isna(record[name]) for name in ("width_px", "height_px", "subset"))
        and all(isinstance(value, str) and _is_plain(value) for value in metadata.values())
        and (pd.isna(record["metadata"]) if not metadata else record["metadata"] == dump_attributes(metadata))
    )


def _is_simple_path(path: Any) -> bool:
    return isinstance(path, str) and path not in ("", ".") and path == clean_path(path) and _is_plain(path)


def _are_simple_columns(names: list[str]) -> bool:
    """Whether the names of metadata can be a header beside `path`."""
    return all(name and name == name.strip() and _is_plain(name) and name.casefold() != "path" for name in names)


def _is_simple_annotator(name: str) -> bool:
    return name != CONSENSUS and FILE_NAME.fullmatch(name) is not None and len(name.encode()) < 200


def _is_plain(text: str) -> bool:
    return CONTROL.search(text) is None


def _are_lines(classes: tuple[str, ...]) -> bool:
    return len(set(classes)) == len(classes) and all(name == name.strip() != "" and _is_plain(name) for name in classes)


def _write_row(row: Mapping[str, Any], columns: list[str]) -> dict[str, str]:
    return {name: _write_cell(row[name]) for name in columns}


def _write_cell(value: Any) -> str:
    """The inverse of `_decode` and of the number that is read from it."""
    if isinstance(value, str):
        return json.dumps(value) if value == "" or value[0] == '"' or CONTROL.search(value) else value
    return "" if pd.isna(value) else repr(float(value)) if isinstance(value, float) else str(value)
