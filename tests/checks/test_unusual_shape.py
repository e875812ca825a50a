from __future__ import annotations

import numpy as np
import pytest

from datatools.checks.unusual_shape import CHECK, find_unusual_shapes
from datatools.params import ValidateParams
from datatools.schema import ANNOTATIONS
from tests.small_data import box_row, image_row, make_images, make_inputs

IMAGES = make_images([image_row("a.png", width_px=1000, height_px=1000)])


def table(*sizes, at=100, label="circle"):
    return [
        box_row(f"{label}/{n:03d}", (at, at, at + width, at + height), label=label)
        for n, (width, height) in enumerate(sizes)
    ]


def found(rows, limit=6.0):
    return list(find_unusual_shapes(ANNOTATIONS.conform(rows), IMAGES, ValidateParams(box_shape_limit=limit)))


USUAL = [(40 + n % 3, 40 + n % 5) for n in range(29)]


@pytest.mark.parametrize(
    ("size", "features"),
    [((40, 41), []), ((160, 10), ["width / height"]), ((10, 160), ["width / height"]), ((400, 410), ["side"]),
     ((4, 4), ["side"]), ((400, 40), ["width / height", "side"])],
)  # fmt: skip
def test_aspect_ratio_and_size(size, features):
    findings = found(table(*USUAL, size))
    assert [finding.message.split(" is ")[0] for finding in findings] == features
    assert {finding.annotation_id for finding in findings} <= {"circle/029"}


def test_the_number_is_a_robust_z_score():
    sizes = [(100 * np.exp(step), 100) for step in np.linspace(-0.5, 0.5, 21)]
    findings = found(table(*sizes, (100 * np.exp(2.1), 100)), limit=4.0)
    logs = np.append(np.linspace(-0.5, 0.5, 21), 2.1)
    deviation = 1.4826 * np.median(np.abs(logs - np.median(logs)))
    expected = (2.1 - np.median(logs)) / deviation
    assert findings[0].message.endswith(f": {expected:.1f} robust standard deviations away")
    assert findings[0].score == pytest.approx(4 / expected)


def test_classes_of_equal_boxes_allow_a_slip_of_the_hand():
    assert found(table(*[(40, 40)] * 29, (50, 40))) == []
    assert len(found(table(*[(40, 40)] * 29, (60, 40)))) == 1


def test_small_classes_and_boxes_at_the_edge_are_passed_over():
    assert found(table(*USUAL[:18], (160, 10))) == []
    assert len(found(table(*USUAL[:19], (160, 10)))) == 1
    assert found([*table(*USUAL), box_row("cut", (0, 100, 10, 260))]) == []


def test_each_class_has_its_own_shape():
    wide = [(160, 10)] * 30
    assert found(table(*USUAL) + table(*wide, label="star")) == []


def test_off_by_default():
    assert list(find_unusual_shapes(ANNOTATIONS.conform(table(*USUAL, (400, 4))), IMAGES, ValidateParams())) == []
    assert CHECK.off(make_inputs()) == "validate.box_shape_limit is 0"
    assert CHECK.off({"params": ValidateParams(box_shape_limit=3.0)}) == ""
