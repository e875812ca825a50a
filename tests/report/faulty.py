"""A data set with faults of every kind that can be drawn, its images on disk, and a hostile name among them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd

from datatools.checks.runner import run_checks
from datatools.dataset import Dataset
from datatools.findings import Finding as F
from datatools.findings import Mark, Offer, concat, to_table
from datatools.images import encode_png
from datatools.mutes import Mute, apply_mutes
from datatools.params import ValidateParams
from datatools.report.validation import Validation
from datatools.schema import ANNOTATIONS, FIX_STATUS, REJECTED
from tests.small_data import box_row, image_row, label_rows, make_images, mask_row

TODAY = pd.Timestamp("2026-06-01").date()
HOSTILE = "<script>alert(1)</script>"
WIDTH_PX, HEIGHT_PX = 320, 240


def draw_scene(seed: int) -> np.ndarray:
    """A textured background with three bright blobs."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:HEIGHT_PX, :WIDTH_PX]
    base = 90 + 40 * np.sin(x / 23 + seed) + 25 * np.cos(y / 17) + rng.normal(0, 6, (HEIGHT_PX, WIDTH_PX))
    image = np.stack([base, base * 0.9, base * 0.8], axis=2)
    for cx, cy, radius in ((80, 70, 30), (200, 120, 45), (270, 200, 25)):
        inside = (x - cx) ** 2 + (y - cy) ** 2 < radius**2
        image[inside] = (230, 210, 120 + 10 * seed)
    return np.clip(image, 0, 255).astype(np.uint8)


def circle(cx: float, cy: float, radius: float, n: int = 24) -> list[list[float]]:
    """A closed ring."""
    angles = np.linspace(0, 2 * np.pi, n + 1)
    return [[round(cx + radius * np.cos(a), 1), round(cy + radius * np.sin(a), 1)] for a in angles[:-1]] + [
        [cx + radius, cy]
    ]


def make_faulty(root: Path) -> Validation:
    """Write the images below `root` and run the checks on faulty annotations of them."""
    names = [f"scans/{number}.png" for number in range(6)] + [f"scans/{HOSTILE}.png".replace("/script", "script")]
    sizes = {"width_px": WIDTH_PX, "height_px": HEIGHT_PX}
    for number, name in enumerate(names):
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(encode_png(draw_scene(number)))
    (root / names[5]).write_bytes(b"not an image any more")
    crossing = [[50, 40], [110, 100], [110, 40], [50, 100], [50, 40]]
    rows = [row for name in names for row in label_rows(name, {"anna": "blob", "ben": "blob"}, "blob")]
    rows += [
        box_row("b/whole", (50, 40, 110, 100), names[0], "blob"),
        box_row("b/swapped", (245, 75, 155, 165), names[0], "blob"),
        box_row("b/outside", (250, 180, 352, 231), names[1], "blob"),
        box_row("b/far", (-5000, 20, 60, 90), names[1], "blob"),
        box_row("b/empty", (80, 70, 80, 90), names[2], "blob"),
        box_row("b/tiny", (200, 120, 201.5, 121.5), names[2], "blob"),
        mask_row("m/crossing", crossing, path=names[3], label="blob"),
        mask_row("m/open", circle(200, 120, 45)[:-1], path=names[3], label="blob"),
        mask_row("m/fine", circle(80, 70, 30), path=names[4], label="blob"),
        mask_row("m/fine2", circle(270, 200, 25), path=names[4], label="blob"),
        mask_row("m/outside", circle(300, 120, 45), path=names[4], label="blob"),
        box_row("b/unread", (1, 1, 9, 9), names[5], "blob"),
        box_row(f"b/{HOSTILE}", (9, 9, 3, 3), names[6], "blob"),
    ]  # fmt: skip
    images = make_images([image_row(name, **sizes) for name in names])
    dataset = Dataset(images, ANNOTATIONS.conform(rows), ("blob",))
    rejected = REJECTED.conform(
        [{"source": "labels/anna.csv", "row": 7, "path": names[0], "annotation_id": f"label/{names[0]}@anna",
          "reason": "LBL001", "message": "label 'blbo' is not in the class list"}]
    )  # fmt: skip
    inputs = {
        "images": dataset.images, "annotations": dataset.annotations, "classes": dataset.classes,
        "ratings": dataset.ratings, "rejected": rejected, "fixes": FIX_STATUS.empty(), "params": ValidateParams(),
    }  # fmt: skip
    findings, outcomes = run_checks(inputs)
    swapped = json.dumps([245, 75, 155, 165]), json.dumps([155, 75, 245, 165])
    drawn = {
        "BOX001": F("right edge left of the left edge", names[0], "b/swapped", 0.1, None,
                    (Mark("box", (155, 75, 245, 165)),), Offer("move_box", *swapped)),
        "BOX002": F("stands 32 px over the right edge", names[1], "b/outside", 0.0, None,
                    (Mark("line", (320, 180, 320, 231)), Mark("box", (320, 180, 352, 231)))),
        "MSK002": F(f"crosses itself {HOSTILE}", names[3], "m/crossing", 0.0, None,
                    (Mark("point", (80, 70)), Mark("line", (50, 40, 110, 100)), Mark("line", (110, 40, 50, 100)))),
    }  # fmt: skip
    versions = {outcome.code: (outcome.version, outcome.severity) for outcome in outcomes}
    tables = [to_table([finding], code, *versions[code]) for code, finding in drawn.items()]
    kept = findings[~findings["annotation_id"].isin({finding.annotation_id for finding in drawn.values()})]
    findings = concat([kept, *tables])
    mutes = (
        Mute("BOX003", "points are labelled as boxes here", TODAY, path="scans/2*", by=HOSTILE),
        Mute("BOX001", "gone by", pd.Timestamp("2026-01-01").date()),
        Mute("IMG002", "never happens", TODAY),
    )
    agreement = {
        "annotators": 2,
        "n": 7,
        "fleiss": 1.0,
        "cohen": [{"annotators": ["anna", HOSTILE], "n": 7, "kappa": 1.0}],
    }
    return Validation(dataset, findings, outcomes, rejected, agreement, apply_mutes(findings, mutes, TODAY), "scans")
