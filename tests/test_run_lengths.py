from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from datatools.masks import Rle, from_array
from datatools.run_lengths import collect_runs, list_holes, list_regions

EDGES, CORNERS = ndimage.generate_binary_structure(2, 1), np.ones((3, 3))


def random_masks(n=300, seed=0):
    """Masks of many sizes: noise of every density, so that holes, parts and corners are everywhere."""
    random = np.random.default_rng(seed)
    sizes = random.integers(1, 12, (n, 2))
    return [random.random(size) < random.random() for size in sizes]


def draw(*lines):
    return np.array([[letter == "#" for letter in line] for line in lines])


def count_holes(mask):
    """Background parts beside the one around the mask, with diagonal steps."""
    return ndimage.label(np.pad(~mask, 1, constant_values=True), CORNERS)[1] - 1


def test_counts_are_those_of_scipy_on_the_bitmaps():
    masks = random_masks()
    runs = collect_runs([from_array(mask) for mask in masks])
    assert runs.n_pixels.tolist() == [mask.sum() for mask in masks]
    assert runs.n_parts.tolist() == [ndimage.label(mask, CORNERS)[1] for mask in masks]
    assert runs.n_holes.tolist() == [count_holes(mask) for mask in masks]


def test_bounds_are_those_of_each_mask():
    rles = [from_array(mask) for mask in random_masks(seed=1)]
    expected = [rle.bounds() or (np.nan,) * 4 for rle in rles]
    np.testing.assert_array_equal(collect_runs(rles).bounds, expected)


def test_intersections_are_those_of_the_bitmaps():
    random = np.random.default_rng(2)
    masks = [random.random((9, 7)) < share for share in np.linspace(0, 1, 40)]
    one, other = map(np.ravel, np.indices((40, 40)))
    found = collect_runs([from_array(mask) for mask in masks]).intersect(one, other)
    assert found.tolist() == [(masks[i] & masks[j]).sum() for i, j in zip(one, other, strict=True)]


@pytest.mark.parametrize(
    ("lines", "n_parts", "n_holes"),
    [
        (("###", "#.#", "###"), 1, 1),
        ((".#.", "#.#", ".#."), 1, 0),  # a ring of corners has a way out between them
        (("##", "##"), 1, 0),
        (("#..", "..#"), 2, 0),
        (("#.#", ".#."), 1, 0),
        (("#####", "#.#.#", "#####"), 1, 2),
        (("..", ".."), 0, 0),
    ],
)
def test_parts_and_holes(lines, n_parts, n_holes):
    runs = collect_runs([from_array(draw(*lines))])
    assert (runs.n_parts.tolist(), runs.n_holes.tolist()) == ([n_parts], [n_holes])


def test_neighbours_in_the_list_do_not_touch():
    full = from_array(np.ones((2, 2)))
    assert collect_runs([full, full, full]).n_parts.tolist() == [1, 1, 1]


def test_no_masks_and_runs_without_pixels():
    assert collect_runs([]).n_parts.tolist() == []
    odd = Rle((2, 2), (0, 1, 0, 1, 2))  # two runs that follow each other
    runs = collect_runs([odd])
    assert (runs.n_pixels.tolist(), runs.n_parts.tolist(), runs.n_holes.tolist()) == ([2], [1], [0])


def test_parts_and_holes_are_listed_from_the_smallest():
    mask = draw("#####..", "#.#.#..", "###.#.#", "..###..")
    assert list_regions(mask) == [(1, (6, 2, 7, 3)), (15, (0, 0, 5, 4))]
    assert list_holes(mask) == [(1, (1, 1, 2, 2)), (2, (3, 1, 4, 3))]
    assert [len(list_holes(mask)) for mask in random_masks()] == [count_holes(mask) for mask in random_masks()]
