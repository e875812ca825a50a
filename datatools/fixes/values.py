"""What a fix record changes in an annotation, as the text that its `before` and `after` hold.

A label is the label itself; a box is a JSON list `[x0, y0, x1, y1]` in pixels; a mask is the text of the `mask` column.
An added annotation is a JSON object with `kind` (box or mask), `label`, `box` and `mask`, the last two as just said.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from datatools.masks import MaskError, parse_mask
from datatools.packed import among
from datatools.schema import BOX

KIND_OF = {
    "relabel": "label",
    "confirm": "label",
    "add": "label",
    "delete": "label",
    "move_box": "box",
    "edit_mask": "mask",
}
KINDS = ("label", "box", "mask")
Values = dict[str, str | None]  # annotation id -> text


def read_values(annotations: pd.DataFrame, kind: str, ids: Collection[str] | None = None) -> Values:
    """The values of one of KINDS by annotation id; only of `ids` where given."""
    rows = annotations if ids is None else annotations[among(annotations["annotation_id"], frozenset(ids))]
    names = rows["annotation_id"].tolist()
    if kind == "box":
        return dict(zip(names, map(write_box, rows[BOX].to_numpy(float).tolist()), strict=True))
    return dict(zip(names, rows[kind].astype(object).where(rows[kind].notna(), None).tolist(), strict=True))


def write_values(annotations: pd.DataFrame, kind: str, changed: Mapping[str, str | None]) -> pd.DataFrame:
    """A copy of `annotations` with the values of `changed` (annotation id -> text) in place."""
    if not changed:
        return annotations
    ids = annotations["annotation_id"]
    here = among(ids, changed)
    texts = [changed[name] for name in ids[here].tolist()]
    result = annotations.copy(deep=False)  # pandas copies a column when it changes
    if kind == "box":
        result.loc[here, BOX] = [parse_box(text) for text in texts]
    else:
        result.loc[here, kind] = pd.array(texts, dtype="string")
    return result


@dataclass(frozen=True)
class NewAnnotation:
    """An annotation that a person added: `kind` box or mask; `xyxy` four pixels, not-a-number where there is no box."""

    kind: str
    label: str | None
    xyxy: Sequence[float]
    mask: str | None


def parse_new(text: str | None) -> NewAnnotation:
    """The annotation of an `add` record. Raises ValueError that says what is wrong with it."""
    value = json.loads(text or "")
    if not isinstance(value, dict) or not set(value) <= {"kind", "label", "box", "mask"}:
        raise ValueError("an added annotation is an object with kind, label, box and mask")
    kind, label, box, mask = (value.get(name) for name in ("kind", "label", "box", "mask"))
    if kind not in ("box", "mask") or not isinstance(label, str | None) or (box if kind == "box" else mask) is None:
        raise ValueError(f"an added annotation is a box with a box or a mask with a mask, got {text!r:.100}")
    xyxy = parse_box(None if box is None else json.dumps(box))
    if box is not None and not all(map(math.isfinite, xyxy)):
        raise ValueError(f"{box!r} is no box [x0, y0, x1, y1]")
    if mask is not None:
        parse_mask(mask)
    return NewAnnotation(kind, label, xyxy, mask)


def write_box(xyxy: Any) -> str | None:
    """Four numbers as a record has them; None where there is no box."""
    return None if all(math.isnan(value) for value in xyxy) else json.dumps([float(value) for value in xyxy])


def parse_box(text: str | None) -> list[float]:
    """Four floats; not-a-number for no box. Raises ValueError for anything else."""
    if text is None:
        return [math.nan] * 4
    value = json.loads(text)
    if not isinstance(value, list) or len(value) != 4 or not all(type(side) in (int, float) for side in value):
        raise ValueError(f"{text!r} is no box [x0, y0, x1, y1]")
    return [float(side) for side in value]


def check_value(kind: str, text: str | None) -> str:
    """Why `text` cannot become a value of this kind; empty if it can."""
    try:
        if kind == "box" and not all(map(math.isfinite, parse_box(text))):
            return f"{text!r} is no box [x0, y0, x1, y1]"
        if kind == "mask" and text is not None:
            parse_mask(text)
    except (MaskError, ValueError, RecursionError) as error:
        return str(error)
    return ""


def is_same(kind: str, one: str | None, other: str | None) -> bool:
    """Whether two texts mean the same value: boxes and masks by their numbers."""
    if one == other or kind == "label" or one is None or other is None:
        return one == other
    try:
        return bool(json.loads(one) == json.loads(other))
    except (ValueError, RecursionError):
        return False
