from __future__ import annotations

import hashlib
import json
import os
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from datatools.batches import Batch, BatchWriter, load_batch, merge_batches, to_packed
from datatools.errors import DatatoolsError
from datatools.formats.base import Content
from datatools.schema import ANNOTATIONS, PACKED, RECORDS, REJECTED
from datatools.shards import write_shards
from datatools.store import save_json

CONTENT = Content.from_rows(
    records=[{"path": "a.png", "width_px": 3, "attributes": '{"n":1}'}, {"path": "b.png", "subset": "train"}],
    annotations=[
        {"annotation_id": "coco/1", "path": "a.png", "label": "cat", "kind": "box", "x0_px": 0.1 + 0.2, "x1_px": -0.0},
        {"annotation_id": "coco/2", "path": "b.png", "label": "dog", "kind": "mask", "mask": "[[[0.0,1.0]]]"},
    ],
    classes=("dog", "cat"),
    rejected=[{"source": "x.json", "row": 3, "path": "a.png", "reason": "broken_row", "message": "no box"}],
    extras={"coco": {"licenses": [1, 2.5, None], "ä": "日本"}},
)


def write(
    root: Path, content: Content = CONTENT, name: str = "one", files: Any = (), **removed: tuple[str, ...]
) -> Path:
    """One more batch."""
    with BatchWriter(root, name) as writer:
        images = to_packed(write_shards(writer.path, files, compress=True))
        return writer.finish(Batch(name, "coco", content, images, **removed))


def say(**rows: Any) -> Content:
    return Content.from_rows(**rows)


def hash_files(root: Path) -> dict[str, str]:
    """Path -> SHA-256 of all files below `root`."""
    files = (path for path in root.rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def labels(root: Path) -> dict[str, str]:
    rows = merge_batches(root).content.annotations
    return dict(zip(rows["annotation_id"], rows["label"], strict=True))


def label_row(key: str, label: str, path: str = "a.png", **more: Any) -> dict[str, Any]:
    return {"annotation_id": key, "path": path, "label": label, "kind": "box", **more}


# ---- one batch


def test_a_batch_comes_back_as_it_went(tmp_path: Path):
    folder = write(tmp_path, files=[("a.png", b"1"), ("b.png", b"22")], removed_paths=("c.png",), removed_ids=("x",))
    found = load_batch(folder)
    assert folder.name == "0001-one"
    assert found.content.same_as(CONTENT)
    pd.testing.assert_frame_equal(found.content.rejected, CONTENT.rejected)
    pd.testing.assert_frame_equal(found.content.annotations, CONTENT.annotations)
    assert (found.source, found.format) == ("one", "coco")
    assert (found.removed_paths, found.removed_records, found.removed_ids) == (("c.png",), (), ("x",))
    assert found.images["path"].tolist() == ["a.png", "b.png"]


def test_a_batch_has_only_the_files_that_it_needs(tmp_path: Path):
    assert sorted(path.name for path in write(tmp_path).iterdir()) == [
        "annotations.parquet",
        "batch.json",
        "records.parquet",
        "rejected.parquet",
    ]
    assert [path.name for path in write(tmp_path, Content()).iterdir()] == ["batch.json"]


def test_equal_batches_have_equal_bytes(tmp_path: Path):
    for name in ("left", "right"):
        write(tmp_path / name, files=[("a.png", b"1")])
    assert hash_files(tmp_path / "left") == hash_files(tmp_path / "right")


def test_others_may_read_a_batch(tmp_path: Path):
    folder = write(tmp_path, files=[("a.png", b"1")])
    assert folder.stat().st_mode & 0o777 == 0o755
    assert {path.stat().st_mode & 0o044 for path in folder.iterdir()} == {0o044}


@pytest.mark.parametrize(
    ("source", "folder"),
    [
        ("cats", "0001-cats"),
        ("../../etc/passwd", "0001-etc-passwd"),
        ("a b/c\\d", "0001-a-b-c-d"),
        ("катя", "0001-import"),
        ("", "0001-import"),
        ("...", "0001-import"),
        ("x" * 500, "0001-" + "x" * 100),
        ("v1.0_b", "0001-v1.0_b"),
    ],
)
def test_any_source_name_makes_a_plain_folder_name(tmp_path: Path, source: str, folder: str):
    made = write(tmp_path, name=source)
    assert made == tmp_path / "batches" / folder
    assert load_batch(made).source == source


def test_batches_are_numbered_on(tmp_path: Path):
    assert [write(tmp_path, name=name).name for name in ("b", "a", "b")] == ["0001-b", "0002-a", "0003-b"]


def test_an_import_that_fails_leaves_nothing(tmp_path: Path):
    with pytest.raises(RuntimeError), BatchWriter(tmp_path, "one") as writer:
        write_shards(writer.path, [("a.png", b"1")], compress=False)
        raise RuntimeError
    assert list((tmp_path / "batches").iterdir()) == []


def test_what_a_killed_import_left_is_cleared_away_and_nothing_else(tmp_path: Path):
    (tmp_path / "batches" / ".new-killed").mkdir(parents=True)
    (tmp_path / "batches" / ".new-killed" / "images-0000.tar").write_bytes(b"half")
    (tmp_path / "batches" / "notes.txt").write_text("mine")
    write(tmp_path)
    assert sorted(path.name for path in (tmp_path / "batches").iterdir()) == ["0001-one", "notes.txt"]


def test_a_second_import_at_the_same_time_is_refused_and_the_first_not_disturbed(tmp_path: Path):
    with BatchWriter(tmp_path, "one") as writer:
        with pytest.raises(DatatoolsError) as caught, BatchWriter(tmp_path, "two"):
            pass
        assert str(caught.value) == (
            f"{tmp_path / 'batches'}: expected one import at a time. Got another one at work: wait for its end."
        )
        writer.finish(Batch("one", "coco", CONTENT))
    write(tmp_path, name="two")
    assert labels(tmp_path) == {"coco/1": "cat", "coco/2": "dog"}


def test_where_folders_cannot_be_locked_an_import_works_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def no_locks(*args: Any) -> None:
        raise OSError(9, "Bad file descriptor")

    monkeypatch.setattr("datatools.batches.fcntl.flock", no_locks)
    assert write(tmp_path).name == "0001-one"


def test_no_file_handle_is_left_open(tmp_path: Path):
    write(tmp_path)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        write(tmp_path)
    assert len(os.listdir("/proc/self/fd")) == before


# ---- several batches


def test_nothing_imported_is_empty(tmp_path: Path):
    merged = merge_batches(tmp_path)
    assert merged.content.same_as(Content())
    assert (len(merged.images), merged.paths, merged.source_of, merged.said) == (0, frozenset(), {}, {})


def test_one_batch_is_what_it_holds(tmp_path: Path):
    write(tmp_path, files=[("a.png", b"1")])
    merged = merge_batches(tmp_path)
    assert merged.content.same_as(CONTENT)
    pd.testing.assert_frame_equal(merged.content.rejected, CONTENT.rejected)
    assert merged.paths == {"a.png"}
    assert merged.source_of == {"coco/1": "one", "coco/2": "one"}
    assert merged.image_source == {"a.png": "one"}
    assert merged.said["one"].same_as(CONTENT)
    assert list(merged.images.columns) == [*PACKED.columns, "batch"]


def test_a_later_annotation_of_the_same_id_wins(tmp_path: Path):
    write(tmp_path, say(annotations=[label_row("1", "cat"), label_row("2", "dog")]))
    write(tmp_path, say(annotations=[label_row("2", "cow"), label_row("3", "ant")]))
    assert labels(tmp_path) == {"1": "cat", "2": "cow", "3": "ant"}


def test_a_removed_annotation_is_gone_and_may_come_again(tmp_path: Path):
    write(tmp_path, say(annotations=[label_row("1", "cat"), label_row("2", "dog")]))
    write(tmp_path, Content(), removed_ids=("1",))
    assert labels(tmp_path) == {"2": "dog"}
    write(tmp_path, say(annotations=[label_row("1", "new")]))
    assert labels(tmp_path) == {"1": "new", "2": "dog"}


def test_a_later_record_replaces_the_earlier_one_of_its_source_as_a_whole(tmp_path: Path):
    write(tmp_path, say(records=[{"path": "a.png", "width_px": 5, "subset": "val"}, {"path": "b.png", "width_px": 6}]))
    write(tmp_path, say(records=[{"path": "a.png", "width_px": 7}]))
    records = merge_batches(tmp_path).content.records.set_index("path")
    assert records["width_px"].to_dict() == {"a.png": 7, "b.png": 6}
    assert pd.isna(records.loc["a.png", "subset"])
    write(tmp_path, Content(), removed_records=("b.png",))
    assert merge_batches(tmp_path).content.records["path"].tolist() == ["a.png"]


def test_records_of_two_sources_are_put_together_and_the_later_row_has_the_word(tmp_path: Path):
    write(
        tmp_path, say(records=[{"path": "a.png", "width_px": 5, "subset": "val", "attributes": '{"x":1,"y":1}'}]), "one"
    )
    write(tmp_path, say(records=[{"path": "a.png", "width_px": 7, "attributes": '{"y":2,"z":2}'}]), "two")
    write(tmp_path, say(annotations=[label_row("1", "cat")]), "one")
    merged = merge_batches(tmp_path)
    [row] = merged.content.records.to_dict("records")
    assert (row["width_px"], row["subset"], row["attributes"]) == (7, "val", '{"x":1,"y":2,"z":2}')
    assert merged.said["one"].records["width_px"].tolist() == [5]
    write(tmp_path, Content(), "two", removed_records=("a.png",))
    assert merge_batches(tmp_path).content.records["width_px"].tolist() == [5]


def test_a_source_cannot_take_away_what_another_one_says(tmp_path: Path):
    write(tmp_path, say(annotations=[label_row("1", "cat")], records=[{"path": "a.png"}]), "one")
    write(tmp_path, Content(), "two", removed_ids=("1",), removed_records=("a.png",))
    merged = merge_batches(tmp_path)
    assert len(merged.content.annotations) == len(merged.content.records) == 1


def test_the_last_batch_of_a_source_says_all_its_classes_rejected_rows_and_extras(tmp_path: Path):
    write(tmp_path, CONTENT, "one")
    rejected = [{"source": "x.json", "row": 9, "reason": "broken_row", "message": "other"}]
    write(tmp_path, say(classes=("cow",), rejected=rejected, extras={"voc": 1}), "two")
    write(tmp_path, say(classes=("cat", "ant"), extras={"coco": {"licenses": []}}), "one")
    content = merge_batches(tmp_path).content
    assert content.classes == ("cat", "ant", "cow")
    assert content.extras == {"coco": {"licenses": []}, "voc": 1}
    assert content.rejected["message"].tolist() == ["other"]


def test_rejected_rows_of_two_sources_with_files_of_one_name_stand_side_by_side(tmp_path: Path):
    for name in ("one", "two"):
        write(tmp_path, say(rejected=[{"source": "x.json", "row": 1, "reason": "r", "message": name}]), name)
    assert sorted(merge_batches(tmp_path).content.rejected["message"]) == ["one", "two"]


def test_one_id_from_two_sources_is_one_row(tmp_path: Path):
    """It cannot come about by imports one after the other, but by merging two branches."""
    write(tmp_path, say(annotations=[label_row("1", "cat")]), "one")
    write(tmp_path, say(annotations=[label_row("1", "dog")]), "two")
    merged = merge_batches(tmp_path)
    assert labels(tmp_path) == {"1": "dog"}
    assert merged.source_of == {"1": "two"}


def test_a_new_batch_changes_no_file_of_the_earlier_ones(tmp_path: Path):
    for number in range(4):
        before = hash_files(tmp_path)
        write(tmp_path, files=[(f"{number}.png", b"1")], removed_ids=("coco/1",), removed_paths=("0.png",))
        assert before.items() < hash_files(tmp_path).items()


@pytest.mark.parametrize("table", ["records", "annotations", "rejected"])
@pytest.mark.parametrize("how", ["unknown column", "junk", "torn", "wrong type"])
def test_a_foreign_table_is_a_wrong_call(tmp_path: Path, table: str, how: str):
    file = write(tmp_path) / f"{table}.parquet"
    if how == "unknown column":
        pd.read_parquet(file).assign(evil=1).to_parquet(file)
    elif how == "wrong type":
        column = {"records": "width_px", "annotations": "x0_px", "rejected": "row"}[table]
        pd.read_parquet(file).assign(**{column: "wide"}).to_parquet(file)
    else:
        file.write_bytes(b"junk" if how == "junk" else file.read_bytes()[:-9])
    with pytest.raises(DatatoolsError, match=re.escape(f"{file}: expected the table {table} as Parquet. Got: ")):
        merge_batches(tmp_path)


def test_facts_may_have_more_than_this_version_knows(tmp_path: Path):
    folder = write(tmp_path)
    save_json(folder / "batch.json", {**json.loads((folder / "batch.json").read_text()), "note": "by hand"})
    assert merge_batches(tmp_path).content.same_as(CONTENT)


def test_empty_tables_have_their_columns(tmp_path: Path):
    write(tmp_path, Content(), removed_ids=("1",))
    content = merge_batches(tmp_path).content
    for table, frame in ((RECORDS, content.records), (ANNOTATIONS, content.annotations), (REJECTED, content.rejected)):
        pd.testing.assert_frame_equal(frame, table.empty())
