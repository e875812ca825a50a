"""What a fix record changes in an annotation, as the text that its `before` and `after` hold.

A label is the label itself; a box is a JSON list `[x0, y0, x1, y1]` in pixels; a mask is the text of the `mask` column.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping
from typing import Any

import pandas as pd

from datatools.masks import MaskError, parse_mask
from datatools.schema import BOX

KIND_OF = {"relabel": "label", "confirm": "label", "delete": "label", "move_box": "box", "edit_mask": "mask"}
KINDS = ("label", "box", "mask")
Values = dict[str, str | None]  # annotation id -> text


def read_values(annotations: pd.DataFrame, kind: str, ids: Collection[str] | None = None) -> Values:
    """The values of one of KINDS by annotation id; only of `ids` where given."""
    rows = annotations if ids is None else annotations[annotations["annotation_id"].isin(list(ids))]
    names = rows["annotation_id"].tolist()
    if kind == "box":
        return dict(zip(names, map(write_box, rows[BOX].to_numpy(float).tolist()), strict=True))
    return dict(zip(names, rows[kind].astype(object).where(rows[kind].notna(), None).tolist(), strict=True))


def write_values(annotations: pd.DataFrame, kind: str, changed: Mapping[str, str | None]) -> pd.DataFrame:
    """A copy of `annotations` with the values of `changed` (annotation id -> text) in place."""
    if not changed:
        return annotations
    ids = annotations["annotation_id"]
    here = ids.isin(list(changed))
    texts = [changed[name] for name in ids[here]]
    result = annotations.copy()
    if kind == "box":
        result.loc[here, BOX] = [parse_box(text) for text in texts]
    else:
        result.loc[here, kind] = pd.array(texts, dtype="string")
    return result


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
