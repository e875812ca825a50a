from __future__ import annotations

import csv
import json
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from datatools import convert as convert_module
from datatools.convert import Converted, convert, count_losses
from datatools.errors import DatatoolsError
from datatools.formats.base import Content, Format, Loss, Saved, write_new
from datatools.masks import Rle, parse_mask
from datatools.provenance import EXPORT
from datatools.schema import LOSSES
from datatools.source import read_source
from datatools.tree import FolderTree, UnreadableFileError, open_tree
from tests.builders import coco_text, lay_out, make_object, make_png
from tests.formats.test_voc import make_xml
from tests.test_batches import hash_files

PICTURES = {"a.png": make_png(1), "b.png": make_png(2)}


def save_anything(content: Content, folder: Path) -> Saved:
    """A format that holds nothing but how many annotations there are."""
    write_new(folder / "out.txt", f"{len(content.annotations)}".encode())
    return Saved(tuple(Loss("label", row["path"], row["annotation_id"], "no labels here") for row in _rows(content)))


def _rows(content: Content) -> list[dict[Any, Any]]:
    return content.annotations.to_dict("records")


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "new" / "folder"


@pytest.fixture
def coco(tmp_path: Path) -> Path:
    boxes = make_object(id=1, iscrowd=0), make_object(id=2, image_id=2, attributes={"occluded": True})
    return lay_out(tmp_path / "coco", {**PICTURES, "instances.json": coco_text(*boxes)})


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Makes `toy` a format that can be written."""
    real = convert_module.load_format

    def install(save: Any = save_anything) -> None:
        toy = Format("toy", "Toy", lambda tree: [], lambda tree, files: Content(), save)
        monkeypatch.setattr(convert_module, "load_format", lambda name: toy if name == "toy" else real(name))

    return install


def run(folder: Path, target: Path, to: str = "toy", **options: Any) -> Converted:
    return convert(open_tree(folder), target, to, **options)


def report(target: Path) -> list[dict[str, str]]:
    with (target / "losses.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_images_and_annotations_are_written_and_losses_listed(coco: Path, target: Path, fake: Callable[..., None]):
    fake()
    ticks: list[int] = []
    done = run(coco, target, tick=ticks.append)
    assert {path.name for path in target.iterdir()} == {"a.png", "b.png", "out.txt", "losses.csv", ".datatools.json"}
    assert {name: (target / name).read_bytes() for name in PICTURES} == PICTURES
    assert (done.formats, done.n_images, done.n_annotations, len(done.rejected)) == (("coco",), 2, 2, 0)
    assert ticks == [1, 1]
    assert report(target) == [
        {"field": "label", "path": path, "annotation_id": key, "message": "no labels here", "source": "", "row": ""}
        for path, key in (("a.png", "coco/1"), ("b.png", "coco/2"))
    ]
    assert count_losses(done.losses) == [("label", "no labels here", 2)]
    assert [path.name for path in target.parent.iterdir()] == ["folder"]
    assert target.stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize("to", ["coco", "tables"])
def test_what_was_written_reads_as_what_was_there(coco: Path, target: Path, to: str):
    done = run(coco, target, to)
    before, after = read_source(open_tree(coco)).content, read_source(open_tree(target)).content
    assert after.annotations.drop(columns="source").equals(before.annotations.drop(columns="source"))
    assert after.classes == before.classes
    assert len(done.losses) == 0
    assert not (target / "losses.csv").exists()


@pytest.mark.parametrize("to", ["cvat", "labelme", "label_studio"])
def test_a_crowd_of_coco_is_drawn_in_a_format_with_masks(tmp_path: Path, target: Path, to: str):
    crowd = {"counts": [11, 3, 7, 3, 0, 2, 54], "size": [10, 8]}
    objects = [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 2, 5], "segmentation": crowd, "iscrowd": 1}]
    document = {
        "images": [{"id": 1, "file_name": "a.png", "width": 8, "height": 10}],
        "annotations": objects,
        "categories": [{"id": 1, "name": "cat"}],
    }
    lay_out(tmp_path / "coco", {"a.json": json.dumps(document), "a.png": make_png(width_px=8)})
    done = run(tmp_path / "coco", target, to)
    lost = {field: message for field, message, _ in count_losses(done.losses)}
    assert lost["mask"] == "the same pixels, with run lengths in COCO's compressed form"
    assert "kind" not in lost
    [row] = _rows(read_source(open_tree(target)).content)
    assert parse_mask(row["mask"]) == Rle((10, 8), (11, 3, 7, 5, 54))


def test_what_was_converted_stays_as_it_is(coco: Path, target: Path):
    before = hash_files(coco)
    run(coco, target, "coco")
    assert hash_files(coco) == before


def test_what_could_not_be_read_is_listed_with_file_and_row(tmp_path: Path, target: Path, fake: Callable[..., None]):
    fake(lambda content, folder: Saved())
    broken = coco_text(make_object(), make_object(id=2, bbox=[1, 2]))
    done = run(lay_out(tmp_path / "x", {**PICTURES, "instances.json": broken, "=notes.txt": "x"}), target)
    rows = {row["field"]: row for row in report(target)}
    assert rows["BOX004"]["source"] == "instances.json"
    assert rows["BOX004"]["row"] == "2"
    assert rows["BOX004"]["path"] == "a.png"
    assert rows["not_an_image"]["source"] == "'=notes.txt"
    assert len(rows) == len(done.rejected) == 2


class Unreliable(FolderTree):
    """A folder with a file that cannot be read."""

    def read(self, path: str) -> bytes:
        if path == "b.png":
            raise UnreadableFileError("Input/output error")
        return super().read(path)


def test_an_image_that_cannot_be_read_is_listed_and_the_others_written(
    coco: Path, target: Path, fake: Callable[..., None]
):
    fake(lambda content, folder: Saved())
    tree = open_tree(coco)
    ticks: list[int] = []
    done = convert(Unreliable(tree.root, tree.sizes), target, "toy", tick=ticks.append)
    assert (done.n_images, ticks) == (1, [1, 1])
    [row] = report(target)
    assert (row["field"], row["path"], row["message"]) == ("unreadable", "b.png", "Input/output error")
    assert not (target / "b.png").exists()


def test_an_archive_is_converted_like_a_folder(coco: Path, target: Path, tmp_path: Path):
    import shutil

    archive = Path(shutil.make_archive(str(tmp_path / "packed"), "zip", coco))
    run(archive, target, "coco")
    run(coco, tmp_path / "other", "coco")
    assert hash_files(target) == hash_files(tmp_path / "other")


def test_images_go_where_the_writer_moves_them(coco: Path, target: Path, fake: Callable[..., None]):
    fake(lambda content, folder: Saved(moved={"a.png": "images/train/ä.png"}))
    run(coco, target)
    assert (target / "images/train/ä.png").read_bytes() == PICTURES["a.png"]
    assert (target / "b.png").exists()
    assert not (target / "a.png").exists()


# ---- wrong calls


@pytest.mark.parametrize(
    "occupy",
    [Path.mkdir, Path.touch, lambda path: path.symlink_to("/nowhere")],
    ids=["folder", "file", "dangling link"],
)
def test_a_target_that_is_there_is_refused_and_left_alone(coco: Path, tmp_path: Path, occupy: Callable[[Path], Any]):
    target = tmp_path / "target"
    occupy(target)
    with pytest.raises(DatatoolsError) as caught:
        run(coco, target, "coco")
    assert str(caught.value) == (
        f"{target}: expected a folder that is not there yet. Got an existing one: name another."
    )
    assert os.path.lexists(target)
    assert not hash_files(target)


@pytest.mark.parametrize("inside", [["batches/0001-cells/images.parquet"], ["dataset.json", "images.parquet"]])
def test_a_part_of_a_project_is_no_source(coco: Path, target: Path, inside: list[str]):
    lay_out(coco, dict.fromkeys(inside, b""))
    with pytest.raises(DatatoolsError, match=r"Got a part of a project: name the project's own folder"):
        convert(open_tree(coco), target, "yolo")


def test_an_unknown_format_is_a_wrong_call(coco: Path, target: Path):
    with pytest.raises(DatatoolsError, match=r"expected a format: tables, coco, .* Got 'word'"):
        run(coco, target, "word")
    assert not target.parent.exists()


def test_a_format_that_cannot_be_written_is_a_wrong_call(coco: Path, target: Path, fake: Callable[..., None]):
    fake(None)
    with pytest.raises(DatatoolsError) as caught:
        run(coco, target)
    assert str(caught.value) == "expected a format that can be written. Got 'toy': choose another one."
    assert not target.parent.exists()


def test_nothing_to_convert_is_a_wrong_call(tmp_path: Path, target: Path):
    with pytest.raises(DatatoolsError, match="expected image files"):
        run(lay_out(tmp_path / "x", {"notes.txt": "x"}), target, "coco")
    assert not target.parent.exists()


def test_annotations_without_their_images_are_enough(tmp_path: Path, target: Path):
    done = run(lay_out(tmp_path / "x", {"instances.json": coco_text(make_object())}), target, "coco")
    assert (done.n_images, done.n_annotations) == (0, 1)


@pytest.mark.parametrize("new", ["b.png", "out.txt", "out.txt/a.png", "losses"])
def test_two_files_of_one_name_are_a_wrong_call(coco: Path, target: Path, fake: Callable[..., None], new: str):
    def save(content: Content, folder: Path) -> Saved:
        return replace(
            save_anything(content, folder), moved={"a.png": new, "b.png": "losses" if new == "losses" else "b.png"}
        )

    fake(save)
    with pytest.raises(
        DatatoolsError, match=r"expected a name that no other file takes in this format. Got .*: rename the image"
    ):
        run(coco, target)
    assert list(target.parent.iterdir()) == []


@pytest.mark.parametrize("new", ["../a.png", "x/../../a.png", "/tmp/a.png"])
def test_a_writer_never_puts_an_image_outside(coco: Path, target: Path, fake: Callable[..., None], new: str):
    fake(lambda content, folder: Saved(moved={"a.png": new}))
    with pytest.raises(AssertionError, match="a writer wants to leave the folder"):
        run(coco, target)
    assert list(target.parent.iterdir()) == []


# ---- whole or not at all


def test_a_writer_that_fails_leaves_nothing(coco: Path, target: Path, fake: Callable[..., None]):
    def fail(content: Content, folder: Path) -> Saved:
        save_anything(content, folder)
        raise KeyboardInterrupt

    fake(fail)
    with pytest.raises(KeyboardInterrupt):
        run(coco, target)
    assert list(target.parent.iterdir()) == []


def test_killed_in_the_middle_there_is_no_target_and_a_rerun_makes_it(coco: Path, target: Path):
    pid = os.fork()
    if pid == 0:
        os.rename = lambda *args: os.kill(os.getpid(), signal.SIGKILL)
        run(coco, target, "coco")
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
    assert not target.exists()
    run(coco, target, "coco")
    assert {name: (target / name).read_bytes() for name in PICTURES} == PICTURES


def test_the_target_may_lie_in_the_source(coco: Path):
    run(coco, coco / "out", "coco")
    assert {name: (coco / "out" / name).read_bytes() for name in PICTURES} == PICTURES


def test_losses_are_counted_by_field_the_most_frequent_first():
    rows = [("b", "x.png", "", "first"), ("a", "x.png", "", "only"), ("b", "y.png", "", "second")]
    losses = LOSSES.conform([dict(zip(LOSSES.columns, row, strict=True)) for row in rows])
    assert count_losses(losses) == [("b", "first", 2), ("a", "only", 1)]
    assert count_losses(LOSSES.empty()) == []


# ---- the size of an image is that of its file


@pytest.fixture
def seen(fake: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> dict[str, tuple[Any, Any]]:
    """The sizes that the writer of a format with relative coordinates is told."""
    monkeypatch.setattr(convert_module, "RELATIVE", ("toy",))
    seen: dict[str, tuple[Any, Any]] = {}

    def save(content: Content, folder: Path) -> Saved:
        seen.update({row.path: (row.width_px, row.height_px) for row in content.records.itertuples()})
        return Saved()

    fake(save)
    return seen


def test_a_writer_is_told_the_true_size_of_each_image_also_where_no_file_declares_one(
    tmp_path: Path, target: Path, seen: dict[str, tuple[Any, Any]]
):
    images = [
        {"id": 1, "file_name": "a.png", "width": 99, "height": 10},
        {"id": 2, "file_name": "gone.png", "width": 5},
    ]
    folder = lay_out(tmp_path / "x", {**PICTURES, "instances.json": coco_text(images=images)})
    done = run(folder, target)
    assert (seen["a.png"], seen["b.png"]) == ((12, 10), (12, 10))
    assert seen["gone.png"][0] == 5
    [loss] = done.losses.to_dict("records")
    assert (loss["field"], loss["path"]) == ("width_px", "a.png")
    assert loss["message"] == "the file says 99 x 10, the image is 12 x 10"


@pytest.mark.parametrize("to", ["coco", "cvat", "labelme", "voc"])
def test_a_format_in_pixels_states_the_size_that_no_file_declares(tmp_path: Path, target: Path, to: str):
    table = "path,label,x0,y0,x1,y1\na.png,cat,1,1,5,5\ngone.png,cat,1,1,5,5\n"
    folder = lay_out(tmp_path / "x", {**PICTURES, "boxes.csv": table})
    run(folder, target, to)
    before, after = read_source(open_tree(folder)).content, read_source(open_tree(target)).content
    sizes = after.records[["width_px", "height_px"]].to_numpy(object).tolist()
    assert sizes == [[12, 10]], "b.png, of which nobody speaks, and gone.png have none"
    assert {PurePosixPath(path).name for path in after.records["path"]} == {"a.png"}
    columns = ["annotation_id", "label", "kind", "x0_px", "y0_px", "x1_px", "y1_px"]
    assert after.annotations[columns].equals(before.annotations[columns])


@pytest.mark.parametrize(
    ("to", "file", "text"),
    [
        ("coco", "annotations.json", '"width":12'),
        ("cvat", "annotations.xml", 'width="12" height="10"'),
        ("voc", "Annotations/cat/a.xml", "<width>12</width>"),
    ],
)
def test_class_folders_become_files_that_state_the_size_where_others_read_it(
    tmp_path: Path, target: Path, to: str, file: str, text: str
):
    run(lay_out(tmp_path / "x", {"cat/a.png": make_png(1), "dog/b.png": make_png(2)}), target, to)
    assert text in (target / file).read_text()


def test_a_side_that_is_declared_stays_and_the_other_is_measured(
    tmp_path: Path, target: Path, seen: dict[str, tuple[Any, Any]], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(convert_module, "RELATIVE", ())
    monkeypatch.setattr(convert_module, "IN_PIXELS", ("toy",))
    images = [{"id": 1, "file_name": "a.png", "width": 99}, {"id": 2, "file_name": "b.png", "width": 9, "height": 9}]
    run(lay_out(tmp_path / "x", {**PICTURES, "instances.json": coco_text(images=images)}), target)
    assert seen == {"a.png": (99, 10), "b.png": (9, 9)}


@pytest.mark.parametrize("to", ["yolo", "label_studio"])
def test_an_image_that_nobody_annotated_is_not_one_without_objects(tmp_path: Path, target: Path, to: str):
    table = "path,label,x0,y0,x1,y1\na.png,cat,1,1,5,5\n"
    run(lay_out(tmp_path / "x", {**PICTURES, "boxes.csv": table}), target, to)
    yolo = target if to == "yolo" else tmp_path / "yolo"
    if to != "yolo":
        run(target, yolo, "yolo")
    assert [path.name for path in (yolo / "labels").rglob("*.txt")] == ["a.txt"]
    assert (yolo / "images/train/b.png").exists()


def test_an_image_of_which_a_file_says_that_it_has_no_object_gets_an_empty_label_file(coco: Path, target: Path):
    (coco / "instances.json").write_text(coco_text(make_object()))
    run(coco, target, "yolo")
    assert (target / "labels/train/a.txt").read_text()
    assert (target / "labels/train/b.txt").read_text() == ""


def test_an_image_of_a_voc_list_without_its_file_was_not_annotated(tmp_path: Path, target: Path):
    pictures = {f"JPEGImages/{name}": data for name, data in PICTURES.items()}
    files = {"Annotations/a.xml": make_xml(), "ImageSets/Main/train.txt": "a\nb\n"}
    run(lay_out(tmp_path / "x", {**pictures, **files}), target, "yolo")
    assert [path.name for path in (target / "labels").rglob("*.txt")] == ["a.txt"]


def test_an_image_that_is_none_keeps_the_size_that_was_declared(
    tmp_path: Path, target: Path, seen: dict[str, tuple[Any, Any]]
):
    folder = lay_out(tmp_path / "x", {"a.png": b"no picture", "b.png": b"", "instances.json": coco_text(make_object())})
    assert len(run(folder, target).losses) == 0
    assert seen == {"a.png": (12, 10), "b.png": (12, 10)}


def test_formats_in_pixels_keep_the_size_that_was_declared(
    tmp_path: Path, target: Path, seen: dict[str, tuple[Any, Any]], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(convert_module, "RELATIVE", ())
    images = [{"id": 1, "file_name": "a.png", "width": 99, "height": 10}]
    run(lay_out(tmp_path / "x", {**PICTURES, "instances.json": coco_text(images=images)}), target)
    assert seen == {"a.png": (99, 10)}


def test_an_export_says_what_it_was_made_of(coco: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(coco.parent.parent))
    notes = []
    for name in ("one", "two"):
        run(coco, tmp_path / name, "coco")
        notes.append((tmp_path / name / EXPORT).read_bytes())
    assert notes[0] == notes[1], "the same source gives the same words"
    note = json.loads(notes[0])
    assert note["made_by"] == "datatools convert"
    assert note["params"] == {"from": ["coco"], "to": "coco"}
    assert note["fixes"]["n"] == 0
    assert note["counts"]["images"] == 2
    (coco / "a.png").write_bytes(make_png(9))
    run(coco, tmp_path / "three", "coco")
    other = json.loads((tmp_path / "three" / EXPORT).read_bytes())
    assert other["data_version"] != note["data_version"]
    assert {**other, "data_version": ""} == {**note, "data_version": ""}


def test_the_note_of_an_export_is_no_loss_of_the_next(coco: Path, tmp_path: Path):
    run(coco, tmp_path / "one", "coco")
    assert len(run(tmp_path / "one", tmp_path / "two", "coco").rejected) == 0
    assert not (tmp_path / "two" / "losses.csv").exists()
    assert (tmp_path / "two" / EXPORT).exists()
