"""Policies for kinds of data: what one may do to an image without changing what it shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PRESETS: Mapping[str, list[dict[str, Any]]] = {
    "none": [],
    "natural": [
        {"flip_horizontal": {"p": 0.5}},
        {"affine": {"rotate_deg": [-10, 10], "scale": [0.9, 1.1], "shear_deg": [-5, 5], "translate": [-0.08, 0.08]}},
        {"brightness": {"factor": [0.8, 1.2]}},
        {"contrast": {"factor": [0.8, 1.2]}},
        {"saturation": {"factor": [0.7, 1.3]}},
        {"hue": {"degrees": [-8, 8]}},
        {"blur": {"sigma_px": [0, 0.8], "p": 0.3}},
    ],
    # No flips: a mirrored 2 is no 2.
    "digits": [
        {"affine": {"rotate_deg": [-10, 10], "scale": [0.9, 1.1], "shear_deg": [-6, 6], "translate": [-0.05, 0.05]}},
        {"brightness": {"factor": [0.85, 1.15]}},
        {"blur": {"sigma_px": [0, 0.4]}},
        {"noise": {"std": [0, 6]}},
    ],
    # As a page may lie on a scanner: hardly turned, and saved once too often.
    "text": [
        {"affine": {"rotate_deg": [-3, 3], "scale": [0.95, 1.05], "shear_deg": [-3, 3], "translate": [-0.03, 0.03]}},
        {"brightness": {"factor": [0.8, 1.15]}},
        {"contrast": {"factor": [0.8, 1.2]}},
        {"blur": {"sigma_px": [0, 0.6]}},
        {"jpeg": {"quality": [40, 95], "p": 0.3}},
    ],
    # A scratch is thin and faint: what blurs or covers it would make the label wrong.
    "scratches": [
        {"flip_horizontal": {"p": 0.5}},
        {"flip_vertical": {"p": 0.5}},
        {"affine": {"rotate_deg": [-5, 5], "scale": [0.95, 1.05], "translate": [-0.03, 0.03]}},
        {"brightness": {"factor": [0.9, 1.1]}},
        {"contrast": {"factor": [0.9, 1.15]}},
    ],
    # No flips: left and right of a body differ. No colours: they carry the diagnosis.
    "medical": [
        {"affine": {"rotate_deg": [-7, 7], "scale": [0.93, 1.07], "translate": [-0.04, 0.04]}},
        {"elastic": {"strength": [0, 0.015], "smoothness": 0.25, "p": 0.5}},
        {"gamma": {"gamma": [0.85, 1.18]}},
        {"contrast": {"factor": [0.9, 1.1]}},
        {"noise": {"std": [0, 4]}},
    ],
    # From above there is no up.
    "aerial": [
        {"quarter_turns": {"turns": [0, 3]}},
        {"flip_horizontal": {"p": 0.5}},
        {"flip_vertical": {"p": 0.5}},
        {"affine": {"rotate_deg": [-10, 10], "scale": [0.85, 1.2], "translate": [-0.05, 0.05]}},
        {"brightness": {"factor": [0.8, 1.2]}},
        {"contrast": {"factor": [0.85, 1.15]}},
        {"hue": {"degrees": [-6, 6]}},
    ],
}
