from __future__ import annotations

import json
import re
import time
from typing import Any

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray
from pycocotools import mask as oracle

from datatools.masks import (
    MAX_PIXELS,
    SHORT,
    MaskError,
    Rle,
    are_finite,
    decode_counts,
    dump_mask,
    encode_counts,
    find_bounds,
    from_array,
    parse_mask,
    parse_rle,
    rings_of,
)

MASKS = arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=12))
LONG_RUNS = st.lists(st.integers(0, 200_000), min_size=1, max_size=12)
RING = np.zeros((7, 9), bool)
RING[1:6, 2:8] = True
RING[3, 4:6] = False
SQUARE = [[[0.0, 0.0], [4.0, 0.0], [4.0, 4.0], [0.0, 4.0]]]


def encode(mask: NDArray[np.bool_]) -> dict[str, Any]:
    """What pycocotools makes of a mask, with a text as in a JSON file."""
    rle = oracle.encode(np.asfortranarray(mask, np.uint8))
    return {"size": list(rle["size"]), "counts": rle["counts"].decode()}


def compress(counts: list[int]) -> str:
    """pycocotools' compressed string of run lengths."""
    return oracle.frPyObjects({"size": [1, sum(counts)], "counts": counts}, 1, sum(counts))["counts"].decode()


@given(MASKS)
def test_a_mask_is_what_pycocotools_says_it_is(mask: NDArray[np.bool_]):
    rle, expected = from_array(mask), encode(mask)
    assert json.loads(rle.to_json()) == expected
    assert parse_rle(expected) == rle
    np.testing.assert_array_equal(rle.to_array(), mask)
    np.testing.assert_array_equal(rle.to_array(), oracle.decode(expected).astype(bool))
    assert rle.n_pixels == oracle.area(expected) == mask.sum()


@given(MASKS)
def test_bounds_are_those_of_pycocotools(mask: NDArray[np.bool_]):
    x, y, width, height = oracle.toBbox(encode(mask)).tolist()
    bounds = from_array(mask).bounds()
    assert bounds == ((x, y, x + width, y + height) if mask.any() else None)


@given(LONG_RUNS)
def test_run_lengths_are_compressed_as_pycocotools_does_and_back(counts: list[int]):
    text = encode_counts(counts)
    assert text == compress(counts)
    assert decode_counts(text) == counts


@given(st.text(st.characters(min_codepoint=40, max_codepoint=130), max_size=40))
def test_short_text_is_read_as_long_text_is(text: str):
    def read(text: str) -> object:
        try:
            return decode_counts(text)
        except MaskError as error:
            return str(error)

    padding = encode_counts([0] * 3) * SHORT  # numbers of one character, differences of 0: read by numpy
    long = read(padding + text)
    short = read(text)
    assert isinstance(short, str) == isinstance(long, str)
    if isinstance(short, str):
        assert short == long


@given(MASKS)
def test_outlines_cover_the_mask_and_its_holes_and_nothing_else(mask: NDArray[np.bool_]):
    rings = from_array(mask).to_rings()
    filled = shapely.union_all([shapely.Polygon(ring) for ring in rings])
    pixels = shapely.union_all([shapely.box(x, y, x + 1, y + 1) for y, x in np.argwhere(mask)])
    parts = [part for part in getattr(pixels, "geoms", [pixels]) if not part.is_empty]
    assert len(rings) == len(parts)
    assert filled.equals(shapely.union_all([shapely.Polygon(part.exterior) for part in parts]))
    assert all(shapely.Polygon(ring).is_valid and ring[0] == ring[-1] for ring in rings)


def test_an_outline_leaves_the_hole_out_of_account():
    [ring] = from_array(RING).to_rings()
    assert shapely.Polygon(ring).area == 30 == RING.sum() + 2
    assert shapely.Polygon(ring).bounds == (2, 1, 8, 6)


@given(MASKS)
def test_all_outlines_have_the_holes_in_them(mask: NDArray[np.bool_]):
    outlines = from_array(mask).to_outlines()
    assert sum(shapely.LinearRing(line).length for line in outlines) == sum(
        int(abs(np.diff(np.pad(mask, 1).astype(int), axis=axis)).sum()) for axis in (0, 1)
    ), "every edge between a pixel of the mask and one beside it"
    assert [line for line in outlines if line in from_array(mask).to_rings()] == from_array(mask).to_rings()


def test_an_outline_has_points_only_where_it_turns():
    [ring] = from_array(np.pad(np.ones((40, 50)), 1)).to_rings()
    assert sorted(ring[1:]) == [[1.0, 1.0], [1.0, 41.0], [51.0, 1.0], [51.0, 41.0]]
    assert ring[0] == ring[-1]


def test_parts_that_touch_at_a_corner_are_two_outlines():
    assert len(from_array(np.eye(2)).to_rings()) == 2


def test_a_run_over_several_columns_is_one_outline():
    rle = Rle((3, 4), (2, 8, 2))
    [ring] = rle.to_rings()
    assert shapely.Polygon(ring).area == rle.n_pixels == 8
    assert rle.bounds() == (0.0, 0.0, 4.0, 3.0)


@pytest.mark.parametrize("counts", [(12,), (12, 0), (5, 0, 7)])
def test_an_empty_mask_has_no_bounds_and_no_outline(counts: tuple[int, ...]):
    rle = Rle((3, 4), counts)
    assert (rle.bounds(), rle.to_rings(), rle.n_pixels) == (None, [], 0)


def test_runs_of_length_nought_change_nothing():
    rle = parse_rle({"size": [2, 3], "counts": [0, 2, 0, 2, 2]})
    np.testing.assert_array_equal(rle.to_array(), [[1, 1, 0], [1, 1, 0]])
    assert rle.bounds() == (0, 0, 2, 2)
    assert sum(shapely.Polygon(ring).area for ring in rle.to_rings()) == 4


@pytest.mark.parametrize("values", [[[0, 7], [255, 0]], [[0.0, 0.5], [1.0, 0.0]]])
def test_everything_but_zero_is_foreground(values: Any):
    np.testing.assert_array_equal(from_array(np.array(values)).to_array(), [[False, True], [True, False]])


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "an RLE needs the size [height, width] in whole pixels, got None"),
        ([], "an RLE needs the size [height, width] in whole pixels, got None"),
        ({"counts": [4]}, "an RLE needs the size [height, width] in whole pixels, got None"),
        ({"size": [2], "counts": [2]}, "in whole pixels, got [2]"),
        ({"size": [2, 0], "counts": [0]}, "in whole pixels, got [2, 0]"),
        ({"size": [-2, -2], "counts": [4]}, "in whole pixels, got [-2, -2]"),
        ({"size": [2.0, 2], "counts": [4]}, "in whole pixels, got [2.0, 2]"),
        ({"size": [True, 4], "counts": [4]}, "in whole pixels, got [True, 4]"),
        ({"size": ["2", 2], "counts": [4]}, "in whole pixels, got ['2', 2]"),
        ({"size": [100_000, 100_000], "counts": [10**10]}, "100000 x 100000 pixels is larger than 100000000 pixels"),
        ({"size": [10**300, 1], "counts": [1]}, "is larger than 100000000 pixels"),
        ({"size": [2, 2], "counts": [3]}, "RLE counts add up to 3, but 2 x 2 is 4"),
        ({"size": [2, 2], "counts": [5]}, "RLE counts add up to 5, but 2 x 2 is 4"),
        ({"size": [2, 2], "counts": []}, "RLE counts add up to 0, but 2 x 2 is 4"),
        ({"size": [2, 2], "counts": ""}, "RLE counts add up to 0, but 2 x 2 is 4"),
        ({"size": [2, 2], "counts": [5, -1]}, "RLE counts must be whole numbers from 0, or COCO's compressed string"),
        ({"size": [2, 2], "counts": encode_counts([5, -1])}, "RLE counts must be whole numbers from 0"),
        ({"size": [2, 2], "counts": [4.0]}, "RLE counts must be whole numbers from 0"),
        ({"size": [2, 2], "counts": [True, 3]}, "RLE counts must be whole numbers from 0"),
        ({"size": [2, 2], "counts": ["4"]}, "RLE counts must be whole numbers from 0"),
        ({"size": [2, 2], "counts": None}, "RLE counts must be whole numbers from 0"),
        ({"size": [2, 2], "counts": 4}, "RLE counts must be whole numbers from 0"),
        ({"size": [2, 2], "counts": b"4"}, "RLE counts must be whole numbers from 0"),
        ({"size": [2, 2], "counts": "T"}, "COCO's compressed RLE stops in the middle of a number"),
        ({"size": [2, 2], "counts": "4T"}, "COCO's compressed RLE stops in the middle of a number"),
        ({"size": [2, 2], "counts": "ooooooo0"}, "a number in COCO's compressed RLE is too long"),
        ({"size": [2, 2], "counts": "o" * 60 + "0"}, "a number in COCO's compressed RLE is too long"),
        ({"size": [2, 2], "counts": "4 "}, "' ' is no character of COCO's compressed RLE"),
        ({"size": [2, 2], "counts": "4p"}, "'p' is no character of COCO's compressed RLE"),
        ({"size": [2, 2], "counts": "4é"}, "'é' is no character of COCO's compressed RLE"),
        ({"size": [2, 2], "counts": "4\ud800"}, "'\\ud800' is no character of COCO's compressed RLE"),
        ({"size": [2, 2], "counts": "4\U0001f600"}, "is no character of COCO's compressed RLE"),
    ],
)
def test_what_is_no_rle_is_refused_with_the_reason(value: Any, message: str):
    with pytest.raises(MaskError, match=re.escape(message)):
        parse_rle(value)


def test_the_largest_mask_is_the_one_that_was_asked_for():
    value = {"size": [10, 10], "counts": [100]}
    assert parse_rle(value, max_pixels=100).n_pixels == 0
    with pytest.raises(MaskError, match="an RLE of 10 x 10 pixels is larger than 99 pixels"):
        parse_rle(value, max_pixels=99)


@given(st.text(st.characters(max_codepoint=200), max_size=12) | st.text("0123456789:;<=>?@ABCPQRST_`ao", max_size=12))
def test_any_string_is_a_mask_of_its_size_or_refused(text: str):
    try:
        rle = parse_rle({"size": [4, 5], "counts": text})
    except MaskError:
        return
    assert rle.to_array().shape == (4, 5)
    np.testing.assert_array_equal(rle.to_array(), oracle.decode({"size": [4, 5], "counts": text}).astype(bool))


@given(st.recursive(st.none() | st.integers() | st.floats() | st.text(max_size=3), st.lists, max_leaves=6))
def test_no_value_crashes_the_reader(value: Any):
    for item in (value, {"size": value, "counts": value}, {"size": [2, 2], "counts": value}):
        with pytest.raises(MaskError):
            parse_rle(item)


def test_a_hostile_string_of_a_million_numbers_is_refused_at_once():
    start = time.perf_counter()
    with pytest.raises(MaskError, match="add up to"):
        parse_rle({"size": [2, 2], "counts": "1" * 1_000_000})
    assert time.perf_counter() - start < 5


def test_sums_cannot_run_over():
    largest = encode_counts([2**33] * 50)
    with pytest.raises(MaskError, match="add up to"):
        parse_rle({"size": [2, 2], "counts": largest})
    with pytest.raises(MaskError, match=r"add up to|must be whole numbers"):
        parse_rle({"size": [1000, 1000], "counts": "ooooooO" * 100_000})


@pytest.mark.parametrize("text", ['{"size":[2,2],"counts":"4"}', '{"size":[2,2],"counts":[4]}'])
def test_a_mask_cell_may_hold_run_lengths(text: str):
    assert parse_mask(text) == Rle((2, 2), (4,))
    assert rings_of(text) == []


def test_a_mask_cell_may_hold_polygons():
    text = dump_mask(SQUARE)
    assert text == "[[[0.0,0.0],[4.0,0.0],[4.0,4.0],[0.0,4.0]]]"
    assert parse_mask(text) == rings_of(text) == SQUARE


def test_polygons_are_written_one_way_whatever_they_came_as():
    assert dump_mask([[[1, 2], (3, 4.5)]]) == dump_mask([[[1.0, 2.0], [3.0, 4.5]]]) == "[[[1.0,2.0],[3.0,4.5]]]"


@given(st.lists(st.lists(st.tuples(*[st.floats(-1e6, 1e6)] * 2).map(list), max_size=4), max_size=3))
def test_polygons_come_back_as_they_were(rings: list[list[list[float]]]):
    assert parse_mask(dump_mask(rings)) == rings


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "a mask must be JSON: Expecting value"),
        ("[", "a mask must be JSON"),
        ("[" * 100_000, "a mask must be JSON"),
        ("5", "a mask must be a list of polygons, each a list of [x, y], or an RLE object"),
        ("null", "a mask must be a list of polygons"),
        ('"x"', "a mask must be a list of polygons"),
        ("[5]", "a mask must be a list of polygons"),
        ("[[5]]", "a mask must be a list of polygons"),
        ("[[[1,2,3]]]", "a mask must be a list of polygons"),
        ("[[[1]]]", "a mask must be a list of polygons"),
        ('[[[1,"2"]]]', "a mask must be a list of polygons"),
        ("[[[1,true]]]", "a mask must be a list of polygons"),
        ("[[[1,null]]]", "a mask must be a list of polygons"),
        ("[[[1,NaN]]]", "a mask must be a list of polygons"),
        ("[[[NaN,1]]]", "a mask must be a list of polygons"),
        ("[[[1,Infinity]]]", "a mask must be a list of polygons"),
        ("[[[1,-1e400]]]", "a mask must be a list of polygons"),
        (f"[[[1,{10**400}]]]", "a mask must be a list of polygons"),
        ("[[[1,[2]]]]", "a mask must be a list of polygons"),
        ("{}", "an RLE needs the size [height, width] in whole pixels, got None"),
    ],
)
def test_what_is_no_mask_is_refused_with_the_reason(text: str, message: str):
    for read in (parse_mask, rings_of):
        with pytest.raises(MaskError, match=re.escape(message)):
            read(text)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], True),
        ([1, 2.5, -1e14], True),
        ([1e15], False),
        ([-1e15], False),
        ([float("nan"), 1.0], False),
        ([1.0, float("nan")], False),
        ([float("inf")], False),
        ([True], False),
        (["1"], False),
        ([None], False),
        ([[1]], False),
        ([10**400], False),
    ],
)
def test_coordinates_are_finite_numbers(values: list[Any], expected: bool):
    assert are_finite(values) is expected


def test_a_large_mask_is_read_and_outlined_quickly():
    y, x = np.ogrid[:4000, :4000]
    rle = from_array((x - 2000) ** 2 + (y - 2000) ** 2 < 1900**2)
    start = time.perf_counter()
    assert parse_rle(json.loads(rle.to_json())) == rle
    [ring] = rle.to_rings()
    assert time.perf_counter() - start < 10
    assert shapely.Polygon(ring).area == rle.n_pixels
    assert MAX_PIXELS >= 4000 * 4000


@pytest.mark.parametrize(
    ("rings", "bounds"),
    [
        (SQUARE, (0.0, 0.0, 4.0, 4.0)),
        ([[[5, -1], [2, 3]], [[1, 7]]], (1, -1, 5, 7)),
        ([[], [[1, 2]]], (1, 2, 1, 2)),
        ([], None),
        ([[]], None),
    ],
)
def test_bounds_of_polygons(rings: list, bounds: tuple | None) -> None:
    assert find_bounds(rings) == bounds


@given(MASKS)
def test_bounds_of_run_lengths_are_those_of_their_pixels(mask: NDArray[np.bool_]) -> None:
    ys, xs = mask.nonzero()
    expected = (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1) if len(xs) else None
    assert find_bounds(from_array(mask)) == expected
