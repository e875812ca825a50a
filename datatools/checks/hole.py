"""What it finds: a mask with a hole, in a class whose masks have none.

Why it matters: the hole is background to every trainer. Brushes leave such gaps inside an object, and nobody sees them at
usual zoom.

What to do: fill the hole, unless one sees through the object there.

Options: `validate.holes`. `auto` (default) follows the data: a hole is odd in a class with at least 20 masks of which at
most 2 % have one. With `odd` every hole is found, with `allowed` none. A polygon that lies inside another one of the same
mask is taken for a hole; in run lengths a hole is background with no way out.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import pandas as pd

from datatools.checks.base import Check, Inputs
from datatools.checks.drawing import mark_box, mark_polygon
from datatools.checks.geometry import Objects, unpack
from datatools.checks.pairs import Index, find_odd
from datatools.findings import Finding, Mark
from datatools.params import ValidateParams
from datatools.run_lengths import list_holes


def find_holes(annotations: pd.DataFrame, params: ValidateParams) -> Iterator[Finding]:
    """Yield a finding for each mask with a hole where that is odd; sizes are in pixels."""
    objects = unpack(annotations)
    rows = objects.mask_rows
    if not len(rows):
        return
    has_hole, classes = objects.n_holes[rows] > 0, objects.classes[rows]
    for index in find_odd(has_hole, classes, params.holes):
        position = rows[index]
        n_holes, smallest, marks = objects.n_holes[position], *_holes(objects, position)
        what = f"a hole of {smallest:g} px" if n_holes == 1 else f"{n_holes} holes, the smallest of {smallest:g} px"
        mates = classes == classes[index]
        message = f"has {what}; of {mates.sum()} masks of its class {has_hole[mates].sum()} have any"
        yield objects.finding(position, message, marks=marks)


def _holes(objects: Objects, position: Index) -> tuple[float, list[Mark]]:
    """The area of the smallest hole, and the holes to draw."""
    if position in objects.rles:
        holes = list_holes(objects.rles[int(position)].to_array())
        return holes[0][0], [mark_box(bounds) for _, bounds in holes]
    rings = objects.polygons
    inner = objects.rings(position)
    inner = inner[rings.is_hole[inner]]
    return min(shape.area for shape in rings.shapes[inner]), [mark_polygon(rings.ring(index)) for index in inner]


def _off(inputs: Inputs) -> str:
    return "validate.holes is allowed" if inputs["params"].holes == "allowed" else ""


def _spoil(inputs: Inputs) -> Inputs:
    annotations = inputs["annotations"].copy()
    row = annotations["mask"].first_valid_index()
    annotations.loc[row, "mask"] = (
        "[[[10,10],[30,10],[30,30],[10,30],[10,10]],[[15,15],[20,15],[20,20],[15,20],[15,15]]]"
    )
    return {**inputs, "annotations": annotations, "params": dataclasses.replace(inputs["params"], holes="odd")}


CHECK = Check("MSK005", "hole in a mask", "info", find_holes, _spoil, off=_off)
