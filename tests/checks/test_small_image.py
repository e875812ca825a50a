from __future__ import annotations

import pytest

from datatools.checks.image_traits import TRAIT_SCORE, each_or_once
from datatools.checks.small_image import find_small_images
from datatools.findings import Finding
from datatools.params import ValidateParams
from tests.small_data import image_row, make_images


def sized(*sizes):
    return make_images([image_row(f"{n:03}.png", width_px=w, height_px=h) for n, (w, h) in enumerate(sizes)])


@pytest.mark.parametrize(
    ("size", "least", "score"),
    [((15, 40), 16, 15 / 16), ((40, 4), 16, 0.25), ((16, 16), 16, None), ((40, 63), 64, 40 / 64), ((1, 1), 1, None)],
)
def test_the_short_side_decides(size, least, score):
    found = list(find_small_images(sized(size), ValidateParams(min_side_px=least)))
    message = f"{size[0]} x {size[1]} px: a side is shorter than {least} px"
    assert found == ([] if score is None else [Finding(message, "000.png", score=score)])


def test_a_set_of_small_images_is_one_finding():
    found = list(find_small_images(sized(*[(8, 8)] * 30), ValidateParams()))
    text = "30 of 30 images (100%) have a side shorter than 16 px: a trait of the set, as in 000.png"
    assert found == [Finding(text, score=TRAIT_SCORE, subject="small images")]


@pytest.mark.parametrize(
    ("n_odd", "n_images", "n_findings"),
    [
        (0, 50, 0),
        (20, 20, 20),
        (21, 21, 1),
        (21, 105, 21),
        (22, 105, 1),
        (20_000, 100_000, 20_000),
        (20_001, 100_000, 1),
    ],
)
def test_more_than_a_fifth_and_more_than_20_are_a_trait(n_odd, n_images, n_findings):
    odd = make_images([f"{n:06}.png" for n in range(n_odd)])
    found = list(each_or_once(odd, n_images, lambda row: Finding("odd", row.path), "are odd", "odd images"))
    assert len(found) == n_findings
    assert {finding.path is None for finding in found} == ({n_findings == 1} if n_odd else set())
    if n_odd and n_findings == n_odd:
        assert {finding.path for finding in found} == set(odd["path"])


def test_no_images():
    assert list(find_small_images(make_images([]), ValidateParams())) == []
