"""What it finds: pixel values of an index mask that are in no class list, or more than one value in the mask of one object.

Why it matters: a loader takes such a value for a class id beyond the list and stops, or trains on a class that does not
exist. Many grey values in one file are the edges that JPEG or scaling leaves in a mask: the true outline is lost.

What to do: export the mask as PNG, without scaling or with nearest-neighbour scaling; if the value is a class, add its line
to the list. Until then these pixels are left out and belong to no class.

Options: none. The class list lies beside the masks: see the page of the format.
"""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from datatools.checks.base import Check, Inputs
from datatools.findings import Finding
from datatools.left_out import rows_left_out
from datatools.schema import REJECTED

CODE = "MSK009"


def find_mask_values(rejected: pd.DataFrame) -> Iterator[Finding]:
    """Yield one finding for each mask file; it names the values and how many pixels have them."""
    for row in rows_left_out(rejected, CODE):
        yield Finding(f"{row['message']} ({row['source']})", row["path"], subject=row["source"])


def _spoil(inputs: Inputs) -> Inputs:
    row = {"source": "masks/00.png", "row": 7, "path": inputs["images"]["path"].iloc[0], "reason": CODE}
    message = "the pixel value 7 (120 px) is no class: the list ends with 3"
    return {**inputs, "rejected": REJECTED.conform([{**row, "message": message}])}


CHECK = Check(CODE, "mask value that no class has", "error", find_mask_values, _spoil)
