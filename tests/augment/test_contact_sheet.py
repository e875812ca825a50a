from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from datatools.augment.contact_sheet import draw_contact_sheet
from datatools.augment.dataset import Shown
from datatools.images import encode_png
from datatools.masks import from_array
from tests.augment.builders import box, polygon, row_of
from tests.builders import lay_out

GREY = np.full((24, 32, 3), 128, dtype=np.uint8)
RED, BLUE = (220, 40, 40), (40, 90, 230)


def open_sheet(data: bytes) -> Any:
    image = Image.open(io.BytesIO(data))
    image.load()
    return np.asarray(image.convert("RGB"))


def n_like(pixels: Any, colour: tuple[int, int, int]) -> int:
    return int((np.abs(pixels.astype(int) - colour).max(axis=2) < 60).sum())


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return lay_out(tmp_path, {"a.png": encode_png(GREY)})


def pair(before: list[Any] = [], after: list[Any] = []) -> Shown:  # noqa: B006
    return Shown("a.png", before, encode_png(GREY), after)


def test_pairs_stand_eight_a_row_and_the_rest_is_blank(root: Path):
    sheet = open_sheet(draw_contact_sheet([pair()] * 10, root, side_px=64))
    assert sheet.shape == (2 * 2 * 64, 8 * 64, 3)
    assert (sheet[128:, 2 * 64 :] == 255).all()
    assert (sheet[:40, :60] == 128).all(), "the image keeps its proportions, in the top left of a square"
    assert (sheet[50:64, :64] == 255).all()


def test_nothing_to_show_is_a_blank_sheet(root: Path):
    sheet = open_sheet(draw_contact_sheet([], root))
    assert sheet.shape == (256, 1024, 3)
    assert (sheet == 255).all()


def shape(kind: str, points: list[Any]) -> dict[str, Any]:
    return row_of({"annotation_id": "s", "kind": "shape"}, attributes=json.dumps({"shape": kind, "points": points}))


BITMAP = np.zeros((24, 32), dtype=bool)
BITMAP[5:15, 6:20] = True
TRIANGLE = [[5, 5], [25, 5], [15, 20]]


@pytest.mark.parametrize(
    ("row", "colour"),
    [
        (box(4, 4, 20, 20), RED),
        (row_of(polygon(TRIANGLE), x0_px=None), BLUE),
        (row_of(polygon(), mask=from_array(BITMAP).to_json(), x0_px=None), BLUE),
        (shape("polyline", [[2, 2], [20, 15]]), BLUE),
        (shape("points", [[10, 10], [20, 15]]), BLUE),
    ],
)
def test_objects_are_drawn_on_the_parent_and_on_the_copy(row: dict[str, Any], colour: tuple[int, int, int], root: Path):
    before = open_sheet(draw_contact_sheet([pair(before=[row])], root))
    after = open_sheet(draw_contact_sheet([pair(after=[row])], root))
    assert n_like(before[:128, :128], colour) > 5
    assert n_like(before[128:, :128], colour) == 0
    assert n_like(after[128:, :128], colour) > 5
    assert n_like(after[:128, :128], colour) == 0


@pytest.mark.parametrize("row", [row_of(polygon(), mask="{", x0_px=None), shape("ellipse", [])])
def test_what_cannot_be_drawn_is_left_out(row: dict[str, Any], root: Path):
    sheet = open_sheet(draw_contact_sheet([pair(before=[row])], root))
    assert n_like(sheet, RED) == n_like(sheet, BLUE) == 0
