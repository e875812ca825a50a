"""What it finds: a mask polygon whose outline crosses itself.

Why it matters: inside and outside change places at a crossing; area, IoU and rasterised masks come out differently in
every tool.

What to do: redraw the outline around the crossing. Two points in the wrong order are the usual cause.

Options: none. Two edges cross, or the area shows it: its parts cancel, or a place is covered twice. Outlines that only touch
themselves, or go out and back on one line without crossing another edge, are fine.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
import shapely

from datatools.checks.base import Check, Inputs
from datatools.checks.drawing import mark_line, mark_point
from datatools.checks.geometry import unpack
from datatools.checks.pairs import Floats
from datatools.findings import Finding, Mark


def find_self_crossings(annotations: pd.DataFrame) -> Iterator[Finding]:
    """Yield a finding for each polygon that crosses itself, with the first crossing in pixels."""
    objects = unpack(annotations)
    if not len(objects.mask_rows):
        return
    rings = objects.polygons
    for index in np.flatnonzero(rings.crosses):
        shape = rings.shapes[index]
        place = np.array(shapely.is_valid_reason(shape).partition("[")[2].rstrip("]").split(), float)
        message = f"polygon {rings.part[index] + 1} crosses itself at ({place[0]:.1f}, {place[1]:.1f})"
        marks = [*_edges_at(shapely.get_coordinates(shape), place), mark_point(place)]
        yield objects.finding(rings.row[index], message, marks=marks)


def _edges_at(closed: Floats, place: Floats) -> list[Mark]:
    """The two edges that pass closest by the crossing."""
    edges = shapely.linestrings(np.stack([closed[:-1], closed[1:]], axis=1))
    nearest = np.argsort(shapely.distance(edges, shapely.Point(place)).round(6), kind="stable")[:2]
    return [mark_line(closed[edge], closed[edge + 1]) for edge in sorted(nearest)]


def _spoil(inputs: Inputs) -> Inputs:
    annotations = inputs["annotations"].copy()
    row = annotations["mask"].first_valid_index()
    annotations.loc[row, "mask"] = "[[[1,1],[9,9],[9,1],[1,9],[1,1]]]"
    return {**inputs, "annotations": annotations}


CHECK = Check("MSK002", "self-crossing polygon", "error", find_self_crossings, _spoil, version=2)
