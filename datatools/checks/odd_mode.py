"""What it finds: an image whose pixels are stored in another way than those of most images of its set: with transparency,
with a palette, in ink colours (CMYK), 16 bits deep, in black and white only; and a file that holds several pictures.

Why it matters: one loader drops the transparency, the next one blends it, a third one gives four channels and the batch
fails. Palette indices get read as brightness, 16 bits get clipped to white, of several pictures all but the first are
lost. A warning: with a loader that converts everything, training runs, perhaps on other colours.

What to do: save it as the others are (RGB or grey, 8 bits); split a file of several pictures. Keep the original.

Options: none. "Most" is the mode with the most images (names as in Pillow). Where more than a fifth of the images (and more
than 20) share another mode, it is said once, about the set. Grey among RGB, or RGB among grey, is IMG015. Further pictures in
a JPEG are previews and do not count.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from datatools.checks.base import Check, Inputs
from datatools.checks.image_traits import each_or_once
from datatools.findings import Finding

PLAIN = ("RGB", "L")  # in a draw the first of them is the usual one
HARM = {
    "1": "black and white only",
    "CMYK": "ink colours, which tools convert differently",
    "I;16": "16 bits a pixel, of which the upper 8 are used",
    "LA": "its transparency is dropped",
    "P": "some tools read the palette's indices as brightness",
    "PA": "its transparency is dropped",
    "RGBA": "its transparency is dropped",
}
SEVERAL = "several pictures"


def find_odd_modes(images: pd.DataFrame) -> Iterator[Finding]:
    """Yield a finding for each image of an unusual mode or with several pictures."""
    modes = same_modes(images)
    usual = usual_mode(modes)
    odd = has_odd_mode(modes)
    several = (images["n_frames"] > 1) & ~images["format"].isin(["JPEG", "MPO"])

    def say(row: Any) -> Finding:
        """The finding of one image."""
        parts = [f"mode {row.same}, most images are {usual}: {HARM.get(row.same, 'other channels')}"] * row.odd
        parts += [f"{row.n_frames} pictures in one file, of which only the first is used"] * row.several
        return Finding("; ".join(parts), row.path, score=0.5)

    rows = images.assign(same=modes, odd=odd, several=several)[odd | several]
    for subject, group in rows.groupby(rows["same"].where(rows["odd"], SEVERAL)):
        trait = "hold several pictures, of which only the first is used"
        if subject != SEVERAL:
            trait = f"have mode {subject}, where {usual} is the usual one"
        yield from each_or_once(group, len(images), say, trait, str(subject))


def same_modes(images: pd.DataFrame) -> pd.Series:
    """The mode of each image; 16 bits are one mode whatever the order of the bytes."""
    return images["mode"].fillna("?").str.replace(r"^I;16.*", "I;16", regex=True)


def usual_mode(modes: pd.Series) -> str:
    """The mode that most images have."""
    counts = modes.value_counts()
    return min(
        counts[counts == counts.max()].index, key=lambda mode: (mode not in PLAIN, mode != "RGB", mode), default=""
    )


def has_odd_mode(modes: pd.Series) -> pd.Series:
    """Whether each differs from the usual mode; RGB and L do not differ here."""
    usual = usual_mode(modes)
    return ~modes.isin(PLAIN if usual in PLAIN else (usual,))


def _spoil(inputs: Inputs) -> Inputs:
    images = inputs["images"].copy()
    images.loc[0, "mode"] = "RGBA"
    images.loc[1, ["n_frames", "format"]] = [3, "TIFF"]
    return {**inputs, "images": images}


CHECK = Check("IMG007", "odd mode or depth", "warning", find_odd_modes, _spoil)
