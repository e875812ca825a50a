from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datatools.errors import DatatoolsError
from datatools.formats.coco import clean_path, from_coco, load_coco
from datatools.schema import ANNOTATIONS, IMAGES, REJECTED
from tests.builders import make_coco, make_object

NAN, INF = float("nan"), float("inf")
RLE = {"counts": [2, 4, 6], "size": [10, 12]}
SCALAR = st.none() | st.booleans() | st.integers(-3, 10) | st.floats() | st.text(max_size=3)
ANYTHING = SCALAR | st.lists(SCALAR, max_size=5) | st.lists(st.lists(SCALAR, max_size=6), max_size=2)


def convert(*annotations: Any, **parts: Any):
    return from_coco(make_coco(*annotations, **parts), source="annotations.json")


def test_an_object_becomes_a_row_in_half_open_corners():
    content = convert(make_object(segmentation=[[1, 2, 4, 2, 4, 6]], iscrowd=0))
    assert content.annotations == [
        {
            "annotation_id": "coco/1",
            "path": "a.png",
            "label": "cat",
            "kind": "mask",
            "x0_px": 1.0,
            "y0_px": 2.0,
            "x1_px": 4.0,
            "y1_px": 6.0,
            "mask": "[[[1.0,2.0],[4.0,2.0],[4.0,6.0]]]",
            "annotator": None,
            "source": "annotations.json",
            "attributes": '{"iscrowd":0}',
        }
    ]
    assert content.rejected == []
    assert content.n_annotations == 1


def test_classes_come_in_the_order_of_their_ids_and_each_name_once():
    assert convert().classes == ("cat", "dog")
    twice = [{"id": 2, "name": "dog"}, {"id": 10, "name": "cat"}, {"id": 11, "name": "dog"}]
    assert convert(categories=twice).classes == ("dog", "cat")


def test_sizes_are_what_the_file_declares():
    content = convert(images=[{"id": 1, "file_name": "./x\\a.png", "width": 5.0}, {"id": 2, "file_name": "b.png"}])
    assert content.sizes_wh == {"x/a.png": (5, None), "b.png": (None, None)}


@pytest.mark.parametrize("width", [NAN, INF, 1e300, 10**400, "64", True, None, [64]])
def test_a_size_that_is_no_number_of_pixels_is_unknown(width: Any):
    content = convert(images=[{"id": 1, "file_name": "a.png", "width": width, "height": 10}])
    assert content.sizes_wh == {"a.png": (None, 10)}


@pytest.mark.parametrize(
    ("name", "path"), [("a.png", "a.png"), ("./a.png", "a.png"), ("x\\y.png", "x/y.png"), ("x//y.png", "x/y.png")]
)
def test_paths_are_written_as_the_data_model_does(name: str, path: str):
    assert clean_path(name) == path


@pytest.mark.parametrize(
    ("bbox", "corners"),
    [
        ([1.25, 2, 3, 4], (1.25, 2, 4.25, 6)),
        ([5, 6, -2, -3], (5, 6, 3, 3)),
        ([-5, 0, 100, 0], (-5, 0, 95, 0)),
        ([], (None,) * 4),
        (None, (None,) * 4),
    ],
    ids=["fraction", "negative", "outside", "empty", "missing"],
)
def test_boxes_are_kept_as_they_are_for_the_checks_to_judge(bbox: Any, corners: tuple[float | None, ...]):
    [row] = convert(make_object(bbox=bbox)).annotations
    assert (row["x0_px"], row["y0_px"], row["x1_px"], row["y1_px"]) == corners
    assert row["kind"] == "box"
    assert row["mask"] is None


@pytest.mark.parametrize("segmentation", [RLE, "rle", 5, {"counts": "abc", "size": [1, 1]}])
def test_a_run_length_mask_is_kept_in_attributes(segmentation: Any):
    [row] = convert(make_object(segmentation=segmentation)).annotations
    assert (row["kind"], row["mask"]) == ("box", None)
    assert json.loads(row["attributes"]) == {"segmentation": segmentation}


def test_an_unknown_category_leaves_the_label_empty_and_keeps_the_id():
    [row] = convert(make_object(category_id=99)).annotations
    assert row["label"] is None
    assert json.loads(row["attributes"]) == {"category_id": 99}


@pytest.mark.parametrize(
    ("item", "message"),
    [
        (make_object(bbox=[1, 2, 3]), "bbox must be four finite numbers, got [1, 2, 3]"),
        (make_object(bbox=[1, 2, 3, NAN]), "bbox must be four finite numbers, got [1, 2, 3, nan]"),
        (make_object(bbox=[1, 2, 3, INF]), "bbox must be four finite numbers, got [1, 2, 3, inf]"),
        (make_object(bbox=[1, 2, 3, 10**400]), "bbox must be four finite numbers"),
        (make_object(bbox=["1", 2, 3, 4]), "bbox must be four finite numbers, got ['1', 2, 3, 4]"),
        (make_object(bbox=[True, 2, 3, 4]), "bbox must be four finite numbers, got [True, 2, 3, 4]"),
        (make_object(bbox="1,2,3,4"), "bbox must be four finite numbers, got '1,2,3,4'"),
        (make_object(segmentation=[[1, 2, 3]]), "a segmentation polygon must be an even list of finite numbers"),
        (make_object(segmentation=[[1, NAN]]), "a segmentation polygon must be an even list of finite numbers"),
        (make_object(segmentation=[["1", 2]]), "a segmentation polygon must be an even list of finite numbers"),
        (make_object(segmentation=[[[1, 2]]]), "a segmentation polygon must be an even list of finite numbers"),
        (make_object(segmentation=[1, 2]), "a segmentation polygon must be an even list of finite numbers"),
        (make_object(image_id=9), "image_id 9 is not in images, or is there twice"),
        (make_object(image_id="1"), "image_id 1 is not in images, or is there twice"),
        (make_object(id=None), "an annotation needs id, image_id and category_id"),
        (make_object(image_id=None), "an annotation needs id, image_id and category_id"),
        (make_object(category_id=None), "an annotation needs id, image_id and category_id"),
        (make_object(image_id=[1]), "an annotation needs id, image_id and category_id"),
        (make_object(id={"a": 1}), "an annotation needs id, image_id and category_id"),
        ("text", "an annotation needs id, image_id and category_id"),
        (None, "an annotation needs id, image_id and category_id"),
        ([], "an annotation needs id, image_id and category_id"),
    ],
)
def test_a_broken_annotation_is_rejected_with_its_place_and_reason(item: Any, message: str):
    content = convert(make_object(id=77), item)
    assert len(content.annotations) == 1
    [row] = content.rejected
    assert message in row["message"]
    assert (row["source"], row["row"], row["reason"]) == ("annotations.json", 2, "broken_row")


def test_a_rejected_row_names_its_image_where_there_is_one():
    content = convert(make_object(bbox=[1]), make_object(image_id=9), "text")
    assert [row["path"] for row in content.rejected] == ["a.png", None, None]


def test_the_second_of_two_equal_ids_is_rejected():
    content = convert(make_object(), make_object(image_id=2), make_object(id="1"))
    assert [row["path"] for row in content.annotations] == ["a.png"]
    assert [(row["row"], row["message"]) for row in content.rejected] == [
        (2, "annotation id 1 is used twice"),
        (3, "annotation id 1 is used twice"),
    ]


def test_an_id_that_stands_for_two_things_stands_for_none():
    images = [{"id": 1, "file_name": "a.png"}, {"id": 1, "file_name": "b.png"}, {"id": 2, "file_name": "b.png"}]
    categories = [{"id": 3, "name": "cat"}, {"id": 3, "name": "dog"}, {"id": 7, "name": "cow"}]
    content = convert(make_object(), make_object(id=2, image_id=2), images=images, categories=categories)
    assert [row["message"] for row in content.rejected] == ["image_id 1 is not in images, or is there twice"]
    assert [(row["path"], row["label"]) for row in content.annotations] == [("b.png", None)]
    assert content.classes == ("cow",)


@pytest.mark.parametrize("bad", [None, "x", 5, {}, {"id": 1}, {"id": [1], "name": "x", "file_name": "x"}])
def test_a_broken_image_or_category_is_passed_over(bad: Any):
    good = make_coco()
    content = convert(make_object(), images=[*good["images"], bad], categories=[bad, *good["categories"]])
    assert (len(content.annotations), content.classes) == (1, ("cat", "dog"))


@given(
    st.lists(
        st.fixed_dictionaries(
            {}, optional=dict.fromkeys(("id", "image_id", "category_id", "bbox", "segmentation", "x"), ANYTHING)
        )
        | ANYTHING,
        max_size=4,
    )
)
def test_any_annotation_is_kept_or_rejected_and_the_input_left_alone(items: list[Any]):
    document = make_coco(*items)
    before = copy.deepcopy(document)
    content = from_coco(document, "annotations.json")
    assert len(content.annotations) + len(content.rejected) == content.n_annotations == len(items)
    assert repr(document) == repr(before)
    ANNOTATIONS.conform(content.annotations)
    REJECTED.conform(content.rejected)


@given(st.lists(st.fixed_dictionaries({}, optional=dict.fromkeys(("id", "file_name", "width"), ANYTHING)), max_size=3))
def test_any_list_of_images_is_read(images: list[Any]):
    content = convert(make_object(), images=images or [{}])
    IMAGES.conform(
        [
            {"path": path, "n_bytes": 0, "width_px": 0, "height_px": 0, "channels": 0, "declared_width_px": width}
            for path, (width, _) in content.sizes_wh.items()
        ]
    )


@given(st.permutations([make_object(id=n, image_id=1 + n % 2) for n in range(4)]))
def test_the_order_of_annotations_does_not_matter(items: list[dict[str, Any]]):
    ordered = ANNOTATIONS.conform(convert(*sorted(items, key=lambda item: item["id"])).annotations)
    pd.testing.assert_frame_equal(ANNOTATIONS.conform(convert(*items).annotations), ordered)


def test_load_coco_reads_a_file_twice_alike_with_or_without_a_byte_order_mark(tmp_path: Path):
    text = json.dumps(make_coco(make_object()))
    (tmp_path / "annotations.json").write_text(text, encoding="utf-8")
    first = load_coco(tmp_path / "annotations.json")
    assert load_coco(tmp_path / "annotations.json") == first == convert(make_object())
    (tmp_path / "annotations.json").write_text(text, encoding="utf-8-sig")
    assert load_coco(tmp_path / "annotations.json") == first


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe", b"[" * 100_000, b""], ids=["torn", "UTF-16", "deep", "empty"])
def test_load_coco_refuses_what_is_no_json(tmp_path: Path, content: bytes):
    path = tmp_path / "annotations.json"
    path.write_bytes(content)
    with pytest.raises(DatatoolsError, match=re.escape(f"{path}: expected COCO JSON. Got: ")) as caught:
        load_coco(path)
    assert str(caught.value).endswith(". Export it as COCO again.")


def test_load_coco_refuses_a_folder(tmp_path: Path):
    with pytest.raises(DatatoolsError, match="Is a directory"):
        load_coco(tmp_path)


@pytest.mark.parametrize("part", ["images", "annotations", "categories"])
@pytest.mark.parametrize("value", [None, {}, "x"])
def test_load_coco_names_the_list_that_is_missing(tmp_path: Path, part: str, value: Any):
    path = tmp_path / "annotations.json"
    path.write_text(json.dumps({**make_coco(), part: value}))
    with pytest.raises(DatatoolsError) as caught:
        load_coco(path)
    assert str(caught.value) == (
        f"{path}: expected a COCO object with the list {part!r}. Got none: export it as COCO again."
    )


def test_load_coco_refuses_a_list(tmp_path: Path):
    path = tmp_path / "annotations.json"
    path.write_text("[]")
    with pytest.raises(DatatoolsError, match=r"with the list 'images'\. Got none"):
        load_coco(path)
