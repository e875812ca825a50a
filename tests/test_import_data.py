from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datatools import seen_files, shards, source
from datatools.batches import Merged, load_batch, merge_batches
from datatools.errors import DatatoolsError
from datatools.formats.base import Content
from datatools.import_data import Imported, import_data
from datatools.packed import PackedImages, merge_packed
from datatools.report.arrivals import to_import_lines
from datatools.tree import FolderTree, UnreadableFileError, open_tree
from tests.builders import coco_text, lay_out, make_object, make_png
from tests.test_batches import hash_files

PICTURES = {"a.png": make_png(1), "b.png": make_png(2)}
BOXES = make_object(id=1), make_object(id=2, image_id=2)


@pytest.fixture(scope="module", autouse=True)
def no_waiting_for_disks() -> Iterator[None]:
    """Nobody pulls the plug of a test."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda handle: None)
        yield


def bring(folder: Path, root: Path, name: str = "one", **options: Any) -> Imported:
    return import_data(open_tree(folder), root, name, **options)


def read_images(root: Path) -> dict[str, bytes]:
    packed = PackedImages(root, merge_packed(root))
    return {path: packed.read(path) for path in packed}


def labels(root: Path) -> dict[str, str]:
    rows = merge_batches(root).content.annotations
    return dict(zip(rows["annotation_id"], rows["label"], strict=True))


@dataclass(frozen=True)
class CountingTree(FolderTree):
    """A folder that knows what was read of it."""

    was_read: list[str] = field(default_factory=list, compare=False, kw_only=True)

    def _read_file(self, path: str) -> bytes:
        self.was_read.append(path)
        return super()._read_file(path)


def bring_again(folder: Path, root: Path, cache: Path) -> tuple[Imported, list[str]]:
    """The import, and which images it read."""
    tree = open_tree(folder)
    counting = CountingTree(tree.root, tree.sizes)
    done = import_data(counting, root, "one", cache=cache)
    return done, [path for path in counting.was_read if path.endswith(".png")]


@pytest.fixture
def coco(tmp_path: Path) -> Path:
    """Two images with a box each."""
    return lay_out(tmp_path / "coco", {**PICTURES, "instances.json": coco_text(*BOXES)})


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "raw"


# ---- what an import does


def test_images_and_annotations_come_in_as_one_batch(coco: Path, root: Path):
    ticks: list[int] = []
    done = bring(coco, root, tick=ticks.append)
    assert done.batch == root / "batches" / "0001-one"
    assert (done.formats, done.n_images, done.n_images_known) == (("coco",), 2, 0)
    assert (done.n_annotations, done.n_removed, len(done.rejected)) == (2, 0, 0)
    assert ticks == [1, 1]
    assert read_images(root) == PICTURES
    assert labels(root) == {"coco/1": "cat", "coco/2": "cat"}
    assert load_batch(done.batch).format == "coco"


def test_what_is_brought_stays_as_it_is(coco: Path, root: Path):
    before = hash_files(coco), sorted(path.stat().st_mtime_ns for path in coco.iterdir())
    bring(coco, root)
    bring(coco, root, into="sub", name="two")
    assert (hash_files(coco), sorted(path.stat().st_mtime_ns for path in coco.iterdir())) == before


def test_the_same_again_writes_nothing(coco: Path, root: Path):
    bring(coco, root)
    before = hash_files(root)
    for mirror in (False, True):
        done = bring(coco, root, mirror=mirror)
        assert (done.batch, done.n_images, done.n_images_known, done.n_annotations) == (None, 0, 2, 0)
    assert hash_files(root) == before


def test_one_changed_label_is_a_batch_of_a_few_kilobytes_without_images(root: Path, tmp_path: Path):
    n_images = 300
    images = [{"id": n, "file_name": f"{n}.png", "width": 12, "height": 10} for n in range(n_images)]
    boxes = [make_object(id=n, image_id=n) for n in range(n_images)]
    pictures = {f"{n}.png": make_png(n % 9) for n in range(n_images)}
    folder = lay_out(tmp_path / "x", {**pictures, "x.json": coco_text(*boxes, images=images)})
    bring(folder, root)
    boxes[7]["category_id"] = 7
    lay_out(folder, {"x.json": coco_text(*boxes, images=images)})
    done = bring(folder, root)
    assert done.batch is not None
    assert (done.n_images, done.n_annotations, done.n_images_known) == (0, 1, n_images)
    assert sorted(path.name for path in done.batch.iterdir()) == ["annotations.parquet", "batch.json"]
    assert sum(path.stat().st_size for path in done.batch.iterdir()) < 12_000
    assert labels(root) == {f"coco/{n}": "dog" if n == 7 else "cat" for n in range(n_images)}


def test_small_files_are_compressed_and_large_ones_are_not(root: Path, tmp_path: Path):
    small = bring(lay_out(tmp_path / "small", {"a.png": b"x" * 5000}), root, "small")
    large = bring(lay_out(tmp_path / "large", {"b.png": b"y" * 50_000}), root, "large")
    assert small.batch is not None and large.batch is not None
    assert [path.name for path in small.batch.glob("images-*")] == ["images-0000.tar.gz"]
    assert [path.name for path in large.batch.glob("images-*")] == ["images-0000.tar"]


def test_changed_and_new_images_come_in_and_the_others_do_not_travel_again(coco: Path, root: Path):
    bring(coco, root)
    lay_out(coco, {"b.png": make_png(3), "c.png": make_png(4)})
    done = bring(coco, root)
    assert (done.n_images, done.n_images_known) == (2, 1)
    assert read_images(root) == {"a.png": PICTURES["a.png"], "b.png": make_png(3), "c.png": make_png(4)}


def test_without_mirror_what_the_source_no_longer_has_stays(coco: Path, root: Path):
    bring(coco, root)
    (coco / "b.png").unlink()
    one = [{"id": 1, "file_name": "a.png", "width": 12, "height": 10}]
    lay_out(coco, {"instances.json": coco_text(make_object(id=5), images=one)})
    done = bring(coco, root)
    assert done.n_removed == 1
    assert labels(root) == {"coco/2": "cat", "coco/5": "cat"}
    assert read_images(root) == PICTURES


def test_exports_that_count_from_one_again_leave_what_was_there(coco: Path, root: Path, tmp_path: Path):
    bring(coco, root)
    months = [coco]
    for month in ("c", "d"):
        images = [{"id": 1, "file_name": f"{month}.png", "width": 12, "height": 10}]
        files = {f"{month}.png": make_png(ord(month)), "instances.json": coco_text(make_object(id=1), images=images)}
        months.append(lay_out(tmp_path / month, files))
        bring(months[-1], root)
    rows = merge_batches(root).content.annotations
    assert dict(zip(rows["annotation_id"], rows["path"], strict=True)) == {
        "coco/1": "a.png",
        "coco/2": "b.png",
        "one:coco/1": "c.png",
        "one:2:coco/1": "d.png",
    }
    assert [bring(folder, root).batch for folder in months] == [None, None, None]


def test_a_tag_whose_id_counts_from_one_again_has_the_same_annotator(
    root: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    for path in ("a.png", "b.png"):
        row = {"annotation_id": "1", "path": path, "kind": "label", "label": "cat", "annotator": "ann"}
        monkeypatch.setattr(source, "load_content", lambda *_, row=row: (Content.from_rows(annotations=[row]), {}))
        folder = lay_out(tmp_path / path, {path: make_png(1)})
        bring(folder, root)
        assert bring(folder, root).batch is None
    assert merge_batches(root).content.annotations["annotator"].tolist() == ["ann", "ann"]


def test_with_mirror_it_is_taken_away(coco: Path, root: Path):
    bring(coco, root)
    (coco / "b.png").unlink()
    one = [{"id": 1, "file_name": "a.png", "width": 12, "height": 10}]
    lay_out(coco, {"instances.json": coco_text(make_object(id=5), images=one)})
    done = bring(coco, root, mirror=True)
    assert done.n_removed == 3
    assert labels(root) == {"coco/5": "cat"}
    assert read_images(root) == {"a.png": PICTURES["a.png"]}
    assert merge_batches(root).content.records["path"].tolist() == ["a.png"]


def test_a_mirror_leaves_other_sources_alone(coco: Path, root: Path, tmp_path: Path):
    bring(lay_out(tmp_path / "other", {"z.png": make_png(9)}), root, "other")
    bring(coco, root)
    shutil.rmtree(coco)
    lay_out(coco, {"a.png": PICTURES["a.png"]})
    bring(coco, root, mirror=True)
    assert read_images(root) == {"a.png": PICTURES["a.png"], "z.png": make_png(9)}
    assert labels(root) == {}


def test_a_mirror_leaves_an_image_that_another_source_labels(root: Path, tmp_path: Path):
    one = lay_out(tmp_path / "one", PICTURES)
    two = lay_out(tmp_path / "two", {"a.png": PICTURES["a.png"], "labels/ben.csv": "path,label\na.png,dog\n"})
    bring(one, root, "one")
    bring(two, root, "two")
    (one / "a.png").unlink()
    assert bring(one, root, "one", mirror=True).batch is None
    assert read_images(root) == PICTURES
    assert labels(root) == {"label/a.png@ben": "dog"}


# ---- into a folder


@pytest.mark.parametrize("into", ["2026", "site a/kamera-ä"])
def test_everything_can_go_below_a_folder(coco: Path, root: Path, into: str):
    lay_out(coco, {"notes.txt": "hello"})
    bring(coco, root, into=into)
    merged = merge_batches(root)
    assert read_images(root) == {f"{into}/{path}": data for path, data in PICTURES.items()}
    assert merged.content.annotations["path"].tolist() == [f"{into}/a.png", f"{into}/b.png"]
    assert merged.content.records["path"].tolist() == [f"{into}/a.png", f"{into}/b.png"]
    [row] = merged.content.rejected.to_dict("records")
    assert (row["source"], row["path"]) == ("notes.txt", f"{into}/notes.txt")
    assert bring(coco, root, into=into).batch is None


@pytest.mark.parametrize("into", ["../x", "/x", "x/", "x//y", ".", "x/../..", "a\\b", "a\n"])
def test_a_folder_outside_is_a_wrong_call(coco: Path, root: Path, into: str):
    with pytest.raises(DatatoolsError) as caught:
        bring(coco, root, into=into)
    assert str(caught.value) == (
        f"expected a folder below the data root to import into. Got {into!r}: name one, as in a/b."
    )
    assert not root.exists()


# ---- several sources


def test_ids_that_another_source_uses_get_the_name_in_front_for_good(coco: Path, root: Path, tmp_path: Path):
    other = lay_out(tmp_path / "other", {"c.png": make_png(3), "d.png": make_png(4)})
    images = [{"id": n, "file_name": f"{name}.png"} for n, name in ((1, "c"), (2, "d"))]
    lay_out(other, {"instances.json": coco_text(*BOXES, images=images)})
    bring(coco, root, "one")
    bring(other, root, "two")
    expected = ["coco/1", "coco/2", "two:coco/1", "two:coco/2"]
    assert sorted(labels(root)) == expected
    assert merge_batches(root).source_of["two:coco/1"] == "two"
    for folder, name in ((coco, "one"), (other, "two")):
        assert bring(folder, root, name).batch is None
    lay_out(coco, {"instances.json": coco_text(make_object(id=2, image_id=2))})
    bring(coco, root, "one")
    bring(other, root, "two")
    assert sorted(labels(root)) == expected[1:], "ids of the second source must not jump back"


def test_ids_stay_apart_when_an_export_of_both_comes_back(root: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    folder = lay_out(tmp_path / "x", {"a.png": make_png(1)})
    says: dict[str, list[str]] = {"one": ["1", "two:1"], "two": ["1", "two:1", "two:two:1", "5"]}
    for name, ids in says.items():
        rows = [{"annotation_id": key, "path": "a.png", "kind": "box", "label": f"{name} {key}"} for key in ids]
        monkeypatch.setattr(source, "load_content", lambda *_, rows=rows: (Content.from_rows(annotations=rows), {}))
        bring(folder, root, name)
        assert bring(folder, root, name).batch is None
    assert sorted(labels(root).values()) == sorted(f"{name} {key}" for name, ids in says.items() for key in ids)


def test_two_sources_that_label_one_image_are_two_raters(root: Path, tmp_path: Path):
    one = lay_out(tmp_path / "one", {"a.png": make_png(1), "labels/ann.csv": "path,label\na.png,cat\n"})
    two = lay_out(tmp_path / "two", {"a.png": make_png(1), "labels/ann.csv": "path,label\na.png,dog\n"})
    bring(one, root, "one")
    bring(two, root, "two")
    rows = merge_batches(root).content.annotations
    assert rows[["annotation_id", "annotator", "label"]].to_dict("records") == [
        {"annotation_id": "label/a.png@ann", "annotator": "ann", "label": "cat"},
        {"annotation_id": "label/a.png@two:ann", "annotator": "two:ann", "label": "dog"},
    ]
    assert bring(two, root, "two").batch is None


def test_the_same_path_with_other_bytes_is_a_wrong_call_and_changes_nothing(coco: Path, root: Path, tmp_path: Path):
    bring(coco, root)
    before = hash_files(root)
    other = lay_out(tmp_path / "other", {"0.png": make_png(5), "a.png": make_png(9)})
    with pytest.raises(DatatoolsError) as caught:
        bring(other, root, "two")
    assert str(caught.value) == (
        "a.png: expected an image that is new, or that 'two' brought. Got other bytes than those from 'one': "
        "add --into FOLDER, or --name one to replace it."
    )
    assert hash_files(root) == before
    assert [path.name for path in (root / "batches").iterdir()] == ["0001-one"]
    bring(other, root, "two", into="two")
    assert read_images(root)["two/a.png"] == make_png(9)
    bring(other, root, "one")
    assert read_images(root)["a.png"] == make_png(9)


def test_the_same_path_with_the_same_bytes_is_one_image(coco: Path, root: Path, tmp_path: Path):
    bring(coco, root)
    done = bring(lay_out(tmp_path / "other", {"a.png": PICTURES["a.png"]}), root, "two")
    assert (done.batch, done.n_images_known) == (None, 1)


def test_what_two_sources_say_of_one_image_does_not_go_to_and_fro(coco: Path, root: Path, tmp_path: Path):
    wider = [{"id": 1, "file_name": "a.png", "width": 99, "height": 10, "camera": "two"}]
    other = lay_out(tmp_path / "other", {"a.png": PICTURES["a.png"], "x.json": coco_text(images=wider)})
    bring(coco, root, "one")
    bring(other, root, "two")
    for folder, name in ((coco, "one"), (other, "two"), (coco, "one")):
        assert bring(folder, root, name).batch is None


# ---- what is left out


class Unreliable(FolderTree):
    """A folder with a file that cannot be read."""

    def read(self, path: str) -> bytes:
        if path == "b.png":
            raise UnreadableFileError("Input/output error")
        return super().read(path)


def unreliable(folder: Path) -> Unreliable:
    tree = open_tree(folder)
    return Unreliable(tree.root, tree.sizes, tree.refused)


def test_a_file_that_cannot_be_read_is_a_rejected_row_until_it_can(coco: Path, root: Path):
    done = import_data(unreliable(coco), root, "one")
    row = {"source": "b.png", "path": "b.png", "reason": "unreadable", "message": "Input/output error"}
    assert done.rejected[list(row)].to_dict("records") == [row]
    assert (done.n_images, done.n_images_known) == (1, 0)
    assert read_images(root) == {"a.png": PICTURES["a.png"]}
    assert import_data(unreliable(coco), root, "one").batch is None
    assert bring(coco, root).n_images == 1
    assert read_images(root) == PICTURES
    assert len(merge_batches(root).content.rejected) == 0


def test_an_image_that_can_no_longer_be_read_stays_as_it_was(coco: Path, root: Path):
    bring(coco, root)
    done = import_data(unreliable(coco), root, "one", mirror=True)
    assert done.rejected["reason"].tolist() == ["unreadable"]
    assert (done.n_images_known, done.n_removed) == (1, 0)
    assert read_images(root) == PICTURES


def test_every_file_that_is_left_out_is_a_row_with_its_reason(coco: Path, root: Path):
    lay_out(coco, {"notes.txt": "x", ".hidden": "x"})
    (coco / "link.png").symlink_to(coco / "a.png")
    os.mkfifo(coco / "pipe.png")
    done = bring(coco, root)
    found = dict(zip(done.rejected["source"], done.rejected["reason"], strict=True))
    assert found == {".hidden": "hidden", "link.png": "link", "notes.txt": "not_an_image", "pipe.png": "not_a_file"}
    pd.testing.assert_frame_equal(merge_batches(root).content.rejected, done.rejected)


def test_a_row_that_was_mended_is_no_longer_rejected(coco: Path, root: Path):
    lay_out(coco, {"instances.json": coco_text(BOXES[0], make_object(id=2, image_id=2, bbox=[1, 2]))})
    assert bring(coco, root).rejected["reason"].tolist() == ["BOX004"]
    lay_out(coco, {"instances.json": coco_text(*BOXES)})
    bring(coco, root)
    assert len(merge_batches(root).content.rejected) == 0
    assert sorted(labels(root)) == ["coco/1", "coco/2"]


def test_what_was_rejected_stays_listed_when_other_files_come_under_the_same_name(root: Path, tmp_path: Path):
    first = lay_out(tmp_path / "monday", {"a.png": make_png(1), "monday.txt": "x"})
    second = lay_out(tmp_path / "tuesday", {"b.png": make_png(2), "tuesday.txt": "x"})
    bring(first, root, "camera")
    bring(second, root, "camera")
    assert merge_batches(root).content.rejected["source"].tolist() == ["monday.txt", "tuesday.txt"]
    bring(second, root, "camera", mirror=True)
    assert merge_batches(root).content.rejected["source"].tolist() == ["tuesday.txt"]


def test_nothing_to_import_is_a_wrong_call_and_leaves_no_trace(root: Path, tmp_path: Path):
    folder = lay_out(tmp_path / "empty", {"notes.txt": "x"})
    with pytest.raises(DatatoolsError, match="expected image files"):
        bring(folder, root)
    assert not root.exists()


def test_a_damaged_batch_stops_an_import_before_it_writes(coco: Path, root: Path):
    done = bring(coco, root)
    assert done.batch is not None
    (done.batch / "annotations.parquet").write_bytes(b"junk")
    before = hash_files(root)
    with pytest.raises(DatatoolsError, match="expected the table annotations"):
        bring(coco, root)
    assert hash_files(root) == before


# ---- any sequence of states


@dataclass(frozen=True)
class State:
    """What a source is at some time."""

    images: Mapping[str, bytes] = field(default_factory=dict)
    content: Content = field(default_factory=Content)


PATHS = [f"{name}.png" for name in "abcde"]
TEXT = st.sampled_from(["x", "y", "ä\n'", ""])
IMAGES = st.dictionaries(st.sampled_from(PATHS), st.sampled_from([b"", b"1", b"22" * 400]), min_size=1)
ROWS = {
    "path": st.sampled_from(PATHS),
    "label": st.none() | TEXT,
    "kind": st.sampled_from(["box", "mask", "shape"]),
    "x0_px": st.none() | st.sampled_from([0.1, 0.30000000000000004, -1e300]),
    "mask": st.none() | st.just("[]"),
    "annotator": st.none() | TEXT,
    "attributes": st.none() | st.just('{"n":1}'),
}
REJECTED_ROWS = st.fixed_dictionaries(
    {
        "source": st.sampled_from(["p.json", "q.json"]),
        "row": st.none() | st.integers(1, 3),
        "path": st.none() | st.sampled_from(PATHS),
        "reason": st.just("broken_row"),
        "message": TEXT,
    }
)
RECORD = st.fixed_dictionaries({"width_px": st.none() | st.integers(1, 2), "subset": st.none() | TEXT})
STATES = st.builds(
    lambda images, rows, records, **more: State(
        images,
        Content.from_rows(
            annotations=[{"annotation_id": key, **row} for key, row in rows.items()],
            records=[{"path": path, **record} for path, record in records.items()],
            **more,
        ),
    ),
    IMAGES,
    st.dictionaries(st.sampled_from("1234"), st.fixed_dictionaries(ROWS)),
    st.dictionaries(st.sampled_from(PATHS), RECORD),
    classes=st.lists(st.sampled_from(["cat", "dog", "ant"]), unique=True),
    rejected=st.lists(REJECTED_ROWS, max_size=3, unique_by=repr),
    extras=st.dictionaries(st.sampled_from(["coco", "voc"]), st.lists(st.integers(), max_size=1)),
)


def import_state(state: State, folder: Path, root: Path, name: str = "one", mirror: bool = True) -> Imported:
    """Lay the images out and import, with `content` in place of what a format would read."""
    shutil.rmtree(folder, ignore_errors=True)
    lay_out(folder, state.images)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(source, "load_content", lambda *_: (state.content, {"coco": ["p.json"]}))
        patch.setattr(source, "check_source", lambda *_: None)
        return bring(folder, root, name, mirror=mirror)


def assert_same(merged: Merged, root: Path, state: State) -> None:
    assert read_images(root) == state.images
    assert merged.content.same_as(state.content)
    pd.testing.assert_frame_equal(merged.content.rejected, state.content.rejected)


@settings(max_examples=20)
@given(states=st.lists(STATES, min_size=1, max_size=3))
def test_after_any_sequence_of_mirrored_states_the_last_one_stands(
    tmp_path_factory: pytest.TempPathFactory, states: list[State]
):
    folder = tmp_path_factory.mktemp("states")
    for state in states:
        before = hash_files(folder / "raw")
        import_state(state, folder / "source", folder / "raw")
        assert before.items() <= hash_files(folder / "raw").items(), "an earlier batch was changed"
        assert_same(merge_batches(folder / "raw"), folder / "raw", state)
        written = hash_files(folder / "raw")
        again = import_state(state, folder / "source", folder / "raw")
        assert (again.batch, again.n_images, again.n_annotations, again.n_removed) == (None, 0, 0, 0)
        assert hash_files(folder / "raw") == written


@settings(max_examples=15)
@given(states=st.lists(STATES, min_size=1, max_size=3))
def test_without_mirror_states_add_up_and_an_image_that_is_spoken_of_gets_its_new_annotations(
    tmp_path_factory: pytest.TempPathFactory, states: list[State]
):
    folder = tmp_path_factory.mktemp("states")
    images: dict[str, bytes] = {}
    rows: list[dict[str, Any]] = []
    records: dict[str, dict[str, Any]] = {}
    classes: dict[str, None] = {}
    extras: dict[str, Any] = {}
    for state in states:
        import_state(state, folder / "source", folder / "raw", mirror=False)
        content = state.content
        spoken_of = {*state.images, *content.annotations["path"], *content.records["path"]}
        images |= state.images
        rows = [row for row in rows if row["path"] not in spoken_of]
        rows += content.annotations.drop(columns="annotation_id").to_dict("records")
        records |= {row["path"]: row for row in content.records.to_dict("records")}
        classes |= dict.fromkeys(content.classes)
        extras |= content.extras
        found = merge_batches(folder / "raw").content
        ids = found.annotations["annotation_id"]
        assert ids.is_unique
        expected = Content.from_rows(records.values(), (), tuple(classes), extras=extras)
        assert replace(found, annotations=expected.annotations).same_as(expected)
        said = found.annotations.drop(columns="annotation_id").to_dict("records")
        assert sorted(map(repr, said)) == sorted(map(repr, rows))
        assert read_images(folder / "raw") == images
        assert import_state(state, folder / "source", folder / "raw", mirror=False).batch is None


@settings(max_examples=12)
@given(st.lists(st.tuples(st.sampled_from(["one", "two"]), STATES), min_size=2, max_size=4))
def test_two_sources_with_the_same_ids_each_keep_all_that_they_say(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, State]]
):
    folder = tmp_path_factory.mktemp("states")
    last: dict[str, State] = {}
    for name, state in steps:
        apart = {f"{name}/{path}": data for path, data in state.images.items()}
        state = State(apart, state.content)
        import_state(state, folder / "source", folder / "raw", name)
        last[name] = state
        merged = merge_batches(folder / "raw")
        for who, known in last.items():
            said = merged.said[who].annotations
            plain = said.assign(annotation_id=said["annotation_id"].str.removeprefix(f"{who}:"))
            said = known.content.annotations
            pd.testing.assert_frame_equal(plain.sort_values("annotation_id", ignore_index=True), said)
            assert merged.said[who].classes == known.content.classes
        n_rows = sum(len(known.content.annotations) for known in last.values())
        assert len(merged.content.annotations) == n_rows == merged.content.annotations["annotation_id"].nunique()
        assert import_state(state, folder / "source", folder / "raw", name).batch is None


def test_the_order_in_which_files_were_made_does_not_matter(tmp_path: Path):
    names = [f"{n}.png" for n in range(40)]
    for number, order in enumerate((names, names[::-1])):
        folder = tmp_path / f"source{number}"
        for name in order:
            lay_out(folder, {name: make_png(len(name))})
        lay_out(folder, {"instances.json": coco_text()})
        bring(folder, tmp_path / f"raw{number}")
    assert hash_files(tmp_path / "raw0") == hash_files(tmp_path / "raw1")


def test_an_archive_gives_the_same_batch_as_its_folder(coco: Path, tmp_path: Path):
    archive = shutil.make_archive(str(tmp_path / "packed"), "zip", coco)
    bring(coco, tmp_path / "one")
    bring(Path(archive), tmp_path / "two")
    assert hash_files(tmp_path / "one") == hash_files(tmp_path / "two")


# ---- killed in the middle


def _die_at(event_number: int, root: Path) -> None:
    """Kill this process, as `kill -9` does, before the so many-th change to anything below `root`."""
    seen = 0

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal seen
        is_write = event in ("os.rename", "os.mkdir", "os.chmod", "os.remove", "os.rmdir") or (
            event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
        )
        if is_write and str(arguments[0]).startswith(str(root)):
            seen += 1
            if seen == event_number:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


def killed_import(event_number: int, coco: Path, root: Path) -> bool:
    """Whether an import in a process of its own was killed; otherwise it came to its end before."""
    pid = os.fork()
    if pid == 0:
        _die_at(event_number, root)
        bring(coco, root)
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert status in (0, -signal.SIGKILL)
    return status != 0


def test_killed_at_any_point_it_leaves_no_batch_or_a_whole_one_and_a_rerun_finishes(
    coco: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    for name, value in {"TARGET": 500, "LEAST": 200, "MOST": 900, "BLOCK": 300}.items():
        monkeypatch.setattr(shards, name, value)
    bring(coco, tmp_path / "before")
    lay_out(coco, {"b.png": make_png(3), "c.png": make_png(4), "d.png": make_png(5), "notes.txt": "x"})
    lay_out(coco, {"instances.json": coco_text(make_object(id=1, category_id=7), make_object(id=3))})
    shutil.copytree(tmp_path / "before", tmp_path / "undisturbed")
    bring(coco, tmp_path / "undisturbed")
    expected, before = hash_files(tmp_path / "undisturbed"), hash_files(tmp_path / "before")
    n_killed = 0
    outcomes = set()
    for number in range(1, 200):
        root = tmp_path / f"raw{number}"
        shutil.copytree(tmp_path / "before", root)
        if not killed_import(number, coco, root):
            break
        n_killed += 1
        left = {path: digest for path, digest in hash_files(root).items() if "/.new-" not in path}
        assert left in (before, expected)
        outcomes.add(left == expected)
        assert merge_batches(root).content.classes == ("cat", "dog")
        bring(coco, root)
        assert hash_files(root) == expected
        assert sorted(path.name for path in (root / "batches").iterdir()) == ["0001-one", "0002-one"]
    assert n_killed > 12
    assert False in outcomes


def test_a_first_import_that_is_killed_before_its_rename_leaves_an_empty_root(coco: Path, root: Path):
    pid = os.fork()
    if pid == 0:
        os.rename = lambda *args: os.kill(os.getpid(), signal.SIGKILL)
        bring(coco, root)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
    assert len(merge_batches(root).images) == 0
    bring(coco, root)
    assert read_images(root) == PICTURES
    digest = hashlib.sha256(PICTURES["a.png"]).hexdigest()
    assert merge_batches(root).images["sha256"].tolist()[0] == digest


def test_a_batch_says_where_it_comes_from(coco: Path, root: Path):
    done = bring(coco, root, "bring your own / ä")
    assert done.batch is not None
    assert json.loads((done.batch / "batch.json").read_text())["source"] == "bring your own / ä"


def test_a_source_that_is_imported_again_is_read_only_where_it_changed(
    coco: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(seen_files, "SETTLED_NS", -(10**18))  # nothing changes within a tick here
    root, cache = tmp_path / "raw", tmp_path / "cache"
    assert bring_again(coco, root, cache)[1] == ["a.png", "b.png"]
    done, was_read = bring_again(coco, root, cache)
    assert (done.batch, done.n_images_known, was_read) == (None, 2, [])
    times = os.stat(coco / "a.png").st_atime_ns, os.stat(coco / "a.png").st_mtime_ns
    (coco / "a.png").write_bytes(make_png(3))
    os.utime(coco / "a.png", ns=times)
    done, was_read = bring_again(coco, root, cache)
    assert (done.n_images, was_read) == (1, ["a.png"])
    assert read_images(root)["a.png"] == make_png(3)


def test_what_was_seen_of_another_folder_does_not_count(coco: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(seen_files, "SETTLED_NS", -(10**18))
    root, cache = tmp_path / "raw", tmp_path / "cache"
    bring_again(coco, root, cache)
    other = Path(shutil.copytree(coco, tmp_path / "other"))
    assert bring_again(other, root, cache)[1] == ["a.png", "b.png"]


def test_images_alone_are_told_how_annotations_would_be_recognised(tmp_path: Path):
    tree = open_tree(lay_out(tmp_path / "pets", {"deep/er/cat.png": make_png(1), "deep/labels.jsonl": "{}"}))
    lines = list(to_import_lines(import_data(tree, tmp_path, "pets"), tmp_path))
    assert lines[0] == "read as images without annotations"
    assert "no annotations were recognised: `datatools formats` says what is read, --format NAME names it" in lines
