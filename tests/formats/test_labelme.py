from __future__ import annotations

import base64
import copy
import io
import json
import os
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datatools.formats.base import Content, load_attributes
from datatools.formats.carried import pack_row, place_mask, rows_of, unpack_row
from datatools.formats.labelme import FORMAT, from_labelme, to_labelme
from datatools.formats.rows import BrokenRowError
from datatools.images import encode_png
from datatools.index_images import encode_index_mask
from datatools.masks import from_array, parse_mask
from datatools.schema import ANNOTATIONS
from datatools.tree import open_tree
from tests.builders import lay_out, make_png
from tests.formats.contents import (
    PLAIN_TEXT,
    check_round_trip,
    check_saving_twice,
    contents,
    json_values,
    lay_out_content,
    reason_of,
    round_trip,
)

Row = dict[str, Any]
SHARED = Path(os.environ.get("DATATOOLS_SHARED", Path(__file__).parents[3] / "shared"))
PNG = make_png()
TRIANGLE = [[1, 2], [4, 2], [4, 6.5]]
NAN, INF = float("nan"), float("inf")


def png64(pixels: Any) -> str:
    return base64.b64encode(encode_index_mask(np.asarray(pixels))).decode()


def make_shape(**changes: Any) -> Row:
    shape = {"label": "cat", "points": TRIANGLE, "shape_type": "polygon", "group_id": None, "flags": {}, **changes}
    return {key: value for key, value in shape.items() if value is not ...}


def make_document(*shapes: Any, **changes: Any) -> Row:
    document = {"version": "5.5.0", "flags": {}, "shapes": list(shapes), "imagePath": "a.png", "imageData": None}
    document |= {"imageHeight": 10, "imageWidth": 12, **changes}
    return {key: value for key, value in document.items() if value is not ...}


def convert(*shapes: Any, **changes: Any) -> tuple[list[Row], list[Row]]:
    _, rows, rejected = from_labelme(make_document(*shapes, **changes), "a.png", "a.json")
    return rows, rejected


def read(shape: Row, **changes: Any) -> Row:
    [row], [] = convert(shape, **changes)
    return {**row, "attributes": load_attributes(row["attributes"])}


def box_of(row: Row) -> list[float]:
    return [row[name] for name in ("x0_px", "y0_px", "x1_px", "y1_px")]


def load(folder: Path, files: dict[str, Any]) -> Content:
    texts = {name: json.dumps(value) if isinstance(value, dict) else value for name, value in files.items()}
    tree = open_tree(lay_out(folder, texts))
    return FORMAT.load(tree, FORMAT.find(tree))


# Shapes


def test_a_polygon_is_a_mask_of_one_ring_that_nobody_closed():
    row = read(make_shape())
    assert (row["kind"], row["label"], row["annotator"], row["path"]) == ("mask", "cat", None, "a.png")
    assert row["mask"] == "[[[1.0,2.0],[4.0,2.0],[4.0,6.5]]]"
    assert box_of(row) == [None] * 4
    assert row["annotation_id"] == "labelme/a.png#1"
    assert row["attributes"] == {}


@pytest.mark.parametrize("kind", [None, ...])
def test_a_shape_without_type_is_a_polygon_as_in_old_files(kind: Any):
    assert read(make_shape(shape_type=kind))["kind"] == "mask"


@pytest.mark.parametrize(
    ("points", "box", "corners"),
    [
        ([[1, 2], [3.5, 4]], [1, 2, 3.5, 4], None),
        ([[3.5, 4], [1, 2]], [1, 2, 3.5, 4], [[3.5, 4], [1, 2]]),
        ([[3.5, 2], [1, 4]], [1, 2, 3.5, 4], [[3.5, 2], [1, 4]]),
        ([[1, 2], [3, 2], [3, 4], [1, 4]], [1, 2, 3, 4], [[1, 2], [3, 2], [3, 4], [1, 4]]),
        ([[-5, -5], [900, 900]], [-5, -5, 900, 900], None),
        ([[2, 2], [2, 2]], [2, 2, 2, 2], None),
    ],
    ids=["in order", "backwards", "other diagonal", "four corners", "outside", "empty"],
)
def test_a_rectangle_is_a_box_with_ordered_corners(points: Any, box: list[float], corners: Any):
    row = read(make_shape(shape_type="rectangle", points=points))
    assert (row["kind"], box_of(row), row["mask"]) == ("box", box, None)
    assert row["attributes"].get("corners") == corners


@pytest.mark.parametrize(
    ("kind", "points"),
    [
        ("circle", [[1, 2], [3, 4]]),
        ("line", [[1.0, 2], [3, 4]]),
        ("linestrip", [[1, 2], [3, 4], [5, 6]]),
        ("point", [[1, 2]]),
        ("points", [[1, 2], [3, 4]]),
        ("oriented_rectangle", [[1, 2], [3, 4], [5, 6], [7, 8]]),
        ("something_new", [[1, 2]]),
    ],
)
def test_what_is_neither_box_nor_mask_is_a_shape_with_its_points_verbatim(kind: str, points: Any):
    row = read(make_shape(shape_type=kind, points=points))
    assert (row["kind"], row["mask"], box_of(row)) == ("shape", None, [None] * 4)
    assert row["attributes"] == {"shape": kind, "points": points}
    assert json.dumps(row["attributes"]["points"]) == json.dumps(points)


def test_a_mask_starts_at_its_first_corner_and_ends_on_its_last():
    shape = make_shape(shape_type="mask", points=[[2, 3], [4, 4]], mask=png64([[0, 255, 255], [7, 0, 0]]))
    rle = parse_mask(read(shape)["mask"])
    assert rle.size_hw == (10, 12)
    assert np.argwhere(rle.to_array()).tolist() == [[3, 3], [3, 4], [4, 2]]


def test_a_mask_at_fractions_is_placed_where_labelme_rounds_it():
    shape = make_shape(shape_type="mask", points=[[2.6, 3.4], [4.6, 4.4]], mask=png64([[1, 1, 1], [1, 1, 1]]))
    row = read(shape)
    assert parse_mask(row["mask"]).bounds() == (3, 3, 6, 5)
    assert row["attributes"] == {"points": [[2.6, 3.4], [4.6, 4.4]]}


def test_a_mask_that_hangs_over_the_image_is_cut_at_its_border():
    shape = make_shape(shape_type="mask", points=[[-1, 8], [1, 11]], mask=png64(np.ones((4, 3))))
    assert parse_mask(read(shape)["mask"]).bounds() == (0, 8, 2, 10)


@pytest.mark.parametrize("corner", [(20, 0), (-9, 0), (0, 30), (0, -9)])
def test_a_mask_beside_the_image_is_empty(corner: tuple[int, int]):
    assert place_mask(np.ones((2, 2)), corner, (5, 6)).n_pixels == 0


def test_group_ids_flags_descriptions_and_unknown_keys_are_attributes():
    row = read(make_shape(group_id=3, flags={"truncated": True}, description="", score=0.5, difficult=None))
    assert row["attributes"] == {
        "group_id": 3,
        "flags": {"truncated": True},
        "description": "",
        "score": 0.5,
        "difficult": None,
    }


def test_polygons_of_one_group_stay_rows_of_their_own():
    rows, _ = convert(make_shape(group_id=1), make_shape(group_id=1))
    assert [load_attributes(row["attributes"])["group_id"] for row in rows] == [1, 1]


@pytest.mark.parametrize(("label", "kept"), [(7, {"label": 7}), (None, {}), ("", {}), (..., {})])
def test_a_label_that_is_no_text_is_unknown_and_kept(label: Any, kept: Row):
    row = read(make_shape(label=label))
    assert (row["label"], row["attributes"]) == (None, kept)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ("cat", "a shape must be an object"),
        (make_shape(points=...), "points must be a list of [x, y] in finite numbers, at least one"),
        (make_shape(points=[]), "points must be a list of [x, y] in finite numbers, at least one"),
        (make_shape(points=[[1, 2, 3]]), "points must be a list of [x, y] in finite numbers, at least one"),
        (make_shape(points=[[1, "2"]]), "points must be a list of [x, y] in finite numbers, at least one"),
        (make_shape(points=[[1, True]]), "points must be a list of [x, y] in finite numbers, at least one"),
        (make_shape(points=[[1, NAN]]), "points must be a list of [x, y] in finite numbers, at least one"),
        (make_shape(points=[[1, 10**30]]), "points must be a list of [x, y] in finite numbers, at least one"),
        (make_shape(points={"x": 1}), "points must be a list of [x, y] in finite numbers, at least one"),
        (make_shape(shape_type="rectangle"), "a rectangle needs two opposite corners, got 3 points"),
        (
            make_shape(shape_type="rectangle", points=[[0, 0], [2, 1], [2, 3], [0, 2]]),
            "a rectangle needs two opposite corners, got 4 points",
        ),
        (make_shape(shape_type="mask", mask="AAAA"), "a mask needs two corners and a PNG in base64"),
        (make_shape(shape_type="mask", points=[[1, 1], [2, 2]]), "a mask needs two corners and a PNG in base64"),
        (
            make_shape(shape_type="mask", points=[[1, 1], [2, 2]], mask="!"),
            "the PNG of a mask cannot be read: Only base64 data is allowed",
        ),
        (
            make_shape(shape_type="mask", points=[[1, 1], [2, 2]], mask="AAAA"),
            "the PNG of a mask cannot be read: ",
        ),
        (
            make_shape(
                shape_type="mask",
                points=[[1, 1], [2, 2]],
                mask=base64.b64encode(encode_png(np.zeros((2, 2, 3), np.uint8))).decode(),
            ),
            "the PNG of a mask cannot be read: RGB pixels are no indices",
        ),
        (
            make_shape(shape_type="mask", points=[[1, 1], [4, 2]], mask=png64(np.ones((2, 2)))),
            "the PNG of a mask is 2 x 2 pixels, its corners say otherwise",
        ),
        (make_shape(datatools=5), "datatools must be an object"),
        (make_shape(datatools={"id": 5}), "datatools: id and annotator must be text"),
        (make_shape(datatools={"id": ""}), "datatools: id and annotator must be text"),
        (make_shape(datatools={"annotator": []}), "datatools: id and annotator must be text"),
        (make_shape(datatools={"box": [1, 2, 3]}), "datatools: box must be four finite numbers"),
        (make_shape(datatools={"box": [1, 2, 3, "4"]}), "datatools: box must be four finite numbers"),
        (make_shape(datatools={"size": [0, 5]}), "datatools: size must be [height, width]"),
        (make_shape(datatools={"attributes": []}), "datatools: attributes must be an object and ring a number"),
        (make_shape(datatools={"ring": "1"}), "datatools: attributes must be an object and ring a number"),
    ],
)
def test_a_broken_shape_is_rejected_with_its_number(shape: Any, message: str):
    rows, [bad] = convert(make_shape(), shape, make_shape())
    assert (bad["source"], bad["row"], bad["path"], bad["reason"]) == ("a.json", 2, "a.png", reason_of(message))
    assert bad["message"].startswith(message)
    assert [row["annotation_id"] for row in rows] == ["labelme/a.png#1", "labelme/a.png#3"]


@pytest.mark.parametrize(("height", "width"), [(None, 12), (10, None), ("10", 12), (0, 12), (10**5, 10**5)])
def test_a_mask_in_an_image_of_unknown_size_is_rejected(height: Any, width: Any):
    shape = make_shape(shape_type="mask", points=[[1, 1], [1, 1]], mask=png64([[1]]))
    rows, [bad] = convert(shape, imageHeight=height, imageWidth=width)
    assert rows == []
    assert bad["message"].startswith("a mask needs imageHeight and imageWidth up to 100000000 pixels, got")


@given(st.integers(1, 6), st.integers(1, 6), st.integers(-8, 8), st.integers(-8, 8), st.integers(0, 99))
def test_a_placed_mask_is_the_one_that_pasting_its_pixels_gives(height: int, width: int, x: int, y: int, seed: int):
    pixels = np.random.default_rng(seed).integers(0, 3, (4, 5))
    canvas = np.zeros((height + 40, width + 40), bool)
    canvas[20 + y : 24 + y, 20 + x : 25 + x] = pixels != 0
    assert place_mask(pixels, (x, y), (height, width)) == from_array(canvas[20 : 20 + height, 20 : 20 + width])


def test_many_small_masks_in_a_huge_image_take_no_time_for_its_pixels():
    shapes = [make_shape(shape_type="mask", points=[[9, 9], [9, 9]], mask=png64([[1]])) for _ in range(200)]
    rows, rejected = convert(*shapes, imageHeight=10_000, imageWidth=10_000)  # as arrays: 20 GB
    assert (len(rows), rejected) == (200, [])


# Files


def test_the_image_is_found_beside_the_file_before_the_one_of_that_name_at_the_root(tmp_path: Path):
    content = load(tmp_path, {"x/a.json": make_document(make_shape()), "x/a.png": PNG, "a.png": PNG})
    assert set(content.annotations["path"]) == {"x/a.png"}
    assert content.files == {"x/a.json"}


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("../images/a.png", None),
        ("..\\images\\a.png", None),
        ("C:\\work\\a.png", "C:\\work\\a.png"),
        ("/home/ann/a.png", "/home/ann/a.png"),
        ("../../../../a.png", "../../../../a.png"),
    ],
)
def test_an_image_that_was_moved_is_found_by_its_name(tmp_path: Path, name: str, kept: str | None):
    content = load(tmp_path, {"json/b.json": make_document(imagePath=name), "images/a.png": PNG})
    [record] = rows_of(content.records)
    assert record["path"] == "images/a.png"
    assert load_attributes(record["attributes"]).get("imagePath") == kept


def test_a_name_that_is_no_image_leads_to_the_image_beside_the_file(tmp_path: Path):
    document = make_document(make_shape(), imagePath="a.json", imageData="abcd")
    content = load(tmp_path, {"a.json": document, "a.jpg": PNG})
    [record] = rows_of(content.records)
    assert (record["path"], load_attributes(record["attributes"])["imagePath"]) == ("a.jpg", "a.json")
    assert content.rejected.empty


def test_an_image_that_is_only_inside_the_file_is_named_and_never_an_attribute(tmp_path: Path):
    content = load(tmp_path, {"x/a.json": make_document(make_shape(), imageData="abcd")})
    [bad] = content.rejected.to_dict("records")
    assert (bad["source"], bad["path"], bad["reason"]) == ("x/a.json", "x/a.png", "broken_row")
    assert pd.isna(bad["row"])
    assert bad["message"] == "the image is only inside the JSON (imageData): save it as a file"
    assert len(content.annotations) == 1
    assert "abcd" not in content.records["attributes"].item()


@pytest.mark.parametrize(
    ("name", "path"), [("../a.png", "a.png"), ("../../a.png", "../../a.png"), ("/etc/a.png", "x/etc/a.png")]
)
def test_an_image_that_is_not_there_keeps_its_name(tmp_path: Path, name: str, path: str):
    content = load(tmp_path, {"x/a.json": make_document(imagePath=name)})
    assert content.records["path"].tolist() == [path]


def test_fields_of_the_file_are_the_records(tmp_path: Path):
    document = make_document(flags={"night": True}, camera={"id": 5}, imageWidth=None, imageHeight="10")
    content = load(tmp_path, {"a.json": {**document, "shapes": [make_shape()]}, "a.png": PNG})
    [record] = rows_of(content.records)
    assert (record["width_px"], record["height_px"], record["subset"]) == (None, None, None)
    attributes = {"version": "5.5.0", "flags": {"night": True}, "camera": {"id": 5}, "imageHeight": "10"}
    assert load_attributes(record["attributes"]) == attributes


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"shapes": [], "imagePath": "a.png", "x": NaN}', "not JSON: it has a value that JSON does not allow"),
        ('{"shapes": [], "imagePath": "a.png"', "not JSON: Expecting"),
        ('{"shapes": [], "shapes": [], "imagePath": "a.png"}', "not JSON: the key 'shapes' is there twice"),
        ('{"shapes": {}, "imagePath": "a.png"}', "a LabelMe file needs the list shapes"),
        ('{"shapes": [], "imagePath": null}', "a LabelMe file needs imagePath, the name of its image"),
        ('{"shapes": [], "imagePath": ".."}', "a LabelMe file needs imagePath, the name of its image"),
        ('{"shapes": [], "imagePath": ""}', "a LabelMe file needs imagePath, the name of its image"),
        (
            '{"shapes": [], "imagePath": "a.png", "datatools": []}',
            "datatools must be an object, and its annotations a list",
        ),
        (
            '{"shapes": [], "imagePath": "a.png", "datatools": {"annotations": 1}}',
            "datatools must be an object, and its annotations a list",
        ),
    ],
)
def test_a_broken_file_is_one_rejected_row_and_the_others_are_read(tmp_path: Path, text: str, message: str):
    content = load(tmp_path, {"b.json": text, "a.json": make_document(make_shape()), "a.png": PNG})
    [bad] = content.rejected.to_dict("records")
    assert (bad["source"], bad["reason"]) == ("b.json", "broken_file")
    assert pd.isna(bad["row"])
    assert bad["message"].startswith(message)
    assert len(content.annotations) == 1


def test_a_file_that_went_away_is_rejected(tmp_path: Path):
    tree = open_tree(lay_out(tmp_path, {"a.json": json.dumps(make_document())}))
    (tmp_path / "a.json").unlink()
    content = FORMAT.load(tree, ["a.json"])
    assert content.rejected["message"].tolist() == ["No such file or directory"]
    assert FORMAT.find(tree) == []


@pytest.mark.parametrize(
    "text",
    [
        '{"images": [], "annotations": [], "categories": []}',
        '[{"data": {"image": "a.png"}, "annotations": []}]',
        '[{"shapes": [], "imagePath": "a.png"}]',
        '{"shapes": []}',
        "",
    ],
)
def test_other_json_files_are_not_claimed(tmp_path: Path, text: str):
    assert FORMAT.find(open_tree(lay_out(tmp_path, {"a.json": text, "b.txt": json.dumps(make_document())}))) == []


def test_a_byte_order_mark_and_an_upper_case_suffix_are_no_obstacle(tmp_path: Path):
    data = b"\xef\xbb\xbf" + json.dumps(make_document(make_shape())).encode()
    content = load(tmp_path, {"a.JSON": data, "a.png": PNG})
    assert len(content.annotations) == 1


def test_two_files_about_one_image_keep_their_shapes_apart(tmp_path: Path):
    files = {f"{who}/a.json": make_document(make_shape(), imagePath="../a.png") for who in ("ann", "bob")}
    content = load(tmp_path, {**files, "a.png": PNG})
    assert content.annotations["annotation_id"].tolist() == [
        "labelme/a.png@ann/a.json#1",
        "labelme/a.png@bob/a.json#1",
    ]
    assert content.records["path"].tolist() == ["a.png"]
    assert content.rejected["message"].tolist() == ["ann/a.json describes this image too: its fields stay"]


# Flags and classes


def test_a_flag_is_the_label_where_the_whole_set_has_no_shapes(tmp_path: Path):
    flags = {"__ignore__": False, "cat": True, "dog": False}
    content = load(tmp_path, {"a.json": make_document(flags=flags), "a.png": PNG})
    [row] = rows_of(content.annotations)
    assert (row["kind"], row["label"], row["annotator"], row["annotation_id"]) == (
        "label",
        "cat",
        "given",
        "label/a.png@given",
    )
    assert load_attributes(content.records["attributes"].item())["flags"] == flags


def test_several_true_flags_are_a_null_label_with_all_choices(tmp_path: Path):
    content = load(tmp_path, {"a.json": make_document(flags={"cat": True, "dog": True}), "a.png": PNG})
    [row] = rows_of(content.annotations)
    assert (row["label"], load_attributes(row["attributes"])) == (None, {"choices": ["cat", "dog"]})


@pytest.mark.parametrize("flags", [{}, {"cat": False}, {"cat": 1}, {"cat": "true"}, None, ["cat"]])
def test_flags_that_are_not_true_are_no_label(tmp_path: Path, flags: Any):
    assert load(tmp_path, {"a.json": make_document(flags=flags), "a.png": PNG}).annotations.empty


def test_flags_beside_shapes_anywhere_in_the_set_are_no_labels(tmp_path: Path):
    files = {"a.json": make_document(flags={"cat": True}), "b.json": make_document(make_shape(), imagePath="b.png")}
    content = load(tmp_path, {**files, "a.png": PNG, "b.png": PNG})
    assert content.annotations["kind"].tolist() == ["mask"]


def test_classes_are_the_labels_in_use_or_those_of_labels_txt(tmp_path: Path):
    document = make_document(make_shape(label="dog"), make_shape(label="ant"))
    assert load(tmp_path / "1", {"a.json": document}).classes == ("ant", "dog")
    listed = load(tmp_path / "2", {"x/a.json": document, "labels.txt": "__ignore__\n_background_\ncat\r\n\ndog\n"})
    assert listed.classes == ("cat", "dog", "ant")
    assert listed.extras == {"labelme": {"labels": ["__ignore__", "_background_", "cat", "dog"]}}
    assert listed.files == {"x/a.json", "labels.txt"}
    marked = make_document(make_shape(label="__ignore__"))
    assert load(tmp_path / "3", {"a.json": marked, "labels.txt": "__ignore__\ncat"}).classes == ("__ignore__", "cat")


def test_a_class_list_that_is_no_text_is_left_alone(tmp_path: Path):
    assert load(tmp_path, {"a.json": make_document(make_shape()), "labels.txt": b"\xff\xfe"}).classes == ("cat",)


# Writing


@settings(max_examples=80)
@given(contents(subsets=(None, "train", "x")))
def test_what_is_saved_is_loaded_again(content: Content):
    check_round_trip(FORMAT, content)


@settings(max_examples=30)
@given(content=contents(subsets=(None, "train")))
def test_saving_twice_gives_the_same_bytes_and_changes_nothing(content: Content):
    check_saving_twice(FORMAT, content)


@settings(max_examples=50)
@given(contents(kinds=("box", "mask"), text=PLAIN_TEXT, sizes=True))
def test_boxes_and_masks_are_drawn_and_cost_nothing(content: Content):
    documents, losses = to_labelme(content)
    assert losses == []
    assert all("annotations" not in document.get("datatools", {}) for document in documents.values())


@settings(max_examples=50)
@given(contents(kinds=("label",), text=PLAIN_TEXT, annotators=False, attributes=False, null_labels=False))
def test_labels_of_a_set_without_shapes_become_flags(content: Content):
    documents, losses = to_labelme(content)
    assert losses == []
    flags = {document["imagePath"]: document["flags"] for document in documents.values()}
    labels = content.annotations.set_index("path")["label"]
    assert Counter(name for given in flags.values() for name in given) == Counter(labels)


@settings(max_examples=60)
@given(contents(subsets=(None, "train")))
def test_every_shape_that_is_written_is_one_that_labelme_opens(content: Content):
    """The conditions of labelme/_label_file.py of LabelMe 5.11, and the number of points each type has."""
    documents, _ = to_labelme(content)
    counts = {"rectangle": [2], "circle": [2], "line": [2], "point": [1], "mask": [2]}
    for document in documents.values():
        assert {"imagePath", "imageData", "shapes"} <= set(document)
        for shape in document["shapes"]:
            assert isinstance(shape["label"], str)
            assert shape["points"] and all(len(point) == 2 for point in shape["points"])
            assert len(shape["points"]) in counts.get(shape["shape_type"], range(1, 100))
            assert shape["shape_type"] in {"polygon", "linestrip", "points", *counts}
            assert all(isinstance(flag, bool) for flag in shape["flags"].values())
            assert isinstance(shape["group_id"], int | None)
            assert isinstance(shape["description"], str | None)


def make_content(*rows: Row, classes: tuple[str, ...] = ("cat",), **parts: Any) -> Content:
    record = {"path": "x/a.png", "width_px": 12, "height_px": 10, "attributes": "{}"}
    filled = [
        {"annotation_id": f"id-{number}", "path": "x/a.png", "label": "cat", "attributes": "{}", **row}
        for number, row in enumerate(rows, start=1)
    ]
    return Content.from_rows([record], filled, classes, **parts)


BOX = {"kind": "box", "x0_px": 1.0, "y0_px": 2.0, "x1_px": 3.0, "y1_px": 4.0}


def test_a_box_is_written_as_a_rectangle_with_our_id_and_annotator():
    documents, _ = to_labelme(make_content({**BOX, "annotator": "ann", "attributes": '{"score":0.5}'}))
    [shape] = documents["x/a.json"]["shapes"]
    assert (shape["shape_type"], shape["points"], shape["score"]) == ("rectangle", [[1, 2], [3, 4]], 0.5)
    assert shape["datatools"] == {"id": "id-1", "annotator": "ann"}
    assert documents["x/a.json"]["imagePath"] == "a.png"


def test_a_rectangle_moved_in_labelme_moves_even_if_its_corners_were_upside_down():
    documents, _ = to_labelme(make_content({**BOX, "x0_px": 3.0, "x1_px": 1.0}))
    document = documents["x/a.json"]
    _, [row], _ = from_labelme(document, "x/a.png", "x/a.json")
    assert box_of(row) == [3, 2, 1, 4]
    document["shapes"][0]["points"] = [[5, 2], [1, 4]]
    _, [row], _ = from_labelme(document, "x/a.png", "x/a.json")
    assert box_of(row) == [1, 2, 5, 4]


def test_rings_are_polygons_of_one_group_that_no_other_shape_has():
    rings = {"kind": "mask", "mask": "[[[1.0,1.0],[2.0,1.0],[2.0,2.0]],[[5.0,5.0],[6.0,5.0],[6.0,6.0]]]"}
    taken = {**BOX, "attributes": '{"group_id":7}'}
    documents, losses = to_labelme(make_content(taken, rings, rings))
    assert losses == []
    shapes = documents["x/a.json"]["shapes"]
    assert [shape["group_id"] for shape in shapes] == [7, 8, 8, 9, 9]
    _, rows, rejected = from_labelme(documents["x/a.json"], "x/a.png", "x/a.json")
    assert rejected == []
    assert {row["annotation_id"]: row["mask"] for row in rows if row["kind"] == "mask"} == {
        "id-2": rings["mask"],
        "id-3": rings["mask"],
    }
    assert all("group_id" not in row["attributes"] for row in rows if row["kind"] == "mask")


def test_a_ring_that_was_deleted_in_labelme_is_gone():
    rings = {"kind": "mask", "mask": "[[[1.0,1.0],[2.0,1.0],[2.0,2.0]],[[5.0,5.0],[6.0,5.0],[6.0,6.0]]]"}
    documents, _ = to_labelme(make_content(rings))
    del documents["x/a.json"]["shapes"][0]
    _, [row], _ = from_labelme(documents["x/a.json"], "x/a.png", "x/a.json")
    assert row["mask"] == "[[[5.0,5.0],[6.0,5.0],[6.0,6.0]]]"


def test_a_shape_copied_in_labelme_is_a_new_object_and_not_a_second_one_of_the_same_id():
    documents, _ = to_labelme(make_content(BOX))
    document = documents["x/a.json"]
    document["shapes"].append(copy.deepcopy(document["shapes"][0]))
    _, rows, _ = from_labelme(document, "x/a.png", "x/a.json")
    assert [row["annotation_id"] for row in rows] == ["id-1", "labelme/x/a.png#2"]


def test_a_mask_larger_than_its_record_says_keeps_its_size():
    rle = from_array(np.eye(3, 4)).to_json()
    documents, losses = to_labelme(make_content({"kind": "mask", "mask": rle}))
    assert losses == []
    assert documents["x/a.json"]["shapes"][0]["datatools"]["size"] == [3, 4]


@pytest.mark.parametrize(
    ("row", "what"),
    [
        ({"kind": "shape", "attributes": '{"cx":1,"shape":"ellipse"}'}, "ellipse"),
        ({"kind": "shape"}, "shape like this"),
        ({"kind": "box"}, "box like this"),
        ({"kind": "mask"}, "mask like this"),
        ({"kind": "mask", "mask": "[]"}, "mask like this"),
        ({**BOX, "mask": "[]"}, "box like this"),
        ({"kind": "label", "annotator": "ann"}, "label like this"),
        ({"kind": "shape", "attributes": '{"points":[[1,2]],"shape":"circle"}'}, "circle"),
    ],
)
def test_what_labelme_cannot_draw_is_kept_aside_and_reported(row: Row, what: str):
    content = make_content(BOX, row)
    documents, [loss] = to_labelme(content)
    message = f"LabelMe has no {what}: kept under 'datatools', which it does not show"
    assert (loss.field, loss.path, loss.annotation_id, loss.message) == ("kind", "x/a.png", "id-2", message)
    assert len(documents["x/a.json"]["shapes"]) == 1
    assert round_trip(FORMAT, content).same_as(content)


def test_a_polyline_is_drawn_as_a_linestrip_and_comes_back_as_a_polyline():
    content = make_content({"kind": "shape", "attributes": '{"points":[[1,2],[3,4]],"shape":"polyline"}'})
    documents, losses = to_labelme(content)
    assert losses == []
    assert documents["x/a.json"]["shapes"][0]["shape_type"] == "linestrip"
    assert round_trip(FORMAT, content).same_as(content)


def test_what_has_no_place_is_reported():
    content = make_content({**BOX, "label": "dog"}, {**BOX, "path": None}, extras={"coco": {"info": 1}})
    _, losses = to_labelme(content)
    assert {(loss.field, loss.annotation_id, loss.message) for loss in losses} == {
        ("extras.coco", "", "no place: left out"),
        ("path", "id-2", "names no image: left out"),
        ("classes", "", "labels that are no classes become classes"),
    }


def test_numbers_that_json_does_not_have_are_reported(tmp_path: Path):
    saved = FORMAT.save(make_content({**BOX, "x0_px": INF}), tmp_path)
    assert ("x0_px", "cannot be kept") in {(loss.field, loss.message) for loss in saved.losses}


@pytest.mark.parametrize("labels", [["__ignore__", "cat"], ["_background_", "cat", "__ignore__"]])
def test_labels_txt_is_written_as_it_was(tmp_path: Path, labels: list[str]):
    content = make_content(BOX, extras={"labelme": {"labels": labels}})
    assert FORMAT.save(content, tmp_path).losses == ()
    assert (tmp_path / "labels.txt").read_text().splitlines() == labels


@pytest.mark.parametrize("kept", [{"labels": ["dog"]}, {"labels": 5}, {"other": 1}, 5, {"labels": ["cat\n"]}])
def test_a_class_list_that_no_longer_fits_is_replaced_and_reported(tmp_path: Path, kept: Any):
    [loss] = FORMAT.save(make_content(BOX, extras={"labelme": kept}), tmp_path).losses
    assert (loss.field, loss.message) == ("extras.labelme", "labels.txt is written from the classes instead")
    assert (tmp_path / "labels.txt").read_text() == "cat\n"


@pytest.mark.parametrize(
    ("paths", "files"),
    [
        (["a.png"], ["a.json"]),
        (["a.png", "a.jpg"], ["a.jpg.json", "a.png.json"]),
        (["a.png", "A.jpg"], ["A.jpg.json", "a.png.json"]),
        (["x.y/a", "x.y/b.c.png"], ["x.y/a.json", "x.y/b.c.json"]),
        (["a.json"], ["a.json.json"]),
    ],
)
def test_each_image_has_a_file_of_its_own_beside_it(paths: list[str], files: list[str]):
    documents, losses = to_labelme(Content.from_rows([{"path": path, "attributes": "{}"} for path in paths]))
    assert (sorted(documents), losses) == (files, [])


@pytest.mark.parametrize(
    "path", ["../a.png", "../../etc/a.png", "/etc/a.png", "x/../../a.png", "..", "a\0.png", "x\\a.png"]
)
def test_no_name_makes_us_write_outside_the_folder(tmp_path: Path, path: str):
    folder = tmp_path / "in" / "here"
    FORMAT.save(Content.from_rows([{"path": path, "attributes": "{}"}]), folder)
    [file] = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert file.parent == folder
    assert len(file.name) == 16 + len(".json")


def test_a_name_that_cannot_be_restored_is_reported():
    _, losses = to_labelme(Content.from_rows([{"path": "x/../a.png", "attributes": "{}"}]))
    assert [loss.field for loss in losses] == ["path"]


# The rows that any format may keep aside


@settings(max_examples=30)
@given(contents())
def test_a_packed_row_is_unpacked_as_it_was(content: Content):
    for row in rows_of(content.annotations):
        again = unpack_row(json.loads(json.dumps(pack_row(row))))
        assert ANNOTATIONS.conform([{**again, "path": row["path"], "source": row["source"]}]).equals(
            ANNOTATIONS.conform([row])
        )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"annotation_id": 5}, "a row of datatools needs an annotation_id"),
        ({"annotation_id": ""}, "a row of datatools needs an annotation_id"),
        ({"kind": "cat"}, "kind must be one of label, box, mask, shape, got 'cat'"),
        ({"kind": []}, "kind must be one of label, box, mask, shape, got []"),
        ({"label": 5}, "label must be text, got 5"),
        ({"annotator": {}}, "annotator must be text, got {}"),
        ({"x0_px": "1"}, "a box must be finite numbers"),
        ({"attributes": []}, "attributes must be an object"),
        ({"mask": "x"}, "a mask must be JSON"),
        ({"mask": '{"size":[1,1],"counts":[5]}'}, "RLE counts add up to 5"),
    ],
)
def test_a_packed_row_from_elsewhere_is_checked(changes: Row, message: str):
    kept = {"annotation_id": "a", "kind": "box", **changes}
    with pytest.raises(BrokenRowError) as error:
        unpack_row(kept)
    assert str(error.value).startswith(message)
    rows, [bad] = convert(make_shape(), datatools={"annotations": [kept]})
    assert (len(rows), bad["row"], bad["path"]) == (1, 2, "a.png")


def test_ids_come_in_the_order_in_which_people_count():
    content = make_content(*[{**BOX, "annotation_id": f"a#{number}"} for number in (10, 9, 2, 1)])
    assert [row["annotation_id"] for row in rows_of(content.annotations)] == ["a#1", "a#2", "a#9", "a#10"]


@settings(max_examples=100)
@given(st.data())
def test_no_document_however_broken_makes_it_crash_and_every_shape_is_accounted_for(data: st.DataObject):
    good = make_document(
        make_shape(datatools={"id": "a", "box": [1, 2, 3, 4], "ring": 1, "attributes": {}}),
        make_shape(shape_type="rectangle", points=[[1, 2], [3, 4]], datatools={"id": "b", "box": [3, 2, 1, 4]}),
        make_shape(shape_type="mask", points=[[1, 1], [1, 1]], mask=png64([[1]]), datatools={"size": [5, 5]}),
        flags={"cat": True},
    )
    target = data.draw(st.sampled_from([*good["shapes"], *(shape.get("datatools") for shape in good["shapes"])]))
    target[data.draw(st.sampled_from(sorted(target)))] = data.draw(json_values())
    _, rows, rejected = from_labelme(good, "a.png", "a.json")
    Content.from_rows(annotations=rows, rejected=rejected)
    assert len(rows) + len(rejected) == 3


# Real files


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = SHARED / "data" / "labelme.zip"
    if not file.is_file():
        pytest.skip(f"{file} is absent: set DATATOOLS_SHARED to the folder that has data/labelme.zip")
    folder = tmp_path_factory.mktemp("labelme")
    with zipfile.ZipFile(file) as archive:
        archive.extractall(folder)
    return folder


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("bbox_detection", {"box": 9}),
        ("classification", {"label": 2}),
        ("instance_segmentation", {"mask": 18}),
        ("semantic_segmentation", {"mask": 18}),
        ("video_annotation", {"mask": 15}),
        ("primitives", {"box": 2, "mask": 2, "shape": 4}),
        ("tutorial", {"mask": 4}),
        ("", {"box": 11, "mask": 57, "shape": 4}),
    ],
)
def test_labelmes_own_examples_are_read_whole_and_written_back(real: Path, name: str, counts: dict[str, int]):
    tree = open_tree(real / name)
    content = FORMAT.load(tree, FORMAT.find(tree))
    assert Counter(content.annotations["kind"]) == counts
    assert content.rejected.empty
    assert set(content.annotations["path"]) <= set(tree.sizes)
    assert round_trip(FORMAT, content).same_as(content)


def test_boxes_are_those_of_labelmes_own_voc_export(real: Path):
    tree = open_tree(real / "bbox_detection")
    content = FORMAT.load(tree, FORMAT.find(tree))
    n_objects = sum(tree.read(path).count(b"<object>") for path in tree.sizes if path.endswith(".xml"))
    assert n_objects == len(content.annotations)


def test_polygons_of_one_group_are_those_that_labelmes_coco_export_joins(real: Path):
    tree = open_tree(real / "instance_segmentation")
    content = FORMAT.load(tree, FORMAT.find(tree))
    exported = json.loads(tree.read("data_dataset_coco/annotations.json"))["annotations"]
    objects = {
        (row["path"], row["label"], load_attributes(row["attributes"]).get("group_id", row["annotation_id"]))
        for row in rows_of(content.annotations)
        if row["label"] != "__ignore__"
    }
    assert len(exported) == len(objects)


def test_a_mask_lies_where_labelmes_own_code_puts_it(real: Path):
    """The published rule: first corner rounded, then as large as the PNG (shapes_to_label in labelme's utils.py)."""
    document = json.loads((real / "primitives" / "primitives.json").read_text())
    shape = document["shapes"][-1]
    image = pytest.importorskip("PIL.Image").open(io.BytesIO(base64.b64decode(shape["mask"])))
    pixels = np.array(image).astype(bool)
    (x, y), _ = np.asarray(shape["points"]).round().astype(int)
    _, rows, _ = from_labelme(document, "primitives.jpg", "primitives.json")
    [row] = [row for row in rows if row["label"] == "octagon"]
    mask = parse_mask(row["mask"]).to_array()
    assert mask.shape == (450, 560)
    assert mask[y : y + 100, x : x + 100].tolist() == pixels.tolist()
    assert mask.sum() == pixels.sum()


def test_laid_out_images_do_not_change_what_is_read(tmp_path: Path):
    content = make_content(BOX)
    FORMAT.save(content, tmp_path)
    tree = open_tree(tmp_path)
    assert FORMAT.load(tree, FORMAT.find(tree)).same_as(content)
    lay_out_content(tmp_path, content)
    tree = open_tree(tmp_path)
    assert FORMAT.load(tree, FORMAT.find(tree)).same_as(content)


def test_a_number_that_is_none_costs_its_shape_and_not_the_file(tmp_path: Path):
    nan = float("nan")
    shapes = [make_shape(), make_shape(points=[[1, nan], [2, 2]]), make_shape(score=nan), make_shape()]
    content = load(tmp_path, {"a.json": json.dumps(make_document(*shapes)), "a.png": PNG})
    assert content.annotations["annotation_id"].tolist() == ["labelme/a.png#1", "labelme/a.png#4"]
    assert content.rejected[["row", "reason"]].to_numpy().tolist() == [[2, "BOX004"], [3, "broken_row"]]
