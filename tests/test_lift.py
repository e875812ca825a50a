from __future__ import annotations

import hashlib
import json
import subprocess

import numpy as np
import pandas as pd
import pytest

from datatools import lift as lifting
from datatools.dataset import Dataset, label_id, save_dataset
from datatools.errors import DatatoolsError
from datatools.fixes.committed import load_committed_records
from datatools.fixes.records import FixRecord, append_records, to_line
from datatools.images import encode_png
from datatools.lift import LiftPaths, compare, find_difference, measure_lift, resolve_commit, run_lift
from datatools.params import LiftParams
from datatools.project import Project
from datatools.schema import ANNOTATIONS, AUGMENTED, FIX_STATUS, SPLIT
from datatools.shards import save_shard
from datatools.store import save_table
from tests.builders import make_record
from tests.small_data import image_row, label_rows, make_images

SIDE = 16
CLASSES = ("left", "right")
SIDES = ["train"] * 40 + ["val"] * 10 + ["test"] * 20
NAMES = [f"images/{number:02d}.png" for number in range(len(SIDES))]
PARAMS = f"train: {{model: resnet8, image_size_px: {SIDE}, epochs: 2, batch_size: 16, learning_rate: 0.05, device: cpu, precision: fp32}}\n"

pytestmark = pytest.mark.usefixtures("one_thread")


def picture(number: int) -> bytes:
    """Dark noise with a bright left or right half; even numbers are left."""
    image = np.random.default_rng(number).integers(0, 60, size=(SIDE, SIDE, 3)).astype(np.uint8)
    image[:, slice(0, SIDE // 2) if number % 2 == 0 else slice(SIDE // 2, SIDE)] += 150
    return encode_png(image)


def wrong_numbers() -> list[int]:
    """Images whose label is wrong until it is fixed: most of train and val, a quarter of test."""
    return [*range(40), *range(40, 50), 50, 53, 56, 59, 62]


@pytest.fixture
def project(tmp_path) -> Project:
    project = Project(tmp_path / "project")
    (project.raw / "images").mkdir(parents=True)
    rows, images = [], []
    for number, name in enumerate(NAMES):
        (project.raw / name).write_bytes(picture(number))
        label = CLASSES[(number + (number in wrong_numbers())) % 2]
        rows += label_rows(name, {"anna": label}, label)
        digest = hashlib.sha256(picture(number)).hexdigest()
        images.append(image_row(name, width_px=SIDE, height_px=SIDE, sha256=digest))
    save_dataset(project.dataset, Dataset(make_images(images), ANNOTATIONS.conform(rows), CLASSES))
    save_table(project.dataset / "fixes.parquet", FIX_STATUS.empty(), FIX_STATUS)
    save_table(
        project.split / "split.parquet",
        SPLIT.conform(pd.DataFrame({"path": NAMES, "split": SIDES, "group": NAMES})),
        SPLIT,
    )
    save_table(project.augmented / "annotations.parquet", AUGMENTED.empty(), AUGMENTED)
    project.params.write_text(PARAMS)
    return project


def fix(project: Project, numbers: list[int], who: str = "ann") -> None:
    records = [
        FixRecord(
            "relabel", who, f"2026-07-01T12:00:00.{number:06d}Z", "wrong", NAMES[number], label_id(NAMES[number]),
            CLASSES[(number + 1) % 2], CLASSES[number % 2],
        )
        for number in numbers
    ]  # fmt: skip
    append_records(project.fixes / "x.jsonl", records)


def test_the_fixes_to_train_and_val_are_measured_on_the_corrected_test_set(project, monkeypatch):
    fix(project, wrong_numbers())
    ticks = []
    found = measure_lift(project, n_seeds=2, tick=ticks.append)
    assert found["n_changed"] == {"train": 40, "val": 10, "test": 5}
    assert (found["n_test"], found["seeds"], found["n_records"], ticks) == (20, [0, 1], 55, [1] * 4)
    accuracy = {name: value["mean"] for name, value in found["accuracy"].items()}
    assert found["lift"]["value"] == pytest.approx(accuracy["after"] - accuracy["before"])
    assert found["lift"]["low"] > 0.3  # all labels it learnt from were wrong
    assert found["test_labels"]["value"] == pytest.approx(accuracy["before"] - accuracy["before_old"])
    assert found["apparent"]["value"] == pytest.approx(found["lift"]["value"] + found["test_labels"]["value"])
    monkeypatch.setattr(lifting, "train_on", None)  # a second call trains nothing
    assert measure_lift(project, n_seeds=2) == found


def test_fixes_to_the_test_set_alone_change_the_figure_and_are_no_lift(project, monkeypatch):
    fix(project, [50, 53, 56, 59, 62])
    trained = []
    real = lifting.train_on
    monkeypatch.setattr(lifting, "train_on", lambda *args, **more: (trained.append(1), real(*args, **more))[1])
    found = measure_lift(project, n_seeds=1)
    assert found["lift"] == {"value": 0.0, "low": 0.0, "high": 0.0}
    assert found["test_labels"]["value"] != 0
    assert found["apparent"] == found["test_labels"]
    assert len(trained) == 1  # with and without the fixes it learns from the same


def commit_fixes(project: Project) -> str:
    """Put data/fixes under Git, on the branch main; returns the commit."""
    settings = ["git", "-c", "user.name=t", "-c", "user.email=t@t", "-c", "commit.gpgsign=false"]
    for command in (["init", "-q", "-b", "main"], ["add", "data/fixes"], ["commit", "-qm", "first"]):
        subprocess.run([*settings, *command], cwd=project.root, check=True, capture_output=True)
    return resolve_commit(project.root, "HEAD")


def run_stage(project: Project, **params) -> dict:
    """What the stage writes."""
    names = ("root", "params", "dataset", "fixes", "raw", "split", "augmented")
    paths = {name: getattr(project, name) for name in names}
    return run_lift(LiftPaths(**paths, cache=project.state / "cache"), LiftParams(**params))


def test_the_stage_trains_only_where_it_is_asked_for_and_something_could_differ(project, monkeypatch):
    monkeypatch.setattr(lifting, "train_on", None)  # training would fail
    assert run_stage(project, seeds=2)["why_not"] == "no records"
    append_records(project.fixes / "x.jsonl", [make_record("exclude", 1, NAMES[0])])
    assert run_stage(project, seeds=2)["why_not"] == "no label changed"
    fix(project, [1, 50])
    found = run_stage(project)
    assert (found["measured"], found["why_not"], found["seeds"]) == (False, "not asked", [])
    assert (found["n_changed"], found["n_records"]) == ({"train": 1, "val": 0, "test": 1}, 3)


def test_the_stage_and_the_command_measure_the_same(project):
    fix(project, wrong_numbers())
    found = run_stage(project, seeds=1)
    assert found["measured"] and found["seeds"] == [0]
    assert json.dumps(found) == json.dumps(measure_lift(project, n_seeds=1))


def test_the_stage_names_the_commit_that_a_revision_was(project):
    fix(project, [0, 1, 2])
    commit = commit_fixes(project)
    assert run_stage(project, before="main")["why_not"] == "no records"
    fix(project, [3])
    found = run_stage(project, before="main")
    assert (found["before"], found["before_commit"], found["n_records"]) == ("main", commit, 1)
    with pytest.raises(DatatoolsError, match="expected a Git revision"):
        run_stage(project, before="gone")
    with pytest.raises(DatatoolsError, match=r"before: expected a Git revision .* Got 'HEAD\^\{tree\}'"):
        resolve_commit(project.root, "HEAD^{tree}")


def test_the_fixes_since_a_revision(project):
    fix(project, [0, 1, 2])
    commit = commit_fixes(project)
    fix(project, [3, 50])
    assert [record.path for record in load_committed_records(project.root, "main")] == NAMES[:3]
    found = measure_lift(project, "main", n_seeds=1)
    assert found["n_changed"] == {"train": 1, "val": 0, "test": 1}
    assert (found["before"], found["before_commit"], found["n_records"]) == ("main", commit, 2)
    with pytest.raises(DatatoolsError, match=r"expected a Git revision\. Got 'none'"):
        measure_lift(project, "none")
    for name in ("", "--help"):
        with pytest.raises(DatatoolsError, match="expected a Git revision such as"):
            measure_lift(project, name)


def test_a_broken_line_of_a_revision_is_passed_over(tmp_path):
    folder = tmp_path / "data" / "fixes"
    folder.mkdir(parents=True)
    (folder / "a.jsonl").write_text(to_line(make_record("exclude", 1, id="r1")) + "\n{torn")
    (folder / "b.jsonl").write_text(to_line(make_record("exclude", 1, id="r1")) + "\n")
    settings = ["git", "-C", str(tmp_path), "-c", "user.name=t", "-c", "user.email=t@t", "-c", "commit.gpgsign=false"]
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "x"]):
        subprocess.run([*settings, *command], check=True, capture_output=True)
    assert [record.id for record in load_committed_records(tmp_path, "HEAD")] == ["r1"]


def test_copies_have_the_label_that_their_parent_is_taught_with(project, monkeypatch):
    fix(project, [0])
    rows = [
        {"annotation_id": f"augmented/{n}", "path": f"{n}.png", "label": "left", "kind": "label", "annotator": "consensus",
         "parent_path": NAMES[n], "parent_annotation_id": label_id(NAMES[n]), "seed": n, "policy": "0", "attributes": "{}"}
        for n in (0, 2)
    ]  # fmt: skip
    rows.append({**rows[0], "annotation_id": "augmented/x", "path": "x.png", "parent_path": "gone.png"})
    save_table(project.augmented / "annotations.parquet", AUGMENTED.conform(rows), AUGMENTED)
    save_shard(project.augmented / "images.tar", [(f"{n}.png", picture(n)) for n in (0, 2)])
    given = []
    real = lifting.train_on

    def train(dataset, split, copies, *rest, **more):
        """Keep the labels of the copies."""
        given.append(copies.table.set_index("path")["label"].to_dict())
        return real(dataset, split, copies, *rest, **more)

    monkeypatch.setattr(lifting, "train_on", train)
    measure_lift(project, n_seeds=1)
    assert given == [{"0.png": "right", "2.png": "right"}, {"0.png": "left", "2.png": "right"}]


def test_excluded_images_are_counted_and_not_measured(project):
    append_records(
        project.fixes / "x.jsonl", [make_record("exclude", 1, NAMES[0], id="r1"), make_record("exclude", 2, NAMES[1])]
    )
    append_records(project.fixes / "x.jsonl", [make_record("revert", 3, reverts="r1")])
    assert measure_lift(project, n_seeds=1)["n_excluded"] == 1


def test_a_wrong_number_of_seeds_and_a_project_that_never_ran(project, tmp_path):
    with pytest.raises(DatatoolsError, match="--seeds must be at least 1"):
        measure_lift(project, n_seeds=0)
    with pytest.raises(DatatoolsError, match="run `dvc repro` first"):
        measure_lift(Project(tmp_path / "none"))


def test_the_interval_covers_what_is_there_as_often_as_it_says():
    """Images and seeds drawn from a population whose true difference is 0.05: the pigeonhole bootstrap may cover too often."""
    covered = 0
    for trial in range(60):
        rng = np.random.default_rng(trial)
        one, other = (rng.random((4, 300)) < share + rng.normal(0, 0.01, (4, 1)) for share in (0.85, 0.80))
        found = find_difference(one, other, n_resamples=400)
        assert found["low"] <= found["value"] <= found["high"]
        covered += found["low"] <= 0.05 <= found["high"]
    assert covered >= 54


def test_the_interval_is_the_bootstrap_over_images_and_seeds_written_out():
    rng = np.random.default_rng(3)
    one, other = rng.random((3, 40)) < 0.8, rng.random((3, 40)) < 0.6
    gain = one.astype(int) - other
    means = []
    for _ in range(4000):
        seeds, images = rng.integers(0, 3, 3), rng.integers(0, 40, 40)
        means.append(gain[np.ix_(seeds, images)].mean())
    found = find_difference(one, other, n_resamples=4000)
    assert [found["low"], found["high"]] == pytest.approx(np.quantile(means, [0.025, 0.975]), abs=0.02)
    assert found["value"] == pytest.approx(gain.mean())


def test_one_seed_has_no_spread_and_a_label_of_no_class_is_never_hit():
    codes = np.array([0, 1, 1])
    truth = {"old": np.array([-1, 1, 0]), "new": np.array([0, 1, 1])}
    found = compare({"before": [codes], "after": [codes]}, truth)
    assert found["accuracy"]["before_old"]["mean"] == pytest.approx(1 / 3)
    assert np.isnan(found["accuracy"]["after"]["std"])
