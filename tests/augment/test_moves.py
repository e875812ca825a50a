from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datatools.augment.moves import Bend, Warp, find_moves
from datatools.policy.draws import draw_values
from datatools.policy.steps import AUGMENTERS, parse_policy
from tests.strategies import policies

SIZE = (160, 100)
CORNERS = np.array([[0, 0], [160, 0], [160, 100], [0, 100]], dtype=float)
PLACES = np.array([[0, 0], [160, 100], [80, 50], [31.25, 77.5], [-20, 130]], dtype=float)


def move_of(name: str, size_wh: tuple[int, int] = SIZE, **values: Any) -> Warp | Bend:
    columns = {key: np.array([value]) for key, value in values.items()}
    (move,) = find_moves(name, columns, [size_wh])
    return move


@pytest.mark.parametrize(
    ("name", "values", "to"),
    [
        ("flip_horizontal", {}, lambda x, y: (160 - x, y)),
        ("flip_vertical", {}, lambda x, y: (x, 100 - y)),
        ("quarter_turns", {"turns": 0.0}, lambda x, y: (x, y)),
        ("quarter_turns", {"turns": 1.0}, lambda x, y: (100 - y, x)),
        ("quarter_turns", {"turns": 2.0}, lambda x, y: (160 - x, 100 - y)),
        ("quarter_turns", {"turns": 3.0}, lambda x, y: (y, 160 - x)),
        ("rotate", {"degrees": 90.0}, lambda x, y: (80 - (y - 50), 50 + (x - 80))),
        ("rotate", {"degrees": 180.0}, lambda x, y: (160 - x, 100 - y)),
        ("crop", {"share": [0.0, 0.0, 0.0, 0.0]}, lambda x, y: (x, y)),
        ("crop", {"share": [0.1, 0.0, 0.0, 0.25]}, lambda x, y: ((x - 40) / 0.75, (y - 10) / 0.9)),
        ("crop", {"share": [0.0, 0.2, 0.4, 0.0]}, lambda x, y: (x / 0.8, y / 0.6)),
        ("perspective", {"scale": [0.0] * 8}, lambda x, y: (x, y)),
    ],
)
def test_points_go_where_the_definition_says(name: str, values: dict[str, Any], to: Any):
    moved = move_of(name, **values).move(PLACES)
    np.testing.assert_allclose(moved, [to(x, y) for x, y in PLACES], atol=1e-9)


NEUTRAL = {"rotate_deg": 0.0, "scale": 1.0, "shear_deg": 0.0, "translate": [0.0, 0.0]}


@pytest.mark.parametrize(
    ("changes", "to"),
    [
        ({}, lambda x, y: (x, y)),
        ({"scale": 2.0}, lambda x, y: (80 + 2 * (x - 80), 50 + 2 * (y - 50))),
        ({"translate": [0.25, -0.1]}, lambda x, y: (x + 40, y - 10)),
        ({"shear_deg": 45.0}, lambda x, y: (x + (y - 50), y)),
        (
            {"rotate_deg": 90.0, "scale": 2.0, "translate": [0.5, 0.0]},
            lambda x, y: (160 - 2 * (y - 50), 50 + 2 * (x - 80)),
        ),
        # zoom, then shear, then turn: the other orders give other places
        ({"rotate_deg": 90.0, "shear_deg": 45.0}, lambda x, y: (80 - (y - 50), 50 + (x - 80) + (y - 50))),
    ],
)
def test_an_affine_step_zooms_shears_turns_and_shifts_in_this_order(changes: dict[str, Any], to: Any):
    moved = move_of("affine", **{**NEUTRAL, **changes}).move(PLACES)
    np.testing.assert_allclose(moved, [to(x, y) for x, y in PLACES], atol=1e-9)


@given(st.lists(st.floats(0, 0.3), min_size=8, max_size=8))
def test_perspective_takes_the_inner_corners_to_the_outer_ones(scale: list[float]):
    (dx0, dy0), (dx1, dy1), (dx2, dy2), (dx3, dy3) = np.reshape(scale, (4, 2)) * SIZE
    inner = np.array([[dx0, dy0], [160 - dx1, dy1], [160 - dx2, 100 - dy2], [dx3, 100 - dy3]])
    np.testing.assert_allclose(move_of("perspective", scale=scale).move(inner), CORNERS, atol=1e-6)


def test_what_lies_beyond_the_horizon_stays_on_its_own_side():
    narrow_above = [0.4, 0.0, 0.4, 0.0, 0.0, 0.0, 0.0, 0.0]  # the upper corners move in: lines meet a quarter above
    left, right = move_of("perspective", scale=narrow_above).move(np.array([[70.0, -60.0], [90.0, -60.0]]))
    assert left[0] < -1000 and right[0] > 1000
    assert left[1] == pytest.approx(right[1]) and left[1] < -1000


def test_only_odd_quarter_turns_change_the_size():
    sizes = [move_of("quarter_turns", turns=float(turns)).size_wh for turns in range(4)]
    assert sizes == [(160, 100), (100, 160), (160, 100), (100, 160)]


def bend_of(strength: float, smoothness: float, seed: int = 0) -> Bend:
    move = move_of("elastic", strength=strength, smoothness=smoothness, seed=np.uint64(seed))
    assert isinstance(move, Bend)
    return move


@given(
    st.floats(0.05, 0.5),
    st.floats(0, 1),
    st.integers(0, 2**63),
    st.lists(st.tuples(st.floats(0, 160), st.floats(0, 100))),
)
def test_a_bent_point_is_seen_where_the_pixels_say(smoothness: float, part: float, seed: int, places: list[Any]):
    bend = bend_of(part * smoothness / 4, smoothness, seed)
    points = np.array(places, dtype=float).reshape(-1, 2)
    moved = bend.move(points)
    np.testing.assert_allclose(moved - bend.shift(moved), points, atol=1e-3)


def test_a_shift_is_never_longer_than_the_strength_says():
    shifts = bend_of(0.05, 0.2).shift_maps()
    assert shifts.shape == (2, 100, 160)
    assert 3 < np.abs(shifts).max() <= 0.05 * 100


def test_the_shift_of_a_pixel_is_that_of_its_middle():
    bend = bend_of(0.03, 0.13, seed=5)
    dx, dy = bend.shift_maps()
    np.testing.assert_allclose(bend.shift(np.array([[20.5, 70.5]])), [[dx[70, 20], dy[70, 20]]], atol=1e-12)


def test_what_is_outside_bends_as_the_edge_does():
    bend = bend_of(0.03, 0.2)
    np.testing.assert_allclose(
        bend.shift(np.array([[-50.0, 30.0], [300.0, 170.0]])), bend.shift(np.array([[0.0, 30.0], [160.0, 100.0]]))
    )


@given(policies(geometric=True, max_size=1), st.integers(0, 2**64 - 1))
def test_each_image_moves_by_its_own_values_and_size(policy: list[Any], seed: int):
    sizes = [(160, 100), (40, 90), (64, 64)]
    seeds = np.array([seed, seed ^ 1, seed ^ 2], dtype=np.uint64)
    for step, values in zip(parse_policy(policy), draw_values(parse_policy(policy), seeds), strict=True):
        together = find_moves(step.name, values, sizes)
        for row, size in enumerate(sizes):
            (alone,) = find_moves(step.name, {name: column[row : row + 1] for name, column in values.items()}, [size])
            np.testing.assert_array_equal(alone.move(PLACES), together[row].move(PLACES))
            assert alone.size_wh == together[row].size_wh


def test_every_geometric_augmenter_has_a_move():
    for name, spec in AUGMENTERS.items():
        if spec.is_geometric:
            steps = parse_policy([{name: {"scale": 1.1} if name == "affine" else {}}])
            (values,) = draw_values(steps, np.zeros(2, dtype=np.uint64))
            assert len(find_moves(name, values, [SIZE, SIZE])) == 2
