from __future__ import annotations

import os
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datatools.dataset import label_id
from datatools.formats.base import Content, load_attributes
from datatools.formats.folders import (
    FORMAT,
    find_image_folder,
    from_image_folder,
    load_image_folder,
    save_image_folder,
    to_image_folder,
)
from datatools.tree import open_tree
from tests.builders import lay_out
from tests.formats.contents import HOSTILE_TEXT, contents

SHARED = Path(os.environ.get("DATATOOLS_SHARED", Path(__file__).parents[3] / "shared"))


def find(folder: Path, paths: Sequence[str]) -> list[str]:
    return find_image_folder(open_tree(lay_out(folder, dict.fromkeys(paths, b"x"))))


def labelled(*labels: str | None, annotator: str = "given", **record: Any) -> Content:
    """One image for each label, a.png, b.png and so on."""
    names = [f"{letter}.png" for letter in "abcdefgh"[: len(labels)]]
    records = [{"path": name, "attributes": "{}", **record} for name in names]
    rows = [rating(name, label, annotator) for name, label in zip(names, labels, strict=True)]
    return Content.from_rows(records, rows, sorted({label for label in labels if label is not None}))


def rating(path: str, label: str | None, annotator: str = "given", **changes: Any) -> dict[str, Any]:
    row = {"annotation_id": label_id(path, annotator), "path": path, "label": label, "kind": "label"}
    return {**row, "annotator": annotator, "attributes": "{}", **changes}


def places(content: Content) -> list[str]:
    """Where each image is afterwards, in the order of the paths."""
    moved = to_image_folder(content).moved
    return [moved.get(path, path) for path in content.records["path"]]


def back_from(content: Content) -> Content:
    """What is read when the images lie where the writer wants them."""
    return from_image_folder(places(content))


def losses_of(content: Content) -> list[tuple[str, str, str]]:
    return [(loss.field, loss.path, loss.message) for loss in to_image_folder(content).losses]


# ---- reading ----


def test_the_folder_of_an_image_is_its_label():
    content = from_image_folder(["dog/b.png", "cat/a.png", "cat/more/c.png"])
    assert content.annotations[["path", "label", "annotator", "kind"]].to_numpy().tolist() == [
        ["cat/a.png", "cat", "given", "label"],
        ["cat/more/c.png", "cat", "given", "label"],
        ["dog/b.png", "dog", "given", "label"],
    ]
    assert content.annotations.loc[0, "annotation_id"] == "label/cat/a.png@given"
    assert content.classes == ("cat", "dog")
    assert content.records["subset"].isna().all()


@pytest.mark.parametrize(
    ("folder", "subset"),
    [
        ("train", "train"),
        ("val", "val"),
        ("valid", "val"),
        ("validation", "val"),
        ("test", "test"),
        ("Train", "train"),
        ("Training", "train"),
        ("testing", "test"),
        ("train2017", "train"),
        ("Val-2014", "val"),
    ],
)
def test_a_subset_may_stand_above_the_classes(folder: str, subset: str):
    content = from_image_folder([f"{folder}/cat/a.png", f"{folder}/dog/b.png"])
    assert content.records["subset"].tolist() == [subset, subset]
    assert content.annotations["label"].tolist() == ["cat", "dog"]


@pytest.mark.parametrize("top", ["top", "top/inner", "data/set/set"])
def test_folders_around_all_say_nothing(tmp_path: Path, top: str):
    paths = [f"{top}/train2017/cat/a.png", f"{top}/val/dog/b.png"]
    tree = open_tree(lay_out(tmp_path, dict.fromkeys(paths, b"x")))
    content = FORMAT.load(tree, FORMAT.find(tree))
    assert content.annotations[["path", "label"]].to_numpy().tolist() == [[paths[0], "cat"], [paths[1], "dog"]]
    assert content.records["subset"].tolist() == ["train", "val"]


def test_the_one_class_of_a_named_format_is_no_folder_around_all(tmp_path: Path):
    tree = open_tree(lay_out(tmp_path, {"data/cat/a.png": b"x"}))
    assert FORMAT.load(tree, ["data/cat/a.png"]).annotations["label"].tolist() == ["cat"]


def test_images_outside_of_class_folders_have_a_record_and_no_label():
    content = from_image_folder(["a.png", "cat/b.png"])
    assert content.records["path"].tolist() == ["a.png", "cat/b.png"]
    assert content.annotations["path"].tolist() == ["cat/b.png"]
    content = from_image_folder(["train/a.png", "val/cat/b.png", "val/_unlabelled/c.png"])
    assert content.records["subset"].tolist() == ["train", "val", "val"]
    assert content.annotations["label"].tolist() == ["cat"]


def test_no_file_is_an_annotation_file(tmp_path: Path):
    tree = open_tree(lay_out(tmp_path, {"cat/a.png": b"", "dog/b.jpg": b"", "notes.md": b""}))
    files = find_image_folder(tree)
    assert files == ["cat/a.png", "dog/b.jpg"]
    content = load_image_folder(tree, [*files, "gone/c.png"])
    assert content.files == frozenset()
    assert content.records["path"].tolist() == files


@pytest.mark.parametrize(
    "paths",
    [
        ["cat/a.png", "dog/b.png"],
        ["train/cat/a.png", "train/dog/b.png", "test/cat/c.png"],
        ["train/cat/a.png", "val/dog/b.png"],
        ["cat/a.png", "cat/deep/c.png", "dog/b.png"],
        ["0/a.png", "1/a.png", "readme.txt"],
        ["cat/a.png", "dog/b.png", "_unlabelled/c.png"],
        ["train2017/cat/a.png", "val/dog/b.png"],
        ["top/cat/a.png", "top/dog/b.png"],
        ["data/cat/a.png", "data/dog/deep/b.png", "data/dog/c.png"],
        ["top/train/cat/a.png", "top/val_2017/dog/b.png", "top/readme.txt"],
    ],
)
def test_class_folders_are_recognised(tmp_path: Path, paths: list[str]):
    assert find(tmp_path, paths) == sorted(path for path in paths if path.endswith(".png"))


@pytest.mark.parametrize(
    "paths",
    [
        ["a.png", "b.png"],
        ["cat/a.png", "dog/b.png", "c.png"],
        ["cat/a.png", "cat/b.png"],
        ["train/cat/a.png", "val/cat/b.png"],
        ["train/a.png", "val/b.png"],
        ["train/cat/a.png", "train/dog/b.png", "train/c.png"],
        ["train/cat/a.png", "extra/dog/b.png"],
        ["images/a.png", "masks/a.png"],
        ["JPEGImages/a.png", "SegmentationClass/a.png"],
        ["train/images/a.png", "train/labels/a.png"],
        ["cat/a.png", "Images/b.png"],
        ["2020/cat/a.png", "2021/dog/b.png"],
        ["cat/a.png", "_unlabelled/b.png"],
        ["train2017/a.png", "val2017/b.png"],
        ["top/cat/a.png", "top/dog/b.png", "readme.txt"],
        ["top/cat/a.png", "top/dog/b.png", "other/a.png"],
        ["top/cat/a.png", "top/dog/b.png", "top/c.png"],
        ["top/in/cat/a.png", "top/in/dog/b.png"],
        ["images/one/a.png", "images/two/b.png"],
        ["_unlabelled/one/a.png", "_unlabelled/two/b.png"],
        ["top/images/a.png", "top/masks/a.png"],
        ["cat/a.txt", "dog/b.txt"],
        [],
    ],
)
def test_other_folders_are_not_taken_for_classes(tmp_path: Path, paths: list[str]):
    assert find(tmp_path, paths) == []


# ---- writing ----


def test_images_go_to_the_folder_of_their_class(tmp_path: Path):
    saved = save_image_folder(labelled("cat", "dog"), tmp_path)
    assert saved.moved == {"a.png": "cat/a.png", "b.png": "dog/b.png"}
    assert list(tmp_path.iterdir()) == []


def test_images_go_below_their_subset_where_there_is_one():
    assert places(labelled("cat", "dog", subset="val")) == ["val/cat/a.png", "val/dog/b.png"]


def test_an_image_that_is_in_its_place_stays():
    rows = [rating("cat/deep/a.png", "cat"), rating("x/a.png", "cat")]
    content = Content.from_rows([{"path": row["path"], "attributes": "{}"} for row in rows], rows, ["cat"])
    assert places(content) == ["cat/deep/a.png", "cat/a.png"]


def test_names_that_collide_are_made_unique_without_regard_to_capitals():
    paths = ["x/a.png", "y/a.png", "z/A.png", "cat/a.png"]
    rows = [rating(path, "cat") for path in paths]
    content = Content.from_rows([{"path": path, "attributes": "{}"} for path in paths], rows, ["cat"])
    assert places(content) == ["cat/a.png", "cat/a-2.png", "cat/a-3.png", "cat/A-4.png"]


def test_an_image_without_label_does_not_stay_in_a_class_folder():
    record = {"path": "cat/a.png", "attributes": "{}"}
    assert places(Content.from_rows([record])) == ["_unlabelled/a.png"]


@pytest.mark.parametrize(
    ("label", "folder"),
    [
        ("cat", "cat"),
        ("a b", "a b"),
        ("a/b", "a%2Fb"),
        ("..", "%2E%2E"),
        (".", "%2E"),
        (".hidden", "%2Ehidden"),
        ("dot.", "dot%2E"),
        ("\\", "%5C"),
        ("100%", "100%25"),
        ("%2F", "%252F"),
        ("a\nb", "a%0Ab"),
        ('<>:"|?*', "%3C%3E%3A%22%7C%3F%2A"),
        ("CON", "%43ON"),
        ("com1.x", "%63om1.x"),
        ("train", "%74rain"),
        ("Images", "%49mages"),
        ("_unlabelled", "%5Funlabelled"),
        ("日本", "日本"),
    ],
)
def test_a_class_becomes_a_folder_that_every_system_allows_and_back(label: str, folder: str):
    content = labelled(label)
    assert [Path(path).parts[0] for path in places(content)] == [folder]
    assert back_from(content).annotations["label"].tolist() == [label]


@pytest.mark.parametrize("folder", ["100%", "a%20b", "%zz", "%ff", "%2f"])
def test_a_folder_that_is_not_of_our_writing_is_a_class_as_it_is(folder: str):
    assert from_image_folder([f"{folder}/a.png"]).classes == (folder,)


@pytest.mark.parametrize("label", ["x" * 256, "日" * 86, "/" * 86, ""])
def test_a_label_that_no_folder_can_have_is_a_loss(label: str):
    content = labelled(label)
    assert places(content) == ["_unlabelled/a.png"]
    message = "no folder can have this name: the image has no class"
    assert ("label", "a.png", message) in losses_of(content)


@pytest.mark.parametrize("path", ["../a.png", "/a.png", "..", "x/../../a.png", "C:\\a.png"])
def test_no_image_leaves_the_folder(path: str):
    content = Content.from_rows([{"path": path, "attributes": "{}"}], [rating(path, "../up")], ["../up"])
    [place] = places(content)
    assert place.startswith("%2E.%2Fup/")
    assert ".." not in Path(place).parts


def test_the_consensus_decides_then_given_then_the_commonest():
    rows = [rating("a.png", "cat", "ann"), rating("a.png", "dog", "bob"), rating("a.png", "dog", "eve")]
    record = [{"path": "a.png", "attributes": "{}"}]
    assert places(Content.from_rows(record, rows)) == ["dog/a.png"]
    rows.append(rating("a.png", "cow", "given"))
    assert places(Content.from_rows(record, rows)) == ["cow/a.png"]
    rows.append(rating("a.png", "cat", "consensus"))
    content = Content.from_rows(record, rows)
    assert places(content) == ["cat/a.png"]
    lost = [loss for loss in to_image_folder(content).losses if loss.field == "label"]
    assert [loss.annotation_id for loss in lost] == [label_id("a.png", who) for who in ("ann", "bob", "eve", "given")]
    assert lost[0].message == "the image lies in the folder of 'cat'"


@pytest.mark.parametrize(
    ("content", "field", "message"),
    [
        (labelled("cat", annotator="anna"), "annotator", "the label comes back as one of 'given'"),
        (labelled("cat"), "annotation_id", "a folder has no id: it is made from the new path"),
        (labelled(None), "label", "no label"),
        (labelled("cat", width_px=5), "width_px", "class folders state no size"),
        (labelled("cat", height_px=5), "height_px", "class folders state no size"),
        (labelled("cat", metadata='{"a":"b"}'), "metadata", "class folders have no place for it"),
        (labelled("cat", attributes='{"a":1}'), "attributes.a", "class folders have no place for it"),
        (
            labelled("cat", subset="minival"),
            "subset",
            "class folders know train, val and test: the subset 'minival' is written as train",
        ),
        (
            labelled("cat", subset="valid"),
            "subset",
            "class folders know train, val and test: the subset 'valid' is written as val",
        ),
        (
            labelled("cat", subset="test2017"),
            "subset",
            "class folders know train, val and test: the subset 'test2017' is written as test",
        ),
        (Content(classes=("cat",)), "classes", "the class 'cat' has no image, so it has no folder"),
        (Content(extras={"coco": 1}), "extras.coco", "class folders have no place for it"),
    ],
)
def test_what_folders_cannot_hold_is_a_loss(content: Content, field: str, message: str):
    assert (field, message) in [(found, text) for found, _, text in losses_of(content)]


def test_no_subset_among_images_with_one_is_a_loss():
    records = [{"path": "a.png", "subset": "val"}, {"path": "b.png"}]
    content = Content.from_rows(records, [rating("a.png", "cat"), rating("b.png", "cat")], ["cat"])
    assert places(content) == ["val/cat/a.png", "train/cat/b.png"]
    message = "class folders know train, val and test: no subset is written as train"
    assert ("subset", "b.png", message) in losses_of(content)


@pytest.mark.parametrize("kind", ["box", "mask", "shape"])
def test_objects_are_losses(kind: str):
    row = rating("a.png", "cat", kind=kind, annotation_id="x")
    content = Content.from_rows([{"path": "a.png", "attributes": "{}"}], [row], ["cat"])
    assert ("kind", "a.png", f"class folders have no place for a {kind}") in losses_of(content)
    assert places(content) == ["_unlabelled/a.png"]


def test_attributes_of_a_label_are_losses():
    row = rating("a.png", "cat", attributes='{"sure":true}')
    content = Content.from_rows([{"path": "a.png", "attributes": "{}"}], [row], ["cat"])
    assert ("attributes.sure", "a.png", "class folders have no place for it") in losses_of(content)


def test_another_order_of_the_classes_is_a_loss():
    rows = [rating("a.png", "cat"), rating("b.png", "dog")]
    content = Content.from_rows([], rows, ["dog", "cat"])
    assert ("classes", "", "the classes come back in alphabetical order") in losses_of(content)


# ---- round trips ----


@given(st.lists(HOSTILE_TEXT, min_size=1, max_size=5), st.sampled_from([None, "train", "val", "test"]))
def test_class_folders_come_back_as_they_were(labels: list[str], subset: str | None):
    content = labelled(*labels, subset=subset)
    placed = _in_place(content)
    saved = to_image_folder(placed)
    assert (saved.losses, dict(saved.moved)) == ((), {})
    assert from_image_folder(placed.records["path"]).same_as(placed)


@given(contents(subsets=(None, "train", "val", "..", "minival")))
def test_whatever_differs_is_listed(content: Content):
    before = [frame.copy() for frame in (content.records, content.annotations)]
    saved = to_image_folder(content)
    assert [frame.equals(old) for frame, old in zip((content.records, content.annotations), before)] == [True, True]
    assert len(set(saved.moved.values())) == len(saved.moved)
    renamed = content.renamed(saved.moved)
    assert _differences(renamed, from_image_folder(renamed.records["path"]), content, saved) == []


@given(contents(("label",), subsets=(None, "train", "val")))
def test_what_was_written_is_not_moved_again(content: Content):
    back = back_from(content)
    again = to_image_folder(back)
    assert (dict(again.moved), again.losses) == ({}, ())


def test_a_folder_that_was_written_is_recognised(tmp_path: Path):
    content = labelled("cat", "train", "..", "images", "train2017")
    tree = open_tree(lay_out(tmp_path, dict.fromkeys(places(content), b"x")))
    found = FORMAT.load(tree, FORMAT.find(tree))
    assert sorted(found.annotations["label"]) == ["..", "cat", "images", "train", "train2017"]


# ---- real sets ----


@pytest.mark.parametrize(
    ("folder", "n_labels", "n_images"),
    [("imagenet_dataset", 3, 4), ("imagenet_subsets_dataset", 9, 12)],
)
def test_samples_with_images_outside_of_classes_are_read_where_the_format_is_named(
    tmp_path: Path, folder: str, n_labels: int, n_images: int
):
    tree = open_tree(_unpack("format-samples", f"/assets/{folder}/", tmp_path) / "tests/assets" / folder)
    assert find_image_folder(tree) == []
    content = load_image_folder(tree, [path for path in tree.sizes if path.endswith(".jpg")])
    assert (len(content.annotations), len(content.records)) == (n_labels, n_images)
    assert content.classes == ("label_0", "label_1")


def test_seventy_thousand_digits_are_ten_classes_in_two_subsets():
    archive = SHARED / "data/mnist-png.zip"
    if not archive.exists():
        pytest.skip(f"{archive.name} is not there: set DATATOOLS_SHARED to the folder that has data/{archive.name}")
    with zipfile.ZipFile(archive) as opened:
        paths = [name for name in opened.namelist() if name.endswith(".png")]
    content = from_image_folder(paths)
    assert content.classes == tuple("0123456789")
    assert content.records["subset"].value_counts().to_dict() == {"train": 60_000, "test": 10_000}
    assert len(content.annotations) == 70_000


def _unpack(name: str, part: str, folder: Path) -> Path:
    archive = SHARED / f"data/{name}.zip"
    if not archive.exists():
        pytest.skip(f"{archive.name} is not there: set DATATOOLS_SHARED to the folder that has data/{archive.name}")
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(folder, [member for member in opened.namelist() if part in member])
    return folder


def _in_place(content: Content) -> Content:
    """The same labels on images that lie where class folders want them."""
    moved = to_image_folder(content).moved
    labels = dict(zip(content.annotations["path"], content.annotations["label"]))
    subsets = dict(zip(content.records["path"], content.records["subset"]))
    records = [{"path": moved[p], "subset": subsets[p], "attributes": "{}"} for p in labels]
    return Content.from_rows(records, [rating(moved[p], label) for p, label in labels.items()], content.classes)


def _differences(renamed: Content, back: Content, content: Content, saved: Any) -> list[Any]:
    """What is not the same in both, without what is listed."""
    listed = {(loss.field, loss.path, loss.annotation_id) for loss in saved.losses}
    old = {saved.moved.get(path, path): path for path in content.records["path"]}
    found: list[Any] = []
    records = {row["path"]: row for row in back.records.to_dict("records")}
    for row in renamed.records.to_dict("records"):
        path, other = old[row["path"]], records[row["path"]]
        for column in ("subset", "width_px", "height_px"):
            is_same = row[column] == other[column] or (pd.isna(row[column]) and pd.isna(other[column]))
            found += [] if is_same or (column, path, "") in listed else [(path, column)]
        keys = load_attributes(row["attributes"])
        found += [(path, key) for key in keys if (f"attributes.{key}", path, "") not in listed]
    rows = {row["path"]: row for row in back.annotations.to_dict("records")}
    kept: set[str] = set()
    for row in renamed.annotations.to_dict("records"):
        lost = {field for field, _, key in listed if key == row["annotation_id"]}
        if lost & {"kind", "label"}:
            continue
        other = rows[row["path"]]
        kept.add(row["path"])
        for column in ("label", "annotator", "annotation_id"):
            found += [] if row[column] == other[column] or column in lost else [(row["annotation_id"], column)]
        found += [key for key in load_attributes(row["attributes"]) if f"attributes.{key}" not in lost]
    found += [path for path in rows if path not in kept]
    if back.classes != content.classes and not any(field == "classes" for field, _, _ in listed):
        found.append("classes")
    return found
