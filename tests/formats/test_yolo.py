from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datatools.formats.base import Content, Loss, dump_attributes, load_attributes
from datatools.formats.rows import NoImageError
from datatools.formats.yolo import YoloImage, find_yolo, from_yolo, load_yolo, save_yolo
from datatools.formats.yolo_lines import YoloClasses
from datatools.formats.yolo_writing import CLOSE_PX, to_yolo
from datatools.schema import BOX
from datatools.tree import open_tree
from tests.builders import lay_out, make_png
from tests.formats.contents import HOSTILE_TEXT, SIZE_WH, contents, json_objects, json_values, reason_of

SHARED = Path(os.environ.get("DATATOOLS_SHARED", Path(__file__).parents[3] / "shared"))
NAMES = YoloClasses({0: "cat", 1: "dog"})
PNG = make_png(0, 20, 10)
YAML = "train: images/train\nnames: [cat, dog]\n"
SUBSETS = ("train", "val", "test", "test-dev")


def load(folder: Path, files: Mapping[str, bytes | str]) -> Content:
    tree = open_tree(lay_out(folder, files))
    return load_yolo(tree, find_yolo(tree))


def through(content: Content, folder: Path) -> Content:
    """Save `content`, lay out pictures of the sizes that its records state, and load what is there."""
    saved = save_yolo(content, folder)
    for row in content.records.to_dict("records"):
        width, height = (row["width_px"], row["height_px"]) if pd.notna(row["width_px"]) else SIZE_WH
        lay_out(folder, {saved.moved.get(row["path"], row["path"]): make_png(0, int(width), int(height))})
    tree = open_tree(folder)
    return load_yolo(tree, find_yolo(tree))


def read(text: str, size_wh: tuple[int, int] | str = (20, 10), classes: YoloClasses = NAMES) -> Content:
    return from_yolo([YoloImage("images/a.png", text, size_wh, "labels/a.txt")], classes)


def box_of(content: Content, row: int = 0) -> list[float]:
    return content.annotations.loc[row, BOX].tolist()


def rejected_of(content: Content) -> list[tuple[Any, ...]]:
    columns = ["source", "row", "path", "reason", "message"]
    return [tuple(row[name] for name in columns) for row in content.rejected.to_dict("records")]


def one(kind: str = "box", path: str = "images/train/a.png", **changes: Any) -> Content:
    """One annotation of one image of 20 x 10 pixels, in the place where YOLO keeps it."""
    row: dict[str, Any] = {"annotation_id": f"yolo/{path}#1", "path": path, "label": "cat", "kind": kind}
    row |= dict(zip(BOX, (2.0, 1.0, 12.0, 6.0), strict=True)) if kind == "box" else {"mask": "[[[1,2],[3,4],[5,2]]]"}
    attributes = dump_attributes(changes.pop("attributes", {}))
    record = {"path": path, "width_px": 20, "height_px": 10, "subset": "train", "attributes": "{}"}
    record |= changes.pop("record", {})
    classes = changes.pop("classes", ("cat", "dog"))
    return Content.from_rows([record], [{**row, "attributes": attributes, **changes}], classes)


def losses_of(content: Content) -> list[tuple[str, str, str]]:
    _, saved = to_yolo(content)
    return [(loss.field, loss.annotation_id, loss.message) for loss in saved.losses]


# ---- lines ----


def test_a_line_of_five_numbers_is_a_box_in_half_open_pixels():
    content = read("1 0.5 0.5 0.5 0.2\n")
    [row] = content.annotations.to_dict("records")
    assert (row["annotation_id"], row["path"], row["label"], row["kind"]) == (
        "yolo/images/a.png#1",
        "images/a.png",
        "dog",
        "box",
    )
    assert box_of(content) == [5.0, 4.0, 15.0, 6.0]
    assert (row["attributes"], row["source"]) == ("{}", "labels/a.txt")
    assert content.annotations["annotator"].isna().all()
    assert content.classes == ("cat", "dog")


def test_more_numbers_are_a_polygon_without_a_box():
    content = read("0 0.1 0.2 0.3 0.2 0.3 0.8\n")
    [row] = content.annotations.to_dict("records")
    assert (row["kind"], json.loads(row["mask"])) == ("mask", [[[2.0, 2.0], [6.0, 2.0], [6.0, 8.0]]])
    assert content.annotations[BOX].isna().all().all()


@pytest.mark.parametrize("geometry", ["0.5 0.5 0.5 0.2", "0.1 0.2 0.3 0.2 0.3 0.8", "0 0 1 0 1 1 0 1"])
@pytest.mark.parametrize(("text", "score"), [("0.75", 0.75), ("1", 1), ("1.0", 1.0), ("3e-05", 3e-05)])
def test_one_number_more_is_the_confidence(geometry: str, text: str, score: float):
    without, content = read(f"0 {geometry}"), read(f"0 {geometry} {text}")
    found = load_attributes(content.annotations.loc[0, "attributes"])["score"]
    assert (found, type(found)) == (score, type(score))
    assert content.annotations["kind"].tolist() == without.annotations["kind"].tolist()
    assert content.annotations["mask"].equals(without.annotations["mask"])
    assert content.annotations[BOX].equals(without.annotations[BOX])


def test_boxes_and_polygons_stand_in_one_file():
    assert read("0 .5 .5 .5 .2\n1 .1 .2 .3 .2 .3 .8").annotations["kind"].tolist() == ["box", "mask"]


def test_keypoints_are_read_where_the_configuration_speaks_of_them():
    pose = YoloClasses({0: "cat"}, (2, 3))
    [row] = read("0 .5 .5 .5 .2 .1 .2 2 .3 .4 0", classes=pose).annotations.to_dict("records")
    assert row["kind"] == "box"
    assert load_attributes(row["attributes"]) == {"keypoints": [[2.0, 2.0, 2], [6.0, 4.0, 0]]}
    [plain] = read("0 .5 .5 .5 .2 .1 .2 2 .3 .4 0").annotations.to_dict("records")
    assert plain["kind"] == "mask"
    [scored] = read("0 .5 .5 .5 .2 .1 .2 2 .3 .4 0 .9", classes=pose).annotations.to_dict("records")
    assert load_attributes(scored["attributes"])["score"] == 0.9


@pytest.mark.parametrize(("number", "raw"), [("2", 2), ("-1", -1), ("999999", 999999), ("7.0", 7)])
def test_a_class_number_without_a_name_is_kept_beside_a_null_label(number: str, raw: int):
    content = read(f"{number} 0.5 0.5 0.5 0.2")
    assert content.annotations["label"].isna().all()
    assert load_attributes(content.annotations.loc[0, "attributes"]) == {"class_id": raw}
    assert len(content.rejected) == 0


def test_without_any_names_the_classes_are_called_by_their_numbers():
    content = read("10 .5 .5 .5 .2\n2 .5 .5 .5 .2\n-1 .5 .5 .5 .2", classes=YoloClasses())
    assert content.classes == ("class_2", "class_10")
    labels = content.annotations.set_index("annotation_id")["label"]
    assert labels["yolo/images/a.png#1"] == "class_10"
    assert labels.isna().tolist() == [False, False, True]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("0 .5 .5 .5", "a class and 4 numbers make a box, 6 or more a polygon: got 3 behind the class"),
        ("0", "a class and 4 numbers make a box, 6 or more a polygon: got 0 behind the class"),
        ("cat .5 .5 .5 .2", "the class must be a whole number, got 'cat'"),
        ("0 .5 .5 .5 x", "'x' is not a number"),
        ("0 nan .5 .5 .2", "'nan' is not a number"),
        ("0 inf .5 .5 .2", "'inf' is not a number"),
        ("0 1_0 .5 .5 .2", "'1_0' is not a number"),
        ("0 \u0663 .5 .5 .2", "'\u0663' is not a number"),
        ("0 0,5 0,5 0,5 0,2", "'0,5' is not a number"),
        ("0 1e999 .5 .5 .2", "'1e999' is too large a number"),
        ("0 1e15 .5 .5 .2", "'1e15' is too large a number"),
        ("0.5 .5 .5 .5 .2", "the class must be a whole number, got '0.5'"),
        ("0 .5 .5 .5 " + "9" * 90, "'" + "9" * 40 + "' is too large a number"),
    ],
)
def test_a_bad_line_is_rejected_with_its_number(line: str, message: str):
    content = read(f"0 .5 .5 .5 .2\n\n{line}\n1 .5 .5 .5 .2\n")
    assert rejected_of(content) == [("labels/a.txt", 3, "images/a.png", reason_of(message), message)]
    assert content.annotations["annotation_id"].tolist() == ["yolo/images/a.png#1", "yolo/images/a.png#4"]


def test_lines_of_an_image_without_size_are_rejected():
    content = read("0 .5 .5 .5 .2\n\n1 .5 .5 .5 .2", size_wh=NoImageError("there is no such image"))
    assert [row[1:] for row in rejected_of(content)] == [
        (1, "images/a.png", "LBL005", "there is no such image"),
        (3, "images/a.png", "LBL005", "there is no such image"),
    ]
    assert content.records["width_px"].isna().all()


def test_the_same_line_twice_is_two_objects():
    assert len(read("0 .5 .5 .5 .2\n0 .5 .5 .5 .2").annotations) == 2


def test_nothing_is_clipped_or_turned_round():
    assert box_of(read("0 0 0.5 2 -0.2")) == [-20.0, 6.0, 20.0, 4.0]


@given(st.lists(st.sampled_from(["0 .5 .5 .5 .2", "", " ", "x", "0 1", "9 0 0 1 0 1 1", "\t"]), max_size=9))
def test_lines_are_annotations_or_rejected_rows(lines: list[str]):
    content = read("\r\n".join(lines))
    assert len(content.annotations) + int(content.rejected["row"].notna().sum()) == sum(
        bool(line.strip()) for line in lines
    )


# ---- layouts ----


def test_the_layout_of_ultralytics_gives_subsets_and_names(tmp_path: Path):
    content = load(
        tmp_path,
        {
            "data.yaml": "path: ../datasets/mine\nval: images/val\n"
            + YAML
            + "nc: 2\ndownload: https://example.com/x.zip\nhue: [1, 2.5]\n",
            "images/train/a.png": PNG,
            "labels/train/a.txt": "0 .5 .5 .5 .2",
            "images/val/b.png": PNG,
            "labels/val/b.txt": "1 .5 .5 .5 .2",
        },
    )
    assert content.records[["path", "subset", "width_px", "height_px"]].to_numpy().tolist() == [
        ["images/train/a.png", "train", 20, 10],
        ["images/val/b.png", "val", 20, 10],
    ]
    assert content.annotations["label"].tolist() == ["cat", "dog"]
    assert content.extras == {"yolo": {"hue": [1, 2.5]}}
    assert content.files == {"data.yaml", "labels/train/a.txt", "labels/val/b.txt"}
    assert len(content.rejected) == 0


@pytest.mark.parametrize(
    "files",
    [
        {"train/images/a.png": PNG, "train/labels/a.txt": "0 .5 .5 .5 .2"},
        {"Images/train/a.png": PNG, "Labels/train/a.txt": "0 .5 .5 .5 .2"},
        {"Images/train/a.png": PNG, "Annotations/train/a.txt": "0 .5 .5 .5 .2"},
        {"x/images/images/train/a.PNG": PNG, "x/images/labels/train/a.txt": "0 .5 .5 .5 .2"},
        {"train/a.png": PNG, "train/a.txt": "0 .5 .5 .5 .2"},
        {"images/train/a.png": PNG, "labels/train/a.txt": "\ufeff\n0 .5 .5 .5 .2"},
        {"train/a.png": PNG, "train/labels/a.txt": "0 .5 .5 .5 .2"},
        {"train/pictures/a.png": PNG, "train/labels/a.txt": "0 .5 .5 .5 .2"},
    ],
    ids=[
        *("subset above", "capitals", "annotations", "last images folder", "beside", "byte order mark"),
        *("labels beside", "labels beside the folder"),
    ],
)
def test_label_files_are_found_without_a_configuration(tmp_path: Path, files: dict[str, bytes | str]):
    content = load(tmp_path, {**files, "classes.txt": "cat\ndog\n"})
    assert content.annotations["label"].tolist() == ["cat"]
    assert content.records["subset"].tolist() == ["train"]
    assert content.classes == ("cat", "dog")


def test_the_names_that_roboflow_writes_for_darknet_are_read(tmp_path: Path):
    files = {f"{folder}/_darknet.labels": "cat\ndog\n" for folder in ("train", "valid")}
    content = load(tmp_path, {**files, "train/a.png": PNG, "train/a.txt": "1 .5 .5 .5 .2"})
    assert content.annotations["label"].tolist() == ["dog"]
    assert content.classes == ("cat", "dog")


def test_darknet_names_its_lists_with_a_folder_that_is_not_there(tmp_path: Path):
    content = load(
        tmp_path,
        {
            "obj.data": "classes = 2\ntrain = data/train.txt\nvalid= data/valid.txt\nnames = data/obj.names\nbackup = b/\neval=coco\n",
            "obj.names": "cat\n\ndog\n\n",
            "train.txt": "data/obj_train_data/a.png\n",
            "valid.txt": "/home/me/data/obj_valid_data/a.png\n\ndata/gone.png\n",
            "obj_train_data/a.png": PNG,
            "obj_train_data/a.txt": "0 .5 .5 .5 .2",
            "obj_valid_data/a.png": PNG,
            "obj_valid_data/a.txt": "2 .5 .5 .5 .2\n1 .5 .5 .5 .2",
        },
    )
    assert content.records[["path", "subset"]].to_numpy().tolist() == [
        ["data/gone.png", "val"],
        ["obj_train_data/a.png", "train"],
        ["obj_valid_data/a.png", "val"],
    ]
    assert content.annotations["label"].fillna("-").tolist() == ["cat", "dog", "-"]
    assert content.extras == {"yolo": {"eval": "coco"}}
    assert len(content.files) == 6


def test_a_list_of_images_and_a_list_of_folders_are_subsets(tmp_path: Path):
    content = load(
        tmp_path,
        {
            "set.yml": "path: .\ntrain:\n  - images/one\n  - images/two\nval: val.txt\nnames: {0: cat, 3: dog}\n",
            "val.txt": "./images/three/c.png\nhttps://example.com/d.png\n",
            **{f"images/{folder}.png": PNG for folder in ("one/a", "two/b", "three/c")},
            **{f"labels/{folder}.txt": "3 .5 .5 .5 .2" for folder in ("one/a", "two/b", "three/c")},
        },
    )
    subsets = content.records.set_index("path")["subset"].to_dict()
    assert subsets.pop("https:/example.com/d.png") == "val"
    assert subsets == {"images/one/a.png": "train", "images/two/b.png": "train", "images/three/c.png": "val"}
    assert set(content.annotations["label"]) == {"dog"}
    assert content.classes == ("cat", "dog")


@pytest.mark.parametrize("train", ["../../../etc", "/etc", "C:\\\\data", "../..", "~/x", "$HOME"])
def test_paths_that_lead_out_are_looked_for_inside_only(tmp_path: Path, train: str):
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/secret.png").write_bytes(PNG)
    root = tmp_path / "root/deep"
    files = {"data.yaml": f'train: "{train}"\nnames: [cat]\n', "images/a.png": PNG, "labels/a.txt": "0 .5 .5 .5 .2"}
    content = load(root, files)
    assert content.records["path"].tolist() == ["images/a.png"]
    assert content.records["subset"].isna().all()
    wanted = train.replace("\\\\", "\\")
    assert rejected_of(content) == [
        ("data.yaml", None, None, "broken_row", f"train: there is no folder of images {wanted!r} here")
    ]


def test_an_image_in_two_subsets_is_told(tmp_path: Path):
    yaml = "train: images\nval: images\ntest: images/test\nnames: [cat]\n"
    files = {
        "data.yaml": yaml,
        "images/a.png": PNG,
        "labels/a.txt": "",
        "images/test/b.png": PNG,
        "labels/test/b.txt": "",
    }
    records = load(tmp_path, files).records
    assert records["subset"].tolist() == ["train", "test"]
    assert [load_attributes(text) for text in records["attributes"]] == [{"subsets": ["train", "val"]}, {}]


def test_an_empty_label_file_and_a_missing_one_are_two_things(tmp_path: Path):
    files = {"data.yaml": YAML, "images/train/a.png": PNG, "labels/train/a.txt": "\n", "images/train/b.png": PNG}
    content = load(tmp_path, {**files, "elsewhere/c.png": PNG})
    assert content.records["path"].tolist() == ["images/train/a.png", "images/train/b.png"]
    assert content.records["attributes"].tolist() == ["{}", '{"labels":"missing"}']
    assert len(content.annotations) == len(content.rejected) == 0


def test_an_image_beside_labelled_ones_is_known_to_have_no_label_file(tmp_path: Path):
    content = load(tmp_path, {"a.png": PNG, "a.txt": "0 .5 .5 .5 .2", "b.png": PNG, "other/c.png": PNG})
    assert content.records["path"].tolist() == ["a.png", "b.png"]
    assert content.records["attributes"].tolist() == ["{}", '{"labels":"missing"}']


def test_two_images_share_a_label_file(tmp_path: Path):
    content = load(tmp_path, {"a.png": PNG, "a.jpg": make_png(1, 40, 10), "a.txt": "0 .5 .5 .5 .2"})
    assert content.annotations.set_index("path")["x0_px"].to_dict() == {"a.jpg": 10.0, "a.png": 5.0}


def test_labels_without_their_image_are_rejected_line_by_line(tmp_path: Path):
    files = {
        "data.yaml": YAML,
        "images/train/a.png": PNG,
        "labels/train/a.txt": "",
        "labels/train/b.txt": "0 .5 .5 .5 .2\n",
    }
    content = load(tmp_path, files)
    message = "there is no image of this name, and without its size no pixels"
    assert rejected_of(content) == [("labels/train/b.txt", 1, None, "LBL005", message)]


def test_labels_of_an_image_that_a_list_names_are_rejected_with_its_path(tmp_path: Path):
    files = {
        "data.yaml": "train: train.txt\nnames: [cat]\n",
        "train.txt": "images/b.png\nimages/a.png",
        "images/a.png": PNG,
        "labels/a.txt": "0 .5 .5 .5 .2",
        "labels/b.txt": "0 .5 .5 .5 .2",
    }
    content = load(tmp_path, files)
    message = "its image is not there, and without its size no pixels"
    assert rejected_of(content) == [("labels/b.txt", 1, "images/b.png", "LBL005", message)]


def test_labels_of_an_unreadable_image_are_rejected(tmp_path: Path):
    content = load(tmp_path, {"a.png": b"no image", "a.txt": "0 .5 .5 .5 .2\n", "b.png": PNG, "b.txt": "0 .5 .5 .5 .2"})
    [row] = rejected_of(content)
    assert row[:4] == ("a.txt", 1, "a.png", "broken_row")
    assert row[4].startswith("its image cannot be read, and without its size no pixels: not one of ")
    assert len(content.records) == 2


def test_the_size_is_the_one_after_exif_orientation(tmp_path: Path):
    from PIL import Image

    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (20, 10)).save(tmp_path / "a.jpg", exif=exif)
    content = load(tmp_path, {"a.txt": "0 .5 .5 .5 .2"})
    assert box_of(content) == [2.5, 8.0, 7.5, 12.0]
    assert content.records[["width_px", "height_px"]].to_numpy().tolist() == [[10, 20]]


@pytest.mark.parametrize(
    ("names", "labels"),
    [
        ("[no, yes]", ["no", "yes"]),
        ("{1: 1.10, 0: '0x1'}", ["0x1", "1.10"]),
        ("\n- ~\n- 12:30:45", ["~", "12:30:45"]),
        ("coco.names", ["a b", "dog"]),
    ],
)
def test_names_are_text_as_it_is_written(tmp_path: Path, names: str, labels: list[str]):
    files = {"data.yaml": f"train: images\nnames: {names}\n", "coco.names": " a b \ndog\n"}
    assert load(tmp_path, {**files, "images/a.png": PNG, "labels/a.txt": ""}).classes == tuple(labels)


def test_a_number_of_classes_without_names_makes_names(tmp_path: Path):
    files = {"data.yaml": "train: images\nnc: 2\nnames:\n", "images/a.png": PNG, "labels/a.txt": "5 .5 .5 .5 .2"}
    content = load(tmp_path, files)
    assert content.classes == ("class_0", "class_1")
    assert content.annotations["label"].isna().all()


@pytest.mark.parametrize(
    ("yaml", "reason", "message"),
    [
        ("train: images\nnames: [a\n", "broken_file", "not YAML: "),
        ("train: images\nnames: &x [a]\nmore: *x\n", "broken_file", "not YAML: line 3: an alias, *x"),
        (
            "train: images\nnames: {a: b}\n",
            "broken_file",
            "names must be a list of names or number: name, got 'a': 'b'",
        ),
        ("train: images\nnames: [[a]]\n", "broken_file", "names must be a list of names or number: name, got 0: ['a']"),
        ("train: 5\nnames: [a]\n", "broken_file", "train must be a folder, a list of folders or a .txt file, got 5"),
        (
            "train: [[x]]\nnames: [a]\n",
            "broken_file",
            "train must be a folder, a list of folders or a .txt file, got [['x']]",
        ),
        ("val: x.txt\nnames: [a]\n", "broken_row", "val: there is no file 'x.txt' here"),
        ("train: images\nnames: x.names\n", "broken_row", "names: there is no file 'x.names' here"),
        ("train: images\nnc: 3\nnames: [a]\n", "broken_row", "nc is 3, but there are 1 names"),
    ],
)
def test_a_broken_configuration_is_told_and_labels_are_read_without(
    tmp_path: Path, yaml: str, reason: str, message: str
):
    content = load(tmp_path, {"data.yaml": yaml, "images/a.png": PNG, "labels/a.txt": "0 .5 .5 .5 .2"})
    [row] = rejected_of(content)
    assert (row[0], row[3]) == ("data.yaml", reason)
    assert row[4].startswith(message)
    assert len(content.annotations) == 1


def test_a_second_configuration_with_other_names_is_left_out(tmp_path: Path):
    files = {"a.yaml": "train: images\nnames: [x]\n", "b.yaml": "val: images\nnames: [y]\n"}
    content = load(tmp_path, {**files, "images/a.png": PNG, "labels/a.txt": "0 .5 .5 .5 .2"})
    assert content.classes == ("x",)
    message = "its names are not those of a.yaml: bring one data set at a time"
    assert rejected_of(content) == [("b.yaml", None, None, "broken_file", message)]


def test_a_label_file_that_is_not_text_is_one_rejected_file(tmp_path: Path):
    files = {"data.yaml": YAML, "images/train/a.png": PNG, "labels/train/a.txt": b"0 \xff\xfe"}
    [row] = rejected_of(load(tmp_path, files))
    assert row[:4] == ("labels/train/a.txt", None, None, "broken_file")
    assert row[4].startswith("not UTF-8 text: ")


@pytest.mark.parametrize(
    "files",
    [
        {"a.png": PNG, "a.txt": "a photo of a cat"},
        {"a.png": PNG, "a.txt": "1 2 3"},
        {"a.png": PNG, "a.txt": ""},
        {"a.png": PNG, "b.txt": "0 .5 .5 .5 .2"},
        {"a.png": PNG, "config.yaml": "names: [x]\n"},
        {"a.png": PNG, "config.yaml": "model:\n  names: [x]\ntrain: 3\n"},
        {"a.png": PNG, "labelTxt/a.txt": "0 0 0 2 2 2 2 0 label_0 0"},
        {"images/a.png": PNG, "labels/a.csv": "path,label\n"},
        {"a.png": PNG, "classes.txt": "cat\n", "obj.names": "cat\n"},
    ],
)
def test_other_files_are_not_claimed(tmp_path: Path, files: dict[str, bytes | str]):
    assert find_yolo(open_tree(lay_out(tmp_path, files))) == []


def test_files_that_only_lie_beside_the_labels_are_not_claimed(tmp_path: Path):
    files = {"images/a.png": PNG, "labels/a.txt": "0 .5 .5 .5 .2", "labels/README.txt": "hello", "notes.json": "{}"}
    assert find_yolo(open_tree(lay_out(tmp_path, files))) == ["labels/a.txt"]


# ---- writing ----


def test_what_is_written_is_what_ultralytics_reads(tmp_path: Path):
    save_yolo(one(attributes={"score": 0.5}), tmp_path)
    assert (tmp_path / "labels/train/a.txt").read_text() == "0 0.35 0.35 0.5 0.5 0.5\n"
    assert (tmp_path / "data.yaml").read_text() == "train: images/train\nval: null\nnc: 2\nnames:\n- cat\n- dog\n"
    with pytest.raises(FileExistsError):
        save_yolo(one(), tmp_path)


def test_a_sound_content_has_no_losses():
    assert losses_of(one(attributes={"score": 0.5})) == []
    assert losses_of(one("mask")) == []
    assert losses_of(one(label=None, attributes={"class_id": 7})) == []


@pytest.mark.parametrize(
    ("changes", "field", "message"),
    [
        ({"annotator": "anna"}, "annotator", "a line of YOLO has no annotator"),
        ({"annotation_id": "coco/17"}, "annotation_id", "a line of YOLO has no id"),
        ({"attributes": {"iscrowd": 1}}, "attributes.iscrowd", "a line of YOLO has no place for it"),
        ({"attributes": {"score": "high"}}, "attributes.score", "a line of YOLO has no place for it"),
        ({"attributes": {"class_id": 3}}, "attributes.class_id", "a line of YOLO has no place for it"),
        ({"attributes": {"keypoints": [[1, 2]]}}, "attributes.keypoints", "a line of YOLO has no place for it"),
        ({"label": None}, "label", "YOLO needs a class: it is left out"),
        ({"label": None, "attributes": {"class_id": 1}}, "label", "YOLO needs a class: it is left out"),
        ({"kind": "shape"}, "kind", "YOLO has no place for a shape: it is left out"),
        ({"kind": "label"}, "kind", "YOLO has no place for a label: it is left out"),
        ({"x0_px": None}, "kind", "a box without coordinates: it is left out"),
        ({"mask": "[[[1,2],[3,4],[5,2]]]"}, "mask", "a box of YOLO has no mask"),
        (
            {"record": {"width_px": None}},
            "kind",
            "the size of its image is not known, and without it no fractions: it is left out",
        ),
        (
            {"record": {"height_px": 0}},
            "kind",
            "the size of its image is not known, and without it no fractions: it is left out",
        ),
        ({"x1_px": 1e300}, "kind", "it is left out: '"),
    ],
)
def test_what_a_box_cannot_hold_is_a_loss(changes: dict[str, Any], field: str, message: str):
    content = one(**changes)
    found = [loss for loss in losses_of(content) if loss[1]]
    assert found[0][0] == field
    assert found[0][1] == content.annotations.loc[0, "annotation_id"]
    assert found[0][2].startswith(message)


@pytest.mark.parametrize(
    ("changes", "field", "message"),
    [
        ({"x0_px": 1.0, "y0_px": 1.0, "x1_px": 2.0, "y1_px": 2.0}, "x0_px", "a polygon of YOLO has no box beside it"),
        (
            {"mask": "[[[1,2],[3,4],[5,2]],[[6,6],[7,7],[8,6]]]"},
            "mask",
            "its 2 parts become objects of their own",
        ),
        ({"mask": "[[[1,2],[3,4]]]"}, "mask", "a ring that is not three points or more is left out"),
        ({"mask": "[]"}, "mask", "an empty mask is left out"),
        ({"mask": "{}"}, "mask", "not a mask, it is left out: an RLE needs the size"),
        ({"mask": None}, "mask", "not a mask, it is left out: "),
        (
            {"mask": '{"size":[10,20],"counts":[11,2,187]}'},
            "mask",
            "run lengths become outlines, and holes are filled",
        ),
    ],
)
def test_what_a_polygon_cannot_hold_is_a_loss(changes: dict[str, Any], field: str, message: str):
    found = [loss for loss in losses_of(one("mask", **changes)) if loss[1]]
    assert (found[0][0], found[0][2][: len(message)]) == (field, message)


def test_each_part_of_a_mask_becomes_a_line():
    files, _ = to_yolo(one("mask", mask="[[[1,2],[3,4],[5,2]],[[6,6]],[[6,6],[7,7],[8,6]]]"))
    assert files["labels/train/a.txt"].splitlines() == [
        "0 0.05 0.2 0.15 0.4 0.25 0.2",
        "0 0.3 0.6 0.35 0.7 0.4 0.6",
    ]


@pytest.mark.parametrize(
    ("record", "field", "message"),
    [
        ({"subset": None}, "subset", "YOLO needs one: it is written as train"),
        ({"subset": "a/b"}, "subset", "'a/b' is no name for a subset of YOLO: it is written as train"),
        ({"subset": ".."}, "subset", "'..' is no name for a subset of YOLO: it is written as train"),
        ({"subset": "names"}, "subset", "'names' is no name for a subset of YOLO: it is written as train"),
        ({"metadata": '{"a":"b"}'}, "metadata", "YOLO has no place for it"),
        ({"attributes": '{"a":1}'}, "attributes.a", "YOLO has no place for it"),
        ({"attributes": '{"labels":"missing"}'}, "attributes.labels", "YOLO has no place for it"),
    ],
)
def test_what_is_said_of_an_image_and_cannot_be_held_is_a_loss(record: dict[str, Any], field: str, message: str):
    assert losses_of(one(record=record)) == [(field, "", message)]


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("a.png", "a.png"),
        ("images/a.png", "a.png"),
        ("Images/train2017/a.png", "a.png"),
        ("valid/images/a.png", "a.png"),
        ("site/images/a.png", "site/images/a.png"),
        ("train.png", "train.png"),
    ],
)
def test_folders_that_the_new_place_says_again_are_left_out(path: str, place: str):
    record = {"path": path, "subset": "val", "width_px": 4, "height_px": 4, "attributes": "{}", "source": "x"}
    _, saved = to_yolo(Content.from_rows([record]))
    assert saved.moved == {path: f"images/val/{place}"}


def test_images_that_come_to_one_place_are_numbered():
    names = ("images/a.png", "train/a.png", "a.png")
    record = {"subset": "val", "width_px": 4, "height_px": 4, "attributes": "{}", "source": "x"}
    _, saved = to_yolo(Content.from_rows([{"path": name, **record} for name in names]))
    assert sorted(saved.moved.values()) == ["images/val/a-2.png", "images/val/a-3.png", "images/val/a.png"]


@pytest.mark.parametrize(
    ("subset", "written"), [("valid", "val"), ("Validation", "val"), ("testing", "test"), ("val2017", "val")]
)
def test_a_side_by_another_name_is_written_as_that_side(subset: str, written: str):
    _, saved = to_yolo(one(record={"subset": subset}))
    assert saved.moved == {"images/train/a.png": f"images/{written}/a.png"}
    message = f"{subset!r} is no name for a subset of YOLO: it is written as {written}"
    assert [loss.message for loss in saved.losses if loss.field == "subset"] == [message]


def test_extras_of_other_formats_and_taken_keys_are_losses():
    extras = {"coco": {"info": 1}, "yolo": {"names": 1, "val": "x", "mine": "images/mine", "hue": 0.5}}
    files, saved = to_yolo(replace(one(), extras=extras))
    assert [(loss.field, loss.message) for loss in saved.losses] == [
        ("extras.coco", "data.yaml has no place for it"),
        ("extras.yolo.mine", "data.yaml has another use for this key"),
        ("extras.yolo.names", "data.yaml has another use for this key"),
        ("extras.yolo.val", "data.yaml has another use for this key"),
    ]
    assert files["data.yaml"].endswith("hue: 0.5\n")


def test_an_image_of_which_nothing_can_be_written_is_not_called_empty():
    files, saved = to_yolo(one(kind="label"))
    assert list(files) == ["data.yaml"]
    assert saved.losses[0].field == "attributes.labels"
    assert saved.losses[0].message == "nothing that is said of it can be written: it has no label file"


def test_an_image_without_objects_gets_an_empty_label_file():
    content = replace(one(), annotations=one().annotations.iloc[:0])
    assert to_yolo(content)[0]["labels/train/a.txt"] == ""


def test_images_move_to_their_subset_and_keep_apart_from_others():
    paths = {
        "a.png": "val",
        "x/a.png": "val",
        "a.jpg": "val",
        "A.PNG": "val",
        "../b.png": None,
        "images/val/a.png": "val",
    }
    records = [{"path": path, "subset": subset, "attributes": "{}"} for path, subset in paths.items()]
    files, saved = to_yolo(Content.from_rows(records))
    assert saved.moved == {
        "A.PNG": "images/val/A-2.PNG",
        "a.jpg": "images/val/a-3.jpg",
        "a.png": "images/val/a-4.png",
        "x/a.png": "images/val/x/a.png",
        "../b.png": "images/train/b.png",
    }
    assert sorted(files) == [
        "data.yaml",
        "labels/train/b.txt",
        "labels/val/A-2.txt",
        "labels/val/a-3.txt",
        "labels/val/a-4.txt",
        "labels/val/a.txt",
        "labels/val/x/a.txt",
    ]


@pytest.mark.parametrize("path", ["..", "/", "../../x.png", "C:\\a.png", "a/../../b.png"])
def test_no_image_leaves_the_folder(path: str, tmp_path: Path):
    saved = save_yolo(Content.from_rows([{"path": path, "subset": "val", "attributes": "{}"}]), tmp_path / "out")
    place = saved.moved[path]
    assert place.startswith("images/val/") and ".." not in place.split("/")
    assert [item.name for item in tmp_path.iterdir()] == ["out"]


def test_lines_keep_the_order_of_their_ids():
    path = "images/train/a.png"
    rows = [
        {**one().annotations.iloc[0].to_dict(), "annotation_id": f"yolo/{path}#{n}", "x0_px": float(n)}
        for n in range(1, 12)
    ]
    content = replace(one(), annotations=Content.from_rows(annotations=rows).annotations)
    files, saved = to_yolo(content)
    assert saved.losses == ()
    back = from_yolo([YoloImage(path, files["labels/train/a.txt"], (20, 10), "", ["train"])], NAMES)
    assert back.same_as(content)


# ---- round trips ----

scores = st.fixed_dictionaries({}, optional={"score": st.floats(0, 1) | st.integers(0, 1)})


@given(
    contents(
        ("box", "mask"),
        annotators=False,
        attributes=scores,
        image_attributes=False,
        subsets=SUBSETS,
        sizes=True,
        coordinates="inside",
        rles=False,
        mask_boxes=False,
        null_labels=False,
        ids="yolo",
    )
)
def test_what_yolo_can_hold_comes_back_as_it_was(tmp_path_factory: pytest.TempPathFactory, content: Content):
    content = _in_place(_of_one_ring(content))
    before = [frame.copy() for frame in (content.records, content.annotations)]
    _, saved = to_yolo(content)
    assert (saved.losses, saved.moved) == ((), {})
    assert through(content, tmp_path_factory.mktemp("exact")).same_as(content)
    assert [frame.equals(old) for frame, old in zip((content.records, content.annotations), before)] == [True, True]


@given(contents(("box", "mask"), subsets=(None, *SUBSETS), sizes=True, coordinates="inside", text=HOSTILE_TEXT))
def test_written_twice_is_the_same_bytes(tmp_path_factory: pytest.TempPathFactory, content: Content):
    first, second = tmp_path_factory.mktemp("first"), tmp_path_factory.mktemp("second")
    back = through(content, first)
    through(back, second)
    texts = [
        {
            path.relative_to(root).as_posix(): path.read_bytes()
            for path in root.rglob("*")
            if path.suffix in (".txt", ".yaml")
        }
        for root in (first, second)
    ]
    assert texts[0] == texts[1]


@given(contents(subsets=(None, "train", "..", "valid"), extras={"coco": {"info": 1}}))
def test_whatever_differs_is_listed(tmp_path_factory: pytest.TempPathFactory, content: Content):
    folder = tmp_path_factory.mktemp("whatever")
    _, saved = to_yolo(content)
    back = through(content, folder)
    assert len(back.rejected) == 0
    listed = {(loss.field, loss.path, loss.annotation_id) for loss in saved.losses}
    assert _differences(content, back, saved.moved, listed) == []


@given(contents(annotators=True, subsets=SUBSETS, sizes=True, coordinates="inside", ids="yolo"))
def test_a_line_that_keeps_its_id_keeps_all_that_is_not_listed(
    tmp_path_factory: pytest.TempPathFactory, content: Content
):
    content = _in_place(content)
    _, saved = to_yolo(content)
    back = through(content, tmp_path_factory.mktemp("kept")).annotations.set_index("annotation_id")
    for row in content.annotations.to_dict("records"):
        lost = {loss.field for loss in saved.losses if loss.annotation_id == row["annotation_id"]}
        if lost & {"annotation_id", "kind", "label"} or (row["kind"] == "mask" and "mask" in lost):
            continue
        same = back.loc[row["annotation_id"]]
        assert (same["path"], same["kind"]) == (row["path"], row["kind"])
        assert same["label"] == row["label"] or (pd.isna(same["label"]) and pd.isna(row["label"]))
        if row["kind"] == "box":
            assert [same[name] for name in BOX] == [row[name] for name in BOX]
        else:
            assert json.loads(same["mask"]) == json.loads(row["mask"])
            assert "x0_px" in lost or pd.isna(row["x0_px"])
        assert pd.isna(row["annotator"]) or "annotator" in lost
        before, after = load_attributes(row["attributes"]), load_attributes(same["attributes"])
        assert all(f"attributes.{key}" in lost or after.get(key) == value for key, value in before.items())


@pytest.mark.parametrize(
    ("x1", "line"),
    [(10.0, "0 0.25 0.35 0.5 0.5"), (0.000001, "0 0.000000025 0.35 0.00000005 0.5"), (20 / 3, None)],
)
def test_numbers_have_no_more_digits_than_it_takes(x1: float, line: str | None):
    files, _ = to_yolo(one(x0_px=0.0, x1_px=x1))
    text = files["labels/train/a.txt"].strip()
    assert text == line or (line is None and len(text.split()[3]) <= len("0.") + 12)
    assert abs(box_of(read(text))[2] - x1) < CLOSE_PX


def test_the_first_folder_that_names_a_subset_counts(tmp_path: Path):
    content = load(tmp_path, {"val/test/a.png": PNG, "val/test/a.txt": "0 .5 .5 .5 .2"})
    assert content.records["subset"].tolist() == ["val"]


@given(st.integers(1, 10_000), st.lists(st.integers(0, 10_000_000), min_size=4, max_size=4))
def test_boxes_with_three_decimals_are_exact_in_images_up_to_10_000_px(side: int, edges: list[int]):
    values = [edge % (side * 1000 + 1) / 1000 for edge in edges]
    content = one(**dict(zip(BOX, values, strict=True)), record={"width_px": side, "height_px": side})
    files, saved = to_yolo(content)
    assert saved.losses == ()
    assert box_of(read(files["labels/train/a.txt"], (side, side))) == values


@given(st.integers(1, 10_000), st.lists(st.floats(0, 1), min_size=6, max_size=6))
def test_any_coordinate_comes_back_to_a_millionth_of_a_pixel(side: int, fractions: list[float]):
    ring = [[x * side, y * side] for x, y in zip(fractions[::2], fractions[1::2])]
    content = one("mask", mask=json.dumps([ring]), record={"width_px": side, "height_px": side})
    files, saved = to_yolo(content)
    assert saved.losses == ()
    [back] = json.loads(read(files["labels/train/a.txt"], (side, side)).annotations.loc[0, "mask"])
    for (x, y), (x_back, y_back) in zip(ring, back, strict=True):
        assert abs(x - x_back) < CLOSE_PX and abs(y - y_back) < CLOSE_PX


@given(
    st.lists(HOSTILE_TEXT, unique=True, max_size=4),
    st.dictionaries(HOSTILE_TEXT, json_values() | json_objects(), max_size=3).filter(lambda o: not _taken(o)),
)
def test_hostile_names_and_keys_survive_in_yaml(
    tmp_path_factory: pytest.TempPathFactory, names: list[str], extras: dict[str, Any]
):
    content = replace(one(), classes=("cat", *names), extras={"yolo": extras} if extras else {})
    content = replace(content, classes=tuple(dict.fromkeys(content.classes)))
    back = through(content, tmp_path_factory.mktemp("names"))
    assert back.classes == content.classes
    assert back.extras == content.extras


@pytest.mark.parametrize(
    "name", ["0E0", "1e5", "0o7", "0x1F", ".inf", "12:30", "no", "null", "~", "a\x85b", "a\u2028b", "- a", "a: b"]
)
def test_names_that_yaml_could_take_for_something_else_stay_text(tmp_path: Path, name: str):
    content = replace(one(), classes=("cat", name), extras={"yolo": {name: name}})
    assert to_yolo(content)[1].losses == ()
    back = through(content, tmp_path)
    assert (back.classes, back.extras) == (content.classes, content.extras)


def test_keypoints_come_back(tmp_path: Path):
    keypoints = [[1.5, 2.25, 2], [0.0, 0.0, 0]]
    content = replace(one(attributes={"keypoints": keypoints, "score": 0.5}), extras={"yolo": {"kpt_shape": [2, 3]}})
    assert to_yolo(content)[1].losses == ()
    assert through(content, tmp_path).same_as(content)


def test_a_polygon_that_would_be_read_as_keypoints_is_left_out():
    content = replace(one("mask", mask="[[[1,2],[3,4],[5,2],[6,6]]]"), extras={"yolo": {"kpt_shape": [2, 2]}})
    assert losses_of(content)[-1] == (
        "kind",
        "yolo/images/train/a.png#1",
        "with this kpt_shape its line would be read as something else: it is left out",
    )


def test_missing_and_empty_label_files_come_back(tmp_path: Path):
    names = {"images/train/a.png": "{}", "images/train/b.png": '{"labels":"missing"}'}
    records = [
        {"path": path, "width_px": 12, "height_px": 10, "subset": "train", "attributes": text}
        for path, text in names.items()
    ]
    content = Content.from_rows(records, classes=["cat"])
    assert to_yolo(content)[1].losses == ()
    assert through(content, tmp_path).same_as(content)


# ---- real sets ----


@pytest.mark.parametrize(
    ("folder", "n_images", "n_boxes", "labels"),
    [
        ("yolo_dataset/strict", 1, 2, ["label_2", "label_4"]),
        ("yolo_dataset/labels", 2, 4, ["label_2", "label_4"]),
        ("yolo_dataset/annotations", 1, 2, ["label_2", "label_4"]),
        ("roboflow_dataset/yolo", 3, 4, ["label_0", "label_1"]),
    ],
)
def test_samples_of_the_wild_have_the_counts_that_datumaro_finds(
    tmp_path: Path, folder: str, n_images: int, n_boxes: int, labels: list[str]
):
    content = _load_sample(folder, tmp_path)
    assert (len(content.records), len(content.annotations)) == (n_images, n_boxes)
    assert sorted(set(content.annotations["label"])) == labels
    assert content.rejected["row"].isna().all()


def test_a_sample_without_names_is_read_with_numbers_for_classes(tmp_path: Path):
    content = _load_sample("kaggle_dataset/relaxed_yolo", tmp_path)
    assert content.classes == ("class_1", "class_2", "class_3", "class_4")
    assert (len(content.records), len(content.annotations), len(content.rejected)) == (2, 4, 0)


def _load_sample(folder: str, unpacked: Path) -> Content:
    archive = SHARED / "data/format-samples.zip"
    if not archive.exists():
        pytest.skip(f"{archive.name} is not there: set DATATOOLS_SHARED to the folder that has data/{archive.name}")
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(unpacked, [name for name in opened.namelist() if f"/{folder}/" in name])
    tree = open_tree(unpacked / "tests/assets" / folder)
    return load_yolo(tree, find_yolo(tree))


def _of_one_ring(content: Content) -> Content:
    rows = content.annotations.to_dict("records")
    masks = [
        None if row["mask"] is None else json.dumps(json.loads(row["mask"])[:1], separators=(",", ":")) for row in rows
    ]
    return replace(content, annotations=content.annotations.assign(mask=masks).astype(content.annotations.dtypes))


def _in_place(content: Content) -> Content:
    """With paths where YOLO keeps its images, and the ids of its lines."""
    subsets = dict(zip(content.records["path"], content.records["subset"]))
    moved = {path: f"images/{subset}/{path}" for path, subset in subsets.items()}
    ids = [
        f"yolo/{moved[path]}#{name.rpartition('#')[2]}" if name.startswith("yolo/") else name
        for path, name in zip(content.annotations["path"], content.annotations["annotation_id"])
    ]
    renamed = replace(content, annotations=content.annotations.assign(annotation_id=ids)).renamed(moved)
    return Content.from_rows(
        renamed.records.to_dict("records"), renamed.annotations.to_dict("records"), renamed.classes
    )


def _taken(extras: dict[str, Any]) -> bool:
    taken = {"path", "names", "nc", "download", "yaml_file", "channels", "classes", "backup", "train", "val", "test"}
    return bool(set(extras) & (taken | {"valid", "validation", "minival", "kpt_shape"}))


def _differences(
    content: Content, back: Content, moved: Mapping[str, str], listed: set[tuple[str, str, str]]
) -> list[Any]:
    """What is not the same in both, without what is listed."""
    found: list[Any] = []
    records = {row["path"]: row for row in back.records.to_dict("records")}
    for row in content.records.to_dict("records"):
        other, path = records[moved.get(row["path"], row["path"])], row["path"]
        found += [path] if (row["subset"] != other["subset"]) and ("subset", path, "") not in listed else []
        here, there = load_attributes(row["attributes"]), load_attributes(other["attributes"])
        keys = {key for key in {*here, *there} if json.dumps(here.get(key)) != json.dumps(there.get(key))}
        found += [(path, key) for key in keys if (f"attributes.{key}", path, "") not in listed]
    rows = {row["annotation_id"]: row for row in back.annotations.to_dict("records")}
    for row in content.annotations.to_dict("records"):
        lost = {name for name, path, key in listed if key == row["annotation_id"]}
        same = rows.get(row["annotation_id"])
        if same is None:
            found += [] if lost & {"kind", "label", "mask", "annotation_id"} else [row]
        elif same["kind"] != row["kind"] or same["label"] != row["label"]:
            found.append((row, same))
    n_left_out = sum(bool(_lost(listed, key) & {"kind", "label"}) for key in content.annotations["annotation_id"])
    assert len(back.annotations) >= len(content.annotations) - n_left_out - sum(
        "mask" in _lost(listed, key) for key in content.annotations["annotation_id"]
    )
    return found


def _lost(listed: set[tuple[str, str, str]], annotation_id: str) -> set[str]:
    return {name for name, _, key in listed if key == annotation_id}


def test_losses_are_sorted():
    losses = to_yolo(one(annotator="x", attributes={"b": 1, "a": 2}))[1].losses
    assert list(losses) == sorted(losses)
    assert losses[0] == Loss(
        "annotator", "images/train/a.png", "yolo/images/train/a.png#1", "a line of YOLO has no annotator"
    )
