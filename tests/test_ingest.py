from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datatools import engine
from datatools.dataset import save_dataset
from datatools.errors import DatatoolsError
from datatools.fixes.records import FixRecord
from datatools.ingest import Ingested, ingest
from datatools.params import IngestParams
from datatools.raw import RawImages
from datatools.schema import ANNOTATIONS, FIX_STATUS, IMAGES, REJECTED
from datatools.store import save_table
from datatools.tree import UnreadableFileError
from tests.builders import coco_text, lay_out, make_object, make_png, make_record
from tests.conftest import SampleFolder

PLAIN = IngestParams()
CAT_DOG = "path,label\na.png,cat\nb.png,dog\n"


def take_in(root: Path, params: IngestParams = PLAIN, **inputs: Any) -> Ingested:
    return ingest(root, params, workers=1, **inputs)


def two_images(root: Path, files: dict[str, Any] | None = None) -> Path:
    return lay_out(root, {"a.png": make_png(1), "b.png": make_png(2), **(files or {})})


def why_not(result: Ingested) -> dict[str, tuple[str, str]]:
    return {row["path"]: (row["reason"], row["message"]) for row in result.rejected.to_dict("records")}


def paths(result: Ingested) -> list[str]:
    return list(result.dataset.images["path"])


def test_images_are_found_anywhere_below_the_folder(tmp_path: Path):
    lay_out(tmp_path, {"x/y/c.PNG": make_png(1), "x/d.jpeg": make_png(2)})
    result = take_in(tmp_path)
    assert paths(result) == ["x/d.jpeg", "x/y/c.PNG"]
    assert result.dataset.annotations.empty
    assert result.dataset.classes == ()


def test_a_row_of_images_tells_size_content_and_source(tmp_path: Path):
    images = take_in(two_images(tmp_path)).dataset.images
    assert images.loc[0, ["n_bytes", "width_px", "height_px", "channels"]].tolist() == [len(make_png(1)), 12, 10, 3]
    assert images.loc[0, ["metadata", "source"]].tolist() == ["{}", "folder"]
    assert images.loc[0, ["group", "declared_width_px"]].isna().all()


@pytest.mark.parametrize(
    ("name", "content", "reason", "message"),
    [
        ("cut.png", make_png(3)[:150], "IMG004", "truncated"),
        ("text.png", b"hello", "IMG001", "not one of BMP, JPEG, PNG, TIFF, WEBP"),
        ("empty.jpg", b"", "IMG004", "it has only 0 bytes"),
        ("notes.txt", b"hello", "not_an_image", "neither an image nor an annotation file"),
        ("x/annotations.json", b"{}", "not_an_image", "neither an image nor an annotation file"),
        ("labels/anna.txt", b"path,label", "not_an_image", "neither an image nor an annotation file"),
        ("labels/deep/anna.csv", b"path,label", "not_an_image", "a table that is in no place where tables are read"),
    ],
)
def test_a_file_that_is_no_image_is_rejected_with_its_reason(
    tmp_path: Path, name: str, content: bytes, reason: str, message: str
):
    result = take_in(two_images(tmp_path, {name: content}))
    assert paths(result) == ["a.png", "b.png"]
    [row] = result.rejected.to_dict("records")
    assert (row["path"], row["source"], row["reason"]) == (name, name, reason)
    assert message in row["message"]


def test_an_image_among_the_label_tables_is_an_image(tmp_path: Path):
    assert paths(take_in(two_images(tmp_path, {"labels/c.png": make_png(3)}))) == ["a.png", "b.png", "labels/c.png"]


def test_hidden_files_and_folders_are_left_out_and_named(tmp_path: Path):
    hidden = {".c.png": make_png(3), ".git/d.png": make_png(4), ".gitignore": "x", "labels/._anna.csv": b"\xff\0"}
    result = take_in(two_images(tmp_path, hidden))
    assert paths(result) == ["a.png", "b.png"]
    assert {path: reason for path, (reason, _) in why_not(result).items()} == dict.fromkeys(
        [".c.png", ".git", ".gitignore", "labels/._anna.csv"], "hidden"
    )


def test_symbolic_links_are_named_and_not_followed(tmp_path: Path):
    outside = lay_out(tmp_path / "outside", {"secret.png": make_png(5)})
    root = two_images(tmp_path / "raw")
    (root / "link.png").symlink_to(outside / "secret.png")
    (root / "folder").symlink_to(outside)
    (root / "dangling.png").symlink_to("nowhere")
    result = take_in(root)
    assert paths(result) == ["a.png", "b.png"]
    reason = ("link", "a symbolic link: put the file itself here")
    assert why_not(result) == dict.fromkeys(["link.png", "folder", "dangling.png"], reason)


def test_a_name_that_is_not_utf8_is_rejected_and_can_be_written(tmp_path: Path):
    two_images(tmp_path / "raw")
    try:
        Path(os.fsdecode(os.fsencode(tmp_path / "raw") + b"/\xff.png")).write_bytes(make_png(3))
    except OSError:
        pytest.skip("the file system takes UTF-8 names only")
    result = take_in(tmp_path / "raw")
    assert why_not(result) == {"\\xff.png": ("bad_name", "its name is not UTF-8: rename it")}
    save_table(tmp_path / "rejected.parquet", result.rejected, REJECTED)


def test_an_image_that_cannot_be_opened_is_rejected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    two_images(tmp_path)
    real = RawImages.read

    def refuse(raw: RawImages, path: str) -> bytes:
        if path == "b.png":
            raise UnreadableFileError("Permission denied")
        return real(raw, path)

    monkeypatch.setattr(RawImages, "read", refuse)
    result = take_in(tmp_path)
    assert paths(result) == ["a.png"]
    assert "Permission denied" in why_not(result)["b.png"][1]


def test_a_folder_of_unreadable_images_only_gives_empty_tables(tmp_path: Path):
    result = take_in(lay_out(tmp_path / "raw", {"a.png": "x", "labels/anna.csv": CAT_DOG}))
    assert (len(result.dataset.images), len(result.dataset.annotations), len(result.rejected)) == (0, 0, 3)
    save_dataset(tmp_path / "out", result.dataset)


def test_a_missing_folder_says_what_to_run(tmp_path: Path):
    with pytest.raises(DatatoolsError) as caught:
        take_in(tmp_path / "raw")
    assert str(caught.value) == (
        f"{tmp_path / 'raw'}: expected a folder of images. "
        "Got no such folder: run `datatools import`, `datatools sample make` or `dvc pull`."
    )


@pytest.mark.parametrize("files", [{}, {"notes.txt": "x"}, {".a.png": make_png()}, {"labels/anna.csv": CAT_DOG}])
def test_a_folder_without_images_is_an_error(tmp_path: Path, files: dict[str, Any]):
    with pytest.raises(DatatoolsError) as caught:
        take_in(lay_out(tmp_path, files))
    assert str(caught.value) == (
        f"{tmp_path}: expected image files (.bmp, .jpeg, .jpg, .png, .tif, .tiff, .webp). "
        "Got none: put the images there."
    )


def test_labels_are_voted_on_and_every_rating_is_kept(tmp_path: Path):
    tables = {
        "labels/anna.csv": CAT_DOG,
        "labels/ben.csv": "path,label\na.png,cat\n",
        "labels/chloe.csv": "path,label\na.png,dog\n",
    }
    dataset = take_in(two_images(tmp_path, tables)).dataset
    assert dataset.labels.to_dict() == {"a.png": "cat", "b.png": "dog"}
    assert dataset.ratings.loc["a.png"].to_dict() == {"anna": "cat", "ben": "cat", "chloe": "dog"}
    assert len(dataset.annotations) == 4 + 2


def test_rows_without_an_image_are_rejected(tmp_path: Path):
    files = {
        "cut.png": make_png(3)[:150],
        "labels/anna.csv": "path,label\na.png,cat\ngone.png,cat\ncut.png,dog\n",
        "annotations.json": coco_text(make_object(), images=[{"id": 1, "file_name": "lost.png"}]),
    }
    result = take_in(two_images(tmp_path, files))
    rows = result.rejected.dropna(subset=["annotation_id"])
    assert rows[["annotation_id", "reason", "message"]].to_numpy().tolist() == [
        ["coco/1", "LBL005", "there is no such image file"],
        ["label/cut.png@anna", "no_image", "its image was left out"],
        ["label/gone.png@anna", "LBL005", "there is no such image file"],
    ]
    assert list(result.dataset.annotations["annotation_id"]) == ["label/a.png", "label/a.png@anna"]


def test_a_row_whose_path_is_its_own_table_is_a_row_and_not_a_file(tmp_path: Path):
    files = {
        "labels/anna.csv": "path,label\nlabels/anna.csv,cat\n",
        "annotations.json": coco_text(make_object(), images=[{"id": 1, "file_name": "annotations.json"}]),
    }
    result = take_in(two_images(tmp_path, files))
    assert list(result.rejected["reason"]) == ["LBL005"] * 3  # the label, the box and the listed image


def test_sizes_and_source_come_from_coco(tmp_path: Path):
    images = [{"id": 1, "file_name": "a.png", "width": 99, "height": 10}]
    found = take_in(two_images(tmp_path, {"annotations.json": coco_text(images=images)})).dataset.images
    assert list(found["source"]) == ["annotations.json", "folder"]
    assert found.loc[0, ["declared_width_px", "declared_height_px", "width_px"]].tolist() == [99, 10, 12]


TABLE = {"labels/anna.csv": "path,label\na.png,zebra\nb.png,ant\n"}
COCO = {"annotations.json": coco_text(make_object())}


@pytest.mark.parametrize(
    ("files", "params", "classes"),
    [
        ({**TABLE, **COCO, "classes.txt": "one\ntwo\n"}, IngestParams(classes=["b", "a"]), ("b", "a")),
        ({**TABLE, **COCO, "classes.txt": "two\r\n\r\n  one \n"}, PLAIN, ("two", "one")),
        ({**TABLE, "classes.txt": "\ufefftwo\none"}, PLAIN, ("two", "one")),
        ({**TABLE, **COCO}, PLAIN, ("cat", "dog")),
        ({**TABLE, **COCO, "classes.txt": "\n"}, PLAIN, ("cat", "dog")),
        (TABLE, PLAIN, ("ant", "zebra")),
        ({}, PLAIN, ()),
    ],
    ids=["params", "classes.txt", "byte order mark", "COCO", "empty classes.txt", "labels found", "nothing"],
)
def test_classes_come_from_the_first_place_that_names_them(
    tmp_path: Path, files: dict[str, Any], params: IngestParams, classes: tuple[str, ...]
):
    assert take_in(two_images(tmp_path, files), params).dataset.classes == classes


def test_a_class_that_is_named_twice_is_an_error(tmp_path: Path):
    two_images(tmp_path, {"classes.txt": "cat\ndog\ncat\n"})
    result = take_in(tmp_path)
    assert result.dataset.classes == ("cat", "dog")
    assert result.rejected[["source", "row", "reason"]].to_numpy().tolist() == [["classes.txt", 3, "broken_row"]]
    with pytest.raises(DatatoolsError, match=r"^ingest\.classes in params\.yaml: expected each class once\. Got 'a'"):
        take_in(tmp_path, IngestParams(classes=["a", "b", "a"]))


def test_a_class_list_that_is_not_utf8_is_an_error(tmp_path: Path):
    two_images(tmp_path, {"classes.txt": b"\xff\n"})
    with pytest.raises(DatatoolsError, match=r"classes\.txt: .*a class a line in UTF-8"):
        take_in(tmp_path)


def test_metadata_and_groups_come_from_the_table(tmp_path: Path):
    two_images(tmp_path, {"metadata.csv": "path,writer,site\n./a.png,w1,ü\nb.png,,x\nelse.png,w2,y\n"})
    images = take_in(tmp_path, IngestParams(group_column="writer")).dataset.images
    assert images.loc[0, "group"] == "w1"
    assert pd.isna(images.loc[1, "group"])
    assert list(images["metadata"]) == ['{"site": "ü", "writer": "w1"}', '{"site": "x", "writer": ""}']


def test_without_a_group_column_there_are_no_groups_not_even_by_a_nameless_column(tmp_path: Path):
    two_images(tmp_path, {"metadata.csv": ",path\n0,a.png\n1,b.png\n"})  # as pandas writes an index
    assert take_in(tmp_path).dataset.images["group"].isna().all()


@pytest.mark.parametrize("files", [{}, {"metadata.csv": "path,site\na.png,x\n"}, {"metadata.csv": "path,writer\n"}])
def test_a_missing_group_column_is_an_error(tmp_path: Path, files: dict[str, Any]):
    with pytest.raises(DatatoolsError) as caught:
        take_in(two_images(tmp_path, files), IngestParams(group_column="writer"))
    assert str(caught.value) == (
        f"{tmp_path / 'metadata.csv'}: expected the column 'writer' (ingest.group_column in params.yaml). "
        "Got none: add it, or set group_column to ''."
    )


def test_an_excluded_image_leaves_with_its_rows_and_is_counted(tmp_path: Path):
    files = {"labels/anna.csv": CAT_DOG, "annotations.json": coco_text(make_object())}
    result = take_in(two_images(tmp_path, files), records=[make_record("exclude", why="blank")])
    assert paths(result) == ["b.png"]
    assert set(result.dataset.annotations["path"]) == {"b.png"}
    assert why_not(result) == {"a.png": ("excluded", "ann: blank")}
    assert result.dataset.facts["counts"] == {
        "files": 2,
        "images": 1,
        "rows": 3,
        "annotations": 2,
        "excluded_annotations": 2,
        "rejected": 1,
    }
    assert list(result.fixes["status"]) == ["applied"]


@pytest.mark.parametrize(
    ("more", "there"),
    [
        ([], True),
        ([make_record("delete", 2, annotation_id="fix/1", before="cat")], False),
        ([make_record("exclude", 2, path="a.png")], False),
    ],
)
def test_what_a_fix_record_drew_is_counted_wherever_it_ends(tmp_path: Path, more: list[FixRecord], there: bool):
    text = '{"kind": "box", "label": "cat", "box": [1, 1, 3, 3]}'
    drawn = make_record("add", 1, path="a.png", annotation_id="fix/1", after=text)
    result = take_in(two_images(tmp_path, {"annotations.json": coco_text(make_object())}), records=[drawn, *more])
    assert set(result.fixes["status"]) == {"applied"}
    assert ("fix/1" in set(result.dataset.annotations["annotation_id"])) == there


def test_an_excluded_original_leaves_its_copy_alone(tmp_path: Path):
    lay_out(tmp_path, {"a.png": make_png(1), "b.png": make_png(1), "c.png": make_png(2)})
    assert paths(take_in(tmp_path)) == ["a.png", "b.png", "c.png"]
    assert paths(take_in(tmp_path, records=[make_record("exclude")])) == ["b.png", "c.png"]


def test_every_image_can_be_excluded(tmp_path: Path):
    records = [make_record("exclude", path=path) for path in ("a.png", "b.png")]
    assert paths(take_in(two_images(tmp_path), records=records)) == []


def test_the_sample_is_taken_in_whole(sample: SampleFolder, ingested: Ingested):
    key = pd.read_csv(sample.key)
    truncated = sorted(key.loc[key["fault"] == "truncated", "path"])
    gone = ingested.rejected
    assert sorted(gone.loc[gone["reason"] == "IMG004", "path"]) == truncated
    counts = ingested.dataset.facts["counts"]
    assert counts["files"] == sample.n_images == counts["images"] + len(truncated)
    n_documents = len(json.loads((sample.root / "annotations.json").read_text())["annotations"])
    assert counts["rows"] == 3 * sample.n_images + n_documents
    assert counts["rejected"] == len(truncated) * (1 + 3 + 1)
    assert ingested.dataset.classes == tuple("0123456789")
    assert ingested.dataset.images["group"].notna().all()


@pytest.mark.parametrize("workers", [1, 2])
def test_the_number_of_workers_changes_no_byte(
    sample: SampleFolder, ingested: Ingested, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int
):
    monkeypatch.setattr(engine, "FEW", 1)
    monkeypatch.setattr(engine, "CHUNK", 8)
    ticks: list[int] = []
    params = IngestParams(group_column="writer")
    again = ingest(sample.root, params, workers=workers, tick=ticks.append)
    assert sum(ticks) == sample.n_images
    for name, done in (("1", ingested), ("2", again)):
        save_dataset(tmp_path / name, done.dataset)
        save_table(tmp_path / name / "rejected.parquet", done.rejected, REJECTED)
        save_table(tmp_path / name / "fixes.parquet", done.fixes, FIX_STATUS)
    for file in (tmp_path / "1").iterdir():
        assert file.read_bytes() == (tmp_path / "2" / file.name).read_bytes(), file.name


def test_tables_have_their_columns(ingested: Ingested):
    for frame, table in (
        (ingested.dataset.images, IMAGES),
        (ingested.dataset.annotations, ANNOTATIONS),
        (ingested.rejected, REJECTED),
        (ingested.fixes, FIX_STATUS),
    ):
        pd.testing.assert_frame_equal(frame, table.conform(frame))


@pytest.fixture(scope="module")
def reused(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("reused")


NAMES = ("a.png", "b.png", "cut.png", "gone.png")
ROWS = st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(["cat", "dog", ""])), max_size=5)


@settings(max_examples=25)
@given(anna=ROWS, ben=ROWS, objects=st.lists(st.integers(0, 3), max_size=4), excluded=st.sets(st.sampled_from(NAMES)))
def test_rows_in_are_rows_kept_and_rows_rejected(
    reused: Path,
    anna: list[tuple[str, str]],
    ben: list[tuple[str, str]],
    objects: list[int],
    excluded: set[str],
):
    tables = {
        f"labels/{who}.csv": "path,label\n" + "".join(f"{path},{label}\n" for path, label in rows)
        for who, rows in (("anna", anna), ("ben", ben))
    }
    coco = coco_text(*(make_object(id=number, image_id=number) for number in objects))
    root = two_images(reused, {"cut.png": make_png(3)[:150], "annotations.json": coco, **tables})
    result = take_in(root, records=[make_record("exclude", path=path) for path in sorted(excluded)])
    own = result.dataset.annotations["annotator"].fillna("coco") != "consensus"
    of_files = (result.rejected["source"] == result.rejected["path"]).fillna(False)
    assert len(result.dataset.images) + int(of_files.sum()) == 3
    n_gone = result.dataset.facts["counts"]["excluded_annotations"]
    assert int(own.sum()) + n_gone + int((~of_files).sum()) == len(anna) + len(ben) + len(objects)
    assert set(result.dataset.annotations["path"]) <= set(result.dataset.images["path"])


def test_a_broken_file_is_named(tmp_path: Path):
    two_images(tmp_path, {"annotations.json": "{"})
    with pytest.raises(
        DatatoolsError, match=re.escape(f"{tmp_path / 'annotations.json'}: expected a file with annotations.")
    ):
        take_in(tmp_path)


def test_rows_of_files_that_are_not_there_are_rejected(tmp_path: Path):
    images = [{"id": 1, "file_name": "a.png"}, {"id": 2, "file_name": "gone.png"}]
    files = {
        "a.png": make_png(),
        "metadata.csv": "path,site\na.png,x\nlost.png,y\n",
        "annotations.json": coco_text(images=images),
    }
    result = take_in(lay_out(tmp_path, files))
    rows = result.rejected[["source", "path", "reason"]].to_numpy().tolist()
    assert rows == [["annotations.json", "gone.png", "LBL005"], ["metadata.csv", "lost.png", "LBL005"]]


def test_half_a_character_in_coco_is_an_error(tmp_path: Path):
    text = coco_text(make_object()).replace('"cat"', '"c\\ud800"')
    with pytest.raises(DatatoolsError, match=r"annotations.json: expected a file with .*surrogates not allowed"):
        take_in(lay_out(tmp_path, {"a.png": make_png(), "annotations.json": text}))
