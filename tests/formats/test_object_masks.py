from __future__ import annotations

import copy
import dataclasses
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given

from datatools.formats.base import Content, Format, Saved
from datatools.formats.object_masks import (
    FORMAT,
    find_object_masks,
    from_object_mask,
    load_object_masks,
    to_object_masks,
)
from datatools.formats.rows import UnknownValueError
from datatools.index_images import decode_index_mask, encode_index_mask
from datatools.masks import Rle, from_array, parse_mask
from datatools.tree import open_tree
from tests.builders import lay_out, make_png
from tests.formats.contents import SIZE_WH, contents
from tests.formats.shared_sets import unpack

RING = np.array([[0, 0, 0, 0, 0], [0, 1, 1, 1, 0], [0, 1, 0, 1, 0], [0, 1, 1, 1, 0], [0, 0, 0, 0, 1]], dtype=np.uint8)


def png(array: np.ndarray, scale: int = 255, note: str = "") -> bytes:
    return encode_index_mask(array.astype(int) * scale, None, note)


def load(folder: Path) -> Content:
    tree = open_tree(folder)
    return load_object_masks(tree, find_object_masks(tree))


def one_image(folder: Path, **masks: bytes) -> Path:
    files = {f"a/masks/{name}.png": data for name, data in masks.items()}
    return lay_out(folder, {"a/images/a.png": make_png(0, 5, 5), **files})


def lay_out_images(folder: Path, content: Content, saved: Saved) -> None:
    """Pictures of the declared size, or SIZE_WH, where the writer moved them."""
    sizes = {
        row.path: SIZE_WH if pd.isna(row.width_px) else (int(row.width_px), int(row.height_px))
        for row in content.records.itertuples()
    }
    pictures = {saved.moved.get(path, path): make_png(0, *size_wh) for path, size_wh in sizes.items()}
    lay_out(folder, pictures)


def through_folder(fmt: Format, content: Content, folder: Path) -> Content:
    assert fmt.save is not None
    lay_out_images(folder, content, fmt.save(content, folder))
    tree = open_tree(folder)
    return fmt.load(tree, fmt.find(tree))


def assert_same(one: Content, other: Content) -> None:
    """same_as, but telling what differs."""
    for name in ("records", "annotations"):
        left, right = (getattr(content, name).drop(columns="source") for content in (one, other))
        pd.testing.assert_frame_equal(left, right)
    assert (one.classes, one.extras) == (other.classes, other.extras)
    assert one.same_as(other)


def test_every_file_is_one_mask_with_its_holes_and_parts(tmp_path: Path):
    content = load(one_image(tmp_path, x=png(RING), b=png(RING, 1)))
    assert content.annotations["annotation_id"].tolist() == [
        "object_masks/a/images/a.png#1",
        "object_masks/a/images/a.png#2",
    ]
    assert content.annotations["source"].tolist() == ["a/masks/b.png", "a/masks/x.png"]
    assert [json.loads(text) for text in content.annotations["attributes"]] == [{"mask_file": "b"}, {"mask_file": "x"}]
    assert set(content.annotations["label"]) == {"object"}
    assert content.classes == ("object",)
    for text in content.annotations["mask"]:
        mask = parse_mask(text)
        assert isinstance(mask, Rle)
        np.testing.assert_array_equal(mask.to_array(), RING == 1)
    assert content.files == {"a/masks/b.png", "a/masks/x.png"}
    assert content.records[["path", "width_px", "height_px"]].values.tolist() == [["a/images/a.png", 5, 5]]


@pytest.mark.parametrize(
    ("text", "label", "classes"), [("nucleus\n", "nucleus", ("nucleus",)), ("a\nb\n", None, ("a", "b"))]
)
def test_a_list_of_one_class_names_the_objects(tmp_path: Path, text: str, label: str | None, classes: tuple[str, ...]):
    lay_out(tmp_path, {"classes.txt": text})
    content = load(one_image(tmp_path, x=png(RING)))
    assert content.annotations["label"].astype(object).where(content.annotations["label"].notna(), None).tolist() == [
        label
    ]
    assert content.classes == classes
    assert "classes.txt" in content.files


def test_objects_may_overlap_and_be_empty(tmp_path: Path):
    content = load(one_image(tmp_path, x=png(RING), y=png(np.ones((5, 5))), z=png(np.zeros((5, 5)))))
    assert [parse_mask(text).n_pixels for text in content.annotations["mask"]] == [9, 25, 0]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (png(RING, 7), "the mask of one object has 0 and 255, or 0 and 1, but this one has 7 (9 px)"),
        (png(RING + 1, 2), "the mask of one object has 0 and 255, or 0 and 1, but this one has 2 (16 px), 4 (9 px)"),
        (
            png(np.arange(25).reshape(5, 5)),
            "but this one has 255 (1 px), 510 (1 px), 765 (1 px), 1020 (1 px), 1275 (1 px) and 19 more",
        ),
        (png(np.ones((4, 5))), "5 x 4 pixels, but a/images/a.png has 5 x 5"),
        (png(RING)[:50], "truncated"),
        (png(RING, 255, "[]"), "its datatools note is no JSON object"),
        (png(RING, 255, "{"), "not JSON"),
        (png(RING, 255, '{"annotation": 5}'), "its datatools note has 5 where an object belongs"),
    ],
    ids=["seven", "grey", "many", "size", "truncated", "list", "torn", "number"],
)
def test_a_mask_that_cannot_be_taken_is_rejected_with_its_file(tmp_path: Path, data: bytes, message: str):
    content = load(one_image(tmp_path, x=png(RING), y=data))
    [row] = content.rejected.to_dict("records")
    reason = "MSK009" if "0 and 255" in row["message"] else "broken_file"
    assert message in row["message"]
    assert (row["source"], row["path"], row["reason"]) == ("a/masks/y.png", "a/images/a.png", reason)
    assert len(content.annotations) == 1
    assert content.annotations["annotation_id"].tolist() == ["object_masks/a/images/a.png#1"]


@pytest.mark.parametrize("data", [make_png(0, 5, 5), b""], ids=["colours", "empty"])
def test_one_file_of_another_kind_is_rejected_and_the_others_are_read(tmp_path: Path, data: bytes):
    content = load(one_image(tmp_path, x=png(RING), y=data, z=png(RING)))
    [row] = content.rejected.to_dict("records")
    assert (row["source"], row["path"], row["reason"]) == ("a/masks/y.png", "a/images/a.png", "broken_file")
    assert row["message"]
    assert [json.loads(text)["mask_file"] for text in content.annotations["attributes"]] == ["x", "z"]


@pytest.mark.parametrize(
    "files",
    [
        {"a/images/a.png": make_png(), "a/masks/a.png": png(RING)},
        {"a/images/a.png": make_png(), "a/images/b.png": make_png(), "a/masks/x.png": png(RING)},
        {"a/images/a.png": make_png(), "a/masks/x.png": make_png()},
        {"a/images/a.png": make_png(), "a/masks/x.jpg": png(RING), "a/masks/y.png": b"no image"},
        {"a/masks/x.png": png(RING)},
        {"images/cat.png": make_png(), "dog/x.png": png(RING)},
    ],
    ids=["one mask an image", "two images", "colours", "no mask", "no image", "class folders"],
)
def test_nothing_else_is_taken_for_masks(tmp_path: Path, files: dict[str, bytes]):
    assert find_object_masks(open_tree(lay_out(tmp_path, files))) == []


def test_a_mask_of_two_values_is_an_error_in_memory():
    with pytest.raises(UnknownValueError, match=r"this one has 1 \(1 px\), 2 \(1 px\)"):
        from_object_mask(np.array([[0, 1, 2]], dtype=np.uint16), "a.png", "m.png", 1)


@given(contents(kinds=("mask",), polygons=False, subsets=(None, "train"), extras={}))
def test_masks_survive_with_ids_labels_boxes_annotators_and_attributes(
    tmp_path_factory: pytest.TempPathFactory, content: Content
):
    before = copy.deepcopy(content)
    documents, saved = to_object_masks(content)
    drawn = content.records["path"].isin(content.annotations["path"])
    assert {loss.path for loss in saved.losses if loss.field == "record"} == set(content.records["path"][~drawn])
    assert {loss.field for loss in saved.losses} <= {"record", "classes"}
    wanted = dataclasses.replace(
        content, records=content.records[drawn].reset_index(drop=True), classes=content.classes if documents else ()
    )
    folder = tmp_path_factory.mktemp("once")
    found = through_folder(FORMAT, content, folder)
    assert found.rejected.empty
    assert_same(found, wanted.renamed(saved.moved))
    assert_same(content, before)
    again, saved_again = to_object_masks(found)
    assert saved_again.moved == {}
    assert again == documents


@given(contents(subsets=(None, "train")))
def test_whatever_is_not_kept_is_told(tmp_path_factory: pytest.TempPathFactory, content: Content):
    documents, saved = to_object_masks(content)
    found = through_folder(FORMAT, content, tmp_path_factory.mktemp("any")).annotations.set_index("annotation_id")
    told = {loss.annotation_id for loss in saved.losses}
    for row in content.renamed(saved.moved).annotations.drop(columns="source").itertuples():
        same = row.annotation_id in found.index and found["mask"][row.annotation_id] == row.mask
        assert same != (row.annotation_id in told)
    assert all(decode_index_mask(data).max() in (0, 255) for name, data in documents.items() if name.endswith(".png"))


def test_losses_name_what_is_lost_and_why():
    rows = [
        {"annotation_id": "b", "path": "a.png", "kind": "box", "x0_px": 1, "y0_px": 1, "x1_px": 2, "y1_px": 2},
        {"annotation_id": "p", "path": "a.png", "kind": "mask", "mask": "[[[0,0],[3,0],[3,3]]]"},
        {"annotation_id": "q", "path": "b.png", "kind": "mask", "mask": "[[[0,0],[3,0],[3,3]]]"},
        {"annotation_id": "r", "path": "a.png", "kind": "mask", "mask": '{"size":[1,2],"counts":[1,1]}'},
        {"annotation_id": "s", "path": "a.png", "kind": "mask", "mask": '{"size":[3,3],"counts":[1,1,7]}'},
        {"annotation_id": "t", "path": "a.png", "kind": "mask", "mask": "nonsense"},
    ]
    content = Content.from_rows([{"path": "a.png", "width_px": 3, "height_px": 3}], rows, extras={"coco": {}})
    _, saved = to_object_masks(content)
    assert {(loss.annotation_id, loss.field): loss.message for loss in saved.losses} == {
        ("", "extras.coco"): "PNG masks have no place for it",
        ("b", "kind"): "only masks can be drawn, not a box",
        ("p", "mask"): "drawn as pixels: outlines and points between pixels are gone",
        ("q", "mask"): "the image's size is not known",
        ("r", "mask"): "not drawn: its 2 x 1 pixels are not those of the image",
        ("s", "mask"): "the same pixels, with run lengths in COCO's compressed form",
        ("t", "mask"): "not drawn: a mask must be JSON: Expecting value: line 1 column 1 (char 0)",
    }


def test_mask_files_keep_their_names_and_images_their_places(tmp_path: Path):
    documents, saved = to_object_masks(load(one_image(tmp_path, x=png(RING), b=png(RING))))
    assert (sorted(documents), saved.moved) == (["a/masks/b.png", "a/masks/x.png"], {})


@pytest.mark.parametrize(
    ("names", "second", "place"),
    [
        (("x.jpg", "x.png"), "x.png", "x-2/images/x.png"),
        (("X.jpg", "x.png"), "x.png", "x-2/images/x.png"),
        (("a/images/x.png", "a/images/y.png"), "a/images/y.png", "a-2/images/y.png"),
    ],
    ids=["suffix", "capitals", "one folder"],
)
def test_images_that_would_share_a_folder_get_one_each(tmp_path: Path, names: tuple[str, str], second: str, place: str):
    said = {"kind": "mask", "mask": from_array(RING).to_json(), "label": "x", "attributes": "{}"}
    rows = [{"annotation_id": name, "path": name, **said} for name in names]
    size = {"width_px": 5, "height_px": 5, "attributes": "{}"}
    content = Content.from_rows([{"path": name, **size} for name in names], rows, ["x"])
    _, saved = to_object_masks(content)
    assert saved.moved[second] == place
    assert_same(through_folder(FORMAT, content, tmp_path), content.renamed(saved.moved))


def test_the_nuclei_are_all_there_pixel_by_pixel(tmp_path: Path):
    tree = open_tree(unpack("nuclei", tmp_path))
    files = find_object_masks(tree)
    content = load_object_masks(tree, files)
    assert (len(content.records), len(content.annotations), len(content.rejected)) == (60, 2897, 0)
    for row in list(content.annotations.itertuples())[::100]:
        np.testing.assert_array_equal(parse_mask(row.mask).to_array(), decode_index_mask(tree.read(row.source)) == 255)
