"""What it finds: a box whose second corner lies left of or above its first: negative width or height.

Why it matters: trainers drop such a box, turn it into an empty one, or crash; the object counts as background.

What to do: exchange the corners. Nearly always the numbers are right and only their order is not: the repair that is offered
puts them in order (`datatools fixes accept BOX001 --why ...`).

Options: none.
"""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from datatools.checks.base import Check, Inputs
from datatools.checks.drawing import mark_box, offer_box
from datatools.checks.geometry import unpack
from datatools.findings import Finding


def find_swapped_corners(annotations: pd.DataFrame) -> Iterator[Finding]:
    """Yield a finding for each box with x1 < x0 or y1 < y0, in pixels."""
    objects = unpack(annotations)
    corners, boxes = objects.corners, objects.boxes
    for position in objects.swapped:
        given, ordered = corners[position], boxes[position]
        x0, y0, x1, y1 = given
        offer = offer_box(given, ordered) if objects.areas[position] > 0 else None
        message = f"corners are out of order: ({x0:g}, {y0:g}) to ({x1:g}, {y1:g})"
        yield objects.finding(position, message, marks=[mark_box(ordered)], offer=offer)


def _spoil(inputs: Inputs) -> Inputs:
    annotations = inputs["annotations"].copy()
    row = annotations["x0_px"].first_valid_index()
    annotations.loc[row, ["x0_px", "x1_px"]] = annotations.loc[row, ["x1_px", "x0_px"]].tolist()
    return {**inputs, "annotations": annotations}


CHECK = Check("BOX001", "box corners out of order", "error", find_swapped_corners, _spoil)
