from __future__ import annotations

import numpy as np
import pytest
import shapely

from datatools.checks.overlapping_masks import find_overlapping_masks
from datatools.findings import Mark, Offer
from datatools.masks import from_array
from datatools.params import ValidateParams
from datatools.schema import ANNOTATIONS
from tests.small_data import SQUARE, mask_row

INNER = [[15, 15], [20, 15], [20, 20], [15, 20]]


def found(rows, most=0.5):
    return list(find_overlapping_masks(ANNOTATIONS.conform(rows), ValidateParams(overlap_max=most)))


def square(x, side=20.0):
    return [[x, 10], [x + side, 10], [x + side, 10 + side], [x, 10 + side]]


def in_pixels(row):
    """The same mask in run lengths, of rings with whole-numbered corners along the axes."""
    ring = np.array(row["ring"])
    mask = np.zeros((48, 64), bool)
    (x0, y0), (x1, y1) = ring.min(axis=0).astype(int), ring.max(axis=0).astype(int)
    mask[y0:y1, x0:x1] = True
    return {**{key: value for key, value in row.items() if key != "ring"}, "mask": from_array(mask).to_json()}


def plain(row):
    return {key: value for key, value in row.items() if key != "ring"}


def row(annotation_id, ring, **changes):
    return {**mask_row(annotation_id, ring), "ring": ring, **changes}


KINDS = pytest.mark.parametrize(
    "to_rows",
    [
        lambda one, other: [plain(one), plain(other)],
        lambda one, other: [in_pixels(one), in_pixels(other)],
        lambda one, other: [in_pixels(one), plain(other)],
    ],
    ids=["polygons", "run lengths", "one of each"],
)


@KINDS
@pytest.mark.parametrize(
    ("x", "most", "shared"),
    [
        (20, 0.5, None),  # exactly at the bar
        (19, 0.5, "220 px with a: 55%"),
        (20, 0.4, "200 px with a: 50%"),
        (30, 0.0, None),  # side by side
        (29, 0.0, "20 px with a: 5%"),
        (11, 1.0, None),
    ],
)
def test_the_share_of_the_smaller_one(to_rows, x, most, shared):
    messages = [f.message for f in found(to_rows(row("a", square(10)), row("b", square(x))), most)]
    assert messages == ([f"shares {shared} of the smaller of the two"] if shared else [])


@KINDS
def test_copies_are_their_own_message(to_rows):
    (finding,) = found(to_rows(row("a", square(10)), row("b", square(10))), most=1.0)
    assert finding.message == "is a copy of a: IoU 1.000"
    assert (finding.annotation_id, finding.score, finding.offer) == ("b", 0.0, Offer("delete"))


def test_the_smaller_one_counts():
    (finding,) = found([mask_row("a", SQUARE), mask_row("b", INNER)])
    assert finding.message == "shares 25 px with a: 100% of the smaller of the two"
    assert finding.marks == (Mark("box", (15.0, 15.0, 20.0, 20.0)), Mark("box", (10.0, 10.0, 30.0, 30.0)))
    assert finding.offer is None


def test_an_object_in_the_hole_of_another_one_shares_nothing():
    assert found([mask_row("a", SQUARE, INNER), mask_row("b", INNER)]) == []


@pytest.mark.parametrize(
    "change",
    [{"path": "b.png"}, {"label": "star"}, {"annotator": "anna"}, {"attributes": '{"iscrowd":1}'}, {"mask": "[]"}],
)
def test_masks_that_are_not_compared(change):
    first, second = mask_row("a", SQUARE), mask_row("b", SQUARE)
    assert len(found([first, second])) == 1
    assert found([first, {**second, **change}]) == []


def test_three_copies_are_two_findings():
    assert [f.annotation_id for f in found([mask_row(name, SQUARE) for name in ("m#2", "m#10", "m#1")])] == [
        "m#2",
        "m#10",
    ]


@pytest.mark.parametrize(("n_pairs", "n_found"), [(1, 1), (2, 0)])
def test_a_class_that_is_drawn_like_that_is_passed_over(n_pairs, n_found):
    rows = []
    for number in range(20 - n_pairs):
        rows.append(mask_row(f"{number}/a", square(10), path=f"{number}.png"))
        if number < n_pairs:
            rows.append(mask_row(f"{number}/b", square(12), path=f"{number}.png"))
    assert len(found(rows)) == n_found
    copy = mask_row("copy", square(10), path="9.png")
    assert "copy" in {finding.annotation_id for finding in found([*rows, copy])}


def test_a_file_that_repeats_another_one_is_one_finding():
    rows = [
        {**mask_row(f"{file}/{n}", square(n), path=f"{n}.png"), "source": f"{file}.json"}
        for file in ("instances", "keypoints")
        for n in range(12)
    ]
    (finding,) = found(rows)
    assert finding.message == "instances.json and keypoints.json have 12 masks in common, of 12 in the smaller file"
    assert (finding.path, finding.subject) == (None, "instances.json, keypoints.json")


def test_areas_are_those_of_shapely():
    random = np.random.default_rng(0)
    rings = [(random.random((3, 2)) * 40).round(2).tolist() for _ in range(20)]
    shapes = [shapely.Polygon(ring) for ring in rings]
    expected = {
        (f"{i}", f"{j}"): round(shapes[i].intersection(shapes[j]).area)
        for j in range(20)
        for i in range(j)
        if shapes[i].intersection(shapes[j]).area > 0.1 * min(shapes[i].area, shapes[j].area)
    }
    rows = [mask_row(f"{pair}/{k}", rings[int(k)], path=str(pair)) for pair in expected for k in pair]
    lone = [mask_row(f"x{k}", rings[0], path=f"x{k}") for k in range(10 * len(rows))]  # so that it is no habit
    findings = found(rows + lone, most=0.1)
    assert sorted(int(f.message.split()[1]) for f in findings) == sorted(expected.values())
