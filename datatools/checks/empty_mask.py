"""What it finds: a mask that covers nothing: no polygon, no foreground, or polygons that enclose less than half a pixel.

Why it matters: the object is counted, but has no pixel to learn from; losses divide by its area.

What to do: draw the mask again or delete the annotation. It is mostly a click that a tool saved.

Options: none. Polygons of fewer than three points are MSK004.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
import shapely

from datatools.checks.base import Check, Inputs
from datatools.checks.drawing import mark_box
from datatools.checks.geometry import Objects, unpack
from datatools.checks.pairs import Index
from datatools.checks.polygons import Polygons
from datatools.findings import Finding

LEAST_AREA = 0.5  # square pixels: less covers no centre of a pixel, wherever it lies


def find_empty_masks(annotations: pd.DataFrame) -> Iterator[Finding]:
    """Yield a finding for each annotation whose mask has no area."""
    objects = unpack(annotations)
    missing = objects.is_kind("mask")
    missing[objects.masked[0]] = False
    for position in np.flatnonzero(missing):
        yield objects.finding(position, "is a mask, but has none")
    if not len(objects.mask_rows):
        return
    for empty in objects.run_rows[objects.runs.n_pixels == 0]:
        yield objects.finding(empty, "has an empty mask: no pixel is foreground")
    rings = objects.polygons
    without = np.isin(objects.mask_rows, np.concatenate([objects.run_rows, rings.row[rings.n_points > 0]]), invert=True)
    for empty in objects.mask_rows[without]:
        yield objects.finding(empty, "has an empty mask: no polygon")
    for small, area in _small(objects, rings):
        marks = [mark_box(objects.mask_bounds[small])]
        yield objects.finding(small, f"has an empty mask: its polygons enclose {area:.2g} px", marks=marks)


def _small(objects: Objects, rings: Polygons) -> Iterator[tuple[Index, float]]:
    """Masks all of whose rings have points for an area, but enclose next to none."""
    signed = shapely.area(rings.shapes)
    maybe = np.bincount(rings.row, ~(signed < LEAST_AREA), len(objects.table)) == 0
    for position in np.unique(rings.row[maybe[rings.row]]):
        area = shapely.area(shapely.make_valid(rings.shapes[objects.rings(position)])).sum()
        if area < LEAST_AREA:
            yield position, float(area)


def _spoil(inputs: Inputs) -> Inputs:
    annotations = inputs["annotations"].copy()
    annotations.loc[annotations["mask"].first_valid_index(), "mask"] = "[]"
    return {**inputs, "annotations": annotations}


CHECK = Check("MSK007", "empty mask", "error", find_empty_masks, _spoil)
