from __future__ import annotations

import cv2
import numpy as np
import pytest

from datatools.checks.blurry_image import find_blurry_images
from datatools.images import compute_facts, encode_png
from datatools.params import ValidateParams
from tests.small_data import image_row, make_images


@pytest.mark.parametrize(
    ("step", "is_blurry"), [(0.25, True), (0.3099, True), (0.31, False), (1.0, False), (None, False)]
)
def test_the_edge_step_decides(step, is_blurry):
    found = list(find_blurry_images(make_images([image_row("a.png", edge_step=step), "b.png"]), ValidateParams()))
    assert [(one.path, one.score) for one in found] == [("a.png", step)] * is_blurry


def test_the_message_has_the_numbers():
    (found,) = find_blurry_images(make_images([image_row("a.png", edge_step=0.283)]), ValidateParams(blur_max=0.3))
    assert found.message == "blurry: its sharpest edges take 28% of 4 pixels' step within one (limit 30%)"


def test_a_blurry_set_is_one_finding():
    images = make_images([image_row(f"{n}.png", edge_step=0.27) for n in range(40)])
    (found,) = find_blurry_images(images, ValidateParams())
    assert found.message == "40 of 40 images (100%) are blurry (edge step below 0.31): a trait of the set, as in 0.png"
    assert (found.path, found.subject) == (None, "blurry images")


@pytest.mark.parametrize(("width", "height"), [(32, 32), (90, 60), (400, 300)])
@pytest.mark.parametrize("contrast", [20, 200])
def test_shapes_before_and_after_blur(width, height, contrast):
    """Contrast does not matter, nor whether the image is measured at reduced scale."""
    picture = np.full((height, width, 3), 30, np.uint8)
    cv2.rectangle(picture, (width // 4, height // 4), (3 * width // 4, 3 * height // 4), (30 + contrast,) * 3, -1)
    blurred = cv2.GaussianBlur(picture, (0, 0), max(2.5, min(width, height) / 40))
    steps = [compute_facts(encode_png(image)).edge_step for image in (picture, blurred)]
    assert steps[0] >= 0.5  # half, where scaling averages over the very edge
    assert steps[1] < ValidateParams().blur_max + 0.05
    assert steps[1] < 0.7 * steps[0]
