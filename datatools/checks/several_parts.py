"""What it finds: a mask of several parts, in a class whose masks are in one piece.

Why it matters: a stray speck of the brush moves the box of the object to the speck, and two objects in one mask count as
one.

What to do: erase the speck, or make two annotations. An object that another one hides in the middle may stay in parts.

Options: `validate.parts`. `auto` (default) follows the data: several parts are odd in a class with at least 20 masks of
which at most 2 % have several. With `odd` all are found, with `allowed` none. Parts that share a point, if only a corner,
are one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
import shapely

from datatools.checks.base import Check, Inputs
from datatools.checks.drawing import mark_box
from datatools.checks.geometry import Objects, unpack
from datatools.checks.pairs import Index, find_odd
from datatools.findings import Finding
from datatools.params import ValidateParams
from datatools.run_lengths import list_regions

Region = tuple[float, tuple[float, ...]]


def find_several_parts(annotations: pd.DataFrame, params: ValidateParams) -> Iterator[Finding]:
    """Yield a finding for each mask in several parts where that is odd; sizes are in pixels."""
    objects = unpack(annotations)
    rows = objects.mask_rows
    if not len(rows):
        return
    several, classes = objects.n_parts[rows] > 1, objects.classes[rows]
    for index in find_odd(several, classes, params.parts):
        *small, largest = _regions(objects, rows[index])
        sizes = f"the smallest of {small[0][0]:g} px, the largest of {largest[0]:g} px"
        mates = classes == classes[index]
        habit = f"of {mates.sum()} masks of its class {several[mates].sum()} have several"
        message = f"has {len(small) + 1} parts, {sizes}; {habit}"
        yield objects.finding(rows[index], message, marks=[mark_box(bounds) for _, bounds in small])


def _regions(objects: Objects, position: Index) -> Sequence[Region]:
    """Area and bounds of each part, the smallest first."""
    if position in objects.rles:
        return list_regions(objects.rles[int(position)].to_array())
    rings, mates = objects.polygons, objects.rings(position)
    mates = mates[rings.is_simple[mates]]
    areas, bounds = np.where(rings.is_hole[mates], -1, 1) * shapely.area(rings.shapes[mates]), rings.bounds[mates]
    parts = [rings.parts[mates] == part for part in np.unique(rings.parts[mates])]
    return sorted(
        (float(areas[part].sum()), (*bounds[part, :2].min(axis=0).tolist(), *bounds[part, 2:].max(axis=0).tolist()))
        for part in parts
    )


def _off(inputs: Inputs) -> str:
    return "validate.parts is allowed" if inputs["params"].parts == "allowed" else ""


def _spoil(inputs: Inputs) -> Inputs:
    annotations = inputs["annotations"].copy()
    row = annotations["mask"].first_valid_index()
    annotations.loc[row, "mask"] = "[[[10,10],[30,10],[30,30],[10,10]],[[40,40],[42,40],[42,42],[40,40]]]"
    return {**inputs, "annotations": annotations, "params": dataclasses.replace(inputs["params"], parts="odd")}


CHECK = Check("MSK006", "mask in several parts", "info", find_several_parts, _spoil, off=_off)
