from __future__ import annotations

import itertools
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datatools.fixes.pairing import TOLERANCE_PX, bounds_of, is_moved, pair_items
from datatools.fixes.sent import Item
from datatools.masks import Rle, dump_mask, from_array

SQUARE = [[10.0, 10.0], [30.0, 10.0], [30.0, 30.0], [10.0, 30.0]]


def box(name: str, *xyxy: float, path: str = "a.png", label: str = "cat") -> Item:
    return Item(name, path, "box", label, json.dumps([float(side) for side in xyxy]))


def mask(name: str, value: Any) -> Item:
    return Item(name, "a.png", "mask", "cat", None, value.to_json() if isinstance(value, Rle) else dump_mask(value))


def found(sent: list[Item], came: list[Item]) -> set[tuple[str | None, str | None, str]]:
    return {
        (pair.sent and pair.sent.annotation_id, pair.came and pair.came.annotation_id, pair.how)
        for pair in pair_items(sent, came)
    }


def test_an_id_counts_more_than_a_place():
    sent = [box("one", 0, 0, 10, 10), box("two", 50, 50, 60, 60)]
    came = [box("two", 0, 0, 10, 10), box("one", 50, 50, 60, 60)]
    assert found(sent, came) == {("one", "one", "id"), ("two", "two", "id")}


def test_an_id_on_another_image_or_of_another_kind_is_a_copy():
    sent = [box("one", 0, 0, 10, 10), box("other", 0, 0, 10, 10, path="b.png")]
    came = [box("one", 0, 0, 10, 10, path="b.png"), mask("one", [SQUARE])]
    assert found(sent, came) == {("one", None, ""), ("other", "one", "overlap"), (None, "one", "")}


def test_the_first_of_two_with_one_id_is_the_annotation():
    sent = [box("one", 0, 0, 10, 10)]
    assert found(sent, [box("one", 1, 0, 10, 10), box("one", 0, 0, 10, 10)]) == {
        ("one", "one", "id"),
        (None, "one", ""),
    }


def test_less_than_half_in_common_is_another_object():
    sent = [box("one", 0, 0, 10, 10)]
    assert found(sent, [box("x", 0, 0, 10, 6)]) == {("one", "x", "overlap")}
    assert found(sent, [box("x", 0, 0, 10, 4)]) == {("one", None, ""), (None, "x", "")}


def test_of_two_alike_the_one_of_the_same_class():
    sent = [box("cat", 0, 0, 10, 10), box("dog", 0, 0, 10, 10, label="dog")]
    came = [box("x", 0, 0, 10, 10, label="dog"), box("y", 0, 0, 10, 10)]
    assert found(sent, came) == {("cat", "y", "overlap"), ("dog", "x", "overlap")}


def test_an_image_has_one_label():
    sent = [Item("label/a.png", "a.png", "label", "cat"), Item("label/b.png", "b.png", "label", "cat")]
    came = [Item("label/a.png@given", "a.png", "label", "dog")]
    assert found(sent, came) == {("label/a.png", "label/a.png@given", "image"), ("label/b.png", None, "")}


corners = st.tuples(*[st.integers(0, 8)] * 2, *[st.integers(1, 6)] * 2)


@settings(max_examples=60, deadline=None)
@given(st.lists(corners, max_size=4), st.lists(corners, max_size=4))
def test_the_assignment_is_the_best_there_is(sent: list[Any], came: list[Any]):
    """Against all assignments: first the number of pairs, then the sum of their overlaps."""

    def to_boxes(given: list[Any], name: str) -> list[Item]:
        return [box(f"{name}{n}", x, y, x + width, y + height) for n, (x, y, width, height) in enumerate(given)]

    def overlap(one: Any, other: Any) -> float:
        wide, high = (min(one[i] + one[i + 2], other[i] + other[i + 2]) - max(one[i], other[i]) for i in (0, 1))
        shared = max(wide, 0) * max(high, 0)
        return shared / (one[2] * one[3] + other[2] * other[3] - shared)

    table = np.array([[overlap(one, other) for other in came] for one in sent]).reshape(len(sent), len(came))
    best = (0, 0.0)
    columns = [*range(len(came)), *[None] * len(sent)]
    for choice in set(itertools.permutations(columns, len(sent))):
        ious = [
            table[row, column] for row, column in enumerate(choice) if column is not None and table[row, column] >= 0.5
        ]
        best = max(best, (len(ious), sum(ious)))
    one, other = to_boxes(sent, "s"), to_boxes(came, "c")
    pairs = pair_items(one, other)
    assert sorted(p.sent.annotation_id for p in pairs if p.sent) == sorted(item.annotation_id for item in one)
    assert sorted(p.came.annotation_id for p in pairs if p.came) == sorted(item.annotation_id for item in other)
    chosen = [(int(p.sent.annotation_id[1:]), int(p.came.annotation_id[1:])) for p in pairs if p.sent and p.came]
    assert (len(chosen), sum(table[pair] for pair in chosen)) == pytest.approx(best)


@pytest.mark.parametrize(("by", "moved"), [(0.0, False), (TOLERANCE_PX / 2, False), (TOLERANCE_PX * 1.5, True)])
def test_rounding_is_no_move(by: float, moved: bool):
    ring = [[x + by, y] for x, y in SQUARE]
    assert is_moved(box("b", 1, 2, 30, 40), box("b", 1 + by, 2, 30, 40)) is moved
    assert is_moved(mask("m", [SQUARE]), mask("m", [ring])) is moved


def test_masks_are_compared_by_what_they_cover():
    pixels = np.zeros((20, 20), bool)
    pixels[3:9, 4:8] = True
    runs = from_array(pixels)
    padded = Rle(runs.size_hw, (*runs.counts, 0))
    assert not is_moved(mask("m", runs), mask("m", padded))
    assert is_moved(mask("m", runs), mask("m", from_array(~pixels)))
    assert is_moved(mask("m", runs), mask("m", [SQUARE]))
    assert not is_moved(mask("m", [SQUARE]), mask("m", [[*SQUARE, SQUARE[0]]]))  # closed, or not
    assert is_moved(mask("m", [SQUARE]), mask("m", [SQUARE[:3]]))
    assert is_moved(mask("m", [SQUARE]), mask("m", [SQUARE, SQUARE]))
    assert is_moved(Item("m", "a.png", "mask", "cat", mask="[broken"), mask("m", [SQUARE]))


def test_the_bounds_of_a_mask():
    assert bounds_of(dump_mask([SQUARE])) == [10, 10, 30, 30]
    assert bounds_of(from_array(np.eye(3)).to_json()) == [0, 0, 3, 3]
    assert [bounds_of(text) for text in (None, "[]", "[broken", from_array(np.zeros((2, 2))).to_json())] == [None] * 4
