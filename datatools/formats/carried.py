"""What LabelMe, CVAT and Label Studio files share: rows kept whole where a format cannot express them."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from datatools.dataset import label_id
from datatools.formats.base import Content, Loss, dump_attributes, is_number, load_attributes
from datatools.formats.rows import BrokenBoxError, BrokenRowError, broken_row, dump_row_attributes, mask_error
from datatools.masks import MAX_PIXELS, MaskError, Rle, dump_mask, from_array, parse_mask
from datatools.schema import ANNOTATIONS, BOX, KINDS

Row = dict[str, Any]
OWN = "datatools"  # the key of a document under which datatools keeps what the format has no place for
COMPRESSED = "the same pixels, with run lengths in COCO's compressed form"
GIVEN = "given"  # the annotator of an image label that names none


def rows_by_image(content: Content) -> tuple[dict[str, Row], dict[str, list[Row]], list[Loss]]:
    """Records by path, annotations by path (some image may have none), and the losses: annotations of no image, masks spelt anew."""
    records = {row["path"]: row for row in rows_of(content.records)}
    rows: dict[str, list[Row]] = {path: [] for path in records}
    losses = []
    for row in rows_of(content.annotations):
        if row["path"] is None:
            losses.append(Loss("path", "", row["annotation_id"], "names no image: left out"))
            continue
        mask = compress(row["mask"])
        if mask != row["mask"]:
            losses.append(Loss("mask", row["path"], row["annotation_id"], COMPRESSED))
        rows.setdefault(row["path"], []).append({**row, "mask": mask})
    return records, rows, losses


def compress(mask: Any) -> Any:
    """The text of a mask as it is read again: run lengths that are a list of numbers in COCO's compressed form."""
    if not isinstance(mask, str) or '"counts":[' not in mask:
        return mask
    try:
        found = parse_mask(mask)
    except MaskError:
        return mask
    return from_array(found.to_array()).to_json() if isinstance(found, Rle) else mask


def rows_of(table: pd.DataFrame) -> list[Row]:
    """Rows of a table in the order of their ids as people read them (#2 before #10); null is None."""
    frame = table.astype(object).where(table.notna(), None)
    rows: list[Row] = frame.to_dict("records")
    return sorted(rows, key=lambda row: _natural(row.get("annotation_id") or row["path"]))


def lose_extras(content: Content, own: str) -> list[Loss]:
    """The losses of what belongs to a whole data set in another format than `own`."""
    return [Loss(f"extras.{name}", "", message="no place: left out") for name in content.extras if name != own]


def pack_row(row: Row) -> Row:
    """An annotation as an object that JSON holds, without its path."""
    packed = {
        name: row[name] for name in ("annotation_id", "kind", "label", "annotator", "mask") if row[name] is not None
    }
    box = {name: row[name] for name in BOX if row[name] is not None and math.isfinite(row[name])}
    return {**packed, **box, "attributes": load_attributes(row["attributes"])}


class Collector:
    """The rows of one document as they are read, those that are rejected, and how many there were."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.rows: list[Row] = []
        self.rejected: list[Row] = []
        self.number = 0

    def refuse(self, path: str | None, why: str | BrokenRowError, reason: str = "") -> None:
        """Reject the next row of the document."""
        self.number += 1
        row = broken_row(self.source, self.number, path, why)
        self.rejected.append({**row, "reason": reason or row["reason"]})

    def take_packed(self, items: Iterable[Any], path: str) -> None:
        """Take in rows of an image as pack_row wrote them, for which the format has no place."""
        for item in items:
            try:
                row = unpack_row(item)
            except BrokenRowError as error:
                self.refuse(path, error)
                continue
            self.number += 1
            self.rows.append({**row, "path": path, "source": self.source})


def unpack_row(value: Any) -> Row:
    """The annotation in `value`, as pack_row made it; raises BrokenRowError for anything else."""
    if not isinstance(value, dict) or not isinstance(value.get("annotation_id"), str) or not value["annotation_id"]:
        raise BrokenRowError("a row of datatools needs an annotation_id")
    if value.get("kind") not in KINDS:
        raise BrokenRowError(f"kind must be one of {', '.join(KINDS)}, got {value.get('kind')!r}")
    for name in ("label", "annotator", "mask"):
        if not isinstance(value.get(name), str | None):
            raise BrokenRowError(f"{name} must be text, got {value[name]!r}")
    if not all(value.get(name) is None or is_number(value[name]) for name in BOX):
        raise BrokenBoxError("a box must be finite numbers")
    if not isinstance(value.get("attributes", {}), dict):
        raise BrokenRowError("attributes must be an object")
    try:
        parse_mask(value.get("mask") or "[]")
    except MaskError as error:
        raise mask_error(value["mask"], error) from error
    row = {name: value.get(name) for name in ("annotation_id", "kind", "label", "annotator", "mask", *BOX)}
    return {**row, "attributes": dump_row_attributes(value.get("attributes", {}))}


def pack_record(record: Row) -> Row:
    """An image's record as an object that JSON holds, without its path."""
    packed = {
        name: record[name] for name in ("width_px", "height_px", "subset", "metadata") if record[name] is not None
    }
    return {**packed, "attributes": load_attributes(record["attributes"])}


def unpack_record(value: Any) -> Row | None:
    """The record in `value`, as pack_record made it; None for anything else."""
    texts, numbers = ("subset", "metadata"), ("width_px", "height_px")
    if (
        not isinstance(value, dict)
        or not isinstance(value.get("attributes"), dict)
        or not all(isinstance(value.get(name), str | None) for name in texts)
        or not all(value.get(name) is None or is_size(value[name]) for name in numbers)
    ):
        return None
    return {
        **{name: value.get(name) for name in (*texts, *numbers)},
        "attributes": dump_attributes(value["attributes"]),
    }


def own_of(value: Any) -> Row:
    """What datatools keeps with one annotation: id, annotator, box, size and attributes; raises BrokenRowError."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise BrokenRowError(f"{OWN} must be an object")
    if not all(isinstance(value.get(name), str | None) for name in ("id", "annotator")) or value.get("id") == "":
        raise BrokenRowError(f"{OWN}: id and annotator must be text")
    box, size = value.get("box"), value.get("size")
    if box is not None and not (isinstance(box, list) and len(box) == 4 and all(map(is_number, box))):
        raise BrokenBoxError(f"{OWN}: box must be four finite numbers")
    if size is not None and not (isinstance(size, list) and len(size) == 2 and all(map(is_size, size))):
        raise BrokenRowError(f"{OWN}: size must be [height, width]")
    if not isinstance(value.get("attributes", {}), dict) or not isinstance(value.get("ring"), int | None):
        raise BrokenRowError(f"{OWN}: attributes must be an object and ring a number")
    return value


def same_row(one: Row, other: Row, table: Iterable[str] = ANNOTATIONS.columns) -> bool:
    """Whether two rows of a table say the same, `source` aside."""
    return all(_comparable(one, name) == _comparable(other, name) for name in table if name != "source")


def lose_row(row: Row, path: str, again: Row, title: str) -> list[Loss]:
    """The losses of a row that is kept whole under the key datatools and comes back as `again`."""
    name = row["annotation_id"]
    what = (
        load_attributes(row["attributes"]).get("shape", "shape like this")
        if row["kind"] == "shape"
        else f"{row['kind']} like this"
    )
    losses = [Loss("kind", path, name, f"{title} has no {what}: kept under {OWN!r}, which it does not show")]
    columns = [column for column in ANNOTATIONS.columns if column not in ("path", "source")]
    return losses + [
        Loss(column, path, name, "cannot be kept") for column in columns if not same_row(row, again, [column])
    ]


def join_rings(found: Sequence[tuple[Row, int | None]]) -> list[Row]:
    """Rows from (row, which ring of its mask it is): polygons of the same id become one mask."""
    rows: list[Row] = []
    parts: dict[str, list[tuple[int, Row]]] = {}
    for row, ring in found:
        if ring is None or not str(row["mask"]).startswith("["):
            rows.append(row)
        else:
            parts.setdefault(row["annotation_id"], []).append((ring, row))
    for rings in parts.values():
        ordered = [row for _, row in sorted(rings, key=lambda part: part[0])]
        joined = [ring for row in ordered for ring in json.loads(row["mask"])]
        rows.append({**ordered[0], "mask": dump_mask(joined)})
    return rows


def first_free_group(rows: list[Row]) -> int:
    """The first `group_id` above those of all `rows`."""
    taken = [load_attributes(row["attributes"]).get("group_id") for row in rows]
    return 1 + max((value for value in taken if type(value) is int), default=0)


def choices_label(names: Sequence[str], path: str, annotator: str) -> Row:
    """The image's label by `annotator`; several names: label null, `attributes.choices` has them all."""
    one = len(names) == 1
    return {
        "annotation_id": label_id(path, annotator),
        "path": path,
        "label": names[0] if one else None,
        "kind": "label",
        "annotator": annotator,
        "attributes": "{}" if one else dump_attributes({"choices": list(names)}),
    }


def is_size(value: Any) -> bool:
    """Whether `value` is a side of an image: a whole number from 1."""
    return type(value) is int and 0 < value < 2**31


def is_points(value: Any, counts: range = range(1, MAX_PIXELS)) -> bool:
    """Whether `value` is a list of `[x, y]`, as many as `counts` allows."""
    return (
        isinstance(value, list)
        and len(value) in counts
        and all(isinstance(point, list) and len(point) == 2 and all(map(is_number, point)) for point in value)
    )


def floats(points: list[list[float]]) -> list[list[float]]:
    """A ring as the `mask` column keeps it."""
    return [[float(x), float(y)] for x, y in points]


def place_mask(pixels: NDArray[Any], corner_xy: tuple[int, int], size_hw: tuple[int, int]) -> Rle:
    """`pixels` `(height, width)` with their top left corner at `corner_xy`, in an image of `size_hw`; the rest is cut off.

    Takes time and memory for `pixels`, not for the image: a small file may declare a huge one, many times over.
    """
    (x, y), (height, width) = corner_xy, size_hw
    rows, columns = (slice(max(0, -at), max(0, side - at)) for at, side in ((y, height), (x, width)))
    column, row = np.nonzero(pixels[rows, columns].T)
    at = (column + max(x, 0)) * height + row + max(y, 0)  # down the columns, as run lengths count
    ends = np.flatnonzero(np.diff(at) != 1)
    starts = at[np.concatenate([[0], ends + 1])] if at.size else at
    stops = at[np.concatenate([ends, [-1]])] + 1 if at.size else at
    edges = np.concatenate([[0], np.stack([starts, stops], axis=1).ravel(), [height * width]])
    counts = np.diff(edges).tolist()
    return Rle(size_hw, tuple(counts if counts[-1] else counts[:-1]))


def crop_mask(rle: Rle) -> tuple[int, int, NDArray[np.bool_]]:
    """`x`, `y` of the foreground's top left corner and its pixels; one background pixel for an empty mask."""
    x0, y0, x1, y1 = map(int, rle.bounds() or (0, 0, 1, 1))
    return x0, y0, rle.to_array()[y0:y1, x0:x1]


def _comparable(row: Row, name: str) -> Any:
    value = row.get(name)
    return dump_attributes(load_attributes(value)) if name in ("attributes", "metadata") else value


def _natural(text: str) -> list[tuple[str, int]]:
    return [(words, int(digits or 0)) for words, digits in re.findall(r"(\D*)(\d*)", text, re.ASCII)]
