from __future__ import annotations

import numpy as np
import pytest

from datatools.checks.mask_box_mismatch import find_mask_box_mismatches
from datatools.findings import Mark
from datatools.masks import from_array
from datatools.params import ValidateParams
from datatools.schema import ANNOTATIONS
from tests.small_data import SQUARE, make_images, mask_row

IMAGES = make_images(["a.png"])  # 64 x 48 px; SQUARE is 10, 10, 30, 30


def found(rows, bar=1.5):
    return list(find_mask_box_mismatches(ANNOTATIONS.conform(rows), IMAGES, ValidateParams(mask_box_px=bar)))


@pytest.mark.parametrize(
    ("box", "bar", "off"),
    [
        ((10, 10, 30, 30), 0.0, None),
        ((30, 30, 10, 10), 0.0, None),  # corners are put in order first
        ((10, 10, 29, 29), 1.5, None),  # inclusive corners
        ((9, 9, 31, 31), 1.5, None),
        ((8.5, 10, 30, 30), 1.5, None),  # exactly at the bar
        ((8.4, 10, 30, 30), 1.5, "1.6"),
        ((10, 10, 30, 34), 1.5, "4.0"),
        ((10, 10, 30, 34), 4.0, None),
        ((40, 10, 60, 30), 1.5, "30.0"),
    ],
)
def test_the_worst_side_and_the_bar(box, bar, off):
    findings = found([mask_row("a", SQUARE, box=box)], bar)
    assert [finding.message.split(": ")[1].split(" px")[0] for finding in findings] == ([off] if off else [])


def test_run_lengths_have_bounds_too():
    mask = np.zeros((48, 64), bool)
    mask[10:30, 10:30] = True
    row = {**mask_row("a", SQUARE), "mask": from_array(mask).to_json()}
    assert found([row]) == []
    assert len(found([{**row, "x1_px": 33.0}])) == 1


def test_what_lies_outside_the_image_does_not_count():
    ring, clipped = [[-20, 10], [99, 10], [30, 30]], (0, 10, 64, 30)
    assert found([mask_row("a", ring, box=clipped)]) == []
    assert found([mask_row("a", ring)]) == []
    assert len(found([mask_row("a", ring, box=clipped, path="gone.png")])) == 1


def test_crowds_and_objects_without_a_box_or_area_are_passed_over():
    row = mask_row("a", SQUARE, box=(0, 0, 60, 40))
    assert len(found([row])) == 1
    assert found([{**row, "attributes": '{"iscrowd":1}'}]) == []
    assert found([{**row, "x0_px": None}]) == []
    assert found([{**row, "mask": "[]"}]) == []
    assert found([{**row, "mask": None}]) == []


@pytest.mark.parametrize(("n", "n_off", "n_found"), [(40, 8, 8), (40, 9, 0), (19, 19, 19)])
def test_boxes_drawn_for_themselves_need_not_fit(n, n_off, n_found):
    rows = [mask_row(f"{k}", SQUARE, box=(10, 10, 30, 34 if k < n_off else 30)) for k in range(n)]
    assert len(found(rows)) == n_found


def test_boxes_drawn_for_themselves_still_lie_on_their_mask():
    rows = [mask_row(f"{k}", SQUARE, box=(6, 6, 32, 32)) for k in range(30)]
    (finding,) = found([*rows, mask_row("else", SQUARE, box=(22, 10, 42, 30))])
    assert finding.annotation_id == "else"


def test_message_score_and_marks():
    (finding,) = found([mask_row("a", SQUARE, box=(10, 10, 30, 50.25))])
    assert finding.message == "box is (10, 10, 30, 50.2), but its mask lies in (10, 10, 30, 30): 18.0 px off, IoU 0.50"
    assert finding.score == pytest.approx(400 / 805)
    assert finding.marks == (Mark("box", (10.0, 10.0, 30.0, 50.25)), Mark("box", (10.0, 10.0, 30.0, 30.0)))
