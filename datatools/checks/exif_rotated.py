"""What it finds: an image with an EXIF orientation: its pixels are stored turned or mirrored, and a tag says how to show
them.

Why it matters: tools disagree. Some turn it (browsers, labelling tools, OpenCV), some show it as stored (Pillow, so
torchvision's ImageFolder). Boxes and masks drawn on one lie beside the object on the other, and a classifier sees a picture on
its side. A warning: datatools always turns, so where the annotations were drawn on the turned picture nothing is wrong here.

What to do: turn the pixels and drop the tag (`jpegtran`, `exiftran -ai`, ImageMagick's `mogrify -auto-orient`).

Options: none. Annotations that were drawn on the unturned picture are IMG016. More than a fifth of the images (and more than
20) are said once, about the set.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from datatools.checks.base import Check, Inputs
from datatools.checks.image_traits import each_or_once
from datatools.checks.orientation import SHOWN, SIDEWAYS, annotated_unturned, say_tag
from datatools.findings import Finding


def find_exif_rotated(images: pd.DataFrame, annotations: pd.DataFrame) -> Iterator[Finding]:
    """Yield a finding for each image whose orientation is not 1 and that was not annotated unturned."""
    turned = images[images["exif_orientation"].isin(list(SHOWN))]
    objects = annotations[annotations["path"].isin(turned["path"]) & annotations["kind"].ne("label")]
    turned = turned.assign(has_objects=turned["path"].isin(objects["path"]))
    rest = turned[annotated_unturned(turned, objects).eq("")]
    yield from each_or_once(rest, len(images), _say, "have an EXIF orientation", "EXIF orientation")


def _say(row: Any) -> Finding:
    size = f"{row.width_px} x {row.height_px} px"
    is_known = row.exif_orientation in SIDEWAYS and row.declared_width_px is not pd.NA and row.width_px != row.height_px
    if row.has_objects and not is_known:
        said = f"its boxes and masks are right only if they were drawn on the turned picture, {size}"
        return Finding(f"{say_tag(row)}: {said}", row.path, score=0.3)
    said = f"{size} once turned; tools that ignore the tag see another picture"
    return Finding(f"{say_tag(row)}: {said}", row.path, score=0.7)


def _spoil(inputs: Inputs) -> Inputs:
    images = inputs["images"].copy()
    images.loc[[0, 1], "exif_orientation"] = [6, 3]
    return {**inputs, "images": images}


CHECK = Check("IMG006", "turned by its EXIF tag", "warning", find_exif_rotated, _spoil)
