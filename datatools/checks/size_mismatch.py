"""What it finds: an image whose width or height differs from what its annotation file says.

Why it matters: boxes and polygons were drawn on an image of another size, so they no longer lie on their objects. It
happens when images are resized, replaced or turned after labelling.

What to do: bring back the image that was labelled, or scale the annotations and correct the size in the file.

Options: none. Where the declared size is that of the picture before its EXIF orientation is applied, IMG016 says so instead.
"""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from datatools.checks.base import Check, Inputs
from datatools.checks.orientation import declares_unturned
from datatools.findings import Finding


def find_size_mismatches(images: pd.DataFrame) -> Iterator[Finding]:
    """Yield a finding for each image whose declared size is not its true size, in pixels."""
    wide = images["declared_width_px"].notna() & (images["declared_width_px"] != images["width_px"])
    high = images["declared_height_px"].notna() & (images["declared_height_px"] != images["height_px"])
    wrong = (wide | high).fillna(False) & ~declares_unturned(images)
    for row in images[wrong].itertuples():
        declared = f"{_text(row.declared_width_px)} x {_text(row.declared_height_px)}"
        yield Finding(f"the file is {row.width_px} x {row.height_px} px, its annotations say {declared}", row.path)


def _text(value: object) -> str:
    return "?" if pd.isna(value) else str(value)  # type: ignore[call-overload]


def _spoil(inputs: Inputs) -> Inputs:
    images = inputs["images"].copy()
    images.loc[0, "declared_width_px"] = images.loc[0, "width_px"] * 2
    return {**inputs, "images": images}


CHECK = Check("IMG002", "size differs from its record", "error", find_size_mismatches, _spoil, version=2)
