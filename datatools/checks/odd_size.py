"""What it finds: an image that is far larger or smaller than the others of its set.

Why it matters: scaled to one size, its objects are far larger or smaller than elsewhere, or it has none of the detail that
the others have. Often it came from another camera, or is a thumbnail. Only a hint (info).

What to do: look where it came from. Fetch the right version, or leave it if such images will come in use too.

Options: none. The size is the side of a square of the same area. It is odd beyond three times the range between the
quartiles of the set (cleanvision's rule), and only where it is at least twice or at most half the median: where nearly
all images have one size, that rule alone calls a few pixels odd. More than a fifth of the images (and more than 20) are said
once, about the set.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from datatools.checks.base import Check, Inputs
from datatools.checks.image_traits import each_or_once
from datatools.findings import Finding

IQR_FACTOR = 3.0
LEAST_FACTOR = 2.0


def find_odd_sizes(images: pd.DataFrame) -> Iterator[Finding]:
    """Yield a finding for each image whose size is an outlier, and at least twice or at most half the median."""
    if not len(images):
        return
    sides = np.sqrt(images["width_px"].to_numpy(float) * images["height_px"].to_numpy(float))
    low, usual, high = np.percentile(sides, [25, 50, 75])
    reach = IQR_FACTOR * (high - low)
    far = (sides < low - reach) | (sides > high + reach)
    factor = sides / usual
    odd = far & (np.maximum(factor, 1 / factor) >= LEAST_FACTOR)

    def say(row: Any) -> Finding:
        """The finding of one image."""
        times = row.times
        text = f"{times:.1f} times as long" if times > 1 else f"{times:.2f} times as long"
        return Finding(
            f"{row.width_px} x {row.height_px} px: its sides are {text} as usual in this set ({usual:.0f} px)",
            row.path,
            score=min(times, 1 / times),
        )

    rows = images.assign(times=factor)[odd]
    yield from each_or_once(rows, len(images), say, f"are far from the usual {usual:.0f} px", "odd sizes")


def _spoil(inputs: Inputs) -> Inputs:
    images = inputs["images"].copy()
    images.loc[0, ["width_px", "height_px"]] = [6400, 4800]
    return {**inputs, "images": images}


CHECK = Check("IMG014", "odd size", "info", find_odd_sizes, _spoil)
