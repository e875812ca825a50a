"""What it finds: a grey image in a set whose images have colour, or one with colour in a grey set.

Why it matters: a model can learn that grey means a class, if most grey images are of one; and colour helps nobody to
recognise what has none. A file stored with one channel also breaks a batch of three. Only a hint (info): old photos are grey, and
right.

What to do: look whether it came from another source or camera. Fetch the colour version, or keep it if grey images
will come in use too.

Options: none. Grey means that red, green and blue are equal wherever looked at, however the file stores them. Where the rarer
kind is more than a fifth of the images, the set is mixed: said once. Images of an odd mode are IMG007.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from datatools.checks.base import Check, Inputs
from datatools.checks.image_traits import each_or_once
from datatools.checks.odd_mode import has_odd_mode, same_modes
from datatools.findings import Finding


def find_odd_colors(images: pd.DataFrame) -> Iterator[Finding]:
    """Yield a finding for each image that is grey where most have colour, or the other way round."""
    grey = images["is_grey"].fillna(False).astype(bool)
    n_grey, n_color = int(grey.sum()), int((~grey).sum())
    if n_grey == n_color:
        return
    mostly_grey = n_grey > n_color
    one, most, kind = ("in colour", "grey", "colour") if mostly_grey else ("grey", "in colour", "grey")
    share = max(n_grey, n_color) / len(images)

    def say(row: Any) -> Finding:
        """The finding of one image."""
        stored = " and stored with one channel" if row.channels == 1 and not mostly_grey else ""
        return Finding(f"{one}{stored}, {share:.1%} of the images are {most}", row.path, score=0.5)

    odd = images[(grey != mostly_grey) & ~has_odd_mode(same_modes(images))]
    yield from each_or_once(odd, len(images), say, f"are {one}, the others {most}", f"{kind} images", least=1)


def _spoil(inputs: Inputs) -> Inputs:
    images = inputs["images"].copy()
    images.loc[0, "is_grey"] = True
    images.loc[0, ["mode", "channels"]] = ["L", 1]
    return {**inputs, "images": images}


CHECK = Check("IMG015", "grey among colour", "info", find_odd_colors, _spoil)
