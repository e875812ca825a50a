"""What it finds: an image file that was cut off: it begins as it should and stops before its end.

Why it matters: a download or a copy broke. Some loaders skip such a file in silence, others fill the rest with grey and
hand the model half a picture with a true label.

What to do: fetch the file again from its source and put it in its place; the next `dvc repro` takes it in. Until then
it is left out, with its annotations, and listed in `data/dataset/rejected.parquet`.

Options: none. A file that is whole but cannot be decoded is IMG001.
"""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from datatools.checks.base import Check, Inputs
from datatools.findings import Finding
from datatools.schema import REJECTED

CODE = "IMG004"


def find_truncated(rejected: pd.DataFrame) -> Iterator[Finding]:
    """Yield one finding for each image file that stops before its end."""
    rows = rejected[rejected["reason"] == CODE]
    for path, message in zip(rows["path"], rows["message"], strict=True):
        yield Finding(f"cut off: {message}", path)


def _spoil(inputs: Inputs) -> Inputs:
    row = {"source": "images/x.png", "path": "images/x.png", "reason": CODE, "message": "image file is truncated"}
    return {**inputs, "rejected": REJECTED.conform([row])}


CHECK = Check(CODE, "truncated image", "error", find_truncated, _spoil)
