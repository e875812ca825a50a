"""What it finds: a box or point with a coordinate that is no number (NaN, infinite, text) or is missing.

Why it matters: one NaN in a batch makes the loss NaN and ends the training; other loaders drop the object in silence, and
the model is punished for finding it.

What to do: draw the box again, or delete the annotation in its file. A row that could not be taken in is left out and
listed in `data/dataset/rejected.parquet`; the message names its file and row.

Options: none. NaN is no JSON, though Python writes it: such an annotation of COCO, LabelMe or Label Studio costs its row,
not its file.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from datatools.checks.base import Check, Inputs
from datatools.checks.geometry import unpack
from datatools.findings import Finding
from datatools.left_out import find_left_out
from datatools.schema import BOX, REJECTED

CODE = "BOX004"
NAMES = ("x0", "y0", "x1", "y1")


def find_broken_boxes(annotations: pd.DataFrame, rejected: pd.DataFrame) -> Iterator[Finding]:
    """Yield a finding for each box that was left out for its coordinates, and for each that lacks some here."""
    yield from find_left_out(rejected, CODE)
    objects = unpack(annotations)
    rows = np.flatnonzero(np.isnan(objects.corners[:, 0]))
    if not len(rows):
        return
    missing = ~np.isfinite(annotations[BOX].iloc[rows].to_numpy(dtype=float, na_value=np.nan))
    n_missing = missing.sum(axis=1)
    for index in np.flatnonzero(objects.is_box[rows] | (n_missing < len(BOX))).tolist():
        gone = "four coordinates" if n_missing[index] == len(BOX) else _list(missing[index])
        yield objects.finding(rows[index], f"the box has no {gone}")


def _list(missing: np.ndarray) -> str:
    names = [name for name, is_missing in zip(NAMES, missing, strict=True) if is_missing]
    return " and no ".join(names)


def _spoil(inputs: Inputs) -> Inputs:
    annotations = inputs["annotations"].copy()
    annotations.loc[annotations["x0_px"].first_valid_index(), "x0_px"] = np.nan
    message = "bbox must be four finite numbers, got [1, 2, nan, 4]"
    row = {"source": "annotations.json", "row": 7, "path": inputs["images"]["path"].iloc[0], "reason": CODE}
    return {
        **inputs,
        "annotations": annotations,
        "rejected": REJECTED.conform([{**row, "message": message.replace("nan", "'?'")}]),
    }


CHECK = Check(CODE, "coordinate that is no number", "error", find_broken_boxes, _spoil)
