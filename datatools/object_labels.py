"""One label for an image that has none of its own: the class that covers most of it."""

from __future__ import annotations

import pandas as pd

from datatools.masks import MaskError, Rle, parse_mask
from datatools.schema import BOX


def label_by_objects(annotations: pd.DataFrame) -> pd.Series:
    """Index `path` -> the class whose boxes and masks have the largest total area; the first in the alphabet of equals.

    An object's area is its box's, else its mask's, else 0. Images without an object that has a label are left out.
    """
    objects = annotations[(annotations["kind"] != "label") & annotations["label"].notna()]
    covered = objects.assign(area=_areas(objects)).groupby(["path", "label"], sort=True)["area"].sum().reset_index()
    largest = covered.sort_values(["path", "area", "label"], ascending=[True, False, True]).drop_duplicates("path")
    return largest.set_index("path")["label"]


def _areas(objects: pd.DataFrame) -> pd.Series:
    x0, y0, x1, y1 = (objects[name] for name in BOX)
    area = ((x1 - x0) * (y1 - y0)).abs()
    bare = area.isna() & objects["mask"].notna()
    return area.mask(bare, objects["mask"].where(bare).map(_mask_area, na_action="ignore")).fillna(0.0).astype(float)


def _mask_area(text: str) -> float:
    try:
        mask = parse_mask(text)
        return float(mask.n_pixels) if isinstance(mask, Rle) else sum(map(_ring_area, mask))
    except (MaskError, TypeError, ValueError, IndexError):
        return 0.0  # a check speaks of it


def _ring_area(ring: list[list[float]]) -> float:
    """Shoelace formula."""
    following = [*ring[1:], *ring[:1]]
    return abs(sum(a[0] * b[1] - b[0] * a[1] for a, b in zip(ring, following, strict=True))) / 2
