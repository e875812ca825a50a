"""What it finds: an image that is almost white all over: 95 % of its pixels are above a level.

Why it matters: overexposed, faded or nearly empty, it may not show what its label says. Only a hint (info): a thin drawing
on white paper is as light, and right.

What to do: look at it. Exclude it if the object cannot be told, or take the picture again with less light.

Options: `validate.light_min` (default 0.95, on the scale from 0 black to 1 white; cleanvision's measure and threshold).
Where more than a fifth of the images (and more than 20) are light, as in scans, it is said once, about the set.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from datatools.checks.base import Check, Inputs
from datatools.checks.image_traits import each_or_once
from datatools.findings import Finding
from datatools.params import ValidateParams


def find_light_images(images: pd.DataFrame, params: ValidateParams) -> Iterator[Finding]:
    """Yield a finding for each image whose 5th percentile of brightness is above `params.light_min`."""
    bar = params.light_min

    def say(row: Any) -> Finding:
        """The finding of one image."""
        level = row.brightness_p5
        return Finding(f"light: 95 % of its pixels are at least {level:.3f} bright (limit {bar:g})", row.path, score=1 - level)  # fmt: skip

    yield from each_or_once(
        images[images["brightness_p5"] > bar], len(images), say, f"are light (limit {bar:g})", "light images"
    )


def _spoil(inputs: Inputs) -> Inputs:
    images = inputs["images"].copy()
    images.loc[0, ["brightness_p5", "brightness_p99"]] = [0.99, 1.0]
    return {**inputs, "images": images}


CHECK = Check("IMG010", "light image", "info", find_light_images, _spoil)
