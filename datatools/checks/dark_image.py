"""What it finds: an image in which nothing is bright: 99 % of its pixels are below a level.

Why it matters: what it shows may be lost in the dark, and so may be the reason for its label. Only a hint (info): a night
scene is as dark, and right.

What to do: look at it. Exclude it if the object cannot be told, or take the picture again with more light.

Options: `validate.dark_max` (default 0.32, on the scale from 0 black to 1 white; cleanvision's measure and threshold).
Where more than a fifth of the images (and more than 20) are dark, as in microscopy, it is said once, about the set.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from datatools.checks.base import Check, Inputs
from datatools.checks.image_traits import each_or_once
from datatools.findings import Finding
from datatools.params import ValidateParams


def find_dark_images(images: pd.DataFrame, params: ValidateParams) -> Iterator[Finding]:
    """Yield a finding for each image whose 99th percentile of brightness is below `params.dark_max`."""
    bar = params.dark_max

    def say(row: Any) -> Finding:
        """The finding of one image."""
        level = row.brightness_p99
        return Finding(
            f"dark: 99 % of its pixels are no brighter than {level:.3f} (limit {bar:g})", row.path, score=level
        )

    yield from each_or_once(
        images[images["brightness_p99"] < bar], len(images), say, f"are dark (limit {bar:g})", "dark images"
    )


def _spoil(inputs: Inputs) -> Inputs:
    images = inputs["images"].copy()
    images.loc[0, ["brightness_p5", "brightness_p99"]] = [0.01, 0.2]
    return {**inputs, "images": images}


CHECK = Check("IMG009", "dark image", "info", find_dark_images, _spoil)
