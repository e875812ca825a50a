"""What it finds: a box without area: its width or its height is zero.

Why it matters: it marks nothing. Losses divide by its area, and augmentation drops it in silence.

What to do: draw the box again or delete it. It is mostly a click without a drag.

Options: none.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from datatools.checks.base import Check, Inputs
from datatools.checks.drawing import mark_line, mark_point
from datatools.checks.geometry import unpack
from datatools.findings import Finding


def find_empty_boxes(annotations: pd.DataFrame) -> Iterator[Finding]:
    """Yield a finding for each box with x0 = x1 or y0 = y1, in pixels."""
    objects = unpack(annotations)
    low, high = objects.boxes[:, :2], objects.boxes[:, 2:]
    for position in np.flatnonzero((objects.sides[:, 0] == 0) | (objects.sides[:, 1] == 0)):
        one, other = low[position], high[position]
        mark = mark_point(one) if (one == other).all() else mark_line(one, other)
        message = f"has no area: {other[0] - one[0]:g} x {other[1] - one[1]:g} px"
        yield objects.finding(position, message, marks=[mark])


def _spoil(inputs: Inputs) -> Inputs:
    annotations = inputs["annotations"].copy()
    row = annotations["x0_px"].first_valid_index()
    annotations.loc[row, "x1_px"] = annotations.loc[row, "x0_px"]
    return {**inputs, "annotations": annotations}


CHECK = Check("BOX003", "box without area", "error", find_empty_boxes, _spoil)
