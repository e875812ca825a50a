"""What it finds: a mask polygon that reaches over the edge of its image.

Why it matters: the part outside has no pixels; rasterisers clip it, some shift it, and area and mask no longer agree.

What to do: clip the polygon, or check whether it was drawn on an image of another size (see IMG002).

Options: `validate.tolerance_px`: how far over the edge is still fine (default 0.5, for rounding).
"""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from datatools.checks.base import Check, Inputs
from datatools.checks.geometry import iter_polygons
from datatools.findings import Finding
from datatools.params import ValidateParams


def find_masks_outside(annotations: pd.DataFrame, images: pd.DataFrame, params: ValidateParams) -> Iterator[Finding]:
    """Yield a finding for each polygon with a point more than the tolerance outside its image, in pixels."""
    sizes = {row.path: (row.width_px, row.height_px) for row in images.itertuples()}
    for path, annotation_id, part, points in iter_polygons(annotations):
        if path not in sizes or not len(points):
            continue
        over = float(max((-points).max(), (points - sizes[path]).max()))
        if over > params.tolerance_px:
            yield Finding(f"polygon {part + 1} reaches {over:g} px over the edge of its image", path, annotation_id)


def _spoil(inputs: Inputs) -> Inputs:
    annotations = inputs["annotations"].copy()
    row = annotations["mask"].first_valid_index()
    annotations.loc[row, "mask"] = "[[[-9,1],[9,1],[9,9],[-9,1]]]"
    return {**inputs, "annotations": annotations}


CHECK = Check("MSK003", "mask outside the image", "error", find_masks_outside, _spoil)
