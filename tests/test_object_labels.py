from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datatools.masks import dump_mask, from_array
from datatools.object_labels import label_by_objects
from datatools.schema import ANNOTATIONS
from tests.small_data import box_row, label_rows, mask_row

BIG, SMALL = (0, 0, 10, 10), (0, 0, 3, 3)


def decide(*rows: dict) -> dict[str, str]:
    return label_by_objects(ANNOTATIONS.conform(rows)).to_dict()


def bare_mask(number: int, mask: str | None, label: str = "circle") -> dict:
    """A mask without a box."""
    return {"annotation_id": str(number), "path": "a.png", "label": label, "kind": "mask", "mask": mask}


def test_the_largest_class_labels_the_image():
    rows = box_row("1", BIG, "a.png", "cat"), box_row("2", SMALL, "a.png", "ant"), box_row("3", SMALL, "b.png", "ant")
    assert decide(*rows) == {"a.png": "cat", "b.png": "ant"}


def test_areas_of_one_class_add_up():
    many = [box_row(f"{n}", (0, 0, 6, 6), "a.png", "ant") for n in range(3)]
    assert decide(box_row("9", BIG, "a.png", "cat"), *many) == {"a.png": "ant"}


def test_of_equals_the_first_in_the_alphabet_is_taken():
    assert decide(box_row("1", BIG, "a.png", "dog"), box_row("2", BIG, "a.png", "cat")) == {"a.png": "cat"}


def test_a_box_with_its_corners_swapped_counts_like_the_right_one():
    assert decide(box_row("1", (10, 0, 0, 10), "a.png", "dog"), box_row("2", SMALL, "a.png", "ant")) == {"a.png": "dog"}


def test_a_mask_counts_by_its_box_where_it_has_one_else_by_its_own_area():
    square = [[0, 0], [5, 0], [5, 5], [0, 5]]
    boxed = mask_row("1", square, path="a.png", label="cat", box=SMALL)
    assert decide(boxed, bare_mask(2, dump_mask([[[0, 0], [4, 0], [4, 4], [0, 4]]]), "ant")) == {"a.png": "ant"}
    rings = dump_mask([square, [[9, 9], [9, 12], [12, 12]]])
    assert decide(bare_mask(1, rings, "cat"), box_row("2", (0, 0, 5, 5.8), "a.png", "ant")) == {"a.png": "cat"}
    assert decide(bare_mask(1, rings, "cat"), box_row("2", (0, 0, 5, 6), "a.png", "ant")) == {"a.png": "ant"}


def test_run_lengths_count_their_pixels():
    import numpy as np

    mask = np.zeros((6, 6))
    mask[1:4, 1:5] = 1
    rle = from_array(mask).to_json()
    assert decide(bare_mask(1, rle, "cat"), box_row("2", (0, 0, 11.9, 1), "a.png", "ant")) == {"a.png": "cat"}
    assert decide(bare_mask(1, rle, "cat"), box_row("2", (0, 0, 12.1, 1), "a.png", "ant")) == {"a.png": "ant"}


@pytest.mark.parametrize(
    "mask", [None, "", "{", "[[1]]", '{"size": [1], "counts": []}', "[[[0, 0]]]", "[[]]", "[]", "5"]
)
def test_a_mask_that_is_none_has_no_area_and_still_names_a_class(mask: str | None):
    assert decide(bare_mask(1, mask, "cat")) == {"a.png": "cat"}
    assert decide(bare_mask(1, mask, "cat"), box_row("2", SMALL, "a.png", "dog")) == {"a.png": "dog"}


def test_whole_image_labels_and_objects_without_a_class_say_nothing():
    assert decide(*label_rows("a.png", {"anna": "cat"})) == {}
    assert decide(box_row("1", BIG, "a.png", None)) == {}
    assert decide() == {}


def test_a_shape_without_area_labels_an_image_that_has_nothing_else():
    point = {"annotation_id": "1", "path": "a.png", "label": "zebra", "kind": "shape", "attributes": "{}"}
    assert decide(point) == {"a.png": "zebra"}
    assert decide(point, box_row("2", SMALL, "a.png", "ant")) == {"a.png": "ant"}


CORNERS = st.tuples(*[st.floats(0, 100)] * 4)


@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from(["cat", "dog", "ant"]), CORNERS), max_size=8),
    st.randoms(),
)
def test_the_order_of_the_rows_does_not_matter(objects: list, random):
    rows = [box_row(f"{n}", xyxy, f"{path}.png", label) for n, (path, label, xyxy) in enumerate(objects)]
    expected = decide(*rows)
    random.shuffle(rows)
    assert decide(*rows) == expected
    assert set(expected) == {f"{path}.png" for path, _, _ in objects}


def test_inputs_stay_as_they_are():
    rows = ANNOTATIONS.conform([box_row("1", BIG), bare_mask(2, None)])
    before = rows.copy(deep=True)
    found = label_by_objects(rows)
    pd.testing.assert_frame_equal(rows, before)
    assert (found.name, found.index.name) == ("label", "path")
