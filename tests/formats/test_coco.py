from __future__ import annotations

import copy
import json
import os
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from datatools.formats.base import Content, Loss, dump_attributes, load_attributes
from datatools.formats.coco import FORMAT, find_coco, from_coco, load_coco, save_coco, to_coco
from datatools.formats.coco_names import (
    ANNOTATION_KEYS,
    DOCUMENT_KEYS,
    GEOMETRY,
    IMAGE_KEYS,
    default_file,
    id_prefixes,
    subset_of,
)
from datatools.formats.rows import NOT_JSON
from datatools.masks import dump_mask, encode_counts, from_array, parse_mask
from datatools.schema import BOX
from datatools.tree import open_tree
from tests.builders import coco_text, lay_out, make_coco, make_object, make_png
from tests.formats.contents import HOSTILE_TEXT, annotation_bytes, contents, json_objects, lay_out_content, reason_of

NAN, INF = float("nan"), float("inf")
COUNTS = encode_counts([2, 4, 114])
RLE = {"counts": COUNTS, "size": [10, 12]}
POLYGON = [1, 2, 4, 2, 4, 6]
SCALAR = st.none() | st.booleans() | st.integers(-3, 10) | st.floats() | st.text(max_size=3)
ANYTHING = SCALAR | st.lists(SCALAR, max_size=5) | st.lists(st.lists(SCALAR, max_size=6), max_size=2)
NAMES = ("id", "image_id", "category_id", "bbox", "segmentation", "annotator", "annotation_id", "datatools", "x")
OWN_VALUES = st.fixed_dictionaries({}, optional=dict.fromkeys(("kind", "box", "mask", "attributes", "made"), ANYTHING))
KEYS = sorted(
    {*ANNOTATION_KEYS, *IMAGE_KEYS, *DOCUMENT_KEYS, *GEOMETRY, "caption", "made", "record", "kind", "box", "mask"}
)
COCO_ATTRIBUTES = json_objects(HOSTILE_TEXT | st.sampled_from(KEYS))
EXTRAS = {
    "coco": {
        "annotations.json": {
            "info": {"year": 2020},
            "licenses": [{"id": 0, "name": "CC0"}],
            "categories": [{"id": 7, "name": "dog", "supercategory": "pet", "keypoints": ["nose"]}],
        },
        "x/instances_train.json": {"type": "instances"},
        "annotations/captions_train.json": {},
    },
    "voc": {"folder": ["a", None]},
}
SHARED = Path(os.environ.get("DATATOOLS_SHARED", Path(__file__).parents[3] / "shared"))


def convert(*annotations: Any, **parts: Any) -> Content:
    return from_coco({"annotations.json": make_coco(*annotations, **parts)})


def plain(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows, null as None."""
    rows = table.astype(object)
    return rows.where(rows.notna(), None).to_dict("records")


def rows_of(content: Content) -> list[dict[str, Any]]:
    return plain(content.annotations)


def only(content: Content) -> dict[str, Any]:
    assert content.rejected["message"].tolist() == []
    [row] = rows_of(content)
    return row


def attributes_of(content: Content) -> dict[str, Any]:
    return load_attributes(only(content)["attributes"])


def open_and_load(folder: Path) -> Content:
    tree = open_tree(folder)
    return load_coco(tree, find_coco(tree))


# What an annotation becomes


def test_an_object_becomes_a_row_in_half_open_corners():
    content = convert(make_object(segmentation=[POLYGON], iscrowd=0))
    assert only(content) == {
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
    assert content.files == {"annotations.json"}


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"segmentation": [POLYGON]}, "mask"),
        ({"segmentation": [POLYGON], "bbox": None}, "mask"),
        ({"segmentation": RLE}, "mask"),
        ({}, "box"),
        ({"segmentation": []}, "box"),
        ({"keypoints": [1, 2, 2]}, "box"),
        ({"bbox": None, "keypoints": [1, 2, 2], "num_keypoints": 1}, "shape"),
        ({"bbox": None}, "label"),
        ({"bbox": None, "caption": "a cat", "category_id": None}, "label"),
        ({"bbox": None, "attributes": {"a": 1}}, "label"),
        ({"bbox": None, "score": 0.5}, "label"),
        ({"bbox": []}, "box"),
        ({"bbox": None, "area": 0}, "box"),
        ({"bbox": None, "iscrowd": 0}, "box"),
        ({"bbox": None, "segmentation": []}, "box"),
        ({"bbox": None, "keypoints": []}, "box"),
    ],
)
def test_the_keys_say_what_kind_of_annotation_it_is(fields: dict[str, Any], kind: str):
    row = only(convert(make_object(**fields)))
    assert row["kind"] == kind
    assert (row["mask"] is not None) == (kind == "mask")
    assert (row["x0_px"] is not None) == bool(make_object(**fields).get("bbox"))
    assert row["annotator"] == ("given" if kind == "label" else None)


@pytest.mark.parametrize(
    ("bbox", "corners"),
    [
        ([1.25, 2, 3, 4], (1.25, 2, 4.25, 6)),
        ([5, 6, -2, -3], (5, 6, 3, 3)),
        ([-5, 0, 100, 0], (-5, 0, 95, 0)),
        ([], (None,) * 4),
    ],
    ids=["fraction", "negative", "outside", "empty"],
)
def test_boxes_are_kept_as_they_are_for_the_checks_to_judge(bbox: Any, corners: tuple[float | None, ...]):
    row = only(convert(make_object(bbox=bbox)))
    assert tuple(row[name] for name in BOX) == corners
    assert (row["kind"], row["mask"]) == ("box", None)


@pytest.mark.parametrize("counts", [COUNTS, [2, 4, 114], [2, 2, 0, 2, 114]])
def test_a_run_length_mask_is_kept_as_it_is_given(counts: Any):
    row = only(convert(make_object(segmentation={"counts": counts, "size": [10, 12]})))
    assert json.loads(row["mask"]) == {"size": [10, 12], "counts": counts}
    assert parse_mask(row["mask"]).n_pixels == 4


def test_unknown_keys_go_into_attributes():
    item = make_object(iscrowd=1, area=4.5, score=0.5, keypoints=[1, 2, 2], attributes={"occluded": False, "z": [None]})
    assert attributes_of(convert(item)) == {
        "iscrowd": 1,
        "area": 4.5,
        "score": 0.5,
        "keypoints": [1, 2, 2],
        "attributes": {"occluded": False, "z": [None]},
    }


@pytest.mark.parametrize("category", [99, "3", [3], {"a": 1}, 3.5])
def test_an_unknown_category_leaves_the_label_empty_and_keeps_the_id(category: Any):
    content = convert(make_object(category_id=category))
    assert only(content)["label"] is None
    assert attributes_of(content) == {"category_id": category}


def test_an_annotation_without_a_category_has_no_label():
    content = convert(make_object(category_id=None))
    assert (only(content)["label"], attributes_of(content)) == (None, {})


def test_the_second_category_of_a_name_is_told_from_the_first():
    categories = [{"id": 2, "name": "dog"}, {"id": 10, "name": "cat"}, {"id": 11, "name": "dog"}]
    content = convert(make_object(category_id=2), make_object(id=2, category_id=11), categories=categories)
    assert content.classes == ("dog", "cat")
    assert content.annotations["label"].tolist() == ["dog", "dog"]
    assert content.annotations["attributes"].tolist() == ["{}", '{"category_id":11}']


def test_classes_come_in_the_order_of_their_ids():
    assert convert().classes == ("cat", "dog")


def test_whole_image_labels_are_of_their_annotator():
    items = [make_object(bbox=None, annotator="ann"), make_object(id=2, bbox=None, annotator=None)]
    assert convert(*items).annotations["annotator"].tolist() == ["ann", "given"]
    assert only(convert({**make_object(bbox=None), "annotator": None}))["annotator"] is None
    assert only(convert(make_object(annotator="bob")))["annotator"] == "bob"


def test_an_annotator_that_is_no_text_is_an_attribute():
    assert attributes_of(convert(make_object(annotator=5))) == {"annotator": 5}
    assert only(convert(make_object(bbox=None, annotator=5)))["annotator"] == "given"


def test_a_text_annotation_id_goes_before_the_number():
    assert only(convert(make_object(annotation_id="label/a.png")))["annotation_id"] == "label/a.png"


def test_a_foreign_annotation_id_that_is_no_id_is_an_attribute():
    assert attributes_of(convert(make_object(annotation_id=5))) == {"annotation_id": 5}
    content = convert(make_object(annotation_id="x"), make_object(id=2, annotation_id="x"))
    assert content.annotations["annotation_id"].tolist() == ["coco/2", "x"]
    assert load_attributes(content.annotations["attributes"][0]) == {"annotation_id": "x"}


# Bad rows


@pytest.mark.parametrize(
    ("item", "message"),
    [
        (make_object(bbox=[1, 2, 3]), "bbox must be four finite numbers, got [1, 2, 3]"),
        (make_object(bbox=[1, 2, 3, NAN]), "bbox must be four finite numbers, got [1, 2, 3, nan]"),
        (make_object(bbox=[1, 2, 3, INF]), "bbox must be four finite numbers, got [1, 2, 3, inf]"),
        (make_object(bbox=[1, 2, 3, 10**400]), "bbox must be four finite numbers, got [1, 2, 3, 1000000"),
        (make_object(bbox=["1", 2, 3, 4]), "bbox must be four finite numbers, got ['1', 2, 3, 4]"),
        (make_object(bbox=[True, 2, 3, 4]), "bbox must be four finite numbers, got [True, 2, 3, 4]"),
        (make_object(bbox="1,2,3,4"), "bbox must be four finite numbers, got '1,2,3,4'"),
        (make_object(bbox={"x": 1}), "bbox must be four finite numbers, got {'x': 1}"),
        (make_object(segmentation=[[1, 2, 3]]), "a segmentation polygon must be an even list of finite numbers"),
        (make_object(segmentation=[[1, NAN]]), "a segmentation polygon must be an even list of finite numbers"),
        (make_object(segmentation=[["1", 2]]), "a segmentation polygon must be an even list of finite numbers"),
        (make_object(segmentation=[[[1, 2]]]), "a segmentation polygon must be an even list of finite numbers"),
        (make_object(segmentation=[1, 2]), "a segmentation polygon must be an even list of finite numbers"),
        (make_object(segmentation="rle"), "a segmentation polygon must be an even list of finite numbers"),
        (make_object(segmentation={"size": [2, 2]}), "RLE counts must be whole numbers from 0"),
        (make_object(segmentation={"counts": [4]}), "an RLE needs the size [height, width] in whole pixels, got None"),
        (make_object(segmentation={"size": [2, 2], "counts": [3]}), "RLE counts add up to 3, but 2 x 2 is 4"),
        (make_object(segmentation={"size": [2, 2], "counts": "4p"}), "'p' is no character of COCO's compressed RLE"),
        (make_object(segmentation={"size": [10**5] * 2, "counts": [10**10]}), "is larger than 100000000 pixels"),
        (make_object(segmentation={"size": [2, 2], "counts": [4], "x": {1}}), "not JSON serializable"),
        (make_object(image_id=9), "image_id 9 is not in images, or is there twice"),
        (make_object(image_id="1"), "image_id '1' is not in images, or is there twice"),
        (make_object(id=None), "an annotation needs id and image_id"),
        (make_object(image_id=None), "an annotation needs id and image_id"),
        (make_object(image_id=[1]), "an annotation needs id and image_id"),
        (make_object(id={"a": 1}), "an annotation needs id and image_id"),
        ("text", "an annotation needs id and image_id"),
        (None, "an annotation needs id and image_id"),
        ([], "an annotation needs id and image_id"),
        (make_object(score=NAN), "it has a value that JSON does not allow"),
        (make_object(datatools={"mask": "x"}), "the mask in 'datatools': a mask must be JSON"),
        (make_object(datatools={"mask": 5}), "the mask in 'datatools': the JSON object must be"),
        ({"image_id": 1, "segments_info": []}, "panoptic segments are masks in PNG files, which are not read"),
    ],
)
def test_a_broken_annotation_is_rejected_with_its_place_and_reason(item: Any, message: str):
    content = convert(make_object(id=77), item)
    assert len(content.annotations) == 1
    [row] = plain(content.rejected)
    assert message in row["message"]
    assert len(row["message"]) <= 300
    assert (row["source"], row["row"], row["reason"]) == ("annotations.json", 2, reason_of(message))


def test_a_number_that_is_none_costs_its_row_and_not_the_file(tmp_path: Path):
    bad = [{"bbox": [1, 2, float(text), 4]} for text in ("nan", "inf")] + [{"segmentation": [[1, 2, 3, 4, 5, NAN]]}]
    objects = [
        make_object(**{"id": number, **fields}) for number, fields in enumerate([{}, *bad, {"area": NAN}, {"id": NAN}])
    ]
    lay_out(tmp_path, {"a.json": json.dumps(make_coco(*objects))})
    content = open_and_load(tmp_path)
    assert content.annotations["annotation_id"].tolist() == ["coco/0"]
    assert [(row["row"], row["reason"], row["annotation_id"]) for row in plain(content.rejected)] == [
        (2, "BOX004", "coco/1"),
        (3, "BOX004", "coco/2"),
        (4, "BOX004", "coco/3"),
        (5, "broken_row", "coco/4"),
        (6, "broken_row", None),
    ]


def test_a_rejected_row_names_its_image_where_there_is_one():
    content = convert(make_object(bbox=[1]), make_object(image_id=9), "text")
    assert content.rejected["path"].fillna("").tolist() == ["a.png", "", ""]


def test_the_second_of_two_equal_ids_is_rejected():
    content = convert(make_object(), make_object(image_id=2), make_object(id="1"))
    assert content.annotations["path"].tolist() == ["a.png"]
    found = content.rejected[["row", "reason", "message"]].values.tolist()
    assert found == [
        [2, "repeated_id", "annotation id 1 is used twice"],
        [3, "repeated_id", "annotation id '1' is used twice"],
    ]


def test_an_id_that_stands_for_two_things_stands_for_none():
    images = [{"id": 1, "file_name": "a.png"}, {"id": 1, "file_name": "b.png"}, {"id": 2, "file_name": "b.png"}]
    categories = [{"id": 3, "name": "cat"}, {"id": 3, "name": "dog"}, {"id": 7, "name": "cow"}]
    content = convert(make_object(), make_object(id=2, image_id=2), images=images, categories=categories)
    assert set(content.rejected["message"]) == {
        "image_id 1 is not in images, or is there twice",
        "images[3]: b.png is there before with another id; the first one stays",
    }
    assert content.annotations[["path", "label"]].fillna("").values.tolist() == [["b.png", ""]]
    assert content.classes == ("cow",)


def test_an_image_of_lvis_has_the_name_that_its_url_ends_with(tmp_path: Path):
    images = [{"id": 1, "coco_url": "http://images.cocodataset.org/train2017/7.jpg"}]
    files = dict.fromkeys(["train2017/7.jpg", "val2017/7.jpg"], "")
    lay_out(tmp_path, {"lvis_v1_train.json": coco_text(make_object(), images=images), **files})
    content = open_and_load(tmp_path)
    assert content.annotations["path"].tolist() == ["train2017/7.jpg"]
    assert content.rejected.empty


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (None, "images[3]: it needs a file_name"),
        ({"id": 9, "coco_url": "7.jpg"}, "images[3]: it needs a file_name"),
        ("x", "images[3]: it needs a file_name"),
        ({"id": 9}, "images[3]: it needs a file_name"),
        ({"id": 9, "file_name": ["x"]}, "images[3]: it needs a file_name"),
        ({"file_name": "c.png"}, "images[3]: it has no id that an annotation could name"),
        ({"id": [1], "file_name": "c.png"}, "images[3]: it has no id that an annotation could name"),
        ({"id": 9, "file_name": "c.png", "x": NAN}, f"images[3]: {NOT_JSON}"),
        (
            {"id": 1, "file_name": "a.png", "width": 5, "x": 1},
            "images[3]: a.png is there before with another width_px; the first one stays",
        ),
    ],
)
def test_a_broken_image_is_listed_and_the_others_are_read(bad: Any, message: str):
    content = convert(make_object(), images=[*make_coco()["images"], bad])
    assert content.rejected["message"].tolist() == [message]
    assert content.rejected["row"].isna().all()
    assert len(content.annotations) == 1


@pytest.mark.parametrize("bad", [None, "x", 5, {}, {"id": 1}, {"id": [1], "name": "x"}, {"id": 1, "name": {}}])
def test_a_broken_category_is_listed_and_kept(bad: Any):
    content = convert(make_object(), categories=[bad, *make_coco()["categories"]])
    assert content.rejected["message"].tolist() == ["categories[1] needs an id and a name"]
    assert (len(content.annotations), content.classes) == (1, ("cat", "dog"))
    assert content.extras["coco"]["annotations.json"]["categories"][0] == bad


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (5, "expected a COCO object with the list 'images'"),
        ([], "expected a COCO object. Got a list, as of detection results: it does not say what images it is about"),
        ([{"image_id": 1, "score": 1}], "expected a COCO object. Got a list, as of detection results"),
        ({}, "expected a COCO object with the list 'images'"),
        ({**make_coco(), "images": {}}, "expected a COCO object with the list 'images'"),
        ({**make_coco(), "annotations": None}, "expected a COCO object with the list 'annotations'"),
        ({**make_coco(), "categories": "x"}, "expected a COCO object with the list 'categories'"),
    ],
)
def test_a_document_that_is_no_coco_is_one_broken_file(document: Any, message: str):
    content = from_coco({"x.json": document, "y.json": make_coco(make_object())})
    [row] = plain(content.rejected)
    assert (row["source"], row["row"], row["reason"]) == ("x.json", None, "broken_file")
    assert row["message"].startswith(message)
    assert content.annotations["annotation_id"].tolist() == ["coco/y/1"]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b'{"images": [], "annotations": [', "not JSON: Expecting value"),
        (
            b'{"images": [], "annotations": [], "info": {"year": NaN}}',
            "not JSON: it has a value that JSON does not allow",
        ),
        (b'{"images": [], "annotations": [], "images": []}', "not JSON: the key 'images' is there twice"),
        (b'{"images": [], "annotations": [' + b"[" * 5000, "not JSON: nested too deeply"),
        (b'{"images": [], "annotations": []}\xff', "not JSON: 'utf-8' codec can't decode byte 0xff"),
        (b'{"images": [], "a": {"annotations": []}, "annotations": 5}', "expected a COCO object with the list 'annot"),
    ],
)
def test_a_broken_file_is_one_row_with_the_reason(tmp_path: Path, data: bytes, message: str):
    lay_out(tmp_path, {"a.json": data, "b.json": coco_text(make_object())})
    content = open_and_load(tmp_path)
    [row] = plain(content.rejected)
    assert (row["source"], row["row"], row["reason"]) == ("a.json", None, "broken_file")
    assert row["message"].startswith(message)
    assert len(content.annotations) == 1
    assert content.files == {"a.json", "b.json"}


def test_a_file_that_is_gone_is_one_row_with_the_reason(tmp_path: Path):
    lay_out(tmp_path, {"a.json": coco_text()})
    tree = open_tree(tmp_path)
    (tmp_path / "a.json").unlink()
    assert find_coco(tree) == []
    assert load_coco(tree, ["a.json"]).rejected["reason"].tolist() == ["broken_file"]


@given(st.lists(st.fixed_dictionaries({}, optional=dict.fromkeys(NAMES, ANYTHING | OWN_VALUES)) | ANYTHING, max_size=4))
def test_any_annotation_is_kept_or_rejected_and_the_input_left_alone(items: list[Any]):
    items = [{"id": 5, "image_id": 1, **item} if isinstance(item, dict) else item for item in items]
    document = make_coco(*items)
    before = copy.deepcopy(document)
    content = from_coco({"annotations.json": document})
    assert len(content.annotations) + content.rejected["row"].notna().sum() == len(items)
    assert repr(document) == repr(before)


@given(
    st.dictionaries(
        st.sampled_from(["info", "datatools", "categories"]),
        ANYTHING
        | st.dictionaries(st.sampled_from(["classes", "extras", "new_image_ids", "new_category_ids"]), ANYTHING),
    ),
    st.lists(
        st.fixed_dictionaries({}, optional=dict.fromkeys(("id", "file_name", "width", "datatools"), ANYTHING)),
        max_size=3,
    ),
)
def test_any_document_is_read(parts: dict[str, Any], images: list[Any]):
    content = from_coco({"annotations.json": {**make_coco(make_object()), **parts, "images": images}})
    assert len(content.annotations) + len(content.rejected) > 0


@given(st.permutations([make_object(id=n, image_id=1 + n % 2) for n in range(4)]))
def test_the_order_of_annotations_does_not_matter(items: list[dict[str, Any]]):
    ordered = convert(*sorted(items, key=lambda item: item["id"]))
    pd.testing.assert_frame_equal(convert(*items).annotations, ordered.annotations)


# Images


def test_an_image_keeps_its_declared_size_and_every_other_field():
    image = {"id": 4, "file_name": "./x\\a.png", "width": 5.0, "license": 1, "flickr_url": "http://x/y.png"}
    [row] = plain(convert(images=[image]).records)
    assert (row["path"], row["width_px"], row["height_px"]) == ("x/a.png", 5, None)
    assert load_attributes(row["attributes"]) == {"id": 4, "license": 1, "flickr_url": "http://x/y.png"}


@pytest.mark.parametrize("width", ["64", True, [64], 5.5, -1.5])
def test_a_size_that_is_no_number_of_pixels_is_unknown_but_kept(width: Any):
    content = convert(images=[{"id": 1, "file_name": "a.png", "width": width, "height": 10}])
    [row] = plain(content.records)
    assert (row["width_px"], row["height_px"]) == (None, 10)
    assert load_attributes(row["attributes"]) == {"id": 1, "width": width}


@pytest.mark.parametrize(
    ("json_file", "image", "name"),
    [
        ("annotations.json", "a.png", "a.png"),
        ("annotations.json", "images/a.png", "a.png"),
        ("annotations.json", "images/a.png", "/home/ann/images/a.png"),
        ("annotations/instances_train.json", "images/train/a.png", "a.png"),
        ("annotations/instances_train2017.json", "images/train2017/a.png", "a.png"),
        ("annotations/instances_train2017.json", "train2017/a.png", "a.png"),
        ("annotations/instances_train.json", "train/images/a.png", "a.png"),
        ("train/_annotations.coco.json", "train/a.png", "a.png"),
        ("x/annotations.json", "x/JPEGImages/a.png", "JPEGImages/a.png"),
        ("annotations/instances_train.json", "somewhere/else/a.png", "a.png"),
    ],
)
def test_an_image_is_found_where_other_programs_put_it(tmp_path: Path, json_file: str, image: str, name: str):
    text = coco_text(make_object(), images=[{"id": 1, "file_name": name}])
    lay_out(tmp_path, {json_file: text, image: make_png(), "val/a.txt": ""})
    content = open_and_load(tmp_path)
    assert content.records["path"].tolist() == content.annotations["path"].tolist() == [image]


def test_images_of_one_name_are_told_apart_by_the_subset(tmp_path: Path):
    text = coco_text(make_object(), images=[{"id": 1, "file_name": "a.png"}])
    files = {f"annotations/instances_{name}.json": text for name in ("train", "val")}
    lay_out(tmp_path, {**files, "images/train/a.png": make_png(), "images/val/a.png": make_png(1)})
    content = open_and_load(tmp_path)
    assert content.records[["path", "subset"]].values.tolist() == [
        ["images/train/a.png", "train"],
        ["images/val/a.png", "val"],
    ]
    assert content.annotations[["annotation_id", "path"]].values.tolist() == [
        ["coco/instances_train/1", "images/train/a.png"],
        ["coco/instances_val/1", "images/val/a.png"],
    ]


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("../../etc/passwd.png", "../../etc/passwd.png"),
        ("/etc/passwd.png", "etc/passwd.png"),
        ("https://example.org/a.png", "https:/example.org/a.png"),
        ("c:\\x\\q.png", "x/q.png"),
        ("q\x00.png", "q\x00.png"),
    ],
)
def test_an_image_that_is_not_there_keeps_its_cleaned_name(tmp_path: Path, name: str, path: str):
    lay_out(
        tmp_path, {"annotations.json": coco_text(make_object(), images=[{"id": 1, "file_name": name}]), "z.png": ""}
    )
    content = open_and_load(tmp_path)
    assert content.annotations["path"].tolist() == content.records["path"].tolist() == [path]


def test_what_two_files_say_of_an_image_is_put_together():
    documents = {
        "annotations/instances_train.json": make_coco(
            make_object(), images=[{"id": 1, "file_name": "a.png", "width": 12}]
        ),
        "annotations/captions_train.json": make_coco(
            {"id": 1, "image_id": 1, "caption": "x"},
            images=[{"id": 1, "file_name": "a.png", "height": 10, "license": 2}],
        ),
    }
    content = from_coco(documents, ["a.png"])
    [row] = content.records.to_dict("records")
    assert (row["width_px"], row["height_px"], row["subset"]) == (12, 10, "train")
    assert load_attributes(row["attributes"]) == {"id": 1, "license": 2}
    assert len(content.rejected) == 0
    assert content.annotations["annotation_id"].tolist() == ["coco/captions_train/1", "coco/instances_train/1"]


def test_the_png_files_of_panoptic_segments_are_no_images(tmp_path: Path):
    item = {"image_id": 1, "file_name": "a.png", "segments_info": [{"id": 7, "category_id": 3}]}
    text = coco_text(item, images=[{"id": 1, "file_name": "a.jpg"}])
    lay_out(tmp_path, {"annotations/panoptic_val.json": text, "annotations/panoptic_val/a.png": b"", "val/a.jpg": b""})
    content = open_and_load(tmp_path)
    assert content.files == {"annotations/panoptic_val.json", "annotations/panoptic_val/a.png"}
    assert content.rejected["row"].tolist() == [1]
    assert content.records["path"].tolist() == ["val/a.jpg"]


# Files


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (coco_text(), True),
        ("\ufeff \n" + coco_text(), True),
        (json.dumps(make_coco(), indent=4), True),
        ('{"images": [], "categories": []}', True),
        ('{"images": [], "annotations": [', True),
        ('{"images": 5, "annotations": []}', False),
        ('{"annotations": [], "categories": []}', False),
        ('{"images": []}', False),
        ('[{"images": [], "annotations": []}]', False),
        ('{"shapes": [], "imagePath": "a.png"}', False),
        ('[{"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 0.5}]', False),
        ("", False),
        ("images annotations", False),
    ],
)
def test_a_coco_file_is_known_by_its_lists(tmp_path: Path, text: str, expected: bool):
    lay_out(tmp_path, {"x/y.JSON": text, "y.txt": coco_text(), "a.png": b""})
    assert find_coco(open_tree(tmp_path)) == (["x/y.JSON"] if expected else [])


def test_a_byte_order_mark_changes_nothing(tmp_path: Path):
    plain = open_and_load(lay_out(tmp_path / "a", {"annotations.json": coco_text(make_object())}))
    marked = open_and_load(lay_out(tmp_path / "b", {"annotations.json": coco_text(make_object()).encode("utf-8-sig")}))
    assert marked.same_as(plain)
    assert len(plain.annotations) == 1


@pytest.mark.parametrize(
    ("path", "subset"),
    [
        ("annotations.json", None),
        ("x/annotations.json", None),
        ("train/annotations.json", "train"),
        ("train/_annotations.coco.json", "train"),
        ("valid/_annotations.coco.json", "valid"),
        ("x/_annotations.coco.json", None),
        ("annotations/instances_train.json", "train"),
        ("annotations/instances_train2017.json", "train"),
        ("annotations/person_keypoints_val2014.json", "val"),
        ("annotations/image_info_test-dev2017.json", "test-dev"),
        ("annotations/instances_default.json", None),
        ("panoptic/panoptic_2018.json", None),
        ("instances_my set.json", "my set"),
        ("val.json", "val"),
        ("training_notes.json", None),
    ],
)
def test_the_name_of_a_file_tells_its_subset(path: str, subset: str | None):
    assert subset_of(path) == subset


@given(st.none() | st.text(max_size=8) | st.sampled_from(["train", "val2017", "default", "..", "../x", "a/b", "2018"]))
def test_a_new_file_is_of_the_subset_that_its_name_tells_and_stays_inside(subset: str | None):
    path = default_file(subset)
    assert subset_of(path) in (None, subset)
    assert path == "annotations.json" or path.startswith("annotations/instances_")
    assert path.count("/") <= 1


def test_ids_start_with_the_stem_where_there_are_several_files():
    assert id_prefixes(["x/a.json"]) == {"x/a.json": "coco/"}
    assert id_prefixes(["x/a.json", "b.json"]) == {"x/a.json": "coco/a/", "b.json": "coco/b/"}
    assert id_prefixes(["x/a.json", "y/a.json", "b.json"]) == {
        "x/a.json": "coco/x/a/",
        "y/a.json": "coco/y/a/",
        "b.json": "coco/b/",
    }


# Writing


def save_and_load(content: Content, folder: Path) -> tuple[Content, dict[str, bytes], tuple[Loss, ...]]:
    """Through real files: what is read again, the bytes written, the losses."""
    saved = save_coco(content, folder)
    assert saved.moved == {}
    lay_out_content(folder, content)
    tree = open_tree(folder)
    files = find_coco(tree)
    assert {path for path in tree.sizes if path.endswith(".json")} == set(files)
    return load_coco(tree, files), annotation_bytes(folder, files), saved.losses


@given(
    content=contents(attributes=COCO_ATTRIBUTES, subsets=(None, "train", "val", "we/ird", "default", ""))
    | contents(subsets=("train", None), extras=EXTRAS, coordinates="inside", mask_boxes=True)
)
def test_what_is_saved_is_loaded_again_twice_and_the_input_left_alone(
    tmp_path_factory: pytest.TempPathFactory, content: Content
):
    before = copy.deepcopy(content)
    folder = tmp_path_factory.mktemp("coco")
    loaded, written, losses = save_and_load(content, folder / "1")
    assert (losses, len(loaded.rejected)) == ((), 0)
    assert loaded.same_as(content)
    again, written_again, _ = save_and_load(loaded, folder / "2")
    assert again.same_as(content)
    assert written_again == written
    assert content.same_as(before)


@given(contents(coordinates="inside", sizes=True, attributes=False, text=st.text("abc", min_size=1, max_size=3)))
def test_pycocotools_reads_what_is_written(content: Content):
    coco = COCO()
    coco.dataset = json.loads(json.dumps(to_coco(content)[0]["annotations.json"]))
    coco.createIndex()
    items = {item.get("annotation_id", f"coco/{item['id']}"): item for item in coco.dataset["annotations"]}
    for row in rows_of(content):
        item = items.pop(row["annotation_id"])
        if row["kind"] in ("box", "mask"):
            assert (item["iscrowd"], len(item["bbox"]), item["area"] >= 0) == (0, 4, True)
        if row["kind"] == "mask":
            mask = parse_mask(row["mask"])
            pixels = coco.annToMask(item)
            assert isinstance(mask, list) or (pixels == mask.to_array()).all()
    assert items == {}


def test_labels_and_shapes_do_not_get_in_the_way_of_an_evaluation():
    noise = from_array(np.pad(np.ones((3, 4)), 3)).to_json()
    rows = [
        {"annotation_id": "label/a.png", "kind": "label", "label": "cat", "annotator": "consensus"},
        {"annotation_id": "b", "kind": "box", "label": "cat", **dict(zip(BOX, (1.0, 2.0, 5.0, 7.0), strict=True))},
        {"annotation_id": "m", "kind": "mask", "label": "dog", "mask": noise},
        {"annotation_id": "s", "kind": "shape", "attributes": '{"points":[[1,2]],"shape":"point"}'},
        {"annotation_id": "e", "kind": "box", "label": "dog"},
    ]
    records = [{"path": "a.png", "width_px": 12, "height_px": 10}]
    content = Content.from_rows(records, [{"path": "a.png", **row} for row in rows], ("cat", "dog"))
    documents, losses = to_coco(content)
    assert (losses, from_coco(documents).same_as(content)) == ((), True)
    truth = COCO()
    truth.dataset = documents["annotations.json"]
    truth.createIndex()
    found = [item for item in truth.dataset["annotations"] if not item["iscrowd"]]
    assert len(found) == 2
    keys = ("image_id", "category_id", "bbox")
    evaluation = COCOeval(
        truth, truth.loadRes([{**{key: item[key] for key in keys}, "score": 1} for item in found]), "bbox"
    )
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    assert evaluation.stats[0] == pytest.approx(1)


def test_a_file_of_labels_alone_stays_one():
    item = {"id": 1, "image_id": 1, "category_id": 3}
    documents, _ = to_coco(convert(item))
    assert documents["annotations.json"]["annotations"] == [item]


def test_a_file_from_elsewhere_is_written_as_it_was(tmp_path: Path):
    categories = [{"id": 7, "name": "dog", "supercategory": "pet"}, {"id": 3, "name": "cat", "isthing": 1}]
    document = {
        "info": {"year": 2017, "description": None},
        "licenses": [{"id": 1, "url": "http://x"}],
        "type": "instances",
        **make_coco(
            make_object(
                id=5, bbox=[0.1, 0.2, 0.7, 2], area=1.4, iscrowd=0, segmentation=[[1.5, 2.0, 3.0, 2.0, 3.0, 4.0]]
            ),
            make_object(id=900, iscrowd=1, area=4, segmentation=RLE, category_id=7),
            make_object(id=17, iscrowd=0, area=4.0, category_id=99, segmentation=[], score=0.5),
            images=[{"id": 42, "file_name": "a.png", "width": 12, "height": 10, "license": 1}],
            categories=categories,
        ),
    }
    for item in document["annotations"]:
        item["image_id"] = 42
    lay_out(tmp_path, {"annotations/instances_train2017.json": json.dumps(document), "a.png": make_png()})
    content = open_and_load(tmp_path)
    assert content.extras["coco"]["annotations/instances_train2017.json"]["categories"] == categories
    [(path, again)] = to_coco(content)[0].items()
    assert path == "annotations/instances_train2017.json"
    document["annotations"].sort(key=lambda item: item["id"])
    assert again == document


def test_one_image_or_annotation_is_one_line(tmp_path: Path):
    save_coco(convert(make_object(), make_object(id=2, image_id=2)), tmp_path)
    lines = (tmp_path / "annotations.json").read_text().splitlines()
    assert [sum(key in line for line in lines) for key in ('"file_name"', '"bbox"', '"name"')] == [2, 2, 2]


def test_nothing_is_overwritten(tmp_path: Path):
    lay_out(tmp_path, {"annotations.json": "mine"})
    with pytest.raises(FileExistsError):
        save_coco(convert(make_object()), tmp_path)
    assert (tmp_path / "annotations.json").read_text() == "mine"


def test_a_new_class_gets_an_id_of_its_own_and_the_others_keep_theirs():
    content = convert(make_object(), make_object(id=2, category_id=7))
    changed = Content.from_rows(
        content.records.to_dict("records"),
        [{**row, "label": "zebra" if row["label"] == "dog" else row["label"]} for row in rows_of(content)],
        ("zebra", "cat"),
        extras=content.extras,
    )
    documents, losses = to_coco(changed)
    [document] = documents.values()
    assert document["categories"] == [{"id": 7, "name": "dog"}, {"id": 3, "name": "cat"}, {"id": 8, "name": "zebra"}]
    assert [item["category_id"] for item in document["annotations"]] == [3, 8]
    assert (losses, from_coco(documents).same_as(changed)) == ((), True)


def test_a_label_outside_the_class_list_is_no_class_after_the_round_trip():
    content = Content.from_rows(
        [{"path": "a.png", "attributes": "{}"}],
        [{"annotation_id": "x", "path": "a.png", "label": "stray", "kind": "box", "attributes": "{}"}],
        ("cat",),
    )
    assert from_coco(to_coco(content)[0]).same_as(content)


@pytest.mark.parametrize("classes", [(), ("cat",)])
def test_an_object_without_a_class_gets_a_number_that_is_no_category(classes: tuple[str, ...]):
    row = {"annotation_id": "coco/1", "path": "a.png", "kind": "box", "attributes": "{}"}
    content = Content.from_rows([], [row], classes)
    documents, _ = to_coco(content)
    assert documents["annotations.json"]["annotations"][0]["category_id"] == 0
    assert from_coco(documents).same_as(content)


def test_an_object_without_a_class_gets_null_where_nought_is_a_category():
    content = convert(make_object(category_id=None), categories=[{"id": 0, "name": "cat"}])
    documents, _ = to_coco(content)
    assert documents["annotations.json"]["annotations"][0]["category_id"] is None
    assert from_coco(documents).same_as(content)


def test_null_attributes_metadata_and_half_a_box_survive():
    content = Content.from_rows(
        [{"path": "a:b\\c.png", "metadata": '{"site":"x"}'}],
        [{"annotation_id": "x", "path": "a:b\\c.png", "kind": "box", "x0_px": 1.0}],
    )
    assert from_coco(to_coco(content)[0]).same_as(content)


def test_an_annotation_of_an_image_without_record_makes_no_record():
    content = Content.from_rows([], [{"annotation_id": "x", "path": "a.png", "kind": "box", "attributes": "{}"}])
    assert from_coco(to_coco(content)[0]).same_as(content)


def test_nothing_at_all_is_an_empty_file():
    assert to_coco(Content())[0] == {"annotations.json": {"images": [], "categories": [], "annotations": []}}
    assert from_coco(to_coco(Content())[0]).same_as(Content())


def test_numbers_that_are_taken_are_given_anew():
    ids = ["coco/2", "coco/02", "coco/x/2", "coco/-1", "voc/a.png#1", "coco/" + "9" * 30]
    rows = [{"annotation_id": name, "path": "a.png", "kind": "box", "attributes": "{}"} for name in ids]
    content = Content.from_rows([{"path": "a.png", "attributes": "{}"}], rows)
    [document] = to_coco(content)[0].values()
    assert [item["id"] for item in document["annotations"]] == [-1, 2, 3, 4, 5, 6]
    assert [item.get("annotation_id") for item in document["annotations"]][:2] == [None, None]
    assert from_coco(to_coco(content)[0]).same_as(content)


@pytest.mark.parametrize("native", [5, "abc"])
def test_two_images_cannot_have_one_id(native: Any):
    records = [{"path": name, "attributes": dump_attributes({"id": native})} for name in ("a.png", "b.png")]
    content = Content.from_rows(records, [])
    [document] = to_coco(content)[0].values()
    assert [image["id"] for image in document["images"]] == [native, 6 if native == 5 else 1]
    assert from_coco(to_coco(content)[0]).same_as(content)


@pytest.mark.parametrize(
    ("x0", "x1", "width"), [(0.1, 0.1 + 0.2, 0.2), (1.0, 4.0, 3.0), (0.3, 0.1, 0.1 - 0.3), (1e6, 1e-7, 1e-7 - 1e6)]
)
def test_the_width_is_the_shortest_that_gives_the_corner_back(x0: float, x1: float, width: float):
    row = {"annotation_id": "coco/1", "path": "a.png", "kind": "box", **dict(zip(BOX, (x0, 0.0, x1, 1.0), strict=True))}
    documents, _ = to_coco(Content.from_rows([], [row]))
    [item] = documents["annotations.json"]["annotations"]
    assert item["bbox"][2] == width
    assert rows_of(from_coco(documents))[0]["x1_px"] == x1


def test_masks_get_the_area_and_the_box_that_others_need_and_lose_them_again():
    noise = np.zeros((10, 12), bool)
    noise[2:5, 3:9] = True
    masks = [from_array(noise).to_json(), dump_mask([[[3, 2], [9, 2], [9, 5], [3, 5]]])]
    rows = [
        {"annotation_id": f"coco/{n}", "path": "a.png", "kind": "mask", "mask": mask} for n, mask in enumerate(masks)
    ]
    documents, _ = to_coco(Content.from_rows([], rows))
    for item in documents["annotations.json"]["annotations"]:
        assert (item["bbox"], item["area"], item["iscrowd"]) == ([3.0, 2.0, 6.0, 3.0], 18.0, 0)
    assert from_coco(documents).annotations[BOX].isna().all(axis=None)


@pytest.mark.parametrize(
    ("changes", "loss"),
    [
        ({"mask": "x"}, Loss("mask", "a.png", "x", "a mask must be JSON: Expecting value: line 1 column 1 (char 0)")),
        ({"x0_px": INF}, Loss("x0_px", "a.png", "x", "COCO holds finite numbers only")),
        ({"path": None}, Loss("path", "", "x", "an annotation must be of an image")),
    ],
)
def test_what_cannot_be_written_is_listed(changes: dict[str, Any], loss: Loss):
    row = {"annotation_id": "x", "path": "a.png", "kind": "box", "attributes": "{}"}
    documents, losses = to_coco(Content.from_rows([], [{**row, **changes}]))
    assert losses == (loss,)
    assert len(from_coco(documents).annotations) == (0 if loss.field == "path" else 1)


@pytest.mark.parametrize(
    ("extras", "field", "message"),
    [
        ({"coco": {"../x.json": {}}}, "extras.coco", "'../x.json' is no file to write"),
        ({"coco": {"/x.json": {}}}, "extras.coco", "'/x.json' is no file to write"),
        ({"coco": {"x.txt": {}}}, "extras.coco", "'x.txt' is no file to write"),
        ({"coco": {"x.json": 5}}, "extras.coco", "'x.json' is no file to write"),
        ({"coco": {"x.json": {"info": {1: 2}}}}, "extras.coco", "it is not JSON"),
        ({"voc": {1, 2}}, "extras.voc", "it is not JSON"),
        ({"voc": NAN}, "extras.voc", "it is not JSON"),
        ({"voc": (1, 2)}, "extras.voc", "it is not JSON"),
    ],
)
def test_extras_that_cannot_be_written_are_listed(extras: dict[str, Any], field: str, message: str):
    documents, losses = to_coco(Content.from_rows(extras=extras))
    assert (field, message) in [(loss.field, loss.message) for loss in losses]
    assert list(documents) == ["annotations.json"]
    assert from_coco(documents).extras == {}


def test_extras_from_a_hostile_file_name_no_file_to_write():
    document = {**make_coco(), "datatools": {"extras": {"coco": {"../../x.json": {}}, "voc": 1}}}
    content = from_coco({"annotations.json": document})
    assert set(content.extras) == {"coco", "voc"}
    assert set(content.extras["coco"]) == {"annotations.json"}


@given(COCO_ATTRIBUTES)
def test_attributes_of_any_name_come_back(values: dict[str, Any]):
    text = dump_attributes(values)
    row = {"annotation_id": "coco/1", "path": "a.png", "kind": "box", "x0_px": 1.0, "attributes": text}
    content = Content.from_rows([{"path": "a.png", "attributes": text}], [row])
    assert from_coco(to_coco(content)[0]).same_as(content)


# Real files


def unpack(name: str, below: str, folder: Path) -> Path:
    archive = SHARED / "data" / f"{name}.zip"
    if not archive.exists():
        pytest.skip(f"needs {name}.zip of the shared data: set DATATOOLS_SHARED")
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(folder, [member for member in opened.namelist() if member.startswith(below)])
    return folder / below


@pytest.mark.parametrize(
    ("folder", "n_images", "kinds", "n_rejected"),
    [
        ("coco_instances", 2, {"mask": 2, "box": 1}, 0),
        ("coco_person_keypoints", 2, {"mask": 2, "box": 1}, 0),
        ("coco_stuff", 2, {"mask": 2}, 0),
        ("coco_labels", 2, {"label": 3}, 0),
        ("coco_captions", 2, {"label": 3}, 0),
        ("coco_image_info", 2, {}, 0),
        ("coco_panoptic", 2, {}, 2),
        ("coco_roboflow", 2, {"mask": 2, "box": 1}, 0),
        ("mmdet_coco", 2, {"mask": 2, "box": 1}, 0),
        ("coco", 2, {"label": 6, "mask": 6, "box": 2}, 2),
    ],
)
def test_datumaros_samples_are_read_whole(
    tmp_path: Path, folder: str, n_images: int, kinds: dict[str, int], n_rejected: int
):
    root = unpack("format-samples", f"tests/assets/coco_dataset/{folder}/", tmp_path)
    tree = open_tree(root)
    content = load_coco(tree, find_coco(tree))
    assert content.annotations["kind"].value_counts().to_dict() == kinds
    assert (len(content.records), len(content.rejected)) == (n_images, n_rejected)
    assert set(content.records["path"]) <= set(tree.sizes)
    assert set(content.records["subset"]) == {"train", "val"}
    again, _, losses = save_and_load(content, tmp_path / "again")
    assert again.same_as(content)
    assert losses == ()


def test_an_export_of_labelme_is_read_whole(tmp_path: Path):
    root = unpack("labelme", "instance_segmentation/data_dataset_coco/", tmp_path)
    content = open_and_load(root)
    assert (len(content.records), len(content.annotations), len(content.rejected)) == (3, 12, 0)
    assert sum(len(parse_mask(text)) for text in content.annotations["mask"]) == 16
    assert len(content.classes) == 21
    again, _, _ = save_and_load(content, tmp_path / "again")
    assert again.same_as(content)


def test_a_hundred_thousand_annotations_are_read_and_written_in_seconds():
    images = [{"id": n, "file_name": f"{n}.jpg"} for n in range(10_000)]
    items = [
        make_object(id=n, image_id=n % 10_000, segmentation=[[0.5] * 20], area=1, iscrowd=0) for n in range(100_000)
    ]
    start = time.perf_counter()
    content = from_coco({"annotations.json": make_coco(*items, images=images)}, [f"{n}.jpg" for n in range(10_000)])
    assert len(content.annotations) == 100_000
    to_coco(content)
    assert time.perf_counter() - start < 60


def test_the_format_is_complete():
    assert (FORMAT.name, FORMAT.find, FORMAT.load, FORMAT.save) == ("coco", find_coco, load_coco, save_coco)
