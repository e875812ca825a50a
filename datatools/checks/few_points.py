"""What it finds: a mask polygon with fewer than three different points.

Why it matters: it has no area, so its object has an empty mask.

What to do: draw the outline again or delete the annotation.

Options: none.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from datatools.checks.base import Check, Inputs
from datatools.checks.geometry import iter_polygons
from datatools.findings import Finding


def find_few_points(annotations: pd.DataFrame) -> Iterator[Finding]:
    """Yield a finding for each polygon with fewer than three different points."""
    for path, annotation_id, part, points in iter_polygons(annotations):
        n_points = len(np.unique(points, axis=0))
        if n_points < 3:
            yield Finding(f"polygon {part + 1} has {n_points} different points, an area needs 3", path, annotation_id)


def _spoil(inputs: Inputs) -> Inputs:
    annotations = inputs["annotations"].copy()
    row = annotations["mask"].first_valid_index()
    annotations.loc[row, "mask"] = "[[[1,1],[9,1],[1,1]]]"
    return {**inputs, "annotations": annotations}


CHECK = Check("MSK004", "polygon with too few points", "error", find_few_points, _spoil)
