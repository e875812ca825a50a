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
        (row_of(box(), x0_px=None, attributes='{"keypoints": [10, 10, 2, 20, 15, 1]}'), BLUE),
        (row_of(box(), x0_px=None, attributes='{"keypoints": [[10, 10], [20, 15]]}'), BLUE),
    ],
)
def test_objects_are_drawn_on_the_parent_and_on_the_copy(row: dict[str, Any], colour: tuple[int, int, int], root: Path):
    before = open_sheet(draw_contact_sheet([pair(before=[row])], root))
    after = open_sheet(draw_contact_sheet([pair(after=[row])], root))
    assert n_like(before[:128, :128], colour) > 5
    assert n_like(before[128:, :128], colour) == 0
    assert n_like(after[128:, :128], colour) > 5
    assert n_like(after[:128, :128], colour) == 0


@pytest.mark.parametrize(("height", "width"), [(24, 32), (128, 128), (1500, 2000), (2000, 500)])
def test_outlines_are_as_clear_on_an_image_of_any_size(height: int, width: int, tmp_path: Path):
    image = np.full((height, width, 3), 128, dtype=np.uint8)
    root = lay_out(tmp_path, {"a.png": encode_png(image)})
    edge = [[0.2 * width, 0.2 * height], [0.8 * width, 0.2 * height], [0.5 * width, 0.8 * height]]
    rows = [
        box(0.1 * width, 0.1 * height, 0.9 * width, 0.9 * height),
        row_of(polygon(edge), x0_px=None),
        shape("point", [[0.5 * width, 0.4 * height]]),
    ]
    sheet = open_sheet(draw_contact_sheet([Shown("a.png", rows, encode_png(image), [])], root))[:128, :128]
    wide, high = round(128 * width / max(height, width)), round(128 * height / max(height, width))
    assert n_like(sheet, RED) > 1.4 * (wide + high)
    assert n_like(sheet, BLUE) > 0.8 * (wide + high)
    for x, y in [(0.1, 0.5), (0.9, 0.5), (0.5, 0.1), (0.5, 0.9)]:
        near = sheet[round(y * high) - 1 : round(y * high) + 2, round(x * wide) - 1 : round(x * wide) + 2]
        assert n_like(near, RED), "where it is"


def test_a_hole_of_run_lengths_has_an_outline(root: Path):
    bitmap = np.ones((24, 32), dtype=bool)
    bitmap[8:16, 10:22] = False
    row = row_of(polygon(), mask=from_array(bitmap).to_json(), x0_px=None)
    sheet = open_sheet(draw_contact_sheet([pair(before=[row])], root))[:128, :128]
    assert n_like(sheet[28:36, 44:84], BLUE) > 30, "its upper edge"


def test_points_far_outside_and_without_place_do_no_harm(root: Path):
    keypoints = json.dumps({"keypoints": [0, 0, 0, float("nan"), 4, 2]})
    rows = [
        row_of(box(), x0_px=None, attributes=keypoints),
        box(-1e12, 4, 1e12, 20),
        row_of(polygon([[0, 0], [1e14, 5]])),
    ]
    sheet = open_sheet(draw_contact_sheet([pair(before=rows)], root))
    assert n_like(sheet[:128, :128], RED) > 100


@pytest.mark.parametrize("row", [row_of(polygon(), mask="{", x0_px=None), shape("ellipse", [])])
def test_what_cannot_be_drawn_is_left_out(row: dict[str, Any], root: Path):
    sheet = open_sheet(draw_contact_sheet([pair(before=[row])], root))
    assert n_like(sheet, RED) == n_like(sheet, BLUE) == 0
