"""Rows as dicts, between a table and a file: rejected rows, and patches for what a file's own fields cannot hold.

A writer makes what every reader of its format knows, reads that back, and stores the difference as JSON wherever the
format lets it: `make_patch`. Its reader applies it: `apply_patch`. So nothing is lost, nothing is stored twice, and a
standard field that another tool edits stays edited.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pandas as pd

from datatools.formats.base import dump_attributes, is_number, load_attributes
from datatools.masks import MaskError
from datatools.schema import ANNOTATIONS, BOX, KINDS, RECORDS

Row = dict[str, Any]
NOT_JSON = "it has a value that JSON does not allow: NaN, Infinity or a number that no float holds"
FIXED = ("path", "source")  # never part of a patch
ROW_FIELDS = frozenset({*ANNOTATIONS.columns, "without", "name", "no_box", "instance"}) - {*FIXED}
RECORD_FIELDS = frozenset({*RECORDS.columns, "without"}) - {*FIXED}


class BrokenRowError(Exception):
    """One annotation or record that cannot become a row; the text says why.

    `reason` is that of its row in REJECTED: the code of the check that speaks of it, where there is one.
    """

    reason = "broken_row"


class BrokenBoxError(BrokenRowError):
    """A coordinate that is no finite number, or that is missing."""

    reason = "BOX004"


class BrokenRleError(BrokenRowError):
    """Run lengths that do not decode, do not add up, or do not fit their image."""

    reason = "MSK008"


class UnknownClassError(BrokenRowError):
    """A class id that is none."""

    reason = "LBL001"


class UnknownValueError(BrokenRowError):
    """Pixel values of a mask that no class has."""

    reason = "MSK009"


class NoImageError(BrokenRowError):
    """An annotation or record whose image is not there."""

    reason = "LBL005"


def to_rows(frame: pd.DataFrame) -> list[Row]:
    """The rows of ANNOTATIONS or RECORDS with None for null and `attributes` as a dict."""
    rows = []
    for item in frame.to_dict("records"):
        row: Row = {str(key): None if pd.isna(value) else value for key, value in item.items()}
        rows.append({**row, "attributes": load_attributes(row["attributes"])})
    return rows


def broken_file(source: str, message: str, path: str | None = None) -> Row:
    """A row of REJECTED for a whole file."""
    return {"source": source, "path": path, "reason": "broken_file", "message": message}


def broken_row(source: str, number: int | None, path: str | None, why: str | BrokenRowError) -> Row:
    """A row of REJECTED for one annotation, the `number`-th of its file; an error also says the reason."""
    reason = why.reason if isinstance(why, BrokenRowError) else BrokenRowError.reason
    return {"source": source, "row": number, "path": path, "reason": reason, "message": str(why)}


def mask_error(text: Any, error: MaskError) -> BrokenRowError:
    """`error` of a `mask` cell as that of its row: run lengths have a code of their own, and so have coordinates."""
    is_rle = str(text).lstrip().startswith("{")
    return BrokenRleError(str(error)) if is_rle else BrokenRowError(str(error))


def dump_row_attributes(attributes: Mapping[str, Any]) -> str:
    """`dump_attributes`, where a value may be NaN or infinite: raises BrokenRowError."""
    try:
        return dump_attributes(attributes)
    except ValueError as error:
        raise BrokenRowError(NOT_JSON) from error


def make_patch(seen: Mapping[str, Any], meant: Mapping[str, Any]) -> Row:
    """What turns the row `seen` into `meant`; empty where nothing does."""
    patch: Row = {
        key: value
        for key, value in meant.items()
        if key not in ("attributes", "instance", *FIXED) and seen.get(key) != value
    }
    if all(patch.get(name, 0) is None for name in BOX):
        patch = {key: value for key, value in patch.items() if key not in BOX} | {"no_box": True}
    if "label" in patch:
        patch["name"] = seen["label"]  # a label edited since then counts more than the patch
    fields, wanted = seen["attributes"], meant["attributes"]
    changed = {key: value for key, value in wanted.items() if key not in fields or not same_json(fields[key], value)}
    without = sorted(set(fields) - set(wanted))
    return patch | ({"attributes": changed} if changed else {}) | ({"without": without} if without else {})


def apply_patch(row: Row, patch: Any) -> Row:
    """The annotation `row` with `patch` applied; raises BrokenRowError for a patch that make_patch does not make."""
    patch = {**_checked(patch, ROW_FIELDS)}
    if patch.pop("no_box", False):
        row = {**row, **dict.fromkeys(BOX)}
    if patch.pop("name", row.get("label")) != row.get("label"):
        patch.pop("label", None)
    for key, value in patch.items():
        if key not in ("attributes", "without") and not _is_column(key, value):
            raise (BrokenBoxError if key in BOX else BrokenRowError)(f"its datatools note has {value!r} as {key}")
    return {**row, **patch_fields(row, patch)}


def apply_record_patch(row: Row, patch: Any) -> Row:
    """The record `row` with `patch` applied; raises BrokenRowError for a patch that make_patch does not make."""
    patch = _checked(patch, RECORD_FIELDS)
    for key, value in patch.items():
        right = type(value) is int if key.endswith("_px") else isinstance(value, str)
        if key not in ("attributes", "without") and value is not None and not right:
            raise BrokenRowError(f"its datatools note has {value!r} as {key}")
    return {**row, **patch_fields(row, patch)}


def patch_fields(row: Row, patch: Row) -> Row:
    """The columns of `patch`, with the `attributes` of `row` changed as it says."""
    without, changed = patch.get("without", []), patch.get("attributes", {})
    if not isinstance(without, list) or not isinstance(changed, dict):
        raise BrokenRowError("its datatools note needs a list in 'without' and an object in 'attributes'")
    attributes = {key: value for key, value in row["attributes"].items() if key not in without} | changed
    return {key: value for key, value in patch.items() if key != "without"} | {"attributes": attributes}


def same_json(one: Any, other: Any) -> bool:
    """Whether two values are the same JSON, types included: 1 is not 1.0 and not true."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def _checked(patch: Any, known: frozenset[str]) -> Row:
    if not isinstance(patch, dict):
        raise BrokenRowError(f"its datatools note has {patch!r} where an object belongs")
    unknown = sorted(set(patch) - known)
    if unknown:
        raise BrokenRowError(f"its datatools note has the unknown field {unknown[0]!r}")
    return patch


def _is_column(name: str, value: Any) -> bool:
    if name in BOX:
        return value is None or is_number(value)
    if name == "instance":
        return type(value) is int
    if name == "kind":
        return value in KINDS
    return isinstance(value, str) or (value is None and name != "annotation_id")
