"""What differs between annotations that are one: label, box, mask, annotator, attributes."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from datatools.agreement.matching import box_iou, collect_objects, find_overlaps
from datatools.checks.geometry import unpack
from datatools.diff.changes import Change, Value
from datatools.masks import MaskError, dump_mask, parse_mask
from datatools.schema import BOX

Row = Mapping[str, Any]
COLUMNS = ["annotation_id", "path", "label", "kind", *BOX, "mask", "annotator", "attributes"]
LEAST = 1e-12  # overlap that is one


def list_pair_changes(before: pd.DataFrame, after: pd.DataFrame) -> Iterator[Change]:
    """The changes of annotations, row by row the same ones; `path` and ids are those of `after`."""
    ious = measure_ious(before, after)
    for old, new, iou in zip(list_rows(before), list_rows(after), ious.tolist(), strict=True):
        yield from _compare(old, new, None if math.isnan(iou) else iou)


def list_single_changes(rows: pd.DataFrame, kind: str) -> Iterator[Change]:
    """A change of `kind`, annotation added or annotation removed, for each row."""
    for row in list_rows(rows):
        value = {name: row[name] for name in ("label", "kind", "box", "mask", "annotator")}
        one, two = (None, value) if kind == "annotation added" else (value, None)
        about = (row["path"], row["annotation_id"])
        yield Change(kind, *about, one, two, _labels(row), annotator=row["annotator"], box=row["box"])


def list_rows(table: pd.DataFrame) -> Iterator[Row]:
    """The rows as plain values: None for a null, `box` as a tuple of four or None."""
    names = [name for name in COLUMNS if name not in BOX]
    columns = [table[name].astype(object).where(table[name].notna(), None).tolist() for name in names]
    for box, *values in zip(table[BOX].to_numpy(float).tolist(), *columns, strict=True):
        yield {**dict(zip(names, values, strict=True)), "box": _to_box(box)}


def _to_box(xyxy: list[float]) -> tuple[float | None, ...] | None:
    box = tuple(None if math.isnan(side) else side for side in xyxy)
    return None if box == (None, None, None, None) else box


def _compare(old: Row, new: Row, iou: float | None) -> Iterator[Change]:
    about = (new["path"], new["annotation_id"])
    labels = tuple(dict.fromkeys((*_labels(old), *_labels(new))))
    rest: dict[str, Any] = {"annotator": new["annotator"], "box": new["box"]}
    if old["label"] != new["label"]:
        yield Change("relabelled", *about, old["label"], new["label"], labels, **rest)
    if old["kind"] != new["kind"] or not is_same_mask(old["mask"], new["mask"]):
        yield Change("reshaped", *about, _shape(old), _shape(new), labels, iou, **rest)
    elif old["box"] != new["box"]:
        yield Change("moved", *about, old["box"], new["box"], labels, iou, **rest)
    if old["annotator"] != new["annotator"]:
        yield Change("annotator changed", *about, old["annotator"], new["annotator"], labels, **rest)
    one, other = find_different(parse_object(old["attributes"]), parse_object(new["attributes"]))
    if one or other:
        yield Change("attributes changed", *about, one, other, labels, **rest)


def _labels(row: Row) -> tuple[str, ...]:
    return () if row["label"] is None else (row["label"],)


def _shape(row: Row) -> Value:
    return row["box"] if row["mask"] is None else row["mask"]


def is_same_mask(one: str | None, other: str | None) -> bool:
    """Whether two texts are the same polygons or run lengths, number by number, however they are written."""
    if one == other or one is None or other is None:
        return one == other
    try:
        return parse_mask(one) == parse_mask(other)
    except MaskError:
        return False


def parse_object(text: str | None) -> dict[str, Any]:
    """The JSON object in a cell; what is none is kept under the name `text`."""
    try:
        value = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return {"text": text}
    return value if isinstance(value, dict) else {"text": text}


def find_different(one: Mapping[str, Any], other: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Of two objects the fields that the other has not, or has with another value."""
    return (
        {key: value for key, value in one.items() if key not in other or not _is_equal(other[key], value)},
        {key: value for key, value in other.items() if key not in one or not _is_equal(one[key], value)},
    )


def is_same_text(one: pd.Series, other: pd.Series) -> NDArray[np.bool_]:
    """Whether the values of two columns are the same, row by row; a null is equal to a null."""
    codes = pd.factorize(pd.concat([one.astype("string"), other.astype("string")], ignore_index=True))[0]
    return np.asarray(codes[: len(one)] == codes[len(one) :])


def _is_equal(one: Any, other: Any) -> bool:
    """Equal, and both or neither true or false: Python takes True for 1."""
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)


def measure_ious(before: pd.DataFrame, after: pd.DataFrame) -> NDArray[np.float64]:
    """IoU of each row with its partner: of the masks where these differ, else of the boxes. NaN where one has no area."""
    boxes = [_ordered(side[BOX].to_numpy(float)) for side in (before, after)]
    drawn = np.flatnonzero(~is_same_text(before["mask"], after["mask"]))
    with np.errstate(invalid="ignore"):
        ious = np.where(_has_area(boxes[0]) & _has_area(boxes[1]), box_iou(*boxes), np.nan)
    if len(drawn):
        ious[drawn] = _mask_ious(before.iloc[drawn], after.iloc[drawn])
    return ious


def _mask_ious(before: pd.DataFrame, after: pd.DataFrame) -> NDArray[np.float64]:
    table = pd.concat([before, after], ignore_index=True)[COLUMNS].assign(source=pd.NA)
    n = len(before)
    table["mask"] = table["mask"].where(table["mask"].notna(), _as_masks(table[table["mask"].isna()]))
    pair, side = np.tile(np.arange(n), 2), np.repeat([0, 1], n)
    objects = collect_objects(unpack(table), np.arange(2 * n), pair, side, np.zeros(2 * n, np.int64), "mask")
    overlaps = find_overlaps(objects, LEAST)
    ious = np.full(n, np.nan)
    counts = np.bincount(objects.image, minlength=n)
    ious[counts == 2] = 0.0
    ious[objects.image[overlaps.one]] = overlaps.iou
    return ious


def _as_masks(rows: pd.DataFrame) -> pd.Series:
    """The boxes as polygons."""
    texts = [
        dump_mask([[[x0, y0], [x1, y0], [x1, y1], [x0, y1]]]) if math.isfinite(x0 + y0 + x1 + y1) else None
        for x0, y0, x1, y1 in rows[BOX].to_numpy(float).tolist()
    ]
    return pd.Series(texts, rows.index, dtype="string")


def _ordered(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.concatenate([np.minimum(boxes[:, :2], boxes[:, 2:]), np.maximum(boxes[:, :2], boxes[:, 2:])], axis=1)


def _has_area(boxes: NDArray[np.float64]) -> NDArray[np.bool_]:
    return np.asarray((boxes[:, 2:] - boxes[:, :2] > 0).all(axis=1))
