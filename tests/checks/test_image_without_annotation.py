from __future__ import annotations

import pytest

from datatools.checks.image_without_annotation import find_images_without_annotation
from datatools.schema import ANNOTATIONS
from tests.small_data import box_row, image_row, label_rows, make_images

N = 40


def found(empty, unsaid=(), rows=(), n=N, **changes):
    names = [f"{number:02d}.png" for number in range(n)]
    images = make_images([image_row(name, source="folder" if name in unsaid else "a.json") for name in names])
    boxes = [box_row(f"box/{name}", (0, 0, 9, 9), name) for name in names if name not in empty]
    findings = find_images_without_annotation(images.assign(**changes), ANNOTATIONS.conform([*boxes, *rows]))
    return [(finding.path, finding.message) for finding in findings]


def test_the_few_that_have_none():
    assert found(["03.png"]) == [("03.png", "has no box or mask, though 39 of 40 images have one")]
    assert len(found(["03.png", "04.png"])) == 2


def test_negatives_are_part_of_many_data_sets():
    assert found(["03.png", "04.png", "05.png"]) == []


def test_an_image_that_no_file_speaks_of():
    empty = ["03.png", "04.png", "05.png"]
    message = "has no box or mask, and no annotation file speaks of it"
    assert found(empty, ["04.png"]) == [("04.png", message)]
    missing = '{"labels":"missing"}'
    assert [path for path, _ in found(empty, attributes=missing)] == empty


def test_where_most_images_are_unsaid_it_is_said_once():
    empty = [f"{number:02d}.png" for number in range(30)]
    assert found(empty, empty) == [(None, "no annotation file speaks of 30 of the 40 images")]


@pytest.mark.parametrize("voted", [None, "star"])
def test_silent_where_people_label_images_and_where_there_are_no_objects(voted):
    assert found(["03.png"], rows=label_rows("00.png", {"anna": "star"}, voted)) == []
    assert found([f"{number:02d}.png" for number in range(N)]) == []


def test_a_label_made_of_objects_is_nobodys():
    derived = [{**row, "source": "objects"} for row in label_rows("00.png", {}, "star")]
    assert len(found(["03.png"], rows=derived)) == 1
