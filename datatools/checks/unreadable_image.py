"""What it finds: an image file that cannot be decoded to the end: truncated, broken, or not what its name says.

Why it matters: most loaders skip such a file in silence, or hand the model a half-grey picture with a true label.

What to do: fetch the file again from its source and put it in its place; the next `dvc repro` takes it in. Until then
it is left out, with its annotations, and listed in `data/dataset/rejected.parquet`.

Options: none. JPEG, PNG, BMP, TIFF and WebP are read, at most 100 million pixels.
"""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from datatools.checks.base import Check, Inputs
from datatools.findings import Finding
from datatools.schema import REJECTED

CODE = "IMG001"


def find_unreadable(rejected: pd.DataFrame) -> Iterator[Finding]:
    """Yield one finding for each file that ingest could not decode."""
    rows = rejected[rejected["reason"] == CODE]
    for path, message in zip(rows["path"], rows["message"], strict=True):
        yield Finding(f"cannot be decoded: {message}", path)


def _spoil(inputs: Inputs) -> Inputs:
    row = {"source": "images/x.png", "path": "images/x.png", "reason": CODE, "message": "image file is truncated"}
    return {**inputs, "rejected": REJECTED.conform([row])}


CHECK = Check(CODE, "unreadable image", "error", find_unreadable, _spoil)
