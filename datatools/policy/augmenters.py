"""What an augmentation policy may name: every augmenter, its arguments with unit and limits, and what it does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

CUTOUTS_MAX = 8


class Argument(NamedTuple):
    """One argument of an augmenter: a value, or `n_values` values, drawn evenly from a range within `low` and `high`."""

    unit: str
    low: float
    high: float
    default: tuple[float, float]
    doc: str
    n_values: int = 1  # of one sample: a value an axis, a side or a corner
    is_whole: bool = False


@dataclass(frozen=True)
class Augmenter:
    """One augmenter.

    `chances` names further values in [0, 1) that it needs of every sample, and how many. `is_geometric`: it moves pixels,
    and with them boxes, polygons, masks and points. `names_one`: its defaults do nothing, so one argument must be given.
    """

    doc: str
    arguments: Mapping[str, Argument] = field(default_factory=dict)
    is_geometric: bool = False
    p: float = 1.0
    chances: Mapping[str, int] = field(default_factory=dict)
    names_one: bool = False


_SHIFT = "Shift right and down by this share of the width and of the height."
_DEGREES = "Turn about the middle, clockwise; what comes in from outside repeats the edge."
AUGMENTERS: Mapping[str, Augmenter] = {
    "flip_horizontal": Augmenter("Mirror left and right.", is_geometric=True, p=0.5),
    "flip_vertical": Augmenter("Mirror top and bottom.", is_geometric=True, p=0.5),
    "quarter_turns": Augmenter(
        "Turn by 90 degrees, clockwise; width and height change places.",
        {"turns": Argument("quarter turns", 0, 3, (0, 3), "How many quarter turns.", is_whole=True)},
        is_geometric=True,
    ),
    "rotate": Augmenter(
        "Turn by an angle.",
        {"degrees": Argument("degrees", -180, 180, (-15, 15), _DEGREES)},
        is_geometric=True,
    ),
    "affine": Augmenter(
        "Zoom, shear, turn and shift in one step, in this order.",
        {
            "rotate_deg": Argument("degrees", -180, 180, (0, 0), _DEGREES),
            "scale": Argument("factor", 0.2, 5, (1, 1), "Zoom about the middle; above 1: larger."),
            "shear_deg": Argument("degrees", -60, 60, (0, 0), "Slant sideways about the middle."),
            "translate": Argument("share of the side", -1, 1, (0, 0), _SHIFT, n_values=2),
        },
        is_geometric=True,
        names_one=True,
    ),
    "crop": Augmenter(
        "Cut off the four sides, then back to size.",
        {
            "share": Argument(
                "share of the side", 0, 0.45, (0, 0.1), "Cut off at top, right, bottom, left, each its own.", n_values=4
            )
        },
        is_geometric=True,
    ),
    "perspective": Augmenter(
        "See it from aside: the four corners move inwards.",
        {
            "scale": Argument(
                "share of the side",
                0,
                0.3,  # from a third on three corners can lie on one line
                (0, 0.08),
                "How far each corner (top left, top right, bottom right, bottom left) moves in along x and y.",
                n_values=8,
            )
        },
        is_geometric=True,
    ),
    "elastic": Augmenter(
        "Bend it like rubber: the nodes of a grid move, each its own way.",
        {
            "strength": Argument("share of the shorter side", 0, 0.2, (0, 0.02), "How far a node moves at most."),
            "smoothness": Argument("share of the side", 0.05, 0.5, (0.2, 0.2), "From one node to the next."),
        },
        is_geometric=True,
    ),
    "brightness": Augmenter(
        "Multiply all pixels.", {"factor": Argument("factor", 0, 4, (0.85, 1.15), "Above 1: brighter.")}
    ),
    "contrast": Augmenter(
        "Multiply the distance from middle grey (127).",
        {"factor": Argument("factor", 0, 4, (0.8, 1.2), "Above 1: more contrast.")},
    ),
    "gamma": Augmenter(
        "Raise pixels, as shares of 255, to a power.",
        {"gamma": Argument("power", 0.2, 5, (0.8, 1.25), "Above 1: darker in the middle.")},
    ),
    "hue": Augmenter(
        "Turn the hue on the colour circle.", {"degrees": Argument("degrees", -180, 180, (-10, 10), "How far.")}
    ),
    "saturation": Augmenter(
        "Multiply the saturation (HSV).", {"factor": Argument("factor", 0, 4, (0.8, 1.2), "0: grey.")}
    ),
    "grayscale": Augmenter(
        "Mix with its own grey version.", {"share": Argument("share of grey", 0, 1, (0, 1), "1: all grey.")}
    ),
    "noise": Augmenter(
        "Add Gaussian noise, one value a pixel for all colours.",
        {"std": Argument("grey levels", 0, 128, (0, 6), "Standard deviation, of 255.")},
    ),
    "blur": Augmenter("Gaussian blur.", {"sigma_px": Argument("pixels", 0, 20, (0, 1), "Sigma.")}),
    "motion_blur": Augmenter(
        "Blur along a line of any direction.",
        {
            "length_px": Argument(
                "pixels", 3, 51, (3, 7), "Length of the line; even ones count one more.", is_whole=True
            )
        },
        chances={"direction": 1},
    ),
    "sharpen": Augmenter(
        "Mix with a sharpened version.", {"share": Argument("share of sharpened", 0, 1, (0, 0.3), "How much of it.")}
    ),
    "jpeg": Augmenter(
        "Save as JPEG and read it again.",
        {"quality": Argument("JPEG quality", 2, 100, (50, 95), "Low: blocks and ringing.", is_whole=True)},
    ),
    "cutout": Augmenter(
        "Cover squares with middle grey (128); labels stay as they are.",
        {
            "count": Argument("squares", 0, CUTOUTS_MAX, (1, 2), "How many.", is_whole=True),
            "size": Argument("share of the height", 0, 0.9, (0.1, 0.25), "Width and height of each."),
        },
        chances={"center": 2 * CUTOUTS_MAX},
    ),
}
