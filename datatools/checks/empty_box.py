"""What it finds: a box without area: its width or its height is zero.

Why it matters: it marks nothing. Losses divide by its area, and augmentation drops it in silence.

What to do: draw the box again or delete it. It is mostly a click without a drag.

Options: none.
"""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from datatools.checks.base import Check, Inputs
from datatools.findings import Finding
from datatools.schema import BOX


def find_empty_boxes(annotations: pd.DataFrame) -> Iterator[Finding]:
    """Yield a finding for each box with x0 = x1 or y0 = y1, in pixels."""
    boxes = annotations.dropna(subset=BOX)
    empty = boxes[(boxes["x1_px"] == boxes["x0_px"]) | (boxes["y1_px"] == boxes["y0_px"])]
    for row in empty.itertuples():
        size = f"{abs(row.x1_px - row.x0_px):g} x {abs(row.y1_px - row.y0_px):g}"
        yield Finding(f"has no area: {size} px", row.path, row.annotation_id)


def _spoil(inputs: Inputs) -> Inputs:
    annotations = inputs["annotations"].copy()
    row = annotations["x0_px"].first_valid_index()
    annotations.loc[row, "x1_px"] = annotations.loc[row, "x0_px"]
    return {**inputs, "annotations": annotations}


CHECK = Check("BOX003", "box without area", "error", find_empty_boxes, _spoil)
