"""What it finds: an image whose short side has fewer pixels than it takes to show anything.

Why it matters: scaled up to what a network takes, it is a smear with a true label. Mostly it is a thumbnail, an icon or a
slip of a crop. A warning: labels of such images are guesses, but nothing breaks.

What to do: fetch the large version, or exclude it. If your images are meant to be that small, lower the option.

Options: `validate.min_side_px` (default 16). Where more than a fifth of the images (and more than 20) are that small,
it is how the set is: said once, about the set.
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


def find_small_images(images: pd.DataFrame, params: ValidateParams) -> Iterator[Finding]:
    """Yield a finding for each image whose short side has less than `params.min_side_px` pixels."""
    short = np.minimum(images["width_px"], images["height_px"])
    least = params.min_side_px

    def say(row: Any) -> Finding:
        """The finding of one image."""
        side = min(row.width_px, row.height_px)
        return Finding(f"{row.width_px} x {row.height_px} px: a side is shorter than {least} px", row.path, score=side / least)  # fmt: skip

    yield from each_or_once(
        images[short < least], len(images), say, f"have a side shorter than {least} px", "small images"
    )


def _spoil(inputs: Inputs) -> Inputs:
    images = inputs["images"].copy()
    images.loc[0, "height_px"] = 9
    return {**inputs, "images": images}


CHECK = Check("IMG008", "image too small", "warning", find_small_images, _spoil)
