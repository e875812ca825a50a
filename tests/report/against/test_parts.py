"""The pieces of the document: files of a version, other changes, groups of decisions, verdicts, pictures, the lift."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from datatools.diff.changes import Change
from datatools.errors import DatatoolsError
from datatools.evaluate.alignment import align_maps
from datatools.report.against.collect import collect_against, mark_images
from datatools.report.against.data import describe_value, take_turns
from datatools.report.against.model import align_versions, load_lift, load_predictions
from datatools.report.against.other_changes import find_other_changes
from datatools.report.against.pictures import MAX_CLASSES, choose_classes, draw_confusion_change, draw_maps
from datatools.report.against.verdict import judge, list_kinds, points, write_difference, write_verdict
from datatools.schema import PREDICTIONS
from datatools.store import save_csv, save_json, save_table
from datatools.version_files import VersionFiles, open_files
from tests.finished_runs import entry, git
from tests.report.against.projects import PATHS, _dataset, make_state, relabel, start, write

BASE = make_state()


def lock(**params: Any) -> dict[str, Any]:
    return {
        "train": {"params": {"params.yaml": params}, "deps": [{"path": "stages/train.py", "md5": "a"}]},
        "curate": {"params": {"params.yaml": {"curate": {"folds": 3}}}},
    }


def test_other_changes_are_those_behind_the_model() -> None:
    before, after = (
        lock(train={"epochs": 12, "loss": {"name": "ce"}}),
        lock(train={"epochs": 12, "loss": {"name": "mae"}}),
    )
    after["curate"] = {"params": {"params.yaml": {"curate": {"folds": 9}}}}
    assert find_other_changes(before, after) == [
        {"what": "parameter", "name": "train.loss.name", "before": "ce", "after": "mae"}
    ]
    assert find_other_changes(before, before) == []


def test_code_and_stages_that_came_or_went_are_named() -> None:
    after = lock(train={})
    after["train"]["deps"][0] = {"path": "stages/train.py", "md5": "b"}
    after["augment"] = {"deps": [{"path": "datatools/augment", "md5": "c"}, {"path": "data/raw", "md5": "d"}]}
    names = [row["name"] for row in find_other_changes(lock(train={}), after)]
    assert names == ["datatools/augment", "stages/train.py"]


def test_predictions_of_an_older_version_come_from_its_confusion_rows(tmp_path: Path) -> None:
    project = write(start(tmp_path / "p"), BASE)
    folder = project.metrics.parent
    expected = pd.read_parquet(folder / "predictions.parquet")
    (folder / "predictions.parquet").unlink()
    save_csv(folder / "confusion.csv", expected[["label", "predicted"]].rename(columns={"label": "actual"}))
    dataset, split = _dataset(BASE), pd.read_parquet(project.split / "split.parquet")
    found = load_predictions(open_files(project.root, None), dataset, split)
    assert found is not None
    assert found["confidence"].isna().all()
    pd.testing.assert_frame_equal(
        found.drop(columns="confidence"), PREDICTIONS.conform(expected).drop(columns="confidence")
    )
    other = _dataset(relabel(BASE, PATHS[3], "cat"))
    assert load_predictions(open_files(project.root, None), other, split) is None


def test_each_file_of_a_version_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = write(start(tmp_path / "p"), BASE, "base")
    write(project, replace(BASE, test=PATHS[:5]))
    read: list[tuple[str, str]] = []
    real = VersionFiles.read
    monkeypatch.setattr(
        VersionFiles, "read", lambda files, path: (read.append((files.name, path)), real(files, path))[1]
    )
    collect_against(project, "HEAD")
    assert len(read) == len(set(read))
    assert {name for name, _ in read} == {"HEAD", "workspace"}


def test_a_workspace_that_is_out_of_date_says_so(tmp_path: Path) -> None:
    project = write(start(tmp_path / "p"), BASE, "base")
    save_table(project.metrics.parent / "predictions.parquet", PREDICTIONS.empty(), PREDICTIONS)
    assert "is not what the stage evaluate wrote" in open_files(project.root, None).find_stale("evaluate")
    document = collect_against(project, "HEAD").document
    assert "is not what the stage evaluate wrote" in document["model"]["stale"]


@pytest.mark.parametrize("stale", ["before", "after"])
def test_of_a_model_that_is_out_of_date_nothing_is_claimed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stale: str
) -> None:
    project = write(start(tmp_path / "p"), BASE, "base")
    monkeypatch.setattr(
        VersionFiles,
        "find_stale",
        lambda files, *_: "x changed" if (files.commit is not None) == (stale == "before") else "",
    )
    document = collect_against(project, "HEAD").document
    assert document["model"]["stale"] == ("before: x changed" if stale == "before" else "x changed")
    verdict = write_verdict(document)
    assert verdict["sentence"].endswith("A model is out of date: what the change did to it is not known.")
    assert verdict["rows"][0]["text"] == f"{stale} is out of date: x changed. Run dvc repro"


@pytest.mark.parametrize(
    ("lift", "is_shown"),
    [
        ({"measured": True, "data_version": "d1", "lift": {}}, True),
        ({"measured": True, "data_version": "d0", "lift": {}}, False),
        ({"measured": False, "data_version": "d1"}, False),
        (["no lift"], False),
    ],
)
def test_only_a_measured_lift_of_this_data_is_shown(tmp_path: Path, lift: Any, is_shown: bool) -> None:
    project = write(start(tmp_path / "p"), BASE, "base")
    save_json(project.root / "reports" / "lift.json", lift)
    assert (load_lift(open_files(project.root, None), "d1") is not None) is is_shown
    assert load_lift(open_files(project.root, "HEAD"), "d1") is None


def test_a_broken_lift_is_none(tmp_path: Path) -> None:
    project = write(start(tmp_path / "p"), BASE)
    (project.root / "reports" / "lift.json").write_text("{")
    assert load_lift(open_files(project.root, None), "d1") is None


def test_maps_are_joined_by_what_images_are_called_now(tmp_path: Path) -> None:
    project = write(start(tmp_path / "p"), BASE, "base")
    labels = {("images/renamed.png" if path == PATHS[7] else path): label for path, label in BASE.labels.items()}
    write(project, replace(BASE, labels=labels))
    same = {"images/renamed.png": PATHS[7], **{path: path for path in PATHS[8:20]}}
    found = align_versions(open_files(project.root, "HEAD"), open_files(project.root, None), same, list(labels))
    assert found is not None
    assert (found.view, found.is_restarted) == ("data", False)
    assert f"before: {PATHS[0]}" in found.before.index
    assert sorted(found.alignment.moved.index) == sorted(same)


def test_a_map_that_no_turn_lays_on_the_other_is_made_anew(tmp_path: Path) -> None:
    project = write(start(tmp_path / "p"), BASE, "base")
    table = pd.read_csv(project.metrics.parent / "tsne.csv")
    write(project, BASE)
    save_csv(project.metrics.parent / "tsne.csv", table.assign(x=table["x"].to_numpy()[::-1]))
    files = open_files(project.root, "HEAD"), open_files(project.root, None)
    same = {path: path for path in PATHS}
    jumped = align_versions(*files, same, PATHS)
    assert jumped is not None
    assert not jumped.is_restarted  # there are no embeddings
    project.neighbors.mkdir(parents=True)
    np.save(project.neighbors / "embeddings.npy", table[["x", "y"]].to_numpy(np.float32))
    anew = align_versions(*files, same, PATHS)
    assert anew is not None
    assert anew.is_restarted
    assert anew.alignment.residual < jumped.alignment.residual  # type: ignore[operator]
    assert list(anew.alignment.after["label"]) == list(table["label"])
    np.save(project.neighbors / "embeddings.npy", np.zeros((3, 2), np.float32))  # of other images
    other = align_versions(*files, same, PATHS)
    assert other is not None
    assert not other.is_restarted


def test_without_maps_there_is_none(tmp_path: Path) -> None:
    project = write(start(tmp_path / "p"), replace(BASE, with_model=False), "base")
    assert align_versions(open_files(project.root, "HEAD"), open_files(project.root, None), {}, PATHS) is None


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, None),
        ("cat", "cat"),
        ("[[[0, 0], [1, 1], [2, 2]]]", "mask"),
        ((1.0, 2.5, None, 4.0), "1 2.5 - 4"),
        ({"sha256": "a", "width_px": 3, "height_px": 4}, "3 x 4 px"),
        ({"kind": "box", "label": "cat", "box": None}, "box cat"),
        ({"group": "a", "weather": "rain"}, "group: a, weather: rain"),
    ],
)
def test_values_in_words(value: Any, words: str | None) -> None:
    assert describe_value(value) == words


def test_a_list_of_changes_has_every_kind() -> None:
    changes = [Change("relabelled", f"{n:03}", None, "a", "b") for n in range(300)] + [
        Change("moved", "z", "1", None, None)
    ]
    kinds = [change.kind for change in take_turns(changes, 10)]
    assert kinds.count("relabelled") == 9
    assert kinds[-1] == "moved"


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ({"value": 0.0041, "low": -0.008, "high": 0.016, "is_real": False}, "no real difference"),
        ({"value": 0.1, "low": 0.05, "high": 0.15, "is_real": True}, "better"),
        ({"value": -0.1, "low": -0.15, "high": -0.05, "is_real": True}, "worse"),
    ],
)
def test_a_difference_in_words(found: dict[str, Any], words: str) -> None:
    assert judge(found) == words
    assert (
        write_difference(found)
        == f"{points(found['value'])} percentage points ({points(found['low'])} to {points(found['high'])})"
    )


def test_kinds_in_words() -> None:
    assert list_kinds({"relabelled": 2, "image added": 1}) == "2 annotations relabelled, 1 image added"
    assert list_kinds({"split moved": 2, "image added": 1, "moved": 5}, most=1) == "5 boxes moved and 3 other changes"


def test_a_relabelling_is_named_however_rare() -> None:
    kinds = {"relabelled": 1, "image added": 9, "annotation added": 8, "moved": 7}
    assert (
        list_kinds(kinds, most=3) == "9 images added, 8 annotations added, 1 annotation relabelled and 7 other changes"
    )
    assert list_kinds(kinds, most=4).endswith("7 boxes moved, 1 annotation relabelled")
    assert (points(None), write_difference({"value": None, "low": None})) == ("-", "unknown")


def test_the_mark_of_an_image_is_its_weightiest_change() -> None:
    changes = (
        Change("moved", "a", None, None, None), Change("relabelled", "a", None, "x", "y"), Change("split moved", "b", None, "train", "test"),
        Change("metadata changed", "c", None, None, None), Change("image removed", "d", None, None, None),
        Change("image added", "e", None, None, None), Change("relabelled", "e", None, "x", "y"),
    )  # fmt: skip
    assert mark_images(changes) == {"a": "relabelled", "b": "moved side", "c": "changed", "e": "added"}


def test_pictures_are_png_and_the_same_twice() -> None:
    cells = [{"actual": "$a$", "predicted": "b", "before": 1, "after": 3, "change": 2}]
    assert draw_confusion_change(cells, ("$a$", "b")) == draw_confusion_change(cells, ("$a$", "b"))
    assert draw_confusion_change([], ("a",)) is None
    frame = pd.DataFrame({"x": range(9), "y": [0, 4, 1] * 3, "label": "a"}, index=[f"{n}" for n in range(9)])
    drawn = draw_maps(frame, align_maps(frame, frame), {"0": "added", "3": "relabelled"}, ("a",))
    assert drawn.startswith(b"\x89PNG")


def test_of_many_classes_those_that_changed_most_are_drawn() -> None:
    names = [f"{n:03}" for n in range(100)]
    cells = [
        {"actual": name, "predicted": name, "before": 0, "after": n, "change": n} for n, name in enumerate(names) if n
    ]
    shown = choose_classes(cells, names)
    assert shown == names[-MAX_CLASSES:]
    assert draw_confusion_change(cells, names) is not None


def test_a_project_without_a_data_set_is_a_wrong_call(tmp_path: Path) -> None:
    project = start(tmp_path / "p")
    (project.root / "dvc.lock").write_text("schema: '2.0'\nstages: {}\n")
    git(project.root, "add", "-A")
    git(project.root, "commit", "-qm", "empty")
    with pytest.raises(DatatoolsError, match="expected the data set that"):
        collect_against(project, "HEAD")


def test_dvc_lock_of_the_builder_names_what_it_wrote(tmp_path: Path) -> None:
    project = write(start(tmp_path / "p"), BASE)
    assert entry(project.root, "models/model.json")["md5"] in (project.root / "dvc.lock").read_text()
