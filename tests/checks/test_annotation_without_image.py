from __future__ import annotations

from datatools.checks.annotation_without_image import find_annotations_without_image
from datatools.schema import REJECTED
from tests.small_data import make_images

ROW = {"source": "a.json", "path": "gone.png", "reason": "LBL005", "message": "there is no such image file"}


def said(rows, n_images=20):
    images = make_images([f"{number}.png" for number in range(n_images)])
    found = find_annotations_without_image(REJECTED.conform(rows), images)
    return [(finding.path, finding.annotation_id, finding.subject, finding.message) for finding in found]


def test_a_missing_image_is_said_once_with_its_annotations():
    rows = [{**ROW, "annotation_id": f"coco/{number}"} for number in range(3)]
    message = "there is no such image, but 3 annotations of it in a.json"
    assert said([ROW, *rows]) == [("gone.png", None, None, message)]
    message = "there is no such image, but 1 annotation of it in a.json"
    assert said([ROW, rows[0]]) == [("gone.png", "coco/0", None, message)]


def test_an_image_that_is_only_listed():
    other = {**ROW, "source": "metadata.csv"}
    assert said([ROW, other]) == [("gone.png", None, None, "there is no such image, but a.json, metadata.csv lists it")]


def test_rows_that_name_no_image_are_told_by_their_place():
    row = {**ROW, "path": None, "row": 7, "message": "image_id 9 is not in images"}
    assert said([row]) == [
        (
            None,
            None,
            "a.json, row 7: image_id 9 is not in images",
            "image_id 9 is not in images (left out: a.json, row 7)",
        )
    ]
    two = [{**row, "source": "b.txt", "row": number} for number in (1, 2)]
    assert [finding[3] for finding in said(two)] == ["image_id 9 is not in images (left out: 2 rows of b.txt)"]
    assert said([{**row, "annotation_id": "coco/5"}])[0][1:3] == ("coco/5", None)


def test_where_most_images_are_missing_it_is_said_once_a_file():
    rows = [{**ROW, "path": f"x/{number:03d}.png", "annotation_id": f"coco/{number}"} for number in range(21)]
    assert said(rows) == [
        (None, None, "a.json", "a.json speaks of 21 images that are not there (x/000.png, x/001.png, x/002.png, ...),"
         " with 21 annotations; 20 images are there")
    ]  # fmt: skip
    assert len(said(rows[:20])) == 20


def test_an_image_that_was_left_out_is_not_meant():
    assert said([{**ROW, "reason": "no_image"}]) == []
