"""What it finds: a box that reaches over the edge of its image.

Why it matters: part of the box has no pixels; crops fail or are padded, and IoU with a prediction can never be 1.

What to do: clip the box, or check whether it was drawn on an image of another size (see IMG002).

Options: `validate.tolerance_px`: how far over the edge is still fine (default 0.5, for rounding). Corners out of order
(BOX001) are put in order first.
"""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from datatools.checks.base import Check, Inputs
from datatools.checks.geometry import ordered_boxes, with_sizes
from datatools.findings import Finding
from datatools.params import ValidateParams


def find_boxes_outside(annotations: pd.DataFrame, images: pd.DataFrame, params: ValidateParams) -> Iterator[Finding]:
    """Yield a finding for each box that stands more than the tolerance over an edge, in pixels."""
    boxes = with_sizes(ordered_boxes(annotations), images)
    over = pd.concat(
        [-boxes["x0_px"], -boxes["y0_px"], boxes["x1_px"] - boxes["width_px"], boxes["y1_px"] - boxes["height_px"]],
        axis=1,
    ).max(axis=1)
    outside = boxes.assign(over=over)[over > params.tolerance_px]
    for row in outside.itertuples():
        yield Finding(
            f"reaches {row.over:g} px over the edge of its {row.width_px} x {row.height_px} image",
            row.path,
            row.annotation_id,
        )


def _spoil(inputs: Inputs) -> Inputs:
    annotations = inputs["annotations"].copy()
    row = annotations["x0_px"].first_valid_index()
    annotations.loc[row, "x1_px"] += 1000
    return {**inputs, "annotations": annotations}


CHECK = Check("BOX002", "box outside the image", "error", find_boxes_outside, _spoil)
