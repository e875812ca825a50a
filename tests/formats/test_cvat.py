from __future__ import annotations

import copy
import json
import os
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, SubElement, fromstring

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datatools.formats.base import Content, dump_attributes, load_attributes
from datatools.formats.carried import rows_of
from datatools.formats.cvat import FORMAT, from_cvat, to_cvat
from datatools.formats.xml_writing import render_xml
from datatools.masks import from_array, parse_mask
from datatools.tree import open_tree
from tests.builders import lay_out, make_png
from tests.formats.contents import (
    HOSTILE_TEXT,
    PLAIN_TEXT,
    check_round_trip,
    check_saving_twice,
    contents,
    reason_of,
    round_trip,
)

Row = dict[str, Any]
SHARED = Path(os.environ.get("DATATOOLS_SHARED", Path(__file__).parents[3] / "shared"))
PNG = make_png()
BOX = '<box label="cat" occluded="0" xtl="1.00" ytl="2.50" xbr="3.00" ybr="4.00" z_order="0"/>'
META = """<meta><task><name>t</name><owner><username>max</username></owner><labels>
<label><name>cat</name><attributes>
<attribute><name>old</name><input_type>checkbox</input_type></attribute>
<attribute><name>age</name><input_type>number</input_type></attribute>
<attribute><name>note</name><input_type>text</input_type></attribute>
<attribute><name>coat</name><input_type>select</input_type></attribute>
</attributes></label><label><name>dog</name></label></labels></task></meta>"""


def make_xml(*shapes: str, image: str = 'id="0" name="a.png" width="12" height="10"', meta: str = META) -> str:
    return f"<annotations><version>1.1</version>{meta}<image {image}>{''.join(shapes)}</image></annotations>"


def convert(*shapes: str, **parts: str) -> Content:
    return from_cvat(fromstring(make_xml(*shapes, **parts)), "annotations.xml", lambda name, subset: None)


def read(shape: str, **parts: str) -> Row:
    content = convert(shape, **parts)
    assert content.rejected.empty, content.rejected["message"].tolist()
    [row] = rows_of(content.annotations)
    return {**row, "attributes": load_attributes(row["attributes"])}


def box_of(row: Row) -> list[float]:
    return [row[name] for name in ("x0_px", "y0_px", "x1_px", "y1_px")]


def load(folder: Path, files: dict[str, bytes | str]) -> Content:
    tree = open_tree(lay_out(folder, files))
    return FORMAT.load(tree, FORMAT.find(tree))


# Shapes


def test_a_box_is_kept_as_it_is_and_defaults_are_left_out():
    row = read(BOX)
    assert (row["kind"], row["label"], row["annotator"], row["mask"]) == ("box", "cat", None, None)
    assert box_of(row) == [1, 2.5, 3, 4]
    assert (row["path"], row["annotation_id"], row["attributes"]) == ("a.png", "cvat/a.png#1", {})


def test_a_box_upside_down_or_outside_is_for_the_checks_to_judge():
    assert box_of(read('<box label="cat" xtl="5" ytl="4" xbr="-3" ybr="900"/>')) == [5, 4, -3, 900]


def test_a_rotated_box_is_a_shape():
    row = read('<box label="cat" xtl="1" ytl="2.50" xbr="3" ybr="4" rotation="30.5"/>')
    assert (row["kind"], box_of(row)) == ("shape", [None] * 4)
    assert row["attributes"] == {"shape": "rotated_box", "points": [[1, 2.5], [3, 4]], "rotation": 30.5}
    assert read('<box label="cat" xtl="1" ytl="2" xbr="3" ybr="4" rotation="0.00"/>')["kind"] == "box"


def test_a_polygon_is_a_mask_of_one_ring():
    row = read('<polygon label="cat" points="1,2;3.5,4; 5,6"/>')
    assert (row["kind"], row["mask"], box_of(row)) == ("mask", "[[[1.0,2.0],[3.5,4.0],[5.0,6.0]]]", [None] * 4)


@pytest.mark.parametrize(
    ("shape", "attributes"),
    [
        ('<polyline label="cat" points="1,2;3.0,4"/>', {"shape": "polyline", "points": [[1, 2], [3.0, 4]]}),
        ('<points label="cat" points="1,2"/>', {"shape": "points", "points": [[1, 2]]}),
        (
            '<ellipse label="cat" cx="1" cy="2" rx="3" ry="4"/>',
            {"shape": "ellipse", "cx": 1, "cy": 2, "rx": 3, "ry": 4},
        ),
        (
            '<ellipse label="cat" cx="1" cy="2" rx="3" ry="4" rotation="9"/>',
            {"shape": "ellipse", "cx": 1, "cy": 2, "rx": 3, "ry": 4, "rotation": 9},
        ),
        (
            '<skeleton label="cat"><points label="eye" outside="0" occluded="1" points="1,2">'
            '<attribute name="a">b</attribute></points></skeleton>',
            {
                "shape": "skeleton",
                "elements": [
                    {
                        "type": "points",
                        "label": "eye",
                        "outside": "0",
                        "occluded": "1",
                        "points": "1,2",
                        "attributes": {"a": "b"},
                    }
                ],
            },
        ),
    ],
    ids=["polyline", "points", "ellipse", "rotated ellipse", "skeleton"],
)
def test_other_shapes_keep_their_numbers_under_cvats_names(shape: str, attributes: Row):
    row = read(shape)
    assert (row["kind"], row["mask"], box_of(row)) == ("shape", None, [None] * 4)
    assert json.dumps(row["attributes"], sort_keys=True) == json.dumps(attributes, sort_keys=True)


def test_a_cuboid_keeps_its_sixteen_numbers():
    names = [f"{axis}{corner}{face}" for face in "12" for corner in ("tl", "bl", "tr", "br") for axis in "xy"]
    texts = " ".join(f'{name}="{number}.5"' for number, name in enumerate(names))
    row = read(f'<cuboid label="cat" {texts}/>')
    assert row["attributes"] == {"shape": "cuboid"} | {name: number + 0.5 for number, name in enumerate(names)}
    assert len(row["attributes"]) == 17


def test_a_mask_is_row_by_row_in_its_crop_and_starts_with_background():
    row = read('<mask label="cat" rle="1, 2, 2, 1" left="3" top="4" width="3" height="2"/>')
    mask = parse_mask(row["mask"])
    assert mask.size_hw == (10, 12)
    assert np.argwhere(mask.to_array()).tolist() == [[4, 4], [4, 5], [5, 5]]
    assert (row["kind"], row["attributes"], box_of(row)) == ("mask", {}, [None] * 4)


def test_fields_are_typed_where_their_text_says_just_that():
    fields = 'occluded="1" z_order="-2" group_id="7" source="auto" outside="0" keyframe="1" new="5"'
    row = read(f'<points label="cat" points="1,2" {fields}/>')
    assert row["attributes"] == {
        "shape": "points",
        "points": [[1, 2]],
        "occluded": True,
        "z_order": -2,
        "group_id": 7,
        "source": "auto",
        "outside": False,
        "keyframe": True,
        "new": "5",
    }
    assert read('<box label="cat" xtl="1" ytl="2" xbr="3" ybr="4" occluded="yes" z_order="007"/>')["attributes"] == {
        "occluded": "yes",
        "z_order": "007",
    }


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("old", "true", True),
        ("old", "false", False),
        ("old", "True", "True"),
        ("age", "3", 3),
        ("age", "2.4", 2.4),
        ("age", "2.40", "2.40"),
        ("age", "003", "003"),
        ("age", "1e400", "1e400"),
        ("age", "nan", "nan"),
        ("note", "0001", "0001"),
        ("note", "", ""),
        ("note", " a\n b", " a\n b"),
        ("coat", "true", "true"),
        ("unheard", "5", "5"),
    ],
)
def test_an_attribute_has_the_type_of_its_label_and_else_is_text_as_it_stands(name: str, text: str, value: Any):
    shape = f'<box label="cat" xtl="1" ytl="2" xbr="3" ybr="4"><attribute name="{name}">{text}</attribute></box>'
    attributes = read(shape)["attributes"]
    assert attributes == {name: value}
    assert type(attributes[name]) is type(value)


def test_an_attribute_of_a_name_that_cvat_uses_itself_is_kept_apart():
    inner = '<attribute name="points">many</attribute><attribute name="occluded">no</attribute>'
    row = read(f'<points label="cat" points="1,2" occluded="1">{inner}</points>')
    assert row["attributes"]["attributes"] == {"points": "many", "occluded": "no"}
    assert (row["attributes"]["points"], row["attributes"]["occluded"]) == ([[1, 2]], True)


def test_a_tag_is_a_label_of_the_image():
    row = read('<tag label="cat" source="manual"><attribute name="age">3</attribute></tag>')
    assert (row["kind"], row["label"], row["annotator"]) == ("label", "cat", "given")
    assert (row["annotation_id"], row["attributes"]) == ("label/a.png@given", {"source": "manual", "age": 3})


def test_several_tags_are_one_null_label_with_all_of_them():
    content = convert('<tag label="cat" source="auto"/>', '<tag label="dog"/>', BOX)
    rows = rows_of(content.annotations)
    assert [row["kind"] for row in rows] == ["box", "label"]
    assert rows[1]["label"] is None
    assert load_attributes(rows[1]["attributes"]) == {"choices": ["cat", "dog"], "tags": [{"source": "auto"}, {}]}


def test_an_empty_label_is_unknown():
    assert read('<box label="" xtl="1" ytl="2" xbr="3" ybr="4"/>')["label"] is None
    assert read('<tag label=""/>')["label"] is None


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ('<box xtl="1" ytl="2" xbr="3"/>', "ybr of a box must be a finite number, got None"),
        ('<box xtl="1" ytl="2" xbr="3" ybr="x"/>', "ybr of a box must be a finite number, got 'x'"),
        ('<box xtl="1" ytl="2" xbr="3" ybr="nan"/>', "ybr of a box must be a finite number, got 'nan'"),
        ('<box xtl="1" ytl="2" xbr="3" ybr="1e999"/>', "ybr of a box must be a finite number, got '1e999'"),
        ('<box xtl="1" ytl="2" xbr="3" ybr="1_0"/>', "ybr of a box must be a finite number, got '1_0'"),
        ('<box xtl="1" ytl="2" xbr="3" ybr="4" rotation="?"/>', "rotation of a box must be a finite number"),
        ("<polygon/>", "points of a polygon must be x,y;x,y;... in finite numbers, got ''"),
        ('<polygon points="1,2;3"/>', "points of a polygon must be x,y;x,y;... in finite numbers, got '3'"),
        ('<points points="1,inf"/>', "points of a points must be x,y;x,y;... in finite numbers, got '1,inf'"),
        ('<ellipse cx="1" cy="2" rx="3"/>', "ry of a ellipse must be a finite number, got None"),
        ("<blob/>", "<blob> is no shape of CVAT: box, polygon, polyline, points, ellipse, mask, cuboid, skeleton, tag"),
        ('<mask left="0" top="0" width="2" height="2"/>', "rle of a mask must be whole numbers from 0"),
        ('<mask rle="1,-1" left="0" top="0" width="2" height="2"/>', "rle of a mask must be whole numbers from 0"),
        (
            '<mask rle="3" left="0" top="0" width="2" height="2"/>',
            "rle of a mask adds up to 3, but width x height is 2 x 2",
        ),
        (
            '<mask rle="0" left="0" top="0" width="0" height="2"/>',
            "rle of a mask adds up to 0, but width x height is 0 x 2",
        ),
        ('<mask rle="4" left="11" top="0" width="2" height="2"/>', "the mask hangs over the image of 12 x 10 pixels"),
        ('<mask rle="4" left="0" top="-1" width="2" height="2"/>', "the mask hangs over the image of 12 x 10 pixels"),
        ('<mask rle="4" top="0" width="2" height="2"/>', "left of a mask must be a finite number, got None"),
        ("<tag><attribute>a</attribute></tag>", "an attribute needs a name"),
        ('<tag><attribute name="a"/><attribute name="a"/></tag>', "the attribute 'a' is there twice"),
        ('<tag><attribute name="datatools_json">{</attribute></tag>', "datatools_json: not JSON"),
        ('<tag><attribute name="datatools_json">[]</attribute></tag>', "datatools must be an object"),
        (
            '<tag><attribute name="datatools_json">{"size":[1]}</attribute></tag>',
            "datatools: size must be [height, width]",
        ),
    ],
)
def test_a_broken_shape_is_rejected_with_its_number(shape: str, message: str):
    content = convert(BOX, shape, BOX)
    [bad] = content.rejected.to_dict("records")
    assert (bad["source"], bad["row"], bad["path"], bad["reason"]) == (
        "annotations.xml",
        2,
        "a.png",
        reason_of(message),
    )
    assert bad["message"].startswith(message)
    assert content.annotations["annotation_id"].tolist() == ["cvat/a.png#1", "cvat/a.png#3"]


@pytest.mark.parametrize("size", ["", 'width="12"', 'width="x" height="10"', 'width="999999" height="999999"'])
def test_a_mask_in_an_image_of_unknown_size_is_rejected(size: str):
    content = convert('<mask rle="1" left="0" top="0" width="1" height="1"/>', image=f'id="0" name="a.png" {size}')
    message = "a mask needs an image with width and height, at most 100000000 pixels"
    assert content.rejected["message"].tolist() == [message]


# Images and files


def test_an_image_is_a_record():
    image = 'id="5" name="x/a.png" subset="train" task_id="39" width="12" height="0" new="y"'
    [record] = rows_of(convert(image=image).records)
    assert (record["path"], record["width_px"], record["height_px"]) == ("x/a.png", 12, None)
    assert record["subset"] == "train"
    assert load_attributes(record["attributes"]) == {"id": 5, "task_id": 39, "height": "0", "new": "y"}


def test_an_image_without_name_takes_its_shapes_along():
    content = convert(BOX, BOX, image='id="0"')
    assert content.rejected["row"].tolist() == [1, 2]
    assert set(content.rejected["message"]) == {"its image has no name"}
    assert convert(image='id="0" name=""').rejected["message"].tolist() == ["an image has no name"]


def test_an_image_that_is_there_twice_keeps_its_first_fields_and_all_shapes():
    text = f'<annotations><meta/><image name="a.png" id="1">{BOX}</image><image name="a.png" id="2">{BOX}</image></annotations>'
    content = from_cvat(fromstring(text), "a.xml", lambda name, subset: None)
    assert content.annotations["annotation_id"].tolist() == ["cvat/a.png#1", "cvat/a.png#2"]
    assert content.records["attributes"].tolist() == ['{"id":1}']
    assert content.rejected["message"].tolist() == ["the image is there twice: the fields of the first one stay"]


def test_an_element_that_is_neither_image_nor_track_is_named():
    content = from_cvat(fromstring("<annotations><frame/></annotations>"), "a.xml", lambda name, subset: None)
    assert content.rejected["message"].tolist() == ["<frame> is neither image nor track"]


@pytest.mark.parametrize(
    ("image", "file", "path"),
    [
        ('name="a.png"', "annotations.xml", "images/a.png"),
        ('name="a.png" subset="train"', "annotations.xml", "images/train/a.png"),
        ('name="b.png" subset="train"', "annotations.xml", "train/b.png"),
        ('name="c.png"', "annotations.xml", "elsewhere/c.png"),
        ('name="a.png"', "x/annotations.xml", "x/images/a.png"),
        ('name="..\\a.png"', "images/annotations.xml", "images/a.png"),
        ('name="/etc/passwd"', "annotations.xml", "etc/passwd"),
    ],
)
def test_an_image_is_found_where_cvat_puts_it(tmp_path: Path, image: str, file: str, path: str):
    places = ["images/a.png", "images/train/a.png", "train/b.png", "elsewhere/c.png", "x/images/a.png"]
    content = load(tmp_path, {**dict.fromkeys(places, PNG), file: make_xml(BOX, image=image)})
    assert content.annotations["path"].tolist() == [path]


def test_the_subset_may_be_the_name_of_the_file(tmp_path: Path):
    assert load(tmp_path / "1", {"train.xml": make_xml(BOX)}).records["subset"].tolist() == ["train"]
    assert load(tmp_path / "2", {"job7.xml": make_xml(BOX)}).records["subset"].isna().all()


def test_the_meta_is_kept_verbatim_and_names_the_classes():
    content = convert('<box label="ant" xtl="1" ytl="2" xbr="3" ybr="4"/>')
    assert content.classes == ("cat", "dog", "ant")
    assert content.extras == {"cvat": {"annotations.xml": META}}
    assert convert(meta="").extras == {}


def test_several_files_keep_their_shapes_apart(tmp_path: Path):
    content = load(tmp_path, {"x/1.xml": make_xml(BOX), "x/2.xml": make_xml(BOX), "a.png": PNG})
    assert content.annotations["annotation_id"].tolist() == ["cvat/a.png#1", "cvat/x/2/a.png#1"]
    assert content.rejected["message"].tolist() == ["x/1.xml describes this image too: its fields stay"]
    assert set(content.extras["cvat"]) == {"x/1.xml", "x/2.xml"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<annotations><meta>", "not XML that can be trusted: no element found"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><annotations><meta/></annotations>', "not XML that can be trusted"),
        ("<!-- <annotations><meta> --><a/>", "the root of a CVAT file is <annotations>, not <a>"),
    ],
)
def test_a_broken_file_is_one_rejected_row_and_the_others_are_read(tmp_path: Path, text: str, message: str):
    content = load(tmp_path, {"b.xml": text, "a.xml": make_xml(BOX)})
    [bad] = content.rejected.to_dict("records")
    assert (bad["source"], bad["reason"]) == ("b.xml", "broken_file")
    assert pd.isna(bad["row"])
    assert bad["message"].startswith(message)
    assert len(content.annotations) == 1


def test_a_file_that_went_away_is_rejected(tmp_path: Path):
    tree = open_tree(lay_out(tmp_path, {"a.xml": make_xml()}))
    (tmp_path / "a.xml").unlink()
    assert FORMAT.load(tree, ["a.xml"]).rejected["message"].tolist() == ["No such file or directory"]
    assert FORMAT.find(tree) == []


@pytest.mark.parametrize("text", ["<annotation><object/></annotation>", "<annotations></annotations>", "", "<View/>"])
def test_other_xml_files_are_not_claimed(tmp_path: Path, text: str):
    assert FORMAT.find(open_tree(lay_out(tmp_path, {"a.xml": text, "b.txt": make_xml()}))) == []


# Video

TRACK = """<annotations><meta><task><original_size><width>25</width><height>20</height></original_size></task></meta>
<track id="3" label="cat" source="manual" group_id="2">
<box frame="10" outside="0" occluded="0" keyframe="1" xtl="1" ytl="2" xbr="3" ybr="4"><attribute name="a">b</attribute></box>
<box frame="11" outside="1" occluded="0" keyframe="1" xtl="1" ytl="2" xbr="3" ybr="4"/>
<box frame="12" outside="0" occluded="0" keyframe="0" xtl="1" ytl="2" xbr="3" ybr="4"/>
<box frame="x" outside="0" xtl="1" ytl="2" xbr="3" ybr="4"/>
<box frame="10" outside="0" xtl="1"/>
</track></annotations>"""


def test_each_frame_that_shows_the_object_is_a_row_of_its_image_and_the_others_say_why_not(tmp_path: Path):
    content = load(tmp_path, {"annotations.xml": TRACK, "images/frame_000010.png": PNG})
    [row] = rows_of(content.annotations)
    assert (row["path"], row["label"], row["kind"]) == ("images/frame_000010.png", "cat", "box")
    attributes = {"track_id": 3, "frame": 10, "keyframe": True, "outside": False, "source": "manual", "group_id": 2}
    assert load_attributes(row["attributes"]) == {**attributes, "a": "b"}
    [record] = rows_of(content.records)
    assert (record["width_px"], record["height_px"], record["attributes"]) == (25, 20, '{"frame":10}')
    rejected = content.rejected.sort_values("row")
    assert rejected["row"].tolist() == [2, 3, 4, 5]
    assert rejected["reason"].tolist() == ["outside", "LBL005", "LBL005", "BOX004"]
    assert rejected["message"].tolist() == [
        "the track 3 is outside of frame 11: nothing to see",
        "frame 12 of the video is no image here: put it at images/frame_000012.png",
        "frame x of the video is no image here: put it at images/frame_00000x.png",
        "ytl of a box must be a finite number, got None",
    ]


def test_rows_of_a_track_are_written_as_shapes_of_their_images(tmp_path: Path):
    content = load(tmp_path, {"annotations.xml": TRACK, "images/frame_000010.png": PNG})
    again = round_trip(FORMAT, content)
    assert again.same_as(content)
    assert again.rejected.empty


# Writing


@settings(max_examples=80)
@given(contents(subsets=(None, "train", "x"), extras={"coco": {"info": [1, None]}}))
def test_what_is_saved_is_loaded_again(content: Content):
    check_round_trip(FORMAT, content)


@settings(max_examples=30)
@given(content=contents(subsets=(None, "train")))
def test_saving_twice_gives_the_same_bytes_and_changes_nothing(content: Content):
    check_saving_twice(FORMAT, content)


@settings(max_examples=50)
@given(contents(kinds=("label", "box", "mask"), text=PLAIN_TEXT, sizes=True))
def test_labels_boxes_and_masks_are_drawn_and_cost_nothing(content: Content):
    root, losses = to_cvat(content)
    assert losses == []
    assert json.loads(root.findtext("meta/datatools") or "")["annotations"] == {}


@settings(max_examples=50)
@given(contents(text=PLAIN_TEXT, sizes=True))
def test_what_is_written_is_what_cvats_importer_asks_for(content: Content):
    """cvat/apps/dataset_manager/formats/cvat.py of CVAT 2: which fields it reads without a default, and label names."""
    root, _ = to_cvat(content)
    labels = {label.findtext("name"): label for label in root.iterfind("meta/task/labels/label")}
    ids = [int(image.attrib["id"]) for image in root.iterfind("image")]
    assert len(ids) == len(set(ids))
    for shape in root.iterfind("image/*"):
        assert shape.tag == "tag" or shape.attrib["occluded"] in ("0", "1")
        assert int(shape.get("z_order", 0)) < 10**15
        assert int(shape.get("group_id", 0)) < 10**15
        if shape.attrib["label"]:
            known = {item.findtext("name") for item in labels[shape.attrib["label"]].iterfind("attributes/attribute")}
            assert {item.attrib["name"] for item in shape.iterfind("attribute")} <= known


def make_content(*rows: Row, classes: tuple[str, ...] = ("cat",), attributes: str = "{}", **parts: Any) -> Content:
    record = {"path": "a.png", "width_px": 12, "height_px": 10, "attributes": attributes}
    filled = [
        {"annotation_id": f"id-{number}", "path": "a.png", "label": "cat", "attributes": "{}", **row}
        for number, row in enumerate(rows, start=1)
    ]
    return Content.from_rows([record], filled, classes, **parts)


ROW = {"kind": "box", "x0_px": 1.0, "y0_px": 2.0, "x1_px": 3.0, "y1_px": 0.1}


def shapes_of(content: Content) -> list[Element]:
    return list(to_cvat(content)[0].iterfind("image/*"))


def texts_of(shape: Element) -> dict[str, str]:
    return {item.attrib["name"]: item.text or "" for item in shape.iterfind("attribute")}


def test_a_box_is_written_with_all_its_digits_and_our_id_and_annotator():
    [shape] = shapes_of(make_content({**ROW, "annotator": "ann", "attributes": '{"occluded":true,"z_order":4}'}))
    assert dict(shape.attrib) == {
        "label": "cat",
        "xtl": "1.0",
        "ytl": "2.0",
        "xbr": "3.0",
        "ybr": "0.1",
        "occluded": "1",
        "z_order": "4",
    }
    assert texts_of(shape) == {"datatools_id": "id-1", "datatools_annotator": "ann"}


def test_attributes_are_declared_with_the_type_of_all_their_values():
    first = '{"b":true,"list":[1],"m":1,"n":1,"null":null,"t":"x"}'
    rows = [{**ROW, "attributes": first}, {**ROW, "attributes": '{"b":false,"m":"1","n":2.5}'}]
    content = make_content(*rows)
    root, losses = to_cvat(content)
    assert losses == []
    declared = {
        item.findtext("name"): (item.findtext("input_type"), item.findtext("default_value"), item.findtext("values"))
        for item in root.iterfind("meta/task/labels/label/attributes/attribute")
    }
    assert declared["b"] == ("checkbox", "false", "")
    assert declared["n"] == ("number", "1", "1\n2.5\n1")
    assert declared["t"] == ("text", "", "")
    assert declared["m"] == ("text", "", "")
    assert {"datatools_id", "datatools_annotator", "datatools_json"} <= set(declared)
    texts = texts_of(root.findall("image/*")[0])
    assert (texts["b"], texts["n"], texts["t"]) == ("true", "1", "x")
    assert json.loads(texts["datatools_json"]) == {"attributes": {"list": [1], "m": 1, "null": None}}
    assert round_trip(FORMAT, content).same_as(content)


def test_the_meta_that_was_read_is_written_with_what_is_new():
    row = {**ROW, "attributes": '{"age":3,"new":"x"}'}
    content = make_content(row, classes=("cat", "dog", "ant"), extras={"cvat": {"x.xml": META}})
    root, losses = to_cvat(content)
    assert losses == []
    assert root.findtext("meta/task/owner/username") == "max"
    assert [name.text for name in root.iterfind("meta/task/labels/label/name")] == ["cat", "dog", "ant"]
    names = [name.text for name in root.iterfind("meta/task/labels/label[1]/attributes/attribute/name")]
    assert names[:5] == ["old", "age", "note", "coat", "new"]
    assert round_trip(FORMAT, content).same_as(content)


@pytest.mark.parametrize("kept", [5, {"a.xml": 5}, {"a.xml": "<meta"}, {"a.xml": "<other/>"}, {}])
def test_extras_that_are_no_meta_are_kept_all_the_same(kept: Any):
    content = make_content(ROW, extras={"cvat": kept})
    assert round_trip(FORMAT, content).same_as(content)


@pytest.mark.parametrize(
    "meta", [META + "", "<meta><project><labels/></project></meta>", "<meta><datatools>5</datatools></meta>"]
)
def test_a_file_of_cvat_is_written_back_as_it_was_read(tmp_path: Path, meta: str):
    text = make_xml(BOX, '<tag label="cat"/>', '<tag label="dog"/>', meta=meta)
    content = load(tmp_path, {"annotations.xml": text, "a.png": PNG})
    assert round_trip(FORMAT, content).same_as(content)


def test_rings_are_polygons_of_one_group_that_no_other_shape_has():
    rings = {"kind": "mask", "mask": "[[[1.0,1.0],[2.0,1.0],[2.0,2.0]],[[5.0,5.0],[6.0,5.0],[6.0,6.0]]]"}
    content = make_content({**ROW, "attributes": '{"group_id":7}'}, rings, {**rings, "attributes": '{"group_id":9}'})
    shapes = shapes_of(content)
    assert [shape.get("group_id") for shape in shapes] == ["7", "10", "10", "9", "9"]
    assert round_trip(FORMAT, content).same_as(content)


def test_a_mask_is_written_in_its_smallest_crop():
    pixels = np.zeros((10, 12), bool)
    pixels[4:6, 3:6] = [[False, True, True], [True, False, False]]
    [shape] = shapes_of(make_content({"kind": "mask", "mask": from_array(pixels).to_json()}))
    crop = {name: shape.get(name) for name in ("rle", "left", "top", "width", "height")}
    assert crop == {"rle": "1, 3, 2", "left": "3", "top": "4", "width": "3", "height": "2"}


@pytest.mark.parametrize(
    ("kind", "tag"), [("polyline", "polyline"), ("line", "polyline"), ("linestrip", "polyline"), ("point", "points")]
)
def test_lines_and_points_of_other_formats_are_drawn_and_keep_their_name(kind: str, tag: str):
    content = make_content({"kind": "shape", "attributes": f'{{"points":[[1,2.5]],"shape":"{kind}"}}'})
    [shape] = shapes_of(content)
    assert (shape.tag, shape.get("points")) == (tag, "1,2.5")
    assert round_trip(FORMAT, content).same_as(content)


@pytest.mark.parametrize(
    ("row", "what"),
    [
        ({"kind": "shape", "attributes": '{"points":[[1,2],[3,4]],"shape":"circle"}'}, "circle"),
        ({"kind": "shape", "attributes": '{"elements":[{"type":"tag"}],"shape":"skeleton"}'}, "skeleton"),
        ({"kind": "shape", "attributes": '{"cx":1,"shape":"ellipse"}'}, "ellipse"),
        ({"kind": "shape"}, "shape like this"),
        ({"kind": "box"}, "box like this"),
        ({"kind": "mask", "mask": "[]"}, "mask like this"),
        ({"kind": "mask", "mask": "[[[1,2]]]"}, "mask like this"),
        ({**ROW, "label": ""}, "box like this"),
        ({**ROW, "label": "a\x00b"}, "box like this"),
        ({"kind": "label", "annotator": None}, "label like this"),
        ({"kind": "label", "label": None, "annotator": "a", "attributes": '{"choices":[1,2]}'}, "label like this"),
    ],
)
def test_what_cvat_cannot_draw_is_kept_aside_and_reported(row: Row, what: str):
    content = make_content(ROW, row)
    root, [loss] = to_cvat(content)
    message = f"CVAT has no {what}: kept under 'datatools', which it does not show"
    assert (loss.field, loss.path, loss.annotation_id, loss.message) == ("kind", "a.png", "id-2", message)
    assert len(root.findall("image/*")) == 1
    assert round_trip(FORMAT, content).same_as(content)


def test_characters_that_xml_does_not_allow_are_replaced_in_names_and_reported():
    content = Content.from_rows([{"path": "a\x01b.png", "attributes": "{}"}])
    root, [loss] = to_cvat(content)
    assert (loss.field, loss.message) == ("path", "characters that XML does not allow become U+FFFD")
    assert root.find("image").attrib["name"] == "a\ufffdb.png"


@pytest.mark.parametrize("path", ["/etc/a.png", "x\\a.png", "C:a.png"])
def test_a_name_that_cannot_be_restored_is_reported(path: str):
    _, [loss] = to_cvat(Content.from_rows([{"path": path, "attributes": "{}"}]))
    assert (loss.field, loss.message) == ("path", "the name is read as another one")


def test_a_row_without_image_is_reported():
    _, [loss] = to_cvat(make_content({**ROW, "path": None}))
    assert (loss.field, loss.annotation_id, loss.message) == ("path", "id-1", "names no image: left out")


def test_frame_numbers_of_records_are_kept_where_they_are_unique():
    records = [
        {"path": path, "attributes": dump_attributes({"id": number})}
        for path, number in (("a.png", 3), ("b.png", 3), ("c.png", "x"), ("d.png", 0), ("e.png", -1))
    ]
    content = Content.from_rows(records)
    root, _ = to_cvat(content)
    ids = {image.attrib["name"]: int(image.attrib["id"]) for image in root.iterfind("image")}
    assert ids == {"a.png": 3, "b.png": 1, "c.png": 2, "d.png": 0, "e.png": 4}
    assert round_trip(FORMAT, content).same_as(content)


def test_two_images_of_one_name_are_told_apart_by_their_paths():
    records = [{"path": path, "subset": "x", "attributes": "{}"} for path in ("a.png", "x/a.png", "images/a.png")]
    content = Content.from_rows(
        records, [{**ROW, "path": path, "annotation_id": path, "attributes": "{}"} for path in ("a.png",)]
    )
    assert round_trip(FORMAT, content).same_as(content)


def test_a_shape_copied_in_cvat_is_a_new_object():
    root, _ = to_cvat(make_content(ROW))
    image = root.find("image")
    image.append(copy.deepcopy(image[0]))
    again = from_cvat(root, "annotations.xml", lambda name, subset: None)
    assert again.annotations["annotation_id"].tolist() == ["cvat/a.png#2", "id-1"]


def test_a_broken_row_that_was_kept_aside_is_rejected_with_the_next_number():
    root, _ = to_cvat(make_content(ROW, {"kind": "box"}))
    note = root.find("meta/datatools")
    note.text = note.text.replace('"kind": "box"', '"kind": "cat"')
    [bad] = from_cvat(root, "annotations.xml", lambda name, subset: None).rejected.to_dict("records")
    assert (bad["row"], bad["path"]) == (2, "a.png")
    assert bad["message"] == "kind must be one of label, box, mask, shape, got 'cat'"


@given(HOSTILE_TEXT)
def test_text_is_read_from_xml_as_it_was_written(text: str):
    legal = "".join(character for character in text if character in "\t\n\r" or character >= " ").replace("\ufffe", "")
    legal = legal.replace("\uffff", "")
    root = Element("a", {"b": legal})
    SubElement(root, "c").text = legal
    again = fromstring(render_xml(root))
    assert (again.get("b"), again.findtext("c")) == (legal, legal)


@settings(max_examples=100)
@given(st.data())
def test_no_document_however_broken_makes_it_crash_and_every_shape_is_accounted_for(data: st.DataObject):
    skeleton = '<skeleton label="cat"><points label="a" points="1,2"/></skeleton>'
    mask = '<mask label="cat" rle="1, 2, 2, 1" left="3" top="4" width="3" height="2"/>'
    root = fromstring(make_xml(BOX, mask, skeleton, '<polygon label="cat" points="1,2;3,4"/>'))
    for shape in root.iterfind("image/*"):
        SubElement(shape, "attribute", {"name": "datatools_json"}).text = '{"box":[1,2,3,4],"ring":1,"attributes":{}}'
    target = data.draw(st.sampled_from(list(root.iter())))
    text = data.draw(
        HOSTILE_TEXT | st.sampled_from(["-1", "0", "1e5", "1,2", "{}", '{"ring":2}', '{"attributes":{"shape":1}}'])
    )
    if target.attrib and data.draw(st.booleans()):
        target.set(data.draw(st.sampled_from(sorted(target.attrib))), text)
    else:
        target.text = text
    content = from_cvat(root, "annotations.xml", lambda name, subset: None)
    assert len(content.annotations) + content.rejected["row"].notna().sum() == 4


# Real files


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = SHARED / "data" / "format-samples.zip"
    if not file.is_file():
        pytest.skip(f"{file} is absent: set DATATOOLS_SHARED to the folder that has data/format-samples.zip")
    folder = tmp_path_factory.mktemp("samples")
    with zipfile.ZipFile(file) as archive:
        archive.extractall(folder, [name for name in archive.namelist() if "/cvat_dataset/" in name])
    return folder / "tests" / "assets" / "cvat_dataset"


@pytest.mark.parametrize(
    ("name", "n_images", "counts", "n_rejected"),
    [
        ("for_images/export_project", 6, {"box": 3, "polyline": 3, "mask": 3, "points": 3}, 0),
        ("for_images/export_task", 2, {"box": 1, "polyline": 1, "mask": 1, "points": 1}, 0),
        ("for_video", 2, {"box": 1, "polyline": 1, "points": 1}, 4),
    ],
)
def test_cvats_own_exports_are_read_as_datumaro_reads_them(
    real: Path, name: str, n_images: int, counts: dict[str, int], n_rejected: int
):
    """Datumaro 1.13.12 counts the same, but for the four frames outside of which a track's object is: it takes them in."""
    tree = open_tree(real / name)
    content = FORMAT.load(tree, FORMAT.find(tree))
    kinds = [load_attributes(row["attributes"]).get("shape", row["kind"]) for row in rows_of(content.annotations)]
    assert Counter(kinds) == counts
    assert len(content.records) == n_images
    assert content.rejected["reason"].tolist() == ["outside"] * n_rejected
    assert set(content.annotations["path"]) <= set(tree.sizes)
    assert round_trip(FORMAT, content).same_as(content)
