"""Images that an EXIF tag turns, and whether their annotations were made before or after the turn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from datatools.schema import BOX

TOLERANCE_PX = 1.0
SIDEWAYS = (5, 6, 7, 8)  # EXIF 2.3, tag 0x0112: width and height change places
SHOWN = {
    2: "mirrored left to right",
    3: "turned by 180 degrees",
    4: "mirrored top to bottom",
    5: "mirrored and turned 90 degrees anticlockwise",
    6: "turned 90 degrees clockwise",
    7: "mirrored and turned 90 degrees clockwise",
    8: "turned 90 degrees anticlockwise",
}


def annotated_unturned(turned: pd.DataFrame, objects: pd.DataFrame) -> pd.Series:
    """What tells that the annotations of each image (a row of IMAGES) belong to its unturned picture; empty where nothing does.

    It is told by the declared size, else by boxes that only fit there. Turned by 180 degrees, mirrored or square, neither can
    tell.
    """
    declared, rows = declares_unturned(turned), turned.join(_reach(objects), on="path")
    by_boxes = _fits_unturned(rows) & ~declared
    said = pd.Series("", index=turned.index, dtype=object)
    for row in rows[declared].itertuples():
        said[row.Index] = f"its annotations say {row.height_px} x {row.width_px} px, its size before it is turned"
    for row in rows[by_boxes].itertuples():
        size = f"{row.height_px} x {row.width_px} px"
        said[row.Index] = f"a box reaches to {row.x_px:g}, {row.y_px:g}, which only the unturned {size} hold"
    return said


def declares_unturned(images: pd.DataFrame) -> pd.Series:
    """Whether the annotations declare the size that the image has before its EXIF orientation is applied."""
    width, height = images["width_px"], images["height_px"]
    swapped = (images["declared_width_px"] == height) & (images["declared_height_px"] == width) & (width != height)
    return swapped.fillna(False).astype(bool) & images["exif_orientation"].isin(SIDEWAYS)


def say_tag(row: Any) -> str:
    """The orientation of a row of IMAGES in words."""
    return f"EXIF orientation {row.exif_orientation} (shown {SHOWN[row.exif_orientation]})"


def _reach(objects: pd.DataFrame) -> pd.DataFrame:
    """How far right and down the boxes of each image reach: index `path`, `x_px` and `y_px`."""
    x0, y0, x1, y1 = (objects[name] for name in BOX)
    return objects[["path"]].assign(x_px=np.maximum(x0, x1), y_px=np.maximum(y0, y1)).groupby("path").max()


def _fits_unturned(turned: pd.DataFrame) -> pd.Series:
    """Whether the boxes stand over the edge of the turned picture, but not over that of the unturned one."""
    x, y, width, height = (turned[name] for name in ("x_px", "y_px", "width_px", "height_px"))
    over = (x > width + TOLERANCE_PX) | (y > height + TOLERANCE_PX)
    fits = (x <= height + TOLERANCE_PX) & (y <= width + TOLERANCE_PX)
    return over & fits & turned["exif_orientation"].isin(SIDEWAYS)
