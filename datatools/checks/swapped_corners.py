"""What it finds: a box whose second corner lies left of or above its first: negative width or height.

Why it matters: trainers drop such a box, turn it into an empty one, or crash; the object counts as background.

What to do: exchange the corners in the annotation file. Nearly always the numbers are right and only their order is not.

Options: none.
"""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from datatools.checks.base import Check, Inputs
from datatools.findings import Finding
from datatools.schema import BOX


def find_swapped_corners(annotations: pd.DataFrame) -> Iterator[Finding]:
    """Yield a finding for each box with x1 < x0 or y1 < y0, in pixels."""
    boxes = annotations.dropna(subset=BOX)
    swapped = boxes[(boxes["x1_px"] < boxes["x0_px"]) | (boxes["y1_px"] < boxes["y0_px"])]
    for row in swapped.itertuples():
        corners = f"({row.x0_px:g}, {row.y0_px:g}) to ({row.x1_px:g}, {row.y1_px:g})"
        yield Finding(f"corners are out of order: {corners}", row.path, row.annotation_id)


def _spoil(inputs: Inputs) -> Inputs:
    annotations = inputs["annotations"].copy()
    row = annotations["x0_px"].first_valid_index()
    annotations.loc[row, ["x0_px", "x1_px"]] = annotations.loc[row, ["x1_px", "x0_px"]].tolist()
    return {**inputs, "annotations": annotations}


CHECK = Check("BOX001", "box corners out of order", "error", find_swapped_corners, _spoil)
