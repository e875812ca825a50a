"""What it finds: an image that is far longer one way than the other.

Why it matters: scaled to the square that most networks take, it is squeezed beyond recognition; cropped to it, it loses
most of what it shows. Only a hint (info): panoramas and text lines are made so.

What to do: look at it. It may be a slip of a crop or several pictures in one; crop it, pad it or exclude it.

Options: `validate.aspect_ratio_min` (default 0.35: short side divided by long side; cleanvision's measure and threshold).
Where more than a fifth of the images (and more than 20) have such a shape, it is said once, about the set.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from datatools.checks.base import Check, Inputs
from datatools.checks.image_traits import each_or_once
from datatools.findings import Finding
from datatools.params import ValidateParams


def find_odd_aspect_ratios(images: pd.DataFrame, params: ValidateParams) -> Iterator[Finding]:
    """Yield a finding for each image whose short side is less than `params.aspect_ratio_min` of its long side."""
    width, height = images["width_px"], images["height_px"]
    bar = params.aspect_ratio_min

    def say(row: Any) -> Finding:
        """The finding of one image."""
        short, long = sorted((row.width_px, row.height_px))
        ratio = short / long
        return Finding(
            f"{row.width_px} x {row.height_px} px: the short side is {ratio:.3f} of the long one (limit {bar:g})",
            row.path,
            score=ratio,
        )

    odd = images[np.minimum(width, height) / np.maximum(width, height) < bar]
    trait = f"have a short side below {bar:g} of the long one"
    yield from each_or_once(odd, len(images), say, trait, "odd aspect ratios")


def _spoil(inputs: Inputs) -> Inputs:
    images = inputs["images"].copy()
    images.loc[0, ["width_px", "height_px"]] = [640, 60]
    return {**inputs, "images": images}


CHECK = Check("IMG013", "odd aspect ratio", "info", find_odd_aspect_ratios, _spoil)
