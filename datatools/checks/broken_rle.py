"""What it finds: run lengths (RLE) of a mask that do not decode, do not add up to their size, or are of another size than
their image.

Why it matters: decoders read on in silence: the mask is shifted, sheared or cut off, and no longer lies on its object.

What to do: export the annotation again. If width and height are swapped, the tool that wrote it counts rows first.

Options: none. Where IMG002 says that the image itself has another size than its annotation file, this check does not
repeat that for each mask.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from datatools.checks.base import Check, Inputs
from datatools.checks.geometry import unpack
from datatools.findings import Finding
from datatools.left_out import find_left_out
from datatools.masks import MaskError, parse_mask

CODE = "MSK008"


def find_broken_rles(annotations: pd.DataFrame, images: pd.DataFrame, rejected: pd.DataFrame) -> Iterator[Finding]:
    """Yield a finding for each RLE that was left out, that does not decode, or whose size is not its image's."""
    yield from find_left_out(rejected, CODE)
    objects = unpack(annotations)
    masks = [(row, text) for row, text in zip(*objects.masked, strict=True) if text.startswith("{")]
    if not masks:
        return
    known, sizes = objects.rles, _sizes(images)
    rows = np.array([row for row, _ in masks])
    paths, names = objects.paths.take(rows), objects.ids.take(rows)
    for (row, text), path, name in zip(masks, paths, names, strict=True):
        if row not in known:
            yield Finding(_why(text), path, name)
        elif path in sizes and known[row].size_hw not in sizes[path]:
            (high, wide), (height, width) = known[row].size_hw, sizes[path][0]
            swapped = ": width and height are swapped" if (wide, high) == (height, width) else ""
            yield Finding(
                f"the run lengths are of {wide} x {high} px, the image is {width} x {height}{swapped}", path, name
            )


def _sizes(images: pd.DataFrame) -> dict[str, list[tuple[int, int]]]:
    """Height and width by path: the true ones, then those that the annotation file declares."""
    columns = ["height_px", "width_px", "declared_height_px", "declared_width_px"]
    numbers = images[columns].astype("Int64").fillna(0).to_numpy(dtype=int).tolist()
    return {str(path): [(h, w), (dh, dw)] for path, (h, w, dh, dw) in zip(images["path"], numbers, strict=True)}


def _why(text: str) -> str:
    try:
        parse_mask(text)
    except MaskError as error:
        return str(error)
    return "the run lengths cannot be read"


def _spoil(inputs: Inputs) -> Inputs:
    annotations = inputs["annotations"].copy()
    annotations.loc[annotations["mask"].first_valid_index(), "mask"] = '{"size":[64,48],"counts":[3000,72]}'
    return {**inputs, "annotations": annotations}


CHECK = Check(CODE, "run lengths that do not decode or fit their image", "error", find_broken_rles, _spoil)
