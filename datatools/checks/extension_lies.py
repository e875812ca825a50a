"""What it finds: an image file whose name says another format than its bytes, such as a JPEG called `.png`.

Why it matters: tools that go by the name refuse it or read it wrongly. And a JPEG called `.png` passes for lossless, though
its pixels have been changed by compression. A warning: most loaders look at the bytes and never notice.

What to do: rename it, in the annotations too, or save it again in the format that its name says.

Options: none. Where more than a fifth of the images (and more than 20) have one and the same wrong name, it is said once,
about the set. A JPEG with several pictures (MPO, as phones write) is a JPEG here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from datatools.checks.base import Check, Inputs
from datatools.checks.image_traits import each_or_once
from datatools.findings import Finding

SAID_BY = {"bmp": "BMP", "jpeg": "JPEG", "jpg": "JPEG", "png": "PNG", "tif": "TIFF", "tiff": "TIFF", "webp": "WEBP"}


def find_lying_extensions(images: pd.DataFrame) -> Iterator[Finding]:
    """Yield a finding for each image whose suffix stands for another format than the file has."""
    suffixes = images["path"].str.extract(r"\.([^./]*)$")[0].str.lower()
    said, true = suffixes.map(SAID_BY).astype("string"), images["format"].replace("MPO", "JPEG")
    lies = (said != true).fillna(False).astype(bool)
    for (suffix, content), odd in images.assign(true=true)[lies].groupby([suffixes[lies], "true"]):

        def say(row: Any, suffix: str = str(suffix), content: str = str(content)) -> Finding:
            """The finding of one image."""
            return Finding(f"its name says .{suffix}, its bytes are {content}", row.path, score=0.5)

        pair = f"{content} named .{suffix}"
        yield from each_or_once(odd, len(images), say, f"are {pair}", pair)


def _spoil(inputs: Inputs) -> Inputs:
    images = inputs["images"].copy()
    images.loc[0, "format"] = "JPEG"
    return {**inputs, "images": images}


CHECK = Check("IMG005", "extension that lies", "warning", find_lying_extensions, _spoil)
