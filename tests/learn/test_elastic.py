from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from datatools.learn.elastic import NODES, bend, draw_shift
from datatools.learn.fields import draw_uniform
from datatools.policy.augmenters import AUGMENTERS

from .pictures import SIDE_PX, make_pictures, to_batch

SEEDS = torch.arange(8, dtype=torch.int32).view(4, 2)
STILL = torch.eye(2, 3).expand(4, 2, 3)


def test_there_are_nodes_for_the_finest_grid():
    finest = AUGMENTERS["elastic"].arguments["smoothness"].low
    assert (NODES - 1) * finest >= 1


def test_no_strength_no_change():
    images = to_batch(make_pictures(4))
    bent = bend(images, STILL, torch.zeros(4), torch.full((4,), 0.2), SEEDS)
    torch.testing.assert_close(bent, images, atol=0.01, rtol=0)


@given(st.floats(0, 0.2), st.floats(0.05, 0.5))
def test_no_place_moves_further_than_the_strength(strength, smoothness):
    shift = draw_shift(SEEDS, torch.full((4,), strength), torch.full((4,), smoothness), 24)
    assert shift.shape == (4, 24, 24, 2)
    assert float(shift.abs().max()) <= 2 * strength + 1e-5, "the image goes from -1 to 1"


def test_it_is_linear_between_the_nodes():
    """By NumPy's own interpolation, along x and then along y."""
    shift = draw_shift(SEEDS, torch.full((4,), 0.1), torch.full((4,), 0.3), SIDE_PX).numpy()
    nodes = draw_uniform(SEEDS, 2 * NODES * NODES).view(4, 2, NODES, NODES).numpy() * 0.2
    places, knots = (np.arange(SIDE_PX) + 0.5) / SIDE_PX, np.arange(NODES) * 0.3
    for number, axis in ((0, 0), (3, 1)):
        rows = np.array([np.interp(places, knots, row) for row in nodes[number, axis]])
        expected = np.array([np.interp(places, knots, column) for column in rows.T]).T
        np.testing.assert_allclose(shift[number, ..., axis], expected, atol=1e-6)


def test_every_image_bends_its_own_way():
    shift = draw_shift(SEEDS, torch.full((4,), 0.1), torch.full((4,), 0.3), 24)
    assert float((shift[0] - shift[1]).abs().mean()) > 0.02
    other = draw_shift(SEEDS[1:2], torch.full((1,), 0.1), torch.full((1,), 0.3), 24)
    torch.testing.assert_close(other[0], shift[1])
