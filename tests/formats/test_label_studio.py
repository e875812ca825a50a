from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import fromstring

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datatools.formats.base import Content, load_attributes
from datatools.formats.label_studio import FORMAT, from_label_studio, to_label_studio
from datatools.formats.label_studio_brush import decode_brush, encode_brush
from datatools.formats.label_studio_result_reading import read_region
from datatools.formats.rows import BrokenRowError
from datatools.masks import from_array, parse_mask
from datatools.tree import open_tree
from tests.builders import lay_out, make_png
from tests.formats.contents import (
    PLAIN_TEXT,
    check_round_trip,
    check_saving_twice,
    contents,
    json_values,
    reason_of,
    round_trip,
)

Row = dict[str, Any]
PNG = make_png()
RECTANGLE = {"x": 25, "y": 10, "width": 50, "height": 20.0, "rotation": 0}
# What the converter's own test expects of its encoder for 1 1 1 1 2 3 5 6 7 8 4 4 4 4 4 4 4 4 (tests/test_brush.py)
PUBLISHED = [0, 0, 0, 18, 57, 27, 252, 96, 32, 1, 0, 6, 0, 40, 0, 192, 3, 128, 17, 56, 32]


def make_result(kind: str = "rectanglelabels", value: Any = None, **changes: Any) -> Row:
    value = {**RECTANGLE, kind: ["cat"]} if value is None else value
    result = {"id": "Dx1", "type": kind, "from_name": "tag", "to_name": "image", "value": value}
    result |= {"original_width": 200, "original_height": 100, "image_rotation": 0, **changes}
    return {key: part for key, part in result.items() if part is not ...}


def make_choice(*names: str, **changes: Any) -> Row:
    return {
        "id": "c1",
        "type": "choices",
        "from_name": "q",
        "to_name": "image",
        "value": {"choices": list(names)},
        **changes,
    }


def make_task(*results: Any, **changes: Any) -> Row:
    task = {
        "id": 1,
        "data": {"image": "a.png"},
        "annotations": [{"completed_by": 7, "result": list(results)}],
        **changes,
    }
    return {key: part for key, part in task.items() if part is not ...}


def convert(*tasks: Any) -> tuple[list[Row], list[Row], list[Row]]:
    return from_label_studio(tasks, "tasks.json", lambda name: None)


def read(result: Row) -> Row:
    _, [row], rejected = convert(make_task(result))
    assert rejected == []
    return {**row, "attributes": load_attributes(row["attributes"])}


def box_of(row: Row) -> list[float]:
    return [row.get(name) for name in ("x0_px", "y0_px", "x1_px", "y1_px")]


def load(folder: Path, files: dict[str, Any]) -> Content:
    texts = {name: json.dumps(value) if isinstance(value, list | dict) else value for name, value in files.items()}
    tree = open_tree(lay_out(folder, texts))
    return FORMAT.load(tree, FORMAT.find(tree))


# Regions


def test_a_rectangle_is_a_box_in_pixels():
    row = read(make_result())
    assert (row["kind"], row["label"], row["annotator"], row["mask"]) == ("box", "cat", "user7", None)
    assert box_of(row) == [50.0, 10.0, 150.0, 30.0]
    assert (row["annotation_id"], row["path"], row["attributes"]) == ("label_studio/Dx1", "a.png", {"from_name": "tag"})


def test_percent_are_rounded_to_nine_decimals():
    value = {"x": 37.15846994535519, "y": 70.67395264116576, "width": 4.189435336976321, "height": 4.735883424408015}
    row = read(make_result(value=value, original_width=2800, original_height=2800))
    assert box_of(row) == [1040.43715847, 1978.870673953, 1157.741347905, 2111.475409836]


def test_a_turned_rectangle_is_a_shape():
    row = read(make_result(value={**RECTANGLE, "rotation": 30, "rectanglelabels": ["cat"]}))
    assert (row["kind"], row["label"], box_of(row)) == ("shape", "cat", [None] * 4)
    shape = {"shape": "rotated_box_about_corner", "points": [[50, 10], [150, 30]], "rotation": 30}
    assert row["attributes"] == {**shape, "from_name": "tag"}


def test_a_polygon_is_a_mask_of_one_ring():
    value = {"points": [[0, 0], [50, 0], [50, 12.5]], "closed": True, "polygonlabels": ["cat"]}
    row = read(make_result("polygonlabels", value))
    assert (row["kind"], row["label"], row["mask"]) == ("mask", "cat", "[[[0.0,0.0],[100.0,0.0],[100.0,12.5]]]")
    assert row["attributes"] == {"from_name": "tag"}
    assert read(make_result("polygonlabels", {**value, "closed": False}))["attributes"]["value"] == {"closed": False}


def test_an_ellipse_and_a_keypoint_are_shapes_in_pixels():
    value = {"x": 50, "y": 50, "radiusX": 10, "radiusY": 20, "rotation": 5, "ellipselabels": ["cat"]}
    ellipse = read(make_result("ellipselabels", value))
    expected = {"shape": "ellipse", "cx": 100, "cy": 50, "rx": 20, "ry": 20, "rotation": 5, "from_name": "tag"}
    assert (ellipse["kind"], ellipse["attributes"]) == ("shape", expected)
    point = read(make_result("keypointlabels", {"x": 50, "y": 50, "width": 0.4, "keypointlabels": ["cat"]}))
    expected = {"shape": "point", "points": [[100, 50]], "value": {"width": 0.4}, "from_name": "tag"}
    assert (point["kind"], point["label"], point["attributes"]) == ("shape", "cat", expected)


def test_what_a_brush_painted_is_a_mask():
    pixels = np.eye(3, 4, dtype=bool)
    value = {"format": "rle", "rle": encode_brush(pixels), "brushlabels": ["cat"]}
    row = read(make_result("brushlabels", value, original_width=4, original_height=3))
    assert (row["kind"], row["label"], row["attributes"]) == ("mask", "cat", {"from_name": "tag"})
    assert parse_mask(row["mask"]).to_array().tolist() == pixels.tolist()


@pytest.mark.parametrize(
    ("labels", "label", "kept"),
    [
        (["cat"], "cat", None),
        ([], None, None),
        (["cat", "dog"], None, ["cat", "dog"]),
        (None, None, None),
        ([5], "5", None),
    ],
)
def test_one_label_is_the_label_and_several_are_kept_as_a_list(labels: Any, label: str | None, kept: Any):
    row = read(make_result(value={**RECTANGLE, "rectanglelabels": labels}))
    assert (row["label"], row["attributes"].get("labels")) == (label, kept)


def test_fields_of_a_result_are_attributes():
    extra = {
        "origin": "manual",
        "score": 0.5,
        "meta": {"text": ["dark"]},
        "parentID": "x",
        "image_rotation": 90,
        "new": [1],
    }
    row = read(make_result(to_name="img", **extra))
    assert row["attributes"] == {"from_name": "tag", "to_name": "img", **extra}


def test_a_region_drawn_and_labelled_by_two_tags_is_one_row():
    drawn = make_result("rectangle", RECTANGLE, from_name="box")
    labelled = make_result("labels", {**RECTANGLE, "labels": ["dog"]}, from_name="name")
    note = {
        "id": "Dx1",
        "type": "textarea",
        "from_name": "t",
        "to_name": "image",
        "value": {**RECTANGLE, "text": ["old"]},
    }
    _, [row], rejected = convert(make_task(drawn, labelled, note))
    assert rejected == []
    attributes = load_attributes(row["attributes"])
    assert (row["label"], row["kind"], row["annotation_id"]) == ("dog", "box", "label_studio/Dx1")
    assert attributes == {"from_name": "name", "type": "labels", "results": [drawn, note]}


@pytest.mark.parametrize(
    ("result", "message"),
    [
        ("cat", "a result must be an object"),
        (make_result(original_width=...), "a region needs a value, and original_width and original_height in pixels"),
        (make_result(original_height=0), "a region needs a value, and original_width and original_height in pixels"),
        (make_result(value={"x": 1, "y": 2, "height": 3}), "x, y, width, height and rotation must be finite numbers"),
        (make_result(value={**RECTANGLE, "x": "1"}), "x, y, width, height and rotation must be finite numbers"),
        (make_result(value={**RECTANGLE, "x": True}), "x, y, width, height and rotation must be finite numbers"),
        (make_result(value={**RECTANGLE, "x": 1e300}), "x, y, width, height and rotation must be finite numbers"),
        (make_result(value={**RECTANGLE, "rotation": None}), "x, y, width, height and rotation must be finite numbers"),
        (make_result("ellipselabels", {"x": 1, "y": 2, "radiusX": 3}), "x, y, radiusX, radiusY and rotation must be"),
        (make_result("keypointlabels", {"x": 1}), "x, y and rotation must be finite numbers"),
        (
            make_result("polygonlabels", {"points": []}),
            "points must be a list of [x, y] in finite numbers, at least one",
        ),
        (make_result("polygonlabels", {"points": [[1]]}), "points must be a list of [x, y] in finite numbers"),
        (make_result("brushlabels", {"rle": "abc"}), "rle must be a list of bytes"),
        (make_result("brushlabels", {"rle": [256]}), "rle must be a list of bytes"),
        (make_result("brushlabels", {"rle": [1, 2]}), "rle stops in the middle of a run"),
        (make_result("brushlabels", {"rle": PUBLISHED}), "rle is of 18 bytes, but 200 x 100 pixels have 80000"),
        (make_result("brushlabels", {"rle": []}, original_width=10**5, original_height=10**5), "an image of 100000 x"),
        (make_result(meta={"datatools": 5}), "datatools must be an object"),
        (make_result(meta={"datatools": {"box": [1]}}), "datatools: box must be four finite numbers"),
        (make_choice(), "choices must be a list of names, at least one"),
        (make_choice(value={"choices": "cat"}), "choices must be a list of names, at least one"),
        (make_choice(value={"choices": [5]}), "choices must be a list of names, at least one"),
        (make_choice(value=None), "choices must be a list of names, at least one"),
        (make_choice("a", meta={"datatools": {"id": 5}}), "datatools: id and annotator must be text"),
    ],
)
def test_a_broken_result_is_rejected_with_its_number(result: Any, message: str):
    first, last = make_result(id="first"), make_result(id="last")
    _, rows, [bad] = convert(make_task(first), make_task(result, last))
    assert (bad["source"], bad["row"], bad["path"], bad["reason"]) == ("tasks.json", 2, "a.png", reason_of(message))
    assert bad["message"].startswith(message)
    assert [row["annotation_id"] for row in rows] == ["label_studio/first", "label_studio/last"]


def test_a_number_that_is_none_costs_its_row_and_not_the_file(tmp_path: Path):
    nan = float("nan")
    results = [make_result(id=str(number)) for number in range(4)]
    results[1]["value"]["x"] = nan
    results[2]["score"] = nan
    notes = {"type": "textarea", "from_name": "t", "to_name": "image", "value": {"text": [nan]}}
    bad_task = {**make_task(make_result(id="other")), "score": nan}
    content = load(tmp_path, {"a.json": json.dumps([make_task(*results, notes), bad_task]), "a.png": PNG})
    assert content.annotations["annotation_id"].tolist() == ["label_studio/0", "label_studio/3"]
    assert content.rejected[["row", "reason"]].to_numpy().tolist() == [
        [2, "BOX004"],
        [3, "broken_row"],
        [5, "broken_row"],
        [6, "broken_row"],
    ]


def test_a_region_without_id_is_called_after_its_place():
    assert read(make_result(id=...))["annotation_id"] == "label_studio/a.png#1"


# Brush


def test_the_bits_are_read_as_label_studios_own_example_was_written():
    """The example's 18 bytes are no whole pixels: its header is set to 20, and a run of two zeros put behind its end."""
    bits = "".join(f"{byte:08b}" for byte in PUBLISHED)
    end = 53 + 8 * 14  # the header, and eight runs of one flag, two bits which size, three of length and a byte
    assert set(bits[end:]) == {"0"}
    text = f"{20:032b}{bits[32:end]}" + "1" + "00" + "001" + "00000000"
    text += "0" * (-len(text) % 8)
    data = list(int(text, 2).to_bytes(len(text) // 8, "big"))
    # alpha is each fourth byte: a 1, the 6, two of the 4s, and a 0 of ours
    assert decode_brush(data, (1, 5)).to_array().tolist() == [[True, True, True, True, False]]


@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 99))
def test_a_mask_is_decoded_as_it_was_encoded(height: int, width: int, seed: int):
    pixels = np.random.default_rng(seed).integers(0, 2, (height, width)).astype(bool)
    data = encode_brush(pixels)
    assert decode_brush(data, (height, width)).to_array().tolist() == pixels.tolist()
    assert all(type(byte) is int and 0 <= byte < 256 for byte in data)


@pytest.mark.parametrize("size", [(1, 1), (300, 300), (1, 70000)])
def test_long_runs_are_cut_into_pieces_that_fit(size: tuple[int, int]):
    for pixels in (np.zeros(size, bool), np.ones(size, bool)):
        data = encode_brush(pixels)
        assert len(data) < 40
        assert decode_brush(data, size).n_pixels == pixels.sum()


def test_words_one_by_one_and_half_painted_alpha_count():
    header = f"{8:032b}{7:05b}" + "".join(f"{size - 1:04b}" for size in (3, 4, 8, 16))
    words = [255, 255, 255, 0, 0, 0, 0, 9]
    text = header + "0" + "00" + "111" + "".join(f"{word:08b}" for word in words)
    text += "0" * (-len(text) % 8)
    data = list(int(text, 2).to_bytes(len(text) // 8, "big"))
    assert decode_brush(data, (1, 2)).to_array().tolist() == [[False, True]]


def test_a_run_beyond_the_image_is_refused():
    data = encode_brush(np.ones((1, 3), bool))
    data[3] = 8
    with pytest.raises(BrokenRowError, match="rle paints beyond its image"):
        decode_brush(data, (1, 2))


@settings(max_examples=200)
@given(st.binary(max_size=40), st.integers(1, 3))
def test_no_bytes_make_the_decoder_crash_or_hang(data: bytes, width: int):
    head = (4 * width).to_bytes(4, "big")
    for given_bytes in (data, head + data):
        try:
            assert decode_brush(list(given_bytes), (1, width)).size_hw == (1, width)
        except BrokenRowError as error:
            assert str(error).startswith("rle ")


# Labels, annotators, predictions


@pytest.mark.parametrize(
    ("entry", "annotator"),
    [
        ({"completed_by": 7}, "user7"),
        ({"completed_by": {"id": 7, "email": "ann@x.org"}}, "ann@x.org"),
        ({"completed_by": {"id": 7, "email": ""}}, "user7"),
        ({"completed_by": {}}, "given"),
        ({"completed_by": "ann"}, "ann"),
        ({"completed_by": None}, "given"),
        ({}, "given"),
    ],
)
def test_choices_are_the_annotators_label_of_the_image(entry: Row, annotator: str):
    _, [row], _ = convert(make_task(annotations=[{**entry, "result": [make_choice("cat")]}]))
    assert (row["kind"], row["label"], row["annotator"]) == ("label", "cat", annotator)
    assert row["annotation_id"] == f"label/a.png@{annotator}"


def test_a_box_that_names_nobody_has_no_annotator():
    _, [row], _ = convert(make_task(annotations=[{"result": [make_result()]}]))
    assert row["annotator"] is None


def test_several_choices_are_a_null_label_with_all_of_them():
    row = read(make_choice("cat", "dog"))
    assert (row["label"], row["attributes"]) == (None, {"choices": ["cat", "dog"], "from_name": "q"})


def test_several_questions_are_one_null_label_with_all_answers():
    _, [row], _ = convert(make_task(make_choice("cat"), make_choice("day", "wet", id="c2", from_name="w", score=1)))
    attributes = load_attributes(row["attributes"])
    assert row["label"] is None
    assert attributes["choices"] == [["q", ["cat"]], ["w", ["day", "wet"]]]
    assert attributes["results"] == [{"from_name": "q"}, {"from_name": "w", "score": 1}]


def test_several_annotators_label_one_image():
    entries = [{"completed_by": by, "result": [make_choice(label)]} for by, label in ((1, "cat"), (2, "dog"))]
    _, rows, _ = convert(make_task(annotations=entries))
    assert [(row["annotator"], row["label"]) for row in rows] == [("user1", "cat"), ("user2", "dog")]


@pytest.mark.parametrize(("version", "annotator"), [("v1", "model:v1"), ("", "model"), (None, "model")])
def test_a_prediction_is_by_its_model(version: Any, annotator: str):
    prediction = {"model_version": version, "score": 0.7, "result": [make_result(score=0.9)]}
    [record], [row], _ = convert(make_task(annotations=[], predictions=[prediction]))
    assert row["annotator"] == annotator
    assert load_attributes(row["attributes"])["score"] == 0.9
    assert load_attributes(record["attributes"])["predictions"] == [{"model_version": version, "score": 0.7}]


def test_an_annotation_made_from_a_prediction_keeps_its_own_row(tmp_path: Path):
    task = make_task(make_result(), predictions=[{"model_version": "v1", "result": [make_result()]}])
    content = load(tmp_path, {"tasks.json": [task]})
    assert content.annotations["annotation_id"].tolist() == ["label_studio/Dx1", "label_studio/Dx1@model:v1"]
    assert content.rejected.empty
    assert round_trip(FORMAT, content).same_as(content)


def test_a_second_label_by_the_same_annotator_is_rejected(tmp_path: Path):
    entries = [{"completed_by": 1, "result": [make_choice(label)]} for label in ("cat", "dog")]
    content = load(tmp_path, {"tasks.json": [make_task(annotations=entries)]})
    assert content.annotations["label"].tolist() == ["cat"]
    assert content.rejected["reason"].tolist() == ["repeated_id"]


def test_results_of_a_skipped_annotation_are_rejected_and_its_fields_kept():
    entry = {"id": 5, "completed_by": 7, "was_cancelled": True, "result": [make_result(), make_choice("cat")]}
    [record], rows, rejected = convert(make_task(annotations=[entry]))
    assert rows == []
    assert [(bad["row"], bad["reason"], bad["path"]) for bad in rejected] == [
        (1, "cancelled", "a.png"),
        (2, "cancelled", "a.png"),
    ]
    assert rejected[0]["message"] == "user7 skipped the image (was_cancelled)"
    kept = {"id": 5, "completed_by": 7, "was_cancelled": True}
    assert load_attributes(record["attributes"])["annotations"] == [kept]


def test_fields_of_an_annotation_and_results_that_are_no_rows_are_the_records():
    relation = {"type": "relation", "from_id": "a", "to_id": "b", "direction": "right"}
    rating = {"id": "r", "type": "rating", "from_name": "r", "to_name": "image", "value": {"rating": 3}}
    entry = {
        "id": 5,
        "completed_by": 7,
        "lead_time": 2.5,
        "ground_truth": True,
        "result": [make_result(), relation, rating],
    }
    [record], rows, rejected = convert(make_task(annotations=[entry]))
    assert (len(rows), rejected) == (1, [])
    kept = {"id": 5, "completed_by": 7, "lead_time": 2.5, "ground_truth": True, "results": [relation, rating]}
    assert load_attributes(record["attributes"])["annotations"] == [kept]


def test_two_annotations_by_one_person_are_told_apart():
    entries = [{"id": number, "completed_by": 7, "result": [make_result(id=f"r{number}")]} for number in (5, 6)]
    _, rows, _ = convert(make_task(annotations=entries))
    assert [load_attributes(row["attributes"])["annotation"] for row in rows] == [5, 6]


def test_old_exports_call_annotations_completions(tmp_path: Path):
    task = {"data": {"image": "a.png"}, "completions": [{"id": 1, "lead_time": 3, "result": [make_result()]}]}
    content = load(tmp_path, {"tasks.json": [task]})
    assert len(content.annotations) == 1
    assert round_trip(FORMAT, content).same_as(content)


# Tasks and files


def test_a_task_is_a_record():
    task = make_task(make_result(), meta={"site": 3}, drafts=[{"x": 1}], data={"image": "a.png", "patient": "p1"})
    [record], _, _ = convert(task)
    assert (record["path"], record["width_px"], record["height_px"], record["subset"]) == ("a.png", 200, 100, None)
    attributes = {"id": 1, "meta": {"site": 3}, "drafts": [{"x": 1}], "data": {"image": "a.png", "patient": "p1"}}
    assert load_attributes(record["attributes"]) == attributes


def test_a_region_that_was_drawn_on_another_size_says_so():
    _, rows, _ = convert(make_task(make_result(), make_result(id="b", original_width=400)))
    attributes = [load_attributes(row["attributes"]) for row in rows]
    assert [item.get("original_width") for item in attributes] == [None, 400]
    assert box_of(rows[1]) == [100, 10, 300, 30]


@pytest.mark.parametrize(
    ("task", "message"),
    [
        (5, "a task needs the object data"),
        ({"annotations": []}, "a task needs the object data"),
        (make_task(data={}), "data names no image, or several: data.image must be the one"),
        (make_task(data={"image": 5}), "data names no image, or several: data.image must be the one"),
        (make_task(data={"image": ""}), "data names no image, or several: data.image must be the one"),
        (make_task(data={"image": "."}), "data names no image, or several: data.image must be the one"),
        (make_task(data={"one": "a.png", "two": "b.png"}), "data names no image, or several"),
        (make_task(data={"images": ["a.png", "b.png"]}), "data names no image, or several"),
        (make_task(annotations=5), "annotations must be a list of objects with the list result"),
        (make_task(annotations=[5]), "annotations must be a list of objects with the list result"),
        (make_task(predictions=[{"result": {}}]), "predictions must be a list of objects with the list result"),
        (make_task(meta={"datatools": 5}), "meta.datatools must be an object, and its annotations a list"),
        (make_task(meta={"datatools": {"annotations": 5}}), "meta.datatools must be an object"),
    ],
)
def test_a_broken_task_is_rejected_and_the_next_one_read(task: Any, message: str):
    records, rows, [bad] = convert(task, make_task(make_result()))
    assert (bad["row"], bad["path"], bad["reason"]) == (None, None, "broken_row")
    assert bad["message"].startswith(message)
    assert (len(records), len(rows)) == (1, 1)


def test_every_result_of_a_broken_task_is_rejected():
    _, _, rejected = convert(make_task(make_result(), make_choice("cat"), data={}))
    assert [bad["row"] for bad in rejected] == [1, 2]


@pytest.mark.parametrize(
    "name",
    [
        "x/a b.png",
        "./x/a b.png",
        "x\\a b.png",
        "/data/local-files/?d=x/a%20b.png",
        "/data/local-files/?d=x%2Fa%20b.png",
        "/data/upload/3/0a1b2c3d-a b.png",
        "/data/upload/3/0a1b2c3d-a%20b.png",
        "s3://bucket/deep/a%20b.png",
        "https://example.org/y/a%20b.png?token=1",
        "/home/ann/a b.png",
    ],
)
def test_the_image_is_found_in_the_tree_and_never_fetched(tmp_path: Path, name: str):
    content = load(
        tmp_path, {"tasks.json": [make_task(make_result(), data={"photo": name, "text": "hi"})], "x/a b.png": PNG}
    )
    if "?" in name and "local-files" not in name:
        assert content.annotations["path"].tolist() == ["x/a b.png"]
    assert content.annotations["path"].tolist() == ["x/a b.png"]
    assert round_trip(FORMAT, content).same_as(content)


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("http://169.254.169.254/latest/a.png", "latest/a.png"),
        ("file:///etc/a.png", "file:/etc/a.png"),
        ("/data/local-files/?d=../../etc/a.png", "../../etc/a.png"),
        ("../a.png", "../a.png"),
        ("http://[broken/a.png", "http:/[broken/a.png"),
    ],
)
def test_an_image_that_is_not_there_keeps_its_name(tmp_path: Path, name: str, path: str):
    content = load(tmp_path, {"tasks.json": [make_task(make_result(), data={"image": name})]})
    assert content.annotations["path"].tolist() == [path]


def test_a_second_task_of_an_image_adds_its_rows_only(tmp_path: Path):
    tasks = [make_task(make_result(id="a"), id=1), make_task(make_result(id="b"), id=2)]
    content = load(tmp_path, {"tasks.json": tasks})
    assert len(content.annotations) == 2
    assert load_attributes(content.records["attributes"].item())["id"] == 1
    assert content.rejected["message"].tolist() == ["another task has this image too: the fields of the first stay"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[{"data": {}, "annotations": []', "not JSON: Expecting"),
        (
            '[{"image": "a.png", "annotation_id": 1, "annotator": 1, "lead_time": 2}]',
            "JSON_MIN leaves out fields that are needed: export as JSON",
        ),
    ],
)
def test_a_broken_file_is_one_rejected_row_and_the_others_are_read(tmp_path: Path, text: str, message: str):
    content = load(tmp_path, {"b.json": text, "a.json": [make_task(make_result())]})
    [bad] = content.rejected.to_dict("records")
    assert (bad["source"], bad["reason"]) == ("b.json", "broken_file")
    assert pd.isna(bad["row"])
    assert bad["message"].startswith(message)
    assert len(content.annotations) == 1


def test_a_file_that_is_no_list_or_went_away_is_rejected(tmp_path: Path):
    tree = open_tree(lay_out(tmp_path, {"a.json": "{}", "b.json": json.dumps([make_task()])}))
    (tmp_path / "b.json").unlink()
    messages = FORMAT.load(tree, ["a.json", "b.json"]).rejected["message"].tolist()
    assert messages == ["a Label Studio file is a list of tasks", "No such file or directory"]
    assert FORMAT.find(tree) == []


@pytest.mark.parametrize(
    "text", ['{"images": [], "annotations": []}', '{"shapes": [], "imagePath": "a"}', "[]", "[1]", ""]
)
def test_other_json_files_are_not_claimed(tmp_path: Path, text: str):
    assert FORMAT.find(open_tree(lay_out(tmp_path, {"a.json": text}))) == []


CONFIG = (
    '<View><Image name="image" value="$image"/><Choices name="q" toName="image"><Choice value="dog"/></Choices></View>'
)


def test_classes_come_from_the_configuration_and_the_labels_in_use(tmp_path: Path):
    files = {"x/tasks.json": [make_task(make_result())], "x/label_config.xml": CONFIG}
    content = load(tmp_path, files)
    assert content.classes == ("dog", "cat")
    assert content.files == {"x/tasks.json", "x/label_config.xml"}
    assert content.extras == {"label_studio": {"label_config": CONFIG}}
    assert round_trip(FORMAT, content).same_as(content)


def test_a_configuration_that_cannot_be_trusted_is_left_alone(tmp_path: Path):
    text = '<!DOCTYPE a [<!ENTITY b "c">]>' + CONFIG
    assert load(tmp_path, {"tasks.json": [make_task(make_result())], "label_config.xml": text}).classes == ("cat",)


# Writing


@settings(max_examples=60)
@given(contents(subsets=(None, "train", "x")))
def test_what_is_saved_is_loaded_again(content: Content):
    check_round_trip(FORMAT, content)


@settings(max_examples=25)
@given(content=contents(subsets=(None, "train")))
def test_saving_twice_gives_the_same_bytes_and_changes_nothing(content: Content):
    check_saving_twice(FORMAT, content)


@settings(max_examples=50)
@given(contents(kinds=("label", "box", "mask"), text=PLAIN_TEXT, sizes=True, null_labels=False))
def test_labels_boxes_and_masks_are_drawn_and_cost_nothing(content: Content):
    tasks, losses = to_label_studio(content)
    assert losses == []
    assert all("annotations" not in task.get("meta", {}).get("datatools", {}) for task in tasks)


@given(st.integers(1, 9999), st.integers(1, 9999), st.lists(st.floats(-1e5, 1e5), min_size=4, max_size=4))
def test_pixels_of_nine_decimals_survive_percent_without_help(width: int, height: int, numbers: list[float]):
    box = [round(number, 9) for number in numbers]
    value = {"x": box[0] / width * 100, "y": box[1] / height * 100, "rectanglelabels": []}
    value |= {"width": (box[2] - box[0]) / width * 100, "height": (box[3] - box[1]) / height * 100}
    row, _ = read_region(make_result(value=value, original_width=width, original_height=height), None, {})
    assert box_of(row) == pytest.approx(box, abs=2e-9)


def make_content(*rows: Row, classes: tuple[str, ...] = ("cat",), size: bool = True, **parts: Any) -> Content:
    record = {"path": "x/a b.png", "attributes": "{}"} | ({"width_px": 200, "height_px": 100} if size else {})
    filled = [
        {"annotation_id": f"id-{number}", "path": "x/a b.png", "label": "cat", "attributes": "{}", **row}
        for number, row in enumerate(rows, start=1)
    ]
    return Content.from_rows([record], filled, classes, **parts)


BOX = {"kind": "box", "x0_px": 50.0, "y0_px": 10.0, "x1_px": 150.0, "y1_px": 30.0}
LABEL = {"kind": "label", "annotator": "ann@x.org", "annotation_id": "label/x/a b.png@ann@x.org"}


def test_a_box_is_a_result_with_our_id_in_an_annotation_of_its_annotator():
    [task], _ = to_label_studio(
        make_content({**BOX, "annotator": "user7", "attributes": '{"origin":"manual","score2":1}'})
    )
    assert task["data"] == {"image": "/data/local-files/?d=x/a%20b.png"}
    [entry] = task["annotations"]
    assert entry["completed_by"] == 7
    [result] = entry["result"]
    assert (result["id"], result["type"], result["origin"]) == ("id-1", "rectanglelabels", "manual")
    assert result["value"] == {"x": 25, "y": 10, "width": 50, "height": 20, "rotation": 0, "rectanglelabels": ["cat"]}
    assert (result["original_width"], result["original_height"]) == (200, 100)
    assert result["meta"] == {"datatools": {"id": "id-1", "attributes": {"score2": 1}}}
    assert "meta" not in task


@pytest.mark.parametrize(
    ("annotator", "key", "fields"),
    [
        ("user7", "annotations", {"completed_by": 7}),
        ("ann@x.org", "annotations", {"completed_by": {"email": "ann@x.org"}}),
        ("ann", "annotations", {}),
        ("user07", "annotations", {}),
        (None, "annotations", {}),
        ("model:v1", "predictions", {"model_version": "v1"}),
        ("model", "predictions", {}),
    ],
)
def test_annotators_that_label_studio_knows_are_named_and_others_stay_with_their_results(
    annotator: str | None, key: str, fields: Row
):
    content = make_content({**BOX, "annotator": annotator})
    [task], _ = to_label_studio(content)
    [entry] = task[key]
    own = entry["result"][0]["meta"]["datatools"]
    assert {name: value for name, value in entry.items() if name != "result"} == fields
    assert own.get("annotator") == (annotator if not fields and annotator != "model" else None)
    assert round_trip(FORMAT, content).same_as(content)


def test_each_annotator_has_an_annotation_of_his_own():
    rows = [{**BOX, "annotator": who} for who in ("user1", "user2", "user1")]
    [task], _ = to_label_studio(make_content(*rows))
    assert Counter({entry["completed_by"]: len(entry["result"]) for entry in task["annotations"]}) == {1: 2, 2: 1}


def test_rows_go_back_into_the_annotation_they_came_from(tmp_path: Path):
    entries = [
        {"id": number, "completed_by": 7, "lead_time": 1.5, "result": [make_result(id=f"r{number}")]}
        for number in (5, 6)
    ]
    task = make_task(annotations=entries, meta={"site": 3})
    content = load(tmp_path, {"tasks.json": [task]})
    [again], losses = to_label_studio(content)
    assert losses == []
    assert [(entry["id"], entry["lead_time"], entry["result"][0]["id"]) for entry in again["annotations"]] == [
        (5, 1.5, "r5"),
        (6, 1.5, "r6"),
    ]
    assert again["meta"]["site"] == 3
    assert round_trip(FORMAT, content).same_as(content)


def test_exact_numbers_are_kept_beside_percent_only_where_percent_cannot():
    [task], _ = to_label_studio(make_content(BOX, {**BOX, "x0_px": 1 / 3}))
    owns = [result["meta"]["datatools"] for result in task["annotations"][0]["result"]]
    assert [own.get("box") for own in owns] == [None, [1 / 3, 10, 150, 30]]


def test_a_region_that_was_moved_in_label_studio_moves():
    [task], _ = to_label_studio(make_content({**BOX, "x0_px": 1 / 3}))
    [result] = task["annotations"][0]["result"]
    result["value"]["x"] = 30
    row, _ = read_region(result, None, {})
    assert row["x0_px"] == 60
    assert row["annotation_id"] == "id-1"


def test_rings_are_polygons_and_a_deleted_one_is_gone():
    mask = "[[[1.0,1.0],[2.0,1.0],[2.0,2.0]],[[5.0,5.0],[6.0,5.0],[6.0,6.0]]]"
    content = make_content({"kind": "mask", "mask": mask})
    [task], losses = to_label_studio(content)
    assert losses == []
    results = task["annotations"][0]["result"]
    assert [result["id"] for result in results] == ["id-1", "id-1/2"]
    del results[0]
    _, [row], _ = convert(task)
    assert row["mask"] == "[[[5.0,5.0],[6.0,5.0],[6.0,6.0]]]"
    assert round_trip(FORMAT, content).same_as(content)


def test_labels_are_choices_of_their_annotator():
    content = make_content(LABEL)
    [task], losses = to_label_studio(content)
    assert losses == []
    [entry] = task["annotations"]
    assert entry["completed_by"] == {"email": "ann@x.org"}
    assert (entry["result"][0]["type"], entry["result"][0]["value"]) == ("choices", {"choices": ["cat"]})


@pytest.mark.parametrize(
    ("row", "size", "what"),
    [
        (BOX, False, "box like this"),
        ({"kind": "box"}, True, "box like this"),
        ({"kind": "mask", "mask": "[]"}, True, "mask like this"),
        ({"kind": "mask", "mask": from_array(np.eye(3)).to_json()}, True, "mask like this"),
        ({"kind": "shape", "attributes": '{"points":[[1,2],[3,4]],"shape":"line"}'}, True, "line"),
        ({"kind": "shape", "attributes": '{"cx":1,"shape":"ellipse"}'}, True, "ellipse"),
        ({"kind": "shape"}, True, "shape like this"),
        ({**LABEL, "label": None}, True, "label like this"),
        ({**LABEL, "annotator": None}, True, "label like this"),
    ],
)
def test_what_label_studio_cannot_draw_is_kept_aside_and_reported(row: Row, size: bool, what: str):
    content = make_content(row, size=size)
    [task], [loss] = to_label_studio(content)
    message = f"Label Studio has no {what}: kept under 'datatools', which it does not show"
    assert (loss.field, loss.path, loss.message) == ("kind", "x/a b.png", message)
    assert len(task["meta"]["datatools"]["annotations"]) == 1
    assert round_trip(FORMAT, content).same_as(content)


def test_a_broken_row_that_was_kept_aside_is_rejected_with_the_next_number():
    [task], _ = to_label_studio(make_content(BOX, {"kind": "box"}))
    task["meta"]["datatools"]["annotations"][0]["kind"] = "cat"
    _, rows, [bad] = convert(task)
    assert (len(rows), bad["row"]) == (1, 2)
    assert bad["message"] == "kind must be one of label, box, mask, shape, got 'cat'"


def test_what_has_no_place_is_reported():
    content = make_content({**BOX, "label": "dog"}, {**BOX, "path": None}, extras={"coco": {"info": 1}})
    _, losses = to_label_studio(content)
    assert {(loss.field, loss.annotation_id, loss.message) for loss in losses} == {
        ("extras.coco", "", "no place: left out"),
        ("path", "id-2", "names no image: left out"),
        ("classes", "", "labels that are no classes become classes"),
    }


def test_a_name_that_cannot_be_restored_is_reported():
    _, [loss] = to_label_studio(Content.from_rows([{"path": "/etc/a.png", "attributes": "{}"}]))
    assert (loss.field, loss.message) == ("path", "the name is read as another one")


def test_the_configuration_has_a_control_for_each_kind_of_result_and_every_class(tmp_path: Path):
    FORMAT.save(make_content(BOX, LABEL, classes=("cat", 'd"<og', "a\x00b")), tmp_path)
    root = fromstring((tmp_path / "label_config.xml").read_text())
    assert [element.tag for element in root] == ["Image", "Choices", "RectangleLabels"]
    assert [label.get("value") for label in root[2]] == ["cat", 'd"<og', "a\ufffdb"]
    assert (root[0].attrib, root[2].get("toName")) == ({"name": "image", "value": "$image"}, "image")
    names = {
        result["from_name"]
        for task in json.loads((tmp_path / "tasks.json").read_text())
        for result in task["annotations"][0]["result"]
    }
    assert names <= {control.get("name") for control in root}


@pytest.mark.parametrize(
    "kept", [{"label_config": "<View/>"}, {"label_config": "<View"}, {"label_config": 5}, {"x": 1}, 5]
)
def test_a_configuration_that_no_longer_fits_is_replaced_and_reported(tmp_path: Path, kept: Any):
    [loss] = FORMAT.save(make_content(classes=("dog",), extras={"label_studio": kept}), tmp_path).losses
    assert (loss.field, loss.message) == ("extras.label_studio", "label_config.xml is written from the classes instead")
    assert 'value="dog"' in (tmp_path / "label_config.xml").read_text()


@settings(max_examples=150)
@given(st.data())
def test_no_document_however_broken_makes_it_crash_and_every_result_is_accounted_for(data: st.DataObject):
    own = {"datatools": {"id": "a", "box": [1, 2, 3, 4], "ring": 1, "attributes": {}, "points": [[1, 2]]}}
    polygon = make_result("polygonlabels", {"points": [[1, 2], [3, 4]], "polygonlabels": ["cat"]}, id="p", meta=own)
    brush = {"rle": encode_brush(np.eye(3, dtype=bool)), "brushlabels": ["cat"]}
    results = [make_result(), polygon, make_result("brushlabels", brush, id="b", original_width=3, original_height=3)]
    task = make_task(
        *results, make_choice("cat"), meta={"datatools": {"record": {"subset": "x"}, "attributes": {}, "path": "p"}}
    )
    entry = task["annotations"][0]
    places = [task, task["data"], task["meta"], task["meta"]["datatools"], entry, *results]
    places += [result["value"] for result in results] + [polygon["meta"], own["datatools"]]
    place = data.draw(st.sampled_from(places))
    place[data.draw(st.sampled_from(sorted(place)))] = data.draw(json_values())
    records, rows, rejected = convert(task)
    Content.from_rows(records, rows, rejected=rejected)
    kept = [load_attributes(record["attributes"]).get("annotations") for record in records]
    left = sum(len(entry.get("results", [])) for entries in kept for entry in entries or [] if isinstance(entry, dict))
    if place is not task and place is not entry:
        assert len(rows) + sum(bad["row"] is not None for bad in rejected) + left == 4


def two_annotations(*second: Any, **changes: Any) -> Row:
    """A task that user7 drew one box in, and user8 what is given."""
    entries = [{"completed_by": 7, "result": [make_result()]}, {"completed_by": 8, "result": [*second], **changes}]
    return make_task(annotations=entries)


def looked_at(task: Row) -> Any:
    records = from_label_studio([task], "tasks.json", lambda name: None)[0]
    return load_attributes(records[0]["attributes"]).get("annotators") if records else None


def test_who_looked_and_found_nothing_is_on_record_with_those_who_drew():
    assert looked_at(two_annotations()) == ["user7", "user8"]
    assert looked_at(two_annotations(was_cancelled=True)) is None, "who skips an image says nothing of it"
    assert looked_at(two_annotations(make_result(id="Dx2"))) is None, "rows say it already"
    model = [{"model_version": "m", "result": []}]
    assert looked_at({**two_annotations(), "predictions": model}) == ["user7", "user8"]
