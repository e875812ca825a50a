from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from datatools import source as source_module
from datatools.errors import DatatoolsError
from datatools.formats.base import Content
from datatools.source import check_source, read_source
from datatools.tree import open_tree
from tests.builders import coco_text, lay_out, make_object, make_png
from tests.test_batches import hash_files

PICTURES = {"a.png": make_png(1), "b.png": make_png(2)}
OTHERS = {"notes.txt": "x", ".DS_Store": "x", "deep/er/model.bin": b"\0"}


def read(folder: Path, files: dict[str, Any], format: str = "auto"):
    return read_source(open_tree(lay_out(folder, files)), format)


def refuse_source(root: Path) -> None:
    found = read_source(open_tree(root))
    check_source(root, found.images, found.content, found.refused)


def pack_one(data: bytes) -> bytes:
    """A .tar.gz with the one image a.png."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        member = tarfile.TarInfo("a.png")
        member.size = len(data)
        tar.addfile(member, io.BytesIO(data))
    return packed.getvalue()


def test_every_file_is_an_image_an_annotation_or_refused(tmp_path: Path):
    files = {**PICTURES, **OTHERS, "instances.json": coco_text(make_object())}
    found = read(tmp_path, files)
    assert found.images == ("a.png", "b.png")
    assert found.content.files == {"instances.json"}
    assert {row["path"]: row["reason"] for row in found.refused} == {
        ".DS_Store": "hidden",
        "deep/er/model.bin": "not_an_image",
        "notes.txt": "not_an_image",
    }
    assert sorted((*found.images, *found.content.files, *(row["path"] for row in found.refused))) == sorted(files)
    assert found.formats == {"coco": 1}
    assert found.content.annotations["annotation_id"].tolist() == ["coco/1"]


def test_what_was_refused_says_why(tmp_path: Path):
    [row] = read(tmp_path, {**PICTURES, "notes.txt": "x"}).refused
    assert row == {
        "source": "notes.txt",
        "path": "notes.txt",
        "reason": "not_an_image",
        "message": "neither an image nor an annotation file",
    }


def test_suffixes_in_capitals_are_images_too(tmp_path: Path):
    assert read(tmp_path, {"A.PNG": make_png(), "b.JpG": b"", "c.gif": b""}).images == ("A.PNG", "b.JpG")


def test_images_are_not_opened(tmp_path: Path):
    assert read(tmp_path, {"a.png": b"no picture"}).images == ("a.png",)


def test_a_named_format_that_is_not_there_is_a_wrong_call(tmp_path: Path):
    with pytest.raises(DatatoolsError) as caught:
        read(tmp_path, PICTURES, "coco")
    assert str(caught.value) == (
        f"{tmp_path}: expected files of the format 'coco'. Got none: name another format, or auto."
    )


def test_reading_changes_nothing(tmp_path: Path):
    lay_out(tmp_path, {**PICTURES, "instances.json": coco_text(make_object())})
    before = hash_files(tmp_path)
    read(tmp_path, {})
    assert hash_files(tmp_path) == before


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("x.json", "{", "not JSON: "),
        ("x.JSON", '{"a": NaN}', "not JSON: NaN is no JSON number"),
        ("x.xml", "<a>", "not XML that can be trusted: "),
        ("x.xml", '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "not XML that can be trusted: "),
    ],
)
def test_a_broken_document_that_no_format_claims_says_where_it_is_broken(
    tmp_path: Path, name: str, data: str, message: str
):
    [row] = read(tmp_path, {**PICTURES, name: data}).refused
    assert (row["path"], row["reason"]) == (name, "broken_file")
    assert row["message"].startswith(message)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("x.json", "{}"),
        ("x.xml", "<a/>"),
        ("x.csvx", "{"),
        ("json", "{"),
    ],
)
def test_a_document_of_something_else_is_no_broken_one(tmp_path: Path, name: str, data: str):
    [row] = read(tmp_path, {**PICTURES, name: data}).refused
    assert row["reason"] == "not_an_image"


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.HEIC", b"", "an image of a kind that is not read: save it as JPEG or PNG"),
        ("a.jfif", b"", "an image of a kind that is not read: save it as JPEG or PNG, or rename it to .jpg"),
        (
            "t.csv",
            "image_id,width,bbox\n",
            "not read as a table: boxes and masks in one cell, as in the column bbox, are not: give each corner of a box "
            "a column. Got image_id, width, bbox",
        ),
        (
            "t.csv",
            "id,breed\n",
            "not read as a table: expected a column that names the image, such as filename. Got id, breed",
        ),
        (
            "train/_classes.csv",
            "filename, cat, dog\n",
            "not read as a table: expected a column with the class of the image, such as label, one class a row. "
            "Got filename, cat, dog",
        ),
        (
            "deep/t.csv",
            "path,label\n",
            "a table that is in no place where tables are read: put it in the root, or in a folder called train, val or test",
        ),
    ],
    ids=["heic", "jfif", "boxes in a cell", "no image", "a column a class", "place"],
)
def test_what_is_nearly_an_image_or_a_table_says_what_it_needs(
    tmp_path: Path, name: str, data: str | bytes, message: str
):
    [row] = read(tmp_path, {**PICTURES, name: data}).refused
    assert (row["reason"], row["message"]) == ("not_an_image", message)


def test_a_huge_file_that_no_format_claims_is_not_parsed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(source_module, "MOST_PARSED", 10)
    [row] = read(tmp_path, {**PICTURES, "x.json": "{" * 11}).refused
    assert row["reason"] == "not_an_image"


def test_no_image_is_a_wrong_call(tmp_path: Path):
    with pytest.raises(DatatoolsError) as caught:
        check_source(tmp_path, (), Content(), ())
    assert str(caught.value) == (
        f"{tmp_path}: expected image files (.bmp, .jpeg, .jpg, .png, .tif, .tiff, .webp). Got none: put the images there."
    )


@pytest.mark.parametrize(
    ("name", "data", "why"),
    [
        ("a.heic", "", "a.heic: an image of a kind that is not read: save it as JPEG or PNG"),
        (
            "a.json",
            json.dumps({"version": "5.4.1", "shapes": [], "imagePath": "a.jpg", "imageData": "abcd"}),
            "a.json: the image is only inside the JSON (imageData): save it as a file",
        ),
    ],
    ids=["heic", "inside of LabelMe's JSON"],
)
def test_images_that_are_there_in_another_way_are_told_where_there_are_no_others(
    tmp_path: Path, name: str, data: str, why: str
):
    found = read(tmp_path, {name: data})
    with pytest.raises(DatatoolsError) as caught:
        check_source(tmp_path, found.images, found.content, found.refused)
    assert str(caught.value).endswith(f"Got none that can be taken in: {why}.")


@pytest.mark.parametrize(
    ("name", "data", "why"),
    [
        ("text.zip", b"hello", "text.zip: it has no list of its members at its end"),
        ("empty.zip", b"", "empty.zip: it has no list of its members at its end"),
        ("cut.tar.gz", pack_one(make_png(1))[:60], "cut.tar.gz: it is cut off: fetch it again"),
    ],
    ids=("text", "empty", "cut off"),  # the bytes of an archive hold the time at which it was packed
)
def test_an_archive_that_cannot_be_read_is_named_with_the_reason(tmp_path: Path, name: str, data: bytes, why: str):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(DatatoolsError) as caught:
        refuse_source(tmp_path / name)
    assert f"Got none that can be taken in: {why}" in str(caught.value)


def test_a_folder_of_links_says_that_links_are_not_followed(tmp_path: Path):
    lay_out(tmp_path / "in", {"notes.txt": "x"})
    for name in PICTURES:
        (tmp_path / "in" / name).symlink_to(tmp_path / name)
    with pytest.raises(DatatoolsError) as caught:
        refuse_source(tmp_path / "in")
    assert str(caught.value).endswith("taken in: a.png: a symbolic link: put the file itself here (and 1 more).")


BROKEN = {"source": "x.json", "reason": "broken_file", "message": "not JSON: nothing there"}


@pytest.mark.parametrize("refused", [[], [BROKEN]], ids=["claimed", "not claimed"])
def test_annotation_files_of_which_none_can_be_read_are_a_wrong_call(tmp_path: Path, refused: list[dict[str, str]]):
    content = Content() if refused else Content.from_rows(rejected=[BROKEN])
    with pytest.raises(DatatoolsError) as caught:
        check_source(tmp_path, ["a.png"], content, refused)
    assert str(caught.value) == (
        f"{tmp_path}/x.json: expected a file with annotations. Got: not JSON: nothing there. Export it again."
    )


@pytest.mark.parametrize(
    "content",
    [
        Content(),
        Content.from_rows(rejected=[{**BROKEN, "reason": "broken_row", "row": 1}]),
        Content.from_rows(rejected=[BROKEN], annotations=[{"annotation_id": "1", "path": "a.png", "kind": "box"}]),
    ],
    ids=["no annotations", "broken rows", "one good file"],
)
def test_anything_else_is_data(tmp_path: Path, content: Content):
    check_source(tmp_path, ["a.png"], content, [{**BROKEN, "reason": "hidden"}])
