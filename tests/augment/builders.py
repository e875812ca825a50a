"""A shape whose outline and pixels are known, and a short way to send it through a policy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from datatools.augment.imgaug_steps import Pipeline, Sample
from datatools.augment.packing import pack_objects
from datatools.augment.settling import settle_objects
from datatools.images import RGB
from datatools.masks import from_array
from datatools.policy.steps import parse_policy
from datatools.schema import ANNOTATIONS
from tests.small_data import box_row, mask_row

WIDTH, HEIGHT = 160, 120
L_SHAPE = [[50, 30], [110, 30], [110, 60], [80, 60], [80, 95], [50, 95], [50, 30]]
L_BOX = (50, 30, 110, 95)
STRONG: dict[str, dict[str, Any]] = {  # what each geometric augmenter may do to an object that must stay inside
    "flip_horizontal": {"p": 1},
    "flip_vertical": {"p": 1},
    "quarter_turns": {},
    "rotate": {"degrees": [-40, 40]},
    "affine": {"rotate_deg": [-20, 20], "scale": [0.8, 1.2], "shear_deg": [-15, 15], "translate": [-0.08, 0.08]},
    "crop": {"share": [0, 0.2]},
    "perspective": {"scale": [0, 0.2]},
    "elastic": {"strength": [0.03, 0.05]},
}


def rasterise(rings: Any, size_wh: tuple[int, int] = (WIDTH, HEIGHT), zoom: int = 8) -> Any:
    """Which pixels lie more than half inside the rings: bool (height, width)."""
    width, height = size_wh
    canvas = Image.new("L", (width * zoom, height * zoom))
    for ring in rings:
        points = [(x * zoom - 0.5, y * zoom - 0.5) for x, y in ring]
        ImageDraw.Draw(canvas).polygon(points, fill=255)
    return np.asarray(canvas.resize((width, height), Image.Resampling.BOX)) > 127


def draw(ring: Any) -> RGB:
    """The ring in white on black, RGB."""
    return np.repeat(rasterise([ring])[..., None], 3, axis=2).astype(np.uint8) * 255


def iou(one: Any, other: Any) -> float:
    return (one & other).sum() / (one | other).sum()


def row_of(row: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A row with every column of ANNOTATIONS."""
    return {**dict.fromkeys(ANNOTATIONS.columns), **row, **changes}


def polygon(*rings: Any) -> dict[str, Any]:
    return row_of(mask_row("coco/m", *(rings or (L_SHAPE,))))


def box(*xyxy: float) -> dict[str, Any]:
    return row_of(box_row("coco/b", xyxy or L_BOX))


def run_lengths(bitmap: Any = None) -> dict[str, Any]:
    bitmap = rasterise([L_SHAPE]) if bitmap is None else bitmap
    return row_of(mask_row("coco/r", L_SHAPE), mask=from_array(bitmap).to_json())


def augment(
    image: RGB,
    rows: Sequence[dict[str, Any]],
    policy: list[Any],
    seed: int = 0,
    keep_min: float = 0.0,
    longest_px: float | None = None,
) -> tuple[RGB, list[dict[str, Any]], list[str]]:
    """One copy of an image: its pixels, the rows that are left, the reasons of the others."""
    packed = pack_objects(rows, (image.shape[1], image.shape[0]), longest_px)
    sample = Sample(image.copy(), packed.points, packed.masks)
    Pipeline(parse_policy(policy)).run([sample], np.array([seed], dtype=np.uint64))
    left, reasons = settle_objects(packed.items, sample.points, sample.masks, sample.size_wh, keep_min)
    return sample.image, left, [*packed.reasons, *reasons]
