"""What it finds: a mask polygon that is not closed: its last point does not come back to its first.

Why it matters: tools close it with a straight line across the object, so the mask gains or loses a piece that nobody
drew. A polygon cut off in export looks just the same.

What to do: open the annotation, finish the outline, export again. Where the gap is at most a tenth of the length that was
drawn, the repair that is offered joins the ends.

Options: `validate.polygon_closure`. With `explicit` the last point must repeat the first. With `implicit` the format
closes polygons by itself (plain COCO does) and there is nothing to find. `auto` (default) follows the data: if more than
half of the polygons repeat their first point, those that do not are open.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from datatools.checks.base import Check, Inputs
from datatools.checks.drawing import mark_line
from datatools.checks.geometry import Objects, unpack
from datatools.checks.pairs import Bools, Floats, Index
from datatools.checks.polygons import Polygons
from datatools.findings import Finding, Offer
from datatools.masks import dump_mask
from datatools.params import ValidateParams

SMALL_GAP = 0.1  # share of the length drawn


def find_open_polygons(annotations: pd.DataFrame, params: ValidateParams) -> Iterator[Finding]:
    """Yield a finding for each polygon whose ends do not meet; the gap is given in pixels."""
    objects = unpack(annotations)
    if not len(objects.mask_rows):
        return
    rings = objects.polygons
    judged = rings.n_points >= 3
    is_open = judged & ~rings.is_closed
    explicit = params.polygon_closure == "explicit" or (
        params.polygon_closure == "auto" and is_open.sum() < judged.sum() / 2
    )
    if not explicit:
        return
    for index in np.flatnonzero(is_open):
        points = rings.ring(index)
        gap, drawn = _lengths(points)
        message = f"polygon {rings.part[index] + 1} is open: {gap:.1f} px between its ends, {drawn:.1f} px drawn"
        marks = [mark_line(points[-1], points[0])]
        yield objects.finding(rings.row[index], message, 0.0, marks, _offer(objects, rings, is_open, index))


def _lengths(points: Floats) -> tuple[float, float]:
    """The gap between the ends and the length of the outline without it, in pixels."""
    steps = np.linalg.norm(np.diff(points, axis=0), axis=1)
    return float(np.linalg.norm(points[0] - points[-1])), float(steps.sum())


def _offer(objects: Objects, rings: Polygons, is_open: Bools, index: Index) -> Offer | None:
    """The whole mask with every ring closed, if all its gaps are small."""
    position = rings.row[index]
    mates = objects.rings(position)
    lengths = [_lengths(rings.ring(mate)) for mate in mates[is_open[mates]]]
    if any(gap > SMALL_GAP * drawn for gap, drawn in lengths):
        return None
    closed = [[*(points := rings.ring(mate).tolist()), *points[: int(is_open[mate])]] for mate in mates]
    return Offer("edit_mask", objects.table["mask"].iat[position], dump_mask(closed))


def _off(inputs: Inputs) -> str:
    return "validate.polygon_closure is implicit" if inputs["params"].polygon_closure == "implicit" else ""


def _spoil(inputs: Inputs) -> Inputs:
    annotations = inputs["annotations"].copy()
    row = annotations["mask"].first_valid_index()
    annotations.loc[row, "mask"] = "[[[1,1],[9,1],[9,9],[1,9]]]"
    return {**inputs, "annotations": annotations}


CHECK = Check("MSK001", "open polygon", "error", find_open_polygons, _spoil, off=_off)
