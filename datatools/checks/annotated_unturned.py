"""What it finds: annotations that were drawn on an image as it is stored, though an EXIF tag says to turn it.

Why it matters: boxes and masks lie beside their objects for everyone who sees the image turned: browsers, labelling tools,
OpenCV, datatools.

What to do: turn the coordinates as the tag turns the picture, or turn the pixels, drop the tag and label the image again.

Options: none. It is told by the declared size, else by boxes that only fit the unturned picture; turned by 180 degrees,
mirrored or square, neither can tell, and IMG006 says so. IMG002 leaves these sizes to this check.
"""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from datatools.checks.base import Check, Inputs
from datatools.checks.orientation import SHOWN, annotated_unturned, say_tag
from datatools.findings import Finding


def find_annotated_unturned(images: pd.DataFrame, annotations: pd.DataFrame) -> Iterator[Finding]:
    """Yield a finding for each image whose annotations belong to the picture before its EXIF orientation is applied."""
    turned = images[images["exif_orientation"].isin(list(SHOWN))]
    said = annotated_unturned(turned, annotations[annotations["path"].isin(turned["path"])])
    for row in turned[said.ne("")].itertuples():
        yield Finding(f"{say_tag(row)}: {said[row.Index]}. The coordinates belong to the unturned picture", row.path)


def _spoil(inputs: Inputs) -> Inputs:
    images = inputs["images"].copy()
    size = [images.loc[0, "height_px"], images.loc[0, "width_px"]]
    images.loc[0, ["declared_width_px", "declared_height_px"]] = size
    images.loc[0, "exif_orientation"] = 6
    return {**inputs, "images": images}


CHECK = Check("IMG016", "annotated before it was turned", "error", find_annotated_unturned, _spoil)
