"""What it finds: a blurred image: even its sharpest edges are spread over several pixels.

Why it matters: what is blurred away cannot be learnt, and whoever labelled it may have guessed. Only a hint (info): a
picture out of focus can still show its object well enough.

What to do: look at it. Exclude it if the object cannot be told. If your camera is always like that, lower the option.

Options: `validate.blur_max` (default 0.31) for `edge_step`: how much of a step over 4 pixels is taken within one, 0.25 where
blur has spread every edge over 4 pixels or more, 1 where edges are sharp (datatools/images.py). Large photos are measured at
about 112 px or more, so slight blur that such a size hides does not count. Where more than a fifth of the images (and
more than 20) are below it, it is said once, about the set.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from datatools.checks.base import Check, Inputs
from datatools.checks.image_traits import each_or_once
from datatools.findings import Finding
from datatools.params import ValidateParams


def find_blurry_images(images: pd.DataFrame, params: ValidateParams) -> Iterator[Finding]:
    """Yield a finding for each image whose `edge_step` is below `params.blur_max`."""
    bar = params.blur_max

    def say(row: Any) -> Finding:
        """The finding of one image."""
        return Finding(
            f"blurry: its sharpest edges take {row.edge_step:.0%} of 4 pixels' step within one (limit {bar:.0%})",
            row.path,
            score=row.edge_step,
        )

    odd = images[(images["edge_step"] < bar).fillna(False)]
    yield from each_or_once(odd, len(images), say, f"are blurry (edge step below {bar:g})", "blurry images")


def _spoil(inputs: Inputs) -> Inputs:
    images = inputs["images"].copy()
    images.loc[0, "edge_step"] = 0.26
    return {**inputs, "images": images}


CHECK = Check("IMG011", "blurry image", "info", find_blurry_images, _spoil)
