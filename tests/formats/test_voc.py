from __future__ import annotations

import copy
import json
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datatools.formats.base import Content
from datatools.formats.voc import FORMAT, find_voc, load_voc, save_voc, to_voc
from datatools.formats.voc_layout import subset_of
from datatools.formats.voc_xml import find_base, read_object, write_object
from datatools.index_images import decode_index_mask, encode_index_mask, label_colors
from datatools.masks import from_array, parse_mask
from datatools.tree import open_tree
from tests.builders import lay_out, make_png
from tests.formats.contents import contents, reason_of
from tests.formats.shared_sets import unpack
from tests.formats.test_object_masks import assert_same, lay_out_images, through_folder

BASES = st.sampled_from([{"voc": {"base": 0}}, {"voc": {"base": 1}}])
SUBSETS = (None, "train", "test", "a b", "../x", "")
BOX = "<bndbox><xmin>3</xmin><ymin>4</ymin><xmax>7</xmax><ymax>8</ymax></bndbox>"
CLASSES = np.array([[1, 1, 0, 255], [1, 0, 0, 2], [0, 0, 2, 2]])
OBJECTS = np.array([[1, 2, 0, 0], [1, 0, 0, 3], [0, 0, 3, 3]])


def make_xml(*objects: str, head: str = "", name: str = "a.png") -> str:
    body = "".join(f"<object>{item}</object>" for item in objects)
    return f"<annotation><filename>{name}</filename>{head}{body}</annotation>"


def make_box(xmin: Any = 3, ymin: Any = 4, xmax: Any = 7, ymax: Any = 8, name: str = "cat", more: str = "") -> str:
    corners = f"<xmin>{xmin}</xmin><ymin>{ymin}</ymin><xmax>{xmax}</xmax><ymax>{ymax}</ymax>"
    return f"<name>{name}</name><bndbox>{corners}</bndbox>{more}"


def read(folder: Path, files: dict[str, bytes | str]) -> Content:
    tree = open_tree(lay_out(folder, files))
    return load_voc(tree, find_voc(tree))


def read_xml(folder: Path, text: str, **files: bytes | str) -> Content:
    return read(folder, {"Annotations/a.xml": text, "JPEGImages/a.png": make_png(), **files})


def read_pngs(folder: Path, classes: Any = None, objects: Any = None, **files: bytes | str) -> Content:
    pngs = {
        f"{name}/a.png": encode_index_mask(array, label_colors(256))
        for name, array in (("SegmentationClass", classes), ("SegmentationObject", objects))
        if array is not None
    }
    return read(folder, {"JPEGImages/a.png": make_png(0, 4, 3), **pngs, **files})


def boxes(content: Content) -> list[list[float]]:
    return content.annotations[["x0_px", "y0_px", "x1_px", "y1_px"]].values.tolist()


def attributes(content: Content, row: int = 0) -> dict[str, Any]:
    return json.loads(content.annotations["attributes"][row])


def messages(content: Content) -> list[tuple[str, Any, str]]:
    return [
        (row["source"], None if pd.isna(row["row"]) else row["row"], row["message"])
        for row in content.rejected.to_dict("records")
    ]


# ---- round trips ----


@given(BASES.flatmap(lambda extras: contents(subsets=SUBSETS, extras=extras)))
def test_whatever_is_written_reads_back_the_same(tmp_path_factory: pytest.TempPathFactory, content: Content):
    before = copy.deepcopy(content)
    documents, saved = to_voc(content)
    assert_same(content, before)
    if content.records.empty:
        assert {loss.field for loss in saved.losses} == ({"classes"} if content.classes else set())
        return
    assert saved.losses == ()
    found = through_folder(FORMAT, content, tmp_path_factory.mktemp("once"))
    assert found.rejected.empty
    assert_same(found, content.renamed(saved.moved))
    again, saved_again = to_voc(found)
    assert (again, saved_again.moved, saved_again.losses) == (documents, {}, ())


@given(contents(kinds=("box", "mask"), coordinates="inside", extras={"voc": {"base": 1}}, null_labels=False))
def test_what_is_written_has_what_the_devkit_reader_needs(content: Content):
    documents, _ = to_voc(content)
    n_objects = 0
    for name, data in documents.items():
        for item in ElementTree.fromstring(data).iter("object") if name.endswith(".xml") else ():
            n_objects += 1
            assert None not in [item.findtext(tag) for tag in ("name", "pose", "truncated", "difficult")]
            for corner in ("xmin", "ymin", "xmax", "ymax"):
                float(item.findtext(f"bndbox/{corner}") or "")
    empty = sum(1 for mask in content.annotations["mask"].dropna() if not _has_extent(mask))
    assert n_objects == len(content.annotations) - empty


def _has_extent(mask: str) -> bool:
    shape = parse_mask(mask)
    return isinstance(shape, list) or shape.n_pixels > 0


FOREIGN = make_xml(
    make_box(
        more="<pose>Left</pose><truncated>1</truncated><difficult>0</difficult><occluded>1</occluded>"
        "<part><name>head</name><bndbox><xmin>3.5</xmin><ymin>4</ymin><xmax>5</xmax><ymax>6</ymax></bndbox></part>"
        "<part><name>foot</name></part><actions><running>1</running></actions><id kind='x'>7</id>"
        "<attributes><attribute><name>color</name><value>red</value></attribute>"
        "<attribute><name>pose</name><value>odd</value></attribute></attributes>"
    ),
    head="<folder>VOC2007</folder><path>/home/x/a.png</path><source><database>D</database></source><owner><name>o</name>"
    "</owner><size><width>12</width><height>10</height><depth>3</depth></size><segmented>1</segmented>",
)


def test_every_field_of_a_file_is_kept_and_written_back(tmp_path: Path):
    content = read_xml(tmp_path / "one", FOREIGN)
    assert attributes(content) == {
        "pose": "Left",
        "truncated": 1,
        "difficult": 0,
        "occluded": 1,
        "part": [
            {"name": "head", "bndbox": {"xmin": "3.5", "ymin": "4", "xmax": "5", "ymax": "6"}},
            {"name": "foot"},
        ],
        "actions": {"running": "1"},
        "id": {"@kind": "x", "#text": "7"},
        "color": "red",
        "attributes": {"pose": "odd"},
    }
    [record] = content.records.to_dict("records")
    assert (record["path"], record["width_px"], record["height_px"]) == ("JPEGImages/a.png", 12, 10)
    assert json.loads(record["attributes"]) == {
        "folder": "VOC2007",
        "path": "/home/x/a.png",
        "source": {"database": "D"},
        "owner": {"name": "o"},
        "depth": 3,
        "segmented": 1,
    }
    assert_same(through_folder(FORMAT, content, tmp_path / "two"), content)
    text = (tmp_path / "two/Annotations/a.xml").read_text()
    for part in ("<pose>Left</pose>", "<database>D</database>", "<depth>3</depth>", "<folder>VOC2007</folder>"):
        assert part in text
    assert "datatools" not in text


def test_a_plain_file_is_written_without_anything_of_ours(tmp_path: Path):
    content = read_xml(
        tmp_path, make_xml(make_box(more="<pose>x</pose><truncated>0</truncated><difficult>0</difficult>"))
    )
    [(name, data)] = to_voc(content)[0].items()
    assert name == "Annotations/a.xml"
    assert b"datatools" not in data
    assert b"<xmin>3</xmin>" in data and b"<ymax>8</ymax>" in data


def test_a_field_edited_by_another_tool_counts_more_than_our_note(tmp_path: Path):
    row = {"annotation_id": "coco/17", "path": "a.png", "label": "a\x00b", "kind": "box", "annotator": "ann"}
    box = {"x0_px": 1, "y0_px": 2, "x1_px": 3, "y1_px": 4}
    content = Content.from_rows([{"path": "a.png"}], [{**row, **box, "attributes": '{"difficult":1}'}], ("a\x00b",))
    save_voc(content, tmp_path)
    file = tmp_path / "Annotations/a.xml"
    text = file.read_text()
    assert "<name>a\ufffdb</name>" in text
    text = text.replace("<name>a\ufffdb</name>", "<name>dog</name>").replace("<xmax>3<", "<xmax>9<")
    file.write_text(text.replace("<difficult>1<", "<difficult>0<"))
    [edited] = read(tmp_path, {"JPEGImages/a.png": make_png()}).annotations.to_dict("records")
    assert (edited["annotation_id"], edited["annotator"], edited["label"]) == ("coco/17", "ann", "dog")
    assert (edited["x1_px"], json.loads(edited["attributes"])) == (9, {"difficult": 0})


def test_a_mask_without_box_shows_its_bounds_to_others_but_gets_no_box(tmp_path: Path):
    rows = [
        {"annotation_id": "x", "path": "JPEGImages/a.png", "kind": "mask", "mask": "[[[1.5,2.0],[4.0,2.0],[4.0,6.0]]]"}
    ]
    content = Content.from_rows([{"path": "JPEGImages/a.png"}], [{**row, "attributes": "{}"} for row in rows])
    save_voc(content, tmp_path)
    corners = ElementTree.parse(tmp_path / "Annotations/a.xml").find("object/bndbox")
    assert corners is not None
    assert [corner.text for corner in corners] == ["2.5", "3", "4", "6"]
    found = read(tmp_path, {"JPEGImages/a.png": make_png()})
    assert found.annotations["x0_px"].isna().all()
    assert found.annotations["mask"].tolist() == ["[[[1.5,2.0],[4.0,2.0],[4.0,6.0]]]"]


def test_losses_are_the_extras_of_others_and_numbers_that_are_none():
    row = {"annotation_id": "x", "path": "a.png", "kind": "box", "x0_px": float("inf"), "y0_px": 1e300}
    extras = {"coco": {"licenses": []}, "voc": {"base": 1, "x": 2, "labelmaps": {"": [["a", "0,0,0", "", ""]]}}}
    documents, saved = to_voc(
        Content.from_rows([{"path": "a.png"}], [{**row, "attributes": "{}"}], ("b",), extras=extras)
    )
    assert [(loss.field, loss.annotation_id, loss.message) for loss in saved.losses] == [
        ("extras.coco", "", "VOC has no place for what belongs to the whole document"),
        ("extras.voc.labelmaps", "", "it does not name these classes: a new label map is written"),
        ("extras.voc.x", "", "not a field that is read from VOC"),
        ("x0_px", "x", "inf is no number of pixels"),
        ("y0_px", "x", "1e+300 is no number of pixels"),
    ]
    assert "labelmap.txt" in documents


# ---- pixels ----


def test_a_file_that_counts_from_one_is_shifted_and_one_that_counts_from_zero_is_not(tmp_path: Path):
    one = read_xml(tmp_path / "1", make_xml(make_box(1, 1, 7, 8), make_box(3, 4, 5, 6)))
    assert (boxes(one), one.extras) == ([[0, 0, 7, 8], [2, 3, 5, 6]], {"voc": {"base": 1}})
    zero = read_xml(tmp_path / "0", make_xml(make_box(0, 1, 7, 8), make_box(3, 4, 5, 6)))
    assert (boxes(zero), zero.extras) == ([[0, 1, 7, 8], [3, 4, 5, 6]], {"voc": {"base": 0}})


def test_one_zero_decides_for_the_whole_data_set(tmp_path: Path):
    files = {f"{name}.png": make_png() for name in "ab"}
    content = read(tmp_path, {**files, "a.xml": make_xml(make_box(0.5)), "b.xml": make_xml(make_box(3), name="b.png")})
    assert boxes(content) == [[0.5, 4, 7, 8], [3, 4, 7, 8]]


@pytest.mark.parametrize("last", [0, 1])
def test_the_last_file_tells_how_the_first_ones_count(tmp_path: Path, last: int):
    first = make_xml(make_box(3, 4, 5, 6), "<name>a</name>", make_box(7, 7, 8, 8))
    other = make_xml(make_box(last, 1, 7, 8), name="b.png")
    content = read(tmp_path, {"Annotations/a.xml": first, "Annotations/b.xml": other})
    assert boxes(content) == [[3 - last, 4 - last, 5, 6], [7 - last, 7 - last, 8, 8], [0, 1 - last, 7, 8]]
    assert content.rejected[["source", "row"]].to_numpy().tolist() == [["Annotations/a.xml", 2]]


@pytest.mark.parametrize(
    ("xmin", "base"),
    [("0", 0), ("0.0", 0), ("0.99", 0), ("1", 1), ("-3", 1), ("-0.5", 1), ("x", 1), ("", 1), ("nan", 1)],
)
def test_only_numbers_from_zero_to_below_one_speak_for_zero(xmin: str, base: int):
    element = ElementTree.fromstring(f"<bndbox><xmin>{xmin}</xmin><ymin>5</ymin></bndbox>")
    assert find_base([element]) == base


@pytest.mark.parametrize("base", [0, 1])
@pytest.mark.parametrize("x0", [-1.0, 0.0, 0.5, 3.0])
def test_a_base_that_the_numbers_deny_is_said_in_the_file(tmp_path: Path, base: int, x0: float):
    row = {"annotation_id": "x", "path": "a.png", "kind": "box", "x0_px": x0, "y0_px": 1, "x1_px": 4, "y1_px": 5}
    content = Content.from_rows(
        [{"path": "a.png", "attributes": "{}"}], [{**row, "attributes": "{}"}], extras={"voc": {"base": base}}
    )
    documents, saved = to_voc(content)
    assert_same(through_folder(FORMAT, content, tmp_path), content.renamed(saved.moved))
    seen = 0 if 0 <= x0 + base < 1 or (base == 0 and 0 <= x0 < 1) else 1
    assert (b'"base"' in documents["Annotations/a.xml"]) == (seen != base)


@given(*[st.floats(-1e6, 1e6) for _ in range(4)], st.sampled_from([0, 1]))
def test_decimals_are_shifted_without_loss(x0: float, y0: float, x1: float, y1: float, base: int):
    row = {"annotation_id": "x", "path": "a.png", "label": "c", "kind": "box", "mask": None, "annotator": None}
    row |= {"x0_px": x0, "y0_px": y0, "x1_px": x1, "y1_px": y1, "attributes": {}}
    element = write_object(row, 1, base, {})
    found = read_object(ElementTree.fromstring(ElementTree.tostring(element)), "a.png", 1, base)
    assert [found[name] for name in row if name.endswith("_px")] == [x0, y0, x1, y1]


def test_boxes_are_not_clipped_ordered_or_rounded(tmp_path: Path):
    content = read_xml(tmp_path, make_xml(make_box(9, 400.25, 2, -8), make_box(5, 5, 5, 5)))
    assert boxes(content) == [[8, 399.25, 2, -8], [4, 4, 5, 5]]


@pytest.mark.parametrize(
    "polygon",
    [
        "<polygon><x1>1</x1><y1>2</y1><x2>4.5</x2><y2>2</y2><x3>4</x3><y3>6</y3></polygon>",
        "<polygon><pt><x>1</x><y>2</y></pt><pt><x>4.5</x><y>2</y></pt><pt><x>4</x><y>6</y></pt></polygon>",
    ],
    ids=["Roboflow", "points"],
)
def test_polygons_are_masks_and_not_shifted(tmp_path: Path, polygon: str):
    content = read_xml(tmp_path, make_xml(make_box(more=polygon), f"<name>cat</name>{polygon}"))
    assert content.annotations["kind"].tolist() == ["mask", "mask"]
    assert set(content.annotations["mask"]) == {"[[[1.0,2.0],[4.5,2.0],[4.0,6.0]]]"}
    assert boxes(content)[0] == [2, 3, 7, 8]
    assert content.annotations["x0_px"].isna().tolist() == [False, True]


# ---- bad input ----


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ("<name>cat</name>", "an object needs a bndbox"),
        ("<bndbox><xmin>1</xmin></bndbox>", "its bndbox has no ymin"),
        ("<bndbox/>", "its bndbox has no xmin"),
        (make_box("x"), "a coordinate must be a finite number, got 'x'"),
        (make_box(""), "a coordinate must be a finite number, got ''"),
        (make_box("nan"), "a coordinate must be a finite number, got 'nan'"),
        (make_box("inf"), "a coordinate must be a finite number, got 'inf'"),
        (make_box("1e999"), "a coordinate must be a finite number, got '1e999'"),
        (make_box("1_0"), "a coordinate must be a finite number, got '1_0'"),
        (make_box("1,5"), "a coordinate must be a finite number, got '1,5'"),
        (make_box("٣"), "a coordinate must be a finite number, got '٣'"),
        (make_box(more="<polygon/>"), "a polygon needs x1, y1, x2, y2 and so on"),
        (make_box(more="<polygon><x1>1</x1></polygon>"), "a polygon needs x1, y1, x2, y2 and so on"),
        (
            make_box(more="<polygon><x1>1</x1><y2>1</y2></polygon>"),
            "a coordinate must be a finite number, got ''",
        ),
        (make_box(more="<datatools>{</datatools>"), "its datatools note is not JSON: "),
        (make_box(more="<datatools>[]</datatools>"), "its datatools note is no JSON object"),
        (make_box(more='<datatools>{"path":"x"}</datatools>'), "its datatools note has the unknown field 'path'"),
        (make_box(more='<datatools>{"x0_px":"1"}</datatools>'), "its datatools note has '1' as x0_px"),
        (make_box(more='<datatools>{"kind":"x"}</datatools>'), "its datatools note has 'x' as kind"),
        (
            make_box(more='<datatools>{"instance":3,"kind":"mask"}</datatools>'),
            "its mask is number 3 of SegmentationObject, which is not there",
        ),
    ],
)
def test_a_broken_object_is_rejected_with_file_and_number(tmp_path: Path, item: str, message: str):
    content = read_xml(tmp_path, make_xml(make_box(), item, make_box()))
    [row] = content.rejected.to_dict("records")
    assert row["message"].startswith(message)
    place = ("Annotations/a.xml", 2, "JPEGImages/a.png", reason_of(message))
    assert (row["source"], row["row"], row["path"], row["reason"]) == place
    assert content.annotations["annotation_id"].tolist() == ["voc/JPEGImages/a.png#1", "voc/JPEGImages/a.png#3"]


@pytest.mark.parametrize(
    "text",
    [
        make_xml(make_box())[:-5],
        '<!DOCTYPE a [<!ENTITY x "y">]>' + make_xml(make_box(name="&x;")),
        make_xml(make_box()).replace("cat", "\x01"),
    ],
    ids=["torn", "entity", "control character"],
)
def test_a_file_that_is_no_xml_to_trust_is_rejected_whole(tmp_path: Path, text: str):
    content = read_xml(tmp_path, text)
    assert [row[:2] for row in messages(content)] == [("Annotations/a.xml", None)]
    assert content.rejected["reason"].tolist() == ["broken_file"]
    assert content.rejected["message"][0].startswith("not XML that can be trusted: ")
    assert len(content.annotations) == 0


@pytest.mark.parametrize(
    ("note", "message"),
    [
        ("{", "its datatools note is not JSON"),
        ('{"record":5}', "its datatools note has 5 where an object belongs"),
        ('{"record":{"path":"x"}}', "its datatools note has the unknown field 'path'"),
        ('{"record":{"width_px":"1"}}', "its datatools note has '1' as width_px"),
        ('{"record":{"attributes":[]}}', "its datatools note needs a list in 'without' and an object in 'attributes'"),
        ('{"annotations":[5]}', "its datatools note has 5 where an object belongs"),
    ],
)
def test_a_broken_note_of_the_image_does_not_take_its_boxes(tmp_path: Path, note: str, message: str):
    content = read_xml(tmp_path, make_xml(make_box(), head=f"<datatools>{note}</datatools>"))
    assert len(content.annotations) == 1
    assert messages(content)[0][2].startswith(message)


def test_the_second_file_of_one_image_is_rejected_object_by_object(tmp_path: Path):
    files = {"a.xml": make_xml(make_box()), "b.xml": make_xml(make_box(), make_box()), "a.png": make_png()}
    content = read(tmp_path, files)
    assert messages(content) == [
        ("b.xml", 1, "a.xml already speaks of this image"),
        ("b.xml", 2, "a.xml already speaks of this image"),
    ]
    assert len(content.annotations) == 1


@given(st.lists(st.sampled_from([make_box(), make_box(0), make_box("x"), "", "<name>x</name>"]), max_size=5))
def test_objects_found_are_objects_kept_and_rejected(tmp_path_factory: pytest.TempPathFactory, items: list[str]):
    content = read_xml(tmp_path_factory.mktemp("n"), make_xml(make_box(), *items))
    assert len(content.annotations) + content.rejected["row"].notna().sum() == 1 + len(items)


# ---- which file, which image ----


@pytest.mark.parametrize(
    ("xml", "name", "images", "path"),
    [
        ("Annotations/a.xml", "a.png", ["JPEGImages/a.png"], "JPEGImages/a.png"),
        ("VOC/Annotations/x/a.xml", "a.png", ["VOC/JPEGImages/x/a.png"], "VOC/JPEGImages/x/a.png"),
        ("annotations/a.xml", "a.png", ["images/a.png"], "images/a.png"),
        ("train/a.xml", "a.png", ["train/a.png"], "train/a.png"),
        ("Annotations/a.xml", "stale.png", ["JPEGImages/a.png", "JPEGImages/stale.png"], "JPEGImages/a.png"),
        ("Annotations/a.xml", "a.jpg", ["JPEGImages/a.png", "JPEGImages/a.jpg"], "JPEGImages/a.jpg"),
        ("Annotations/a.xml", "a.jpg", ["JPEGImages/a.png"], "JPEGImages/a.png"),
        ("xml/1.xml", "C:\\x\\b.png", ["somewhere/b.png", "c.png"], "somewhere/b.png"),
        ("xml/1.xml", "", ["somewhere/1.png"], "somewhere/1.png"),
        ("Annotations/a.xml", "a.png", [], "JPEGImages/a.png"),
        ("Annotations/a.xml", "../../etc/b.png", [], "JPEGImages/b.png"),
        ("x/a.xml", "http://host/b.png", [], "x/b.png"),
        ("Annotations/a.xml", "", [], "JPEGImages/a.jpg"),
    ],
)
def test_the_image_of_a_file_is_found_by_stem_then_by_name(
    tmp_path: Path, xml: str, name: str, images: list[str], path: str
):
    content = read(tmp_path, {xml: make_xml(make_box(), name=name), **dict.fromkeys(images, make_png())})
    assert content.records["path"].tolist() == content.annotations["path"].tolist() == [path]


@pytest.mark.parametrize(
    ("name", "text", "claimed"),
    [
        ("a.xml", make_xml(make_box()), True),
        ("a.xml", make_xml(), True),
        ("a.XML", make_xml(make_box()), True),
        ("a.xml", make_xml("<name>x</name>"), False),
        ("a.xml", "<annotations><image/></annotations>", False),
        ("a.xml", make_xml("<deleted>0</deleted><polygon><pt/></polygon>"), False),
        ("a.xml", make_xml(head="<source><sourceImage>x</sourceImage></source>"), False),
        ("a.xml", "<svg><object/></svg>", False),
        ("a.txt", make_xml(make_box()), False),
        ("SegmentationClass/a.png", make_png(), False),
    ],
)
def test_only_voc_files_are_claimed(tmp_path: Path, name: str, text: bytes | str, claimed: bool):
    assert find_voc(open_tree(lay_out(tmp_path, {name: text}))) == ([name] if claimed else [])


def test_two_images_of_one_stem_keep_their_files_apart(tmp_path: Path):
    row = {"kind": "box", "x0_px": 1, "y0_px": 1, "x1_px": 2, "y1_px": 2, "attributes": "{}"}
    rows = [{**row, "annotation_id": name, "path": name} for name in ("JPEGImages/a.jpg", "a.png", "a.jpg")]
    records = [{"path": row["path"], "subset": "train", "attributes": "{}"} for row in rows]
    content = Content.from_rows(records, rows, extras={"voc": {"base": 1}})
    documents, saved = to_voc(content)
    assert saved.moved == {"a.jpg": "JPEGImages/a-2.jpg", "a.png": "JPEGImages/a.png"}
    assert [name for name in documents if name.endswith(".xml")] == [
        "Annotations/a-2.xml",
        "Annotations/a.png.xml",
        "Annotations/a.xml",
    ]
    assert_same(through_folder(FORMAT, content, tmp_path), content.renamed(saved.moved))


@pytest.mark.parametrize(
    "paths",
    [
        ["a/X.jpg", "a/x.png"],
        ["a/X.png", "a/x.png"],
        ["A.png.jpg", "a.jpg", "a.png"],
        ["b.jpg", "b.JPG.png", "b.png"],
    ],
)
def test_no_two_files_differ_only_in_capitals(tmp_path: Path, paths: list[str]):
    mask = {"kind": "mask", "label": "cat", "attributes": "{}", "mask": from_array(np.eye(12, 10)).to_json()}
    records = [
        {"path": path, "subset": "train", "attributes": "{}"} | {"width_px": 10, "height_px": 12} for path in paths
    ]
    rows = [{**mask, "annotation_id": path, "path": path} for path in paths]
    content = Content.from_rows(records, rows, ["cat"], extras={"voc": {"base": 1}})
    documents, saved = to_voc(content)
    names = [*documents, *(saved.moved.get(path, path) for path in paths)]
    assert len({name.casefold() for name in names}) == len(names)
    assert_same(through_folder(FORMAT, content, tmp_path), content.renamed(saved.moved))


@pytest.mark.parametrize(
    "path",
    [
        "../a.png",
        "/a.png",
        "a\nb.png",
        ".hidden.png",
        " a.png",
        "#a.png",
        "x" * 300 + ".png",
        "SegmentationClass/a.png",
    ],
)
def test_names_that_would_do_harm_are_replaced_and_told(tmp_path: Path, path: str):
    content = Content.from_rows([{"path": path, "subset": "train", "attributes": "{}"}], extras={"voc": {"base": 1}})
    _, saved = to_voc(content)
    assert re.fullmatch(r"JPEGImages/image-[0-9a-f]{16}\.png", saved.moved[path])
    assert_same(through_folder(FORMAT, content, tmp_path), content.renamed(saved.moved))


def test_images_come_to_jpegimages_without_their_own_folder_of_images(tmp_path: Path):
    names = ("images/a.png", "images/x/b.png", "x/images/c.png")
    content = Content.from_rows([{"path": name, "attributes": "{}"} for name in names], extras={"voc": {"base": 1}})
    documents, saved = to_voc(content)
    assert [*saved.moved.values()] == ["JPEGImages/a.png", "JPEGImages/x/b.png", "JPEGImages/x/images/c.png"]
    assert "Annotations/a.xml" in documents
    assert_same(through_folder(FORMAT, content, tmp_path), content.renamed(saved.moved))


# ---- lists ----


@pytest.mark.parametrize(
    ("lists", "subset"),
    [
        ([], None),
        (["Main/train", "Main/trainval"], "train"),
        (["Main/trainval", "Main/val"], "val"),
        (["Main/trainval"], "trainval"),
        (["Main/trainval", "Main/extra"], "extra"),
        (["Main/test", "Main/train"], "train"),
        (["Segmentation/train", "Main/val"], "val"),
        (["Own/val", "Layout/test"], "test"),
    ],
)
def test_the_subset_is_the_most_telling_list(lists: list[str], subset: str | None):
    assert subset_of(lists) == subset_of(reversed(lists)) == subset


def test_all_lists_are_kept_and_written_back(tmp_path: Path):
    lists = {
        "Main/train": "# a comment\na\n\n b 1 \n",
        "Main/trainval": "a\nb 1\n",
        "Main/cat_train": "a  1\nb 1 -1\n",
        "Segmentation/val": "a\n",
        "Main/dog_train": "",
    }
    files = {f"ImageSets/{name}.txt": text for name, text in lists.items()}
    files |= {f"Annotations/{name}.xml": make_xml(make_box(), name=f"{name}.png") for name in ("a", "b 1")}
    content = read(tmp_path / "1", {**files, "JPEGImages/a.png": make_png(), "JPEGImages/b 1.png": make_png()})
    assert content.records["subset"].tolist() == ["train", "train"]
    assert json.loads(content.records["attributes"][0]) == {
        "sets": {"Main/cat_train": "1", "Main/train": "", "Main/trainval": "", "Segmentation/val": ""}
    }
    assert content.rejected.empty
    documents, _ = to_voc(content)
    assert {name[10:-4]: data.decode() for name, data in documents.items() if name.startswith("ImageSets")} == {
        "Main/cat_train": "a  1\nb 1 -1\n",
        "Main/train": "a\nb 1\n",
        "Main/trainval": "a\nb 1\n",
        "Segmentation/val": "a\n",
    }
    assert_same(through_folder(FORMAT, content, tmp_path / "2"), content)


def test_a_new_subset_makes_a_new_list_and_keeps_the_old_ones_in_mind(tmp_path: Path):
    record = {
        "path": "JPEGImages/a.png",
        "subset": "test",
        "attributes": '{"sets":{"Main/train":"","Main/trainval":""}}',
    }
    content = Content.from_rows([record], extras={"voc": {"base": 1}})
    assert [name for name in to_voc(content)[0] if "Sets" in name] == ["ImageSets/Main/test.txt"]
    assert_same(through_folder(FORMAT, content, tmp_path), content)


def test_a_listed_image_without_annotations_is_a_record_and_a_name_without_image_is_rejected(tmp_path: Path):
    lists = {"ImageSets/Main/test.txt": "b\nnone\n", "ImageSets/Main/cat_test.txt": "b -1\nnone -1\n"}
    content = read_xml(tmp_path, make_xml(), **lists, **{"JPEGImages/b.jpg": make_png()})
    assert content.records[["path", "subset"]].fillna("").values.tolist() == [
        ["JPEGImages/a.png", ""],
        ["JPEGImages/b.jpg", "test"],
    ]
    message = "'none' is in the list, but has neither an image nor an annotation file"
    assert messages(content) == [("ImageSets/Main/cat_test.txt", 2, message)]


@pytest.mark.parametrize(
    ("files", "attributes"),
    [
        ({"ImageSets/Main/test.txt": "b\n"}, {"labels": "missing"}),
        ({"ImageSets/Main/cat_test.txt": "b -1\n"}, {"sets": {"Main/cat_test": "-1"}}),
    ],
    ids=["named", "judged"],
)
def test_an_image_that_is_only_named_in_lists_was_not_annotated(
    tmp_path: Path, files: dict[str, str], attributes: dict[str, Any]
):
    content = read_xml(tmp_path / "one", make_xml(), **files, **{"JPEGImages/b.jpg": make_png()})
    assert json.loads(content.records["attributes"][1]) == attributes
    assert_same(through_folder(FORMAT, content, tmp_path / "two"), content)


def test_a_list_that_is_not_text_is_rejected(tmp_path: Path):
    content = read_xml(tmp_path, make_xml(make_box()), **{"ImageSets/Main/train.txt": b"\xff\xfe"})
    assert [row[0] for row in messages(content)] == ["ImageSets/Main/train.txt"]
    assert len(content.annotations) == 1


def test_without_lists_a_folder_called_train_is_the_subset(tmp_path: Path):
    files = {"train/a.xml": make_xml(), "valid/b.xml": make_xml(name="b.png"), "train/a.png": make_png()}
    assert read(tmp_path, files).records["subset"].tolist() == ["train", "valid"]


# ---- segmentation ----


def test_every_instance_is_a_mask_of_the_class_below_it(tmp_path: Path):
    content = read_pngs(tmp_path, CLASSES, OBJECTS)
    rows = [(row.annotation_id, row.label, row.kind, row.mask) for row in content.annotations.itertuples()]
    assert rows == [
        (f"voc/JPEGImages/a.png#instance{n}", label, "mask", from_array(n == OBJECTS).to_json())
        for n, label in ((1, "aeroplane"), (2, "aeroplane"), (3, "bicycle"))
    ]
    assert [attributes(content, row) for row in range(3)] == [{"instance": 1}, {"instance": 2}, {"instance": 3}]
    void = json.loads(content.records["attributes"][0])["void"]
    assert void == {"SegmentationClass": json.loads(from_array(CLASSES == 255).to_json())}
    assert content.files == {"SegmentationClass/a.png", "SegmentationObject/a.png"}
    assert len(content.classes) == 20


def test_classes_alone_are_one_mask_a_class(tmp_path: Path):
    content = read_pngs(tmp_path, CLASSES)
    assert [(row.annotation_id, row.label) for row in content.annotations.itertuples()] == [
        ("voc/JPEGImages/a.png#class1", "aeroplane"),
        ("voc/JPEGImages/a.png#class2", "bicycle"),
    ]
    assert attributes(content) == {"class_index": 1}


def test_instances_alone_have_no_label(tmp_path: Path):
    content = read_pngs(tmp_path, None, OBJECTS)
    assert content.annotations["label"].isna().tolist() == [True] * 3


@pytest.mark.parametrize("border", [0, 255], ids=["none", "void"])
def test_pixels_of_a_class_outside_instances_are_a_mask_of_their_own(tmp_path: Path, border: int):
    content = read_pngs(tmp_path, CLASSES, np.where(OBJECTS == 2, border, OBJECTS))
    assert content.annotations["annotation_id"].tolist() == [
        f"voc/JPEGImages/a.png#{key}" for key in ("class1", "instance1", "instance3")
    ]
    assert parse_mask(content.annotations["mask"][0]).n_pixels == 1


@pytest.mark.parametrize("objects", [None, OBJECTS, np.where(OBJECTS == 2, 255, OBJECTS)], ids=["no", "all", "void"])
@pytest.mark.parametrize("classes", [None, CLASSES], ids=["no classes", "classes"])
def test_pngs_are_written_back_pixel_by_pixel(tmp_path: Path, classes: Any, objects: Any):
    if classes is None and objects is None:
        return
    content = read_pngs(tmp_path / "1", classes, objects)
    documents, saved = to_voc(content)
    assert saved.losses == ()
    for name, array in (("SegmentationClass", classes), ("SegmentationObject", objects)):
        data = documents.get(f"{name}/a.png")
        assert (data is None) == (array is None)
        if data is not None:
            np.testing.assert_array_equal(decode_index_mask(data), array)
    lay_out_images(tmp_path / "2", content, saved)
    assert_same(through_folder(FORMAT, content, tmp_path / "2"), content)


def test_overlapping_masks_survive_beside_pngs_that_cannot_hold_them(tmp_path: Path):
    masks = [np.ones((3, 4)), np.eye(3, 4), np.tri(3, 4)]
    rows = [
        {"annotation_id": f"coco/{n}", "path": "JPEGImages/a.png", "label": "cat", "kind": "mask"}
        | {"mask": from_array(mask).to_json(), "attributes": "{}"}
        for n, mask in enumerate(masks)
    ]
    records = [{"path": "JPEGImages/a.png", "width_px": 4, "height_px": 3, "attributes": "{}"}]
    content = Content.from_rows(records, rows, ("cat",), extras={"voc": {"base": 1}})
    documents, _ = to_voc(content)
    np.testing.assert_array_equal(decode_index_mask(documents["SegmentationObject/a.png"]), np.ones((3, 4)))
    assert_same(through_folder(FORMAT, content, tmp_path), content)


@pytest.mark.parametrize(
    ("classes", "objects", "place", "message"),
    [
        (CLASSES + 20, None, 21, "the pixel values 21 (3 px), 22 (3 px) are no classes: the list ends with 20"),
        (
            np.array([[21]]),
            np.array([[4]]),
            4,
            "instance 4: the pixel value 21 (1 px) is no class: the list ends with 20",
        ),
        (np.array([[1, 2]]), np.array([[4, 4]]), 4, "instance 4 covers pixels of the classes 1, 2"),
    ],
)
def test_pixels_that_stand_for_no_class_are_rejected_with_their_value(
    tmp_path: Path, classes: Any, objects: Any, place: int, message: str
):
    content = read_pngs(tmp_path, np.where(classes > 255, 255, classes), objects)
    assert (place, message) in [row[1:] for row in messages(content)]
    assert set(content.rejected["path"]) == {"JPEGImages/a.png"}


def test_pngs_of_two_sizes_and_broken_ones_are_rejected(tmp_path: Path):
    content = read_pngs(tmp_path / "1", CLASSES, OBJECTS[:2])
    assert messages(content) == [
        ("SegmentationObject/a.png", None, "4 x 2 pixels, but its SegmentationClass has 4 x 3")
    ]
    assert content.annotations["label"].tolist() == ["aeroplane", "bicycle"]
    content = read_pngs(tmp_path / "2", CLASSES, **{"SegmentationObject/a.png": b"no image"})
    assert [row[:2] for row in messages(content)] == [("SegmentationObject/a.png", None)]


def test_masks_painted_in_colours_are_read_by_the_label_map(tmp_path: Path):
    from datatools.images import encode_png

    label_map = "# label:color_rgb:parts:actions\nbackground:0,0,0::\ncat:10,20,30:head:run\n"
    rgb = np.array([[[10, 20, 30], [0, 0, 0], [1, 2, 3], [224, 224, 192]]], dtype=np.uint8)
    files = {
        "JPEGImages/a.png": make_png(0, 4, 1),
        "SegmentationClass/a.png": encode_png(rgb),
        "labelmap.txt": label_map,
    }
    content = read(tmp_path / "1", files)
    assert content.annotations["label"].tolist() == ["cat"]
    assert [row[2] for row in messages(content)] == ["the colour 1,2,3 (1 px) is no class: the label map has others"]
    assert content.rejected["row"].isna().all()
    assert content.classes == ("cat",)
    documents, _ = to_voc(content)
    assert documents["labelmap.txt"].decode() == label_map
    assert content.files == {"SegmentationClass/a.png", "labelmap.txt"}


@pytest.mark.parametrize(
    ("name", "text", "classes"),
    [
        ("labelmap.txt", "# label:color_rgb:parts:actions\nbackground:0,0,0::\ncat:1,2,3::\n", ("cat",)),
        ("labelmap.txt", "cat:1,2,3::\nbackground:0,0,0::\ndog:::\n", ("cat", "dog")),
        ("labelmap.txt", "cat:1,2,3\n", ("cat",)),
        ("class_names.txt", "__ignore__\n_background_\ncat\ndog\n", ("cat", "dog")),
        ("classes.txt", "cat\ndog\n", ("cat", "dog")),
        ("labelmap.txt", "", ()),
    ],
)
def test_classes_come_from_the_list_in_its_order(tmp_path: Path, name: str, text: str, classes: tuple[str, ...]):
    content = read_xml(tmp_path, make_xml(make_box(name="dog")), **{name: text})
    assert content.classes == classes


def test_without_a_list_names_that_are_not_vocs_leave_pixel_values_as_names(tmp_path: Path):
    xml = {"Annotations/a.xml": make_xml(make_box(name="nut"))}
    content = read_pngs(tmp_path, CLASSES, **xml)
    assert content.classes == ("1", "2", "nut")
    assert content.annotations["label"].tolist() == ["nut", "1", "2"]


def test_pictures_that_show_annotations_are_no_images_of_the_data_set(tmp_path: Path):
    shown = {"SegmentationClassVisualization/a.jpg": make_png()}
    assert "SegmentationClassVisualization/a.jpg" in read_pngs(tmp_path, CLASSES, **shown).files


# ---- real data ----


def test_bccd_is_read_whole_and_its_faults_are_left_to_the_checks(tmp_path: Path):
    tree = open_tree(unpack("bccd", tmp_path))
    content = load_voc(tree, find_voc(tree))
    assert (len(content.records), len(content.annotations), len(content.rejected)) == (364, 4888, 0)
    assert content.annotations["label"].value_counts().to_dict() == {"RBC": 4155, "WBC": 372, "Platelets": 361}
    assert content.records["subset"].value_counts().to_dict() == {"train": 205, "val": 87, "test": 72}
    assert content.extras == {"voc": {"base": 1}}
    documents, saved = to_voc(content)
    assert (saved.losses, saved.moved) == ((), {})
    for name in ("train", "val", "test", "trainval"):
        [file] = [path for path in tree.sizes if path.endswith(f"Main/{name}.txt")]
        assert documents[file].split() == sorted(tree.read(file).split())


@pytest.mark.parametrize(
    ("below", "kinds", "classes"),
    [
        ("voc_dataset1", {"box": 2, "mask": 1}, 20),
        ("voc_dataset2", {"box": 4}, 21),
        ("voc_dataset3", {"box": 1}, 1),
    ],
)
def test_the_voc_samples_have_the_counts_of_datumaro(tmp_path: Path, below: str, kinds: dict[str, int], classes: int):
    folder = unpack("format-samples", tmp_path / "1", f"tests/assets/voc_dataset/{below}")
    tree = open_tree(folder)
    content = load_voc(tree, find_voc(tree))
    assert content.annotations["kind"].value_counts().to_dict() == kinds
    assert (len(content.classes), len(content.rejected)) == (classes, 0)
    _, saved = to_voc(content)
    assert saved.losses == ()
    assert_same(through_folder(FORMAT, content, tmp_path / "2"), content.renamed(saved.moved))


@pytest.mark.parametrize(
    ("below", "pixels"),
    [
        (
            "instance_segmentation",
            [15662, 17218, 873, 14690, 11672, 7463, 44403, 991, 14002, 102450, 15781, 7256],
        ),
        ("semantic_segmentation", [32900, 873, 34791, 14002, 44306, 118222, 7256]),
        (
            "video_annotation",
            [8942, 54094, 8942, 56621, 8942, 60054, 8942, 63110, 8942, 66363],
        ),
    ],
)
def test_labelmes_segmentations_have_the_pixels_of_datumaro(tmp_path: Path, below: str, pixels: list[int]):
    tree = open_tree(unpack("labelme", tmp_path / "1", f"{below}/data_dataset_voc"))
    content = load_voc(tree, find_voc(tree))
    assert sorted(parse_mask(text).n_pixels for text in content.annotations["mask"]) == sorted(pixels)
    assert_same(through_folder(FORMAT, content, tmp_path / "2"), content)
