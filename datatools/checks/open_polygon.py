"""What it finds: a mask polygon that is not closed: its last point does not come back to its first.

Why it matters: tools close it with a straight line across the object, so the mask gains or loses a piece that nobody
drew. A polygon cut off in export looks just the same.

What to do: open the annotation, finish the outline, export again.

Options: `validate.polygon_closure`. With `explicit` the last point must repeat the first. With `implicit` the format
closes polygons by itself (plain COCO does) and there is nothing to find. `auto` (default) follows the data: if more than
half of the polygons repeat their first point, those that do not are open.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from datatools.checks.base import Check, Inputs
from datatools.checks.geometry import is_closed, iter_polygons
from datatools.findings import Finding
from datatools.params import ValidateParams


def find_open_polygons(annotations: pd.DataFrame, params: ValidateParams) -> Iterator[Finding]:
    """Yield a finding for each polygon whose ends do not meet; the gap is given in pixels."""
    polygons = [(*row, is_closed(row[3])) for row in iter_polygons(annotations) if len(row[3]) >= 3]
    explicit = params.polygon_closure == "explicit" or (
        params.polygon_closure == "auto" and sum(closed for *_, closed in polygons) > len(polygons) / 2
    )
    if not explicit:
        return
    for path, annotation_id, part, points, closed in polygons:
        if not closed:
            gap = float(np.linalg.norm(points[0] - points[-1]))
            yield Finding(f"polygon {part + 1} is open: {gap:.1f} px between its ends", path, annotation_id)


def _spoil(inputs: Inputs) -> Inputs:
    annotations = inputs["annotations"].copy()
    row = annotations["mask"].first_valid_index()
    annotations.loc[row, "mask"] = "[[[1,1],[9,1],[9,9],[1,9]]]"
    return {**inputs, "annotations": annotations}


CHECK = Check("MSK001", "open polygon", "error", find_open_polygons, _spoil)
