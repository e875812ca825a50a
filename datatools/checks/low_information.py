"""What it finds: an image that shows next to nothing: blank, one colour, or a few flat areas.

Why it matters: a blank picture with a label teaches that nothing at all is that class. It is what a failed camera, a
failed download or a mask in the wrong folder looks like. A warning: drawings and text hold little as well.

What to do: look at it. Exclude it, or fetch the file again.

Options: `validate.information_min_bits` (default 3: entropy of the pixel values; cleanvision's measure and threshold).
Where more than a fifth of the images (and more than 20) hold so little, as in digits on plain ground, it is said once, about
the set.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from datatools.checks.base import Check, Inputs
from datatools.checks.image_traits import each_or_once
from datatools.findings import Finding
from datatools.params import ValidateParams


def find_low_information(images: pd.DataFrame, params: ValidateParams) -> Iterator[Finding]:
    """Yield a finding for each image whose entropy is below `params.information_min_bits`."""
    bar = params.information_min_bits

    def say(row: Any) -> Finding:
        """The finding of one image."""
        bits = row.entropy_bits
        return Finding(
            f"shows next to nothing: {bits:.2f} bits of entropy (limit {bar:g})", row.path, score=min(1.0, bits / 10)
        )

    yield from each_or_once(
        images[images["entropy_bits"] < bar], len(images), say, f"hold little (below {bar:g} bits)", "low information"
    )


def _spoil(inputs: Inputs) -> Inputs:
    images = inputs["images"].copy()
    images.loc[0, "entropy_bits"] = 0.0
    return {**inputs, "images": images}


CHECK = Check("IMG012", "image with little information", "warning", find_low_information, _spoil)
