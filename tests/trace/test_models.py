"""The story of a model, and of a fix record: both ways between them."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from datatools.fixes.records import append_records
from datatools.project import Project
from datatools.provenance import hash_ids
from datatools.trace.models import find_tagged, list_models, tell_model
from datatools.trace.place import Place
from datatools.trace.records import tell_record
from tests.builders import make_record
from tests.finished_runs import git
from tests.rounds import FIXED, RECORD, finish_round, forget, make_project, relabel_one
from tests.small_data import make_dataset

ONE, TWO = (hashlib.md5(data, usedforsecurity=False).hexdigest() for data in (b"one", b"two"))


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = relabel_one(make_project(tmp_path_factory.mktemp("models") / "p"))
    git(project.root, "tag", "-am", "first", "model@v1.0.0", "HEAD~1")
    git(project.root, "tag", "-am", "same", "model@v1.0.1", "HEAD~1")
    git(project.root, "tag", "-am", "second", "model@v1.1.0", "HEAD")
    git(project.root, "tag", "-am", "a stage of GTO", "model#prod#1", "HEAD")
    return project


def test_models_are_told_once_oldest_first(project: Project):
    models = list_models(Place(project))
    assert [(model.md5, len(model.states), model.is_current) for model in models] == [(ONE, 1, False), (TWO, 2, True)]
    assert models[0].sha256 == hashlib.sha256(b"one").hexdigest()


def test_what_made_a_model(project: Project):
    story = tell_model(Place(project), TWO)
    assert (story["md5"], story["is_current"], story["missing"]) == (TWO, True, [])
    assert story["code_commit"] == "0123456789ab"
    assert story["params"] == {"epochs": 2}
    assert story["fixes"] == {"n": 1, "sha256": hash_ids([RECORD.id]), "ids": [RECORD.id]}
    assert story["first_in"]["subject"] == "A label put right"
    assert story["metrics"]["accuracy"] == 0.8
    assert tell_model(Place(project), ONE)["fixes"]["n"] == 0


def test_what_a_model_learnt_from(project: Project):
    old, new = (tell_model(Place(project), md5)["images"] for md5 in (ONE, TWO))
    train = [path for number, path in enumerate(make_dataset().images["path"]) if number % 6 > 1]
    assert list(old) == list(new) == train
    assert (old.pop(FIXED), new.pop(FIXED)) == ("circle", "star")
    assert old == new
    story = tell_model(Place(project), ONE)
    assert (story["n_images"], story["n_copies"]) == (16, 16)


def test_the_releases_that_have_it(project: Project):
    place = Place(project)
    assert tell_model(place, ONE)["releases"] == ["model@v1.0.0", "model@v1.0.1"]
    assert tell_model(place, TWO)["releases"] == ["model@v1.1.0"]
    assert find_tagged(place, "model@v1.0.1") == ONE
    assert find_tagged(place, "model@v7.0.0") is None


def test_a_released_model_that_is_older_than_what_is_looked_at(project: Project):
    story = tell_model(Place(project, n_commits=1), ONE)
    assert (story["n_images"], story["is_current"], story["releases"][0]) == (16, False, "model@v1.0.0")


def test_metrics_of_other_weights_are_not_told(tmp_path: Path):
    project = make_project(tmp_path / "p")
    lock = (project.root / "dvc.lock").read_text()
    (project.root / "dvc.lock").write_text(lock.replace(ONE, TWO, 1))  # evaluate read other weights than train wrote
    git(project.root, "commit", "-qam", "stale", "--amend")
    assert tell_model(Place(project), ONE)["metrics"] is None


def test_a_model_that_is_not_on_this_machine(tmp_path: Path):
    project = relabel_one(make_project(tmp_path / "p"))
    for path in (
        "models/model.safetensors",
        "models/model.json",
        "data/split/split.parquet",
        "data/dataset/fixes.parquet",
    ):
        forget(project, path)
    story = tell_model(Place(project), ONE)
    assert story["sha256"] is story["data_version"] is story["images"] is story["fixes"] is None
    assert story["missing"][0].startswith("models/model.json of ")
    assert story["metrics"]["accuracy"] == 0.8, "Git has them"


def test_the_record_says_the_fixes_where_the_table_is_gone(tmp_path: Path):
    project = relabel_one(make_project(tmp_path / "p"))
    forget(project, "data/dataset/fixes.parquet")
    model = list_models(Place(project))[-1]
    assert model.fix_ids == {RECORD.id}
    assert model.fixes == {"n": 1, "sha256": hash_ids([RECORD.id]), "ids": [RECORD.id]}


def test_online_augmentation_makes_no_copies(tmp_path: Path):
    project = make_project(tmp_path / "p")
    [model] = list_models(Place(project))
    assert model.facts is not None
    model.facts["record"]["augment"]["mode"] = "online"
    from datatools.trace.models import _count_copies

    assert _count_copies(model) == 0


def test_from_a_record_to_the_models(project: Project):
    story = tell_record(Place(project), RECORD.id)
    assert story["record"]["annotation_id"] == RECORD.annotation_id
    assert story["added_in"]["subject"] == "A label put right"
    assert [(row["md5"], row["with_it"]) for row in story["models"]] == [(ONE, False), (TWO, True)]
    assert story["others"] == []


def test_a_record_of_today_and_one_that_changes_nothing(tmp_path: Path):
    project = make_project(tmp_path / "p")
    records = [make_record("relabel", path=FIXED, before="circle", after="star"), make_record("confirm", 1, path=FIXED)]
    append_records(project.fixes / "b.jsonl", records)
    relabel = tell_record(Place(project), records[0].id)
    assert (relabel["added_in"]["subject"], relabel["record"]["status"]) == ("not committed yet", "pending")
    assert [row["with_it"] for row in relabel["models"]] == [False]
    confirm = tell_record(Place(project), records[1].id)
    assert (confirm["changes_data"], confirm["models"]) == (False, [])
    assert [row["id"] for row in confirm["others"]] == [records[0].id]


def test_a_model_that_stays_while_the_data_changes(tmp_path: Path):
    """The table of a later run says nothing of a model that was trained before it."""
    project = relabel_one(make_project(tmp_path / "p"))
    finish_round(project, make_dataset(), weights=b"two", commit="Taken back, not trained again")
    model = list_models(Place(project))[-1]
    assert model.state.subject == "A label put right"
    assert model.fix_ids == {RECORD.id}
