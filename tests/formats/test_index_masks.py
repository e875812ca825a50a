from __future__ import annotations

import copy
import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given

from datatools.formats.base import Content, dump_attributes
from datatools.formats.index_masks import (
    FORMAT,
    find_grey_edges,
    find_index_masks,
    load_index_masks,
    parse_names,
    save_index_masks,
    to_index_masks,
)
from datatools.index_images import decode_index_mask, encode_index_mask
from datatools.masks import from_array, parse_mask
from datatools.tree import open_tree
from tests.builders import lay_out, make_png
from tests.formats.contents import contents
from tests.formats.shared_sets import unpack
from tests.formats.test_object_masks import assert_same, through_folder

MASK = np.array([[0, 1, 1], [2, 0, 1]])
PICTURE = make_png(0, 3, 2)


def png(array: Any, note: str = "") -> bytes:
    return encode_index_mask(np.asarray(array), None, note)


def load(folder: Path, files: dict[str, bytes | str]) -> Content:
    tree = open_tree(lay_out(folder, files))
    return load_index_masks(tree, find_index_masks(tree))


def one(folder: Path, array: Any = MASK, classes: str = "background\ncat\ndog\n", **files: bytes | str) -> Content:
    data = array if isinstance(array, bytes) else png(array)
    return load(folder, {"images/a.png": PICTURE, "masks/a.png": data, "classes.txt": classes, **files})


def test_each_value_is_a_mask_of_its_class(tmp_path: Path):
    content = one(tmp_path)
    rows = content.annotations[["annotation_id", "path", "label", "kind", "mask"]].values.tolist()
    assert rows == [
        [f"index_masks/images/a.png#{value}", "images/a.png", label, "mask", from_array(value == MASK).to_json()]
        for value, label in ((1, "cat"), (2, "dog"))
    ]
    assert content.classes == ("cat", "dog")
    assert content.files == {"masks/a.png", "classes.txt"}
    assert content.records[["path", "width_px", "height_px"]].values.tolist() == [["images/a.png", 3, 2]]


def test_without_a_list_values_are_their_own_names(tmp_path: Path):
    content = load(tmp_path, {"images/a.jpg": PICTURE, "labels/a.png": png(MASK * 300)})
    assert content.annotations["label"].tolist() == ["300", "600"]
    assert [json.loads(text) for text in content.annotations["attributes"]] == [
        {"class_index": 300},
        {"class_index": 600},
    ]
    assert content.classes == ("300", "600")


def test_a_list_without_background_names_zero_too(tmp_path: Path):
    content = one(tmp_path, classes="road\ncat\ndog\n")
    assert content.classes == ("road", "cat", "dog")
    assert content.annotations["label"].tolist() == ["road", "cat", "dog"]


def test_255_is_void_and_kept(tmp_path: Path):
    content = one(tmp_path, np.where(MASK == 2, 255, MASK))
    assert content.annotations["label"].tolist() == ["cat"]
    void = json.loads(content.records["attributes"][0])["void"]
    assert void == json.loads(from_array(MASK == 2).to_json())
    assert content.rejected.empty


@pytest.mark.parametrize(("classes", "label"), [("background\ncell\n", "cell"), (None, "255")])
def test_where_all_is_0_or_255_it_is_the_one_class(tmp_path: Path, classes: str | None, label: str):
    files = {"images/a.png": PICTURE, "masks/a.png": png(np.where(MASK > 0, 255, 0))}
    content = load(tmp_path, {**files, **({"classes.txt": classes} if classes else {})})
    assert (content.annotations["label"].tolist(), content.classes) == ([label], (label,))


@pytest.mark.parametrize(
    ("array", "row", "message"),
    [
        (MASK + 2, 3, "the pixel values 3 (3 px), 4 (1 px) are no classes: the list ends with 2"),
        (png(MASK[:1]), None, "3 x 1 pixels, but images/a.png has 3 x 2"),
        (png(MASK)[:50], None, "runcated"),
        (png(MASK, "[]"), None, "its datatools note is no JSON object"),
        (png(MASK, '{"annotations":{"1":5}}'), 1, "its datatools note has 5 where an object belongs"),
        (png(MASK, '{"annotations":{"1":{"x":5}}}'), 1, "its datatools note has the unknown field 'x'"),
        (png(MASK, '{"record":{"x":5}}'), None, "its datatools note has the unknown field 'x'"),
    ],
    ids=["value", "size", "truncated", "note", "row", "field", "record"],
)
def test_bad_masks_are_rejected_with_file_and_value(tmp_path: Path, array: Any, row: int | None, message: str):
    content = one(tmp_path, array)
    first = content.rejected.to_dict("records")[0]
    assert message in first["message"]
    assert (first["source"], first["path"]) == ("masks/a.png", "images/a.png")
    in_row = "broken_row" if row or "record" in str(array) or "unknown" in message else "broken_file"
    assert first["reason"] == ("MSK009" if "pixel value" in message else in_row)
    assert row is None or first["row"] == row


def test_every_value_is_kept_or_rejected(tmp_path: Path):
    content = one(tmp_path, np.array([[1, 2, 3], [4, 200, 255]]))
    assert content.annotations["label"].tolist() == ["cat", "dog"]
    [row] = content.rejected.to_dict("records")
    assert (row["row"], row["reason"]) == (3, "MSK009")
    assert row["message"] == "the pixel values 3 (1 px), 4 (1 px), 200 (1 px) are no classes: the list ends with 2"


def test_a_mask_without_image_is_rejected_where_most_have_one(tmp_path: Path):
    files = {f"images/{name}.png": PICTURE for name in "ab"} | {f"masks/{name}.png": png(MASK) for name in "abc"}
    content = load(tmp_path, files)
    [row] = content.rejected.to_dict("records")
    assert (row["source"], row["message"]) == ("masks/c.png", "there is no image of this name")


@pytest.mark.parametrize(
    ("image", "mask", "subset"),
    [
        ("images/a.jpg", "masks/a.png", None),
        ("images/train/a.jpg", "masks/train/a.png", "train"),
        ("train/images/a.jpg", "train/labels/a.png", "train"),
        ("x/image/a.jpg", "x/mask/a.png", None),
        ("a.jpg", "masks/a.png", None),
        ("val/a.png", "valannot/a.png", "val"),
        ("images/a.jpg", "annotations/a.png", None),
        ("JPEGImages/a.jpg", "annotations/a.png", None),
        ("img/a.jpg", "Masks/a.png", None),
    ],
)
def test_masks_are_found_beside_their_images(tmp_path: Path, image: str, mask: str, subset: str | None):
    content = load(tmp_path, {image: PICTURE, mask: png(MASK)})
    assert content.files == {mask}
    assert content.records["path"].tolist() == [image]
    assert content.records["subset"].fillna("").tolist() == [subset or ""]


@pytest.mark.parametrize(
    "files",
    [
        {"images/a.png": PICTURE, "masks/b.png": png(MASK)},
        {"images/a.png": PICTURE, "masks/a.png": PICTURE},
        {"images/a.png": PICTURE, "masks/a.jpg": png(MASK)[:9]},
        {"images/a.png": PICTURE, "masks/a.png": png(MASK), "masks/b.jpg": PICTURE},
        {"masks/a.png": png(MASK), "masks/b.png": png(MASK)},
        {"cat/a.png": png(MASK), "dog/a.png": png(MASK)},
        {"images/a.png": PICTURE, "a/images/a.png": PICTURE, "a/masks/x.png": png(MASK), "a/masks/y.png": png(MASK)},
        {"JPEGImages/a.png": PICTURE, "SegmentationClass/a.png": png(MASK)},
        {"images/a.png": PICTURE, "masks/a.png": png(MASK), "masks/b.png": png(MASK), "masks/c.png": png(MASK)},
    ],
    ids=["other stem", "colours", "no png", "mixed", "alone", "classes", "objects", "VOC", "most without"],
)
def test_images_are_never_taken_for_masks(tmp_path: Path, files: dict[str, bytes]):
    assert find_index_masks(open_tree(lay_out(tmp_path, files))) == []


@pytest.mark.parametrize("data", [PICTURE, b"", png(MASK)[:30]], ids=["colours", "empty", "torn"])
def test_one_file_of_another_kind_is_rejected_and_the_others_are_read(tmp_path: Path, data: bytes):
    pictures = {f"images/{name}.png": PICTURE for name in "abc"}
    content = load(tmp_path, {**pictures, "masks/a.png": png(MASK), "masks/b.png": data, "masks/c.png": png(MASK)})
    [row] = content.rejected.to_dict("records")
    assert (row["source"], row["path"], row["reason"]) == ("masks/b.png", "images/b.png", "broken_file")
    assert row["message"]
    assert set(content.annotations["path"]) == {"images/a.png", "images/c.png"}
    assert content.files == {"masks/a.png", "masks/b.png", "masks/c.png"}


def test_a_file_that_cannot_be_read_counts_as_one_of_another_kind(tmp_path: Path):
    names = ["a", "b", "c"]
    files = {f"{folder}/{name}.png": png(MASK) for folder in ("images", "masks") for name in names}
    tree = open_tree(lay_out(tmp_path, files))
    (tmp_path / "masks/b.png").unlink()
    assert find_index_masks(tree) == ["masks/a.png", "masks/b.png", "masks/c.png"]
    (tmp_path / "masks/c.png").unlink()
    assert find_index_masks(tree) == []


@pytest.mark.parametrize(
    ("name", "text", "names"),
    [
        ("classes.txt", "background\ncat\n\n", ["background", "cat"]),
        ("class_names.txt", 'a\n"b\\u003ac"\n"d\n', ["a", "b:c", '"d']),
        ("labelmap.txt", "# label:color_rgb:parts:actions\nbackground:0,0,0::\ncat:1,2,3::\n", ["background", "cat"]),
        ("labelmap.csv", "name,r,g,b\nbackground,0,0,0\ncat,255,0,0\n", ["background", "cat"]),
        (
            "label_colors.txt",
            "0 0 0 Void\n64 128 64\tAnimal\n1 2 3 Traffic Light\n",
            ["Void", "Animal", "Traffic Light"],
        ),
    ],
)
def test_class_lists_of_all_kinds_are_read(name: str, text: str, names: list[str]):
    assert parse_names(text, name) == names


def test_a_class_list_that_is_not_text_is_rejected(tmp_path: Path):
    content = load(tmp_path, {"images/a.png": PICTURE, "masks/a.png": png(MASK), "classes.txt": b"\xff"})
    assert content.rejected["source"].tolist() == ["classes.txt"]
    assert content.annotations["label"].tolist() == ["1", "2"]


@given(contents(kinds=("mask",), polygons=False, subsets=(None, "train"), extras={}, max_objects=2))
def test_what_is_not_told_as_lost_reads_back_the_same(tmp_path_factory: pytest.TempPathFactory, content: Content):
    before = copy.deepcopy(content)
    documents, saved = to_index_masks(content)
    found = through_folder(FORMAT, content, tmp_path_factory.mktemp("any"))
    assert found.rejected.empty
    lost = {loss.annotation_id for loss in saved.losses}
    gone = {loss.path for loss in saved.losses if loss.field == "record"}
    wanted = dataclasses.replace(
        content,
        records=content.records[~content.records["path"].isin(gone)].reset_index(drop=True),
        annotations=_without(content, lost),
        classes=content.classes if documents else (),
    )
    kept = dataclasses.replace(found, annotations=_without(found, lost))
    assert_same(kept, wanted.renamed(saved.moved))
    assert_same(content, before)
    assert to_index_masks(found) == (documents, dataclasses.replace(saved, losses=(), moved={}))


def _without(content: Content, ids: set[str]):
    return content.annotations[~content.annotations["annotation_id"].isin(ids)].reset_index(drop=True)


@given(contents(subsets=(None, "train")))
def test_whatever_differs_is_told(tmp_path_factory: pytest.TempPathFactory, content: Content):
    _, saved = to_index_masks(content)
    found = through_folder(FORMAT, content, tmp_path_factory.mktemp("any")).annotations.set_index("annotation_id")
    told = {loss.annotation_id for loss in saved.losses}
    for row in content.annotations.itertuples():
        assert row.annotation_id in told or found["mask"][row.annotation_id] == row.mask


def test_losses_name_what_is_lost_and_why(tmp_path: Path):
    def mask(name: str, array: Any, label: str | None = "cat", **fields: Any) -> dict[str, Any]:
        text = from_array(np.array(array)).to_json()
        return {"annotation_id": name, "path": "a.png", "kind": "mask", "label": label, "mask": text, **fields}

    rows = [
        mask("a", [[1, 1, 0, 0, 0]]),
        mask("b", [[0, 0, 1, 0, 0]]),
        mask("c", [[0, 1, 1, 1, 0]], "dog"),
        mask("d", [[1, 1, 0, 0, 0]], "dog"),
        mask("e", [[0, 0, 0, 0, 1]], None),
        mask("f", [[0, 0, 0, 0, 1]], "cow", mask="[[[4,0],[5,0],[5,1],[4,1]]]"),
        mask("g", [[1]], "cow"),
        mask("h", [[1]], "cow", mask="nonsense"),
        {"annotation_id": "i", "path": "a.png", "kind": "shape"},
        {"annotation_id": "j", "path": "b.png", "kind": "mask", "label": "cow", "mask": "[[[0,0],[5,0],[5,5]]]"},
    ]
    rows = [{**row, "attributes": "{}"} for row in rows]
    records = [
        {"path": "a.png", "width_px": 5, "height_px": 1, "attributes": "{}"},
        {"path": "b.png", "attributes": "{}"},
    ]
    content = Content.from_rows(records, rows, ("cat", "dog", "cow"), extras={"coco": 1})
    saved = save_index_masks(content, tmp_path)
    assert [
        (loss.annotation_id, loss.field, loss.message) for loss in sorted(saved.losses, key=lambda x: x.annotation_id)
    ] == [
        ("", "extras.coco", "PNG masks have no place for it"),
        ("", "record", "it has no mask that could keep it"),
        ("a", "mask", "one file an image has one region a class: joined with b"),
        ("b", "annotation_id", "joined with a, as it is of the same class"),
        ("c", "mask", "2 of its 3 pixels belong to an object drawn before"),
        ("d", "annotation_id", "it has no pixel of its own"),
        ("d", "mask", "2 of its 2 pixels belong to an object drawn before"),
        ("e", "label", "no class of the list, so it has no pixel value"),
        ("f", "mask", "drawn as pixels: outlines and points between pixels are gone"),
        ("g", "mask", "not drawn: its 1 x 1 pixels are not those of the image"),
        ("h", "mask", "not drawn: a mask must be JSON: Expecting value: line 1 column 1 (char 0)"),
        ("i", "kind", "only masks can be drawn, not a shape"),
        ("j", "mask", "the size of the image is not known, so there is no mask"),
    ]
    assert decode_index_mask((tmp_path / "masks/a.png").read_bytes()).tolist() == [[1, 1, 1, 2, 3]]
    assert (tmp_path / "classes.txt").read_text() == "background\ncat\ndog\ncow\n"


def test_images_stay_where_the_layout_has_them(tmp_path: Path):
    rows = [
        {"path": path, "width_px": 3, "height_px": 2, "attributes": "{}"}
        for path in ("x/images/y/a.jpg", "a.jpg", "a.png")
    ]
    documents, saved = to_index_masks(Content.from_rows(rows))
    assert list(documents) == ["classes.txt", "masks/a-2.png", "masks/a.png", "x/masks/y/a.png"]
    assert saved.moved == {"a.jpg": "images/a.jpg", "a.png": "images/a-2.png"}


@pytest.mark.parametrize("path", ["../a.png", "masks/a.png", "a\n.png", ".a.png"])
def test_names_that_would_do_harm_are_replaced(path: str):
    _, saved = to_index_masks(Content.from_rows([{"path": path, "attributes": "{}"}]))
    assert saved.moved[path].startswith("images/image-")


def test_void_that_is_all_there_is_stays_void(tmp_path: Path):
    void = json.loads(from_array(MASK == 2).to_json())
    record = {
        "path": "images/a.png",
        "width_px": 3,
        "height_px": 2,
        "attributes": dump_attributes({"void": void}),
    }
    content = Content.from_rows([record], classes=("cat",))
    assert_same(through_folder(FORMAT, content, tmp_path), content)


@pytest.mark.parametrize(
    ("below", "labels", "classes"),
    [
        ("image_mask", ["1", "1"], ("1",)),
        ("image_mask_with_labelmap", ["cat", "dog"] * 3, ("cat", "dog")),
    ],
)
def test_the_samples_are_read(tmp_path: Path, below: str, labels: list[str], classes: tuple[str, ...]):
    tree = open_tree(unpack("format-samples", tmp_path, f"tests/assets/kaggle_dataset/{below}/"))
    content = load_index_masks(tree, find_index_masks(tree))
    assert (sorted(content.annotations["label"]), content.classes) == (sorted(labels), classes)
    assert content.rejected.empty
    assert all(parse_mask(text).n_pixels for text in content.annotations["mask"])


def test_grey_edges_are_no_classes_where_nothing_names_the_values(tmp_path: Path):
    blurred = np.repeat(np.concatenate([np.zeros(200), np.arange(1, 255, 8), np.full(100, 255)])[None], 4, axis=0)
    files = {"images/a.png": make_png(1, blurred.shape[1], 4), "masks/a.png": png(blurred)}
    content = load(tmp_path, files)
    assert (content.annotations["label"].tolist(), content.classes) == (["255"], ("255",))
    [row] = content.rejected.to_dict("records")
    assert (row["source"], row["row"], row["reason"]) == ("masks/a.png", 1, "MSK009")
    assert row["message"] == (
        "32 pixel values from 1 to 249 (128 px) are no classes. Mostly they are grey edges, as JPEG or scaling leaves them"
    )


@pytest.mark.parametrize(
    "counts",
    [
        {0: 900, **dict.fromkeys(range(1, 21), 4), 255: 300},
        {0: 900, **dict.fromkeys(range(1, 255), 4), 255: 300},
        {0: 900, 64: 1, 128: 1, 192: 1, 255: 90},
        {0: 900, **dict.fromkeys(range(1, 254), 1)},
    ],
    ids=["classes and void", "objects", "few", "no 255"],
)
def test_classes_and_objects_are_no_grey_edges(counts: dict[int, int]):
    assert find_grey_edges([counts]) == frozenset()
