from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from datatools.learn.warps import WARPS, find_matrices, look_up

from .pictures import SIDE_PX, from_batch, make_pictures, to_batch

PICTURES = make_pictures(3)
YES = np.ones(3, bool)


def run(name, exact=False, **values):
    matrices = find_matrices(name, {"applies": YES, **{key: np.array(value, float) for key, value in values.items()}})
    return from_batch(look_up(to_batch(PICTURES), torch.tensor(matrices, dtype=torch.float32), exact=exact))


def affine(rotate_deg=0.0, scale=1.0, shear_deg=0.0, translate=(0.0, 0.0)):
    values = {"rotate_deg": rotate_deg, "scale": scale, "shear_deg": shear_deg}
    return run("affine", **{name: [value] * 3 for name, value in values.items()}, translate=[translate] * 3)


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize(("name", "axis"), [("flip_horizontal", 2), ("flip_vertical", 1)])
def test_flips(name, axis, exact):
    np.testing.assert_allclose(run(name, exact), np.flip(PICTURES, axis), atol=0 if exact else 0.01)


def test_quarter_turns_go_clockwise():
    found = run("quarter_turns", exact=True, turns=[0, 1, 3])
    for picture, turns, result in zip(PICTURES, (0, 1, 3), found, strict=True):
        np.testing.assert_array_equal(result, np.rot90(picture, -turns))


def test_rotate_goes_clockwise():
    found = run("rotate", degrees=[90, -90, 180])
    for picture, turns, result in zip(PICTURES, (1, -1, 2), found, strict=True):
        np.testing.assert_allclose(result, np.rot90(picture, -turns), atol=0.05)


def test_a_shift_goes_right_and_down_and_repeats_the_edge():
    found = affine(translate=(4 / SIDE_PX, 2 / SIDE_PX))
    np.testing.assert_allclose(found[:, 2:, 4:], PICTURES[:, :-2, :-4], atol=0.05)
    np.testing.assert_allclose(found[:, 2:, 0], PICTURES[:, :-2, 0], atol=0.05)


def test_a_zoom_of_two_shows_the_middle_half():
    quarter = SIDE_PX // 4
    middle = to_batch(PICTURES)[:, :, quarter:-quarter, quarter:-quarter]
    twice = from_batch(F.interpolate(middle, scale_factor=2, mode="bilinear", align_corners=False))
    found = affine(scale=2.0)
    np.testing.assert_allclose(found[:, 1:-1, 1:-1], twice[:, 1:-1, 1:-1], atol=0.05)
    np.testing.assert_allclose(run("crop", share=[[0.25] * 4] * 3), found, atol=0.05)


def test_a_shear_moves_the_lower_half_to_the_right():
    row = SIDE_PX - 1
    off = np.tan(np.deg2rad(30)) * (row + 0.5 - SIDE_PX / 2)
    shifted = affine(translate=(off / SIDE_PX, 0.0))
    np.testing.assert_allclose(affine(shear_deg=30.0)[:, row], shifted[:, row], atol=0.5)


def test_a_crop_fills_the_image_with_what_is_left():
    matrices = find_matrices("crop", {"applies": YES[:1], "share": np.array([[0.1, 0.2, 0.3, 0.0]])})
    corners = np.array([[-1, -1, 1], [1, 1, 1]]) @ matrices[0].T
    np.testing.assert_allclose(corners[:, :2], [[-1, -0.8], [0.6, 0.4]])


@given(st.lists(st.floats(0, 0.3), min_size=8, max_size=8))
def test_perspective_shows_the_moved_corners_in_the_corners(scale):
    matrices = find_matrices("perspective", {"applies": YES[:1], "scale": np.array([scale])})
    ends = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], float)
    seen = np.column_stack([ends, np.ones(4)]) @ matrices[0].T
    np.testing.assert_allclose(seen[:, :2] / seen[:, 2:], ends * (1 - 2 * np.reshape(scale, (4, 2))), atol=1e-9)


def test_a_perspective_without_foreshortening_is_a_crop():
    corners = [0.1, 0.2, 0.1, 0.2, 0.1, 0.2, 0.1, 0.2]
    cropped = run("crop", share=[[0.2, 0.1, 0.2, 0.1]] * 3)
    np.testing.assert_allclose(run("perspective", scale=[corners] * 3), cropped, atol=0.05)


@pytest.mark.parametrize("name", WARPS)
def test_images_that_a_step_does_not_apply_to_stay(name):
    values = {"turns": [1.0] * 3, "degrees": [20.0] * 3, "rotate_deg": [9.0] * 3, "scale": [1.1] * 3,
              "shear_deg": [5.0] * 3, "translate": [[0.1, 0.1]] * 3, "share": [[0.1, 0.2, 0.0, 0.1]] * 3}  # fmt: skip
    if name == "perspective":
        values["scale"] = [[0.1, 0.2, 0.1, 0.0, 0.1, 0.2, 0.1, 0.2]] * 3
    drawn = {key: np.array(value) for key, value in values.items()}
    matrices = find_matrices(name, {"applies": np.array([True, False, True]), **drawn})
    np.testing.assert_array_equal(matrices[1], np.eye(3))
    assert all(np.abs(matrix - np.eye(3)).max() > 0.01 for matrix in matrices[::2])


def test_two_matrices_in_a_row_are_two_steps():
    first = find_matrices("rotate", {"applies": YES, "degrees": np.array([10.0, -20.0, 5.0])})
    second = find_matrices("crop", {"applies": YES, "share": np.tile([0.2, 0.0, 0.0, 0.1], (3, 1))})
    both = look_up(to_batch(PICTURES), torch.tensor(first @ second, dtype=torch.float32))
    apart = to_batch(PICTURES)
    for matrices in (first, second):
        apart = look_up(apart, torch.tensor(matrices, dtype=torch.float32))
    inside = (slice(None), slice(None), slice(10, -10), slice(10, -10))
    assert float((both - apart)[inside].abs().mean()) < 2
    swapped = look_up(to_batch(PICTURES), torch.tensor(second @ first, dtype=torch.float32))
    assert float((swapped - both).abs().mean()) > 5
