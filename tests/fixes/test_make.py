from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import pytest

from datatools.dataset import Dataset, label_id, load_dataset, save_dataset
from datatools.errors import DatatoolsError
from datatools.fixes.make import (
    confirm_image,
    decide,
    exclude_image,
    find_image,
    load_current,
    relabel_image,
    revert,
    settle,
)
from datatools.fixes.records import FixRecord, append_records, load_records
from datatools.ingest import ingest
from datatools.params import IngestParams
from datatools.project import Project
from datatools.schema import FIX_STATUS, QUEUE
from datatools.store import load_table, save_table
from tests.builders import coco_text, lay_out, make_object, make_png, make_record

LABELS = "path,label\na.png,cat\nb.png,dog\nx/a.png,cat\n"
NOTHING: dict[str, Any] = {"label": None, "confirm": False, "exclude": False, "why": "looked", "who": "Ann"}
NEW_CLASS = "a new class comes with `ingest.classes` in params.yaml, which lists all, and `dvc repro`."


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project(tmp_path)
    names = ("a.png", "b.png", "x/a.png", "x/b.png", "bare.png")
    lay_out(project.raw, {name: make_png(number) for number, name in enumerate(names)})
    objects = [make_object(), make_object(id=2, category_id=7), make_object(id=3, image_id=2)]
    lay_out(project.raw, {"labels/anna.csv": LABELS, "annotations.json": coco_text(*objects)})
    return run_ingest(project)


def run_ingest(project: Project) -> Project:
    """What the ingest stage of `dvc repro` does."""
    shutil.rmtree(project.dataset, ignore_errors=True)
    records, broken = load_records(project.fixes)
    done = ingest(project.raw, IngestParams(), records, broken, workers=1)
    save_table(project.dataset / "fixes.parquet", done.fixes, FIX_STATUS)
    save_dataset(project.dataset, done.dataset)
    return project


def choose(project: Project, image: str = "a.png", **decision: Any) -> list[FixRecord]:
    return decide(project, image, **{**NOTHING, **decision})


def labels(project: Project) -> dict[str, str]:
    return load_dataset(project.dataset).labels.to_dict()


def statuses(project: Project) -> list[str]:
    return list(load_table(project.dataset / "fixes.parquet", FIX_STATUS)["status"])


def test_a_relabel_takes_the_objects_of_the_same_label_along(project: Project):
    version = load_dataset(project.dataset).version
    records = choose(project, label="dog")
    assert [(r.op, r.annotation_id, r.before, r.after) for r in records] == [
        ("relabel", "label/a.png", "cat", "dog"),
        ("relabel", "coco/1", "cat", "dog"),
    ]
    assert {record.base for record in records} == {version}
    assert load_records(project.fixes)[0] == sorted(records, key=lambda record: record.id)
    run_ingest(project)
    assert labels(project)["a.png"] == "dog"
    assert statuses(project) == ["applied", "applied"]


def test_a_confirmation_and_an_exclusion_are_one_record_each(project: Project):
    [confirmed] = choose(project, confirm=True)
    assert (confirmed.op, confirmed.annotation_id, confirmed.before) == ("confirm", "label/a.png", "cat")
    [excluded] = choose(project, "x/b.png", exclude=True)
    assert (excluded.op, excluded.path, excluded.annotation_id) == ("exclude", "x/b.png", None)
    run_ingest(project)
    assert statuses(project) == ["applied", "applied"]
    assert "x/b.png" not in set(load_dataset(project.dataset).images["path"])


def test_a_decision_on_an_image_of_the_queue_says_what_the_queue_said_of_it(project: Project):
    row = {"rank": 3, "path": "a.png", "kind": "label", "score": 0.1, "suggested": "dog", "codes": ""}
    save_table(project.queue, QUEUE.conform([row, {**row, "rank": 8, "kind": "disagreement"}]), QUEUE)
    evidence = {"rank": 3, "score": 0.1, "suggested": "dog", "queue": ["label", "disagreement"]}
    assert [record.evidence for record in choose(project, exclude=True)] == [evidence]
    assert [record.evidence for record in choose(project, "b.png", exclude=True)] == [{}]
    assert load_records(project.fixes)[0][0].evidence == evidence


def test_an_image_that_nobody_annotated_can_be_excluded(project: Project):
    choose(project, "bare.png", exclude=True)
    run_ingest(project)
    assert statuses(project) == ["applied"]
    assert "bare.png" not in set(load_dataset(project.dataset).images["path"])


def test_a_person_can_decide_twice_before_the_next_run(project: Project):
    choose(project, label="dog")
    [second, *_] = choose(project, label="cat")
    assert (second.before, second.after) == ("dog", "cat")
    assert second.base == load_dataset(project.dataset).version, "what the person saw is what is on disk"
    assert load_current(project, load_dataset(project.dataset)).labels["a.png"] == "cat"
    run_ingest(project)
    assert labels(project)["a.png"] == "cat"
    assert set(statuses(project)) == {"applied"}


def test_a_person_can_decide_again_after_a_run_and_after_a_pending_revert(project: Project):
    [first, *_] = choose(project, label="dog")
    run_ingest(project)
    revert(project, first.id, why="no", who="Ann")
    assert load_current(project, load_dataset(project.dataset)).labels["a.png"] == "cat"
    [again, *_] = choose(project, label="dog")
    assert again.before == "cat"
    run_ingest(project)
    assert labels(project)["a.png"] == "dog"
    assert "conflict" not in statuses(project)


def test_applied_and_reverted_leaves_the_same_bytes(project: Project):
    names = ("images.parquet", "annotations.parquet", "dataset.json")
    before = [(project.dataset / name).read_bytes() for name in names]
    for record in [*choose(project, label="dog"), *choose(project, "b.png", exclude=True)]:
        revert(project, record.id, why="no", who="Ann")
    run_ingest(project)
    assert [(project.dataset / name).read_bytes() for name in names] == before
    assert sorted(statuses(project)) == ["applied"] * 3 + ["reverted"] * 3


@pytest.mark.parametrize(
    ("image", "decision", "message"),
    [
        (
            "a.png",
            {},
            "fix: expected one of --label L, --confirm, --exclude, --include, --side S. Got none or several: pass one.",
        ),
        (
            "a.png",
            {"label": "dog", "confirm": True},
            "fix: expected one of --label L, --confirm, --exclude, --include, --side S. Got none or several: pass one.",
        ),
        (
            "a.png",
            {"exclude": True, "why": " "},
            "fix: expected a reason. Got an empty --why: say it in a few words.",
        ),
        ("a.png", {"label": "cow"}, f"label must be one of cat, dog. Got 'cow' instead: {NEW_CLASS}"),
        ("a.png", {"label": ""}, f"label must be one of cat, dog. Got '' instead: {NEW_CLASS}"),
        (
            "a.png",
            {"label": "cat"},
            "a.png has the label 'cat' already. To put that on record, use --confirm.",
        ),
        (
            "bare.png",
            {"confirm": True},
            "bare.png: expected an image label. Got none: add a row to a table in data/raw/labels.",
        ),
        (
            "bare.png",
            {"label": "cat"},
            "bare.png: expected an image label. Got none: add a row to a table in data/raw/labels.",
        ),
        (
            "no.png",
            {"confirm": True},
            "image: expected a path of the data set, such as a.png. Got 'no.png', no such image.",
        ),
        (
            "a.png",
            {"confirm": True, "who": "  "},
            "a fix record needs who decided it. Got none: set git config user.name or pass --who.",
        ),
    ],
)
def test_a_decision_that_cannot_be_taken_writes_nothing(
    project: Project, image: str, decision: dict[str, Any], message: str
):
    with pytest.raises(DatatoolsError) as caught:
        choose(project, image, **decision)
    assert str(caught.value).endswith(message)
    assert load_records(project.fixes) == ([], [])


def test_decide_before_the_first_run_says_what_to_run(tmp_path: Path):
    with pytest.raises(
        DatatoolsError, match=r"dataset\.json: expected a JSON file\. Got no such file: run `dvc repro`"
    ):
        choose(Project(tmp_path), confirm=True)


@pytest.fixture
def dataset(project: Project) -> Dataset:
    return load_dataset(project.dataset)


@pytest.mark.parametrize(("name", "path"), [("a.png", "a.png"), ("x/a.png", "x/a.png"), ("bare.png", "bare.png")])
def test_a_path_wins_over_file_names_that_end_alike(dataset: Dataset, name: str, path: str):
    assert find_image(dataset, name) == path


def test_a_file_name_is_enough_where_only_one_image_has_it(dataset: Dataset):
    images = dataset.images[dataset.images["path"] != "b.png"]
    assert find_image(dataclasses.replace(dataset, images=images), "b.png") == "x/b.png"


def test_an_ambiguous_file_name_lists_the_images(dataset: Dataset):
    images = dataset.images.assign(path="deep/" + dataset.images["path"])
    with pytest.raises(DatatoolsError) as caught:
        find_image(dataclasses.replace(dataset, images=images), "a.png")
    assert str(caught.value) == (
        "image: expected a path of the data set, such as deep/a.png. Got 'a.png', 2 images: deep/a.png, deep/x/a.png."
    )


def test_part_of_a_file_name_names_no_image(dataset: Dataset):
    for name in ("are.png", ".png", "", "x"):
        with pytest.raises(DatatoolsError, match="no such image"):
            find_image(dataset, name)


def test_a_data_set_without_images_has_no_example(dataset: Dataset):
    with pytest.raises(DatatoolsError, match=r"^image: expected a path of the data set\. Got 'a', no such image\.$"):
        find_image(dataclasses.replace(dataset, images=dataset.images.iloc[:0]), "a")


@pytest.mark.parametrize("make", [confirm_image, exclude_image, lambda *a, **k: relabel_image(*a, "dog", **k)])
def test_records_are_made_for_known_images_only(dataset: Dataset, make):
    with pytest.raises(DatatoolsError) as caught:
        make(dataset, "no.png", who="Ann", when="t", why="w")
    assert str(caught.value) == (
        "image: expected a path of the data set. Got 'no.png': see data/dataset/rejected.parquet."
    )


@pytest.mark.parametrize("make", [confirm_image, exclude_image, lambda *a, **k: relabel_image(*a, "dog", **k)])
def test_records_carry_base_and_evidence(dataset: Dataset, make):
    evidence = {"rank": 1}
    for record in make(dataset, "a.png", who="Ann", when="t", why="w", evidence=evidence):
        assert (record.base, record.evidence, record.path) == (dataset.version, evidence, "a.png")
        assert record.evidence is not evidence
    assert label_id("a.png") == "label/a.png"


def test_revert_takes_the_first_characters_of_an_id(project: Project):
    [record] = choose(project, confirm=True)
    made = revert(project, record.id[:6], why="no", who="Ann")
    assert (made.op, made.reverts) == ("revert", record.id)
    assert made in load_records(project.fixes)[0]


def test_a_revert_can_be_reverted_but_not_a_record_twice(project: Project):
    [record] = choose(project, confirm=True)
    first = revert(project, record.id, why="no", who="Ann")
    with pytest.raises(DatatoolsError) as caught:
        revert(project, record.id, why="no", who="Ann")
    assert str(caught.value) == f"id: expected a record in force. Got {record.id}, which is reverted already."
    revert(project, first.id, why="yes", who="Ann")
    run_ingest(project)
    assert sorted(statuses(project)) == ["applied", "applied", "reverted"]


def test_revert_needs_an_id_that_one_record_has(project: Project):
    choose(project, label="dog")
    for record_id, n in (("", 0), ("zz", 0)):
        with pytest.raises(DatatoolsError) as caught:
            revert(project, record_id, why="no", who="Ann")
        assert str(caught.value) == (
            f"id: expected the id of one record (see `datatools fixes log`). Got {record_id!r}, which {n} have."
        )


def test_a_side_is_decided_on_record(project: Project):
    [record] = choose(project, "b.png", side="test")
    assert (record.op, record.path, record.after) == ("set_split", "b.png", "test")
    with pytest.raises(DatatoolsError, match=r"--side must be one of train, val, test\. Got 'exam'"):
        choose(project, "b.png", side="exam")
    status = load_table(run_ingest(project).dataset / "fixes.parquet", FIX_STATUS)
    assert status[["op", "after", "status"]].values.tolist() == [["set_split", "test", "applied"]]


def test_of_two_excluded_images_the_one_of_that_very_path_is_included(project: Project):
    for image in ("a.png", "x/a.png"):
        choose(project, image, exclude=True)
    [record] = choose(project, "a.png", include=True)
    assert record.path == "a.png"


def test_of_two_disputes_the_one_about_the_image_of_that_very_path_is_settled(project: Project):
    for image in ("a.png", "x/a.png"):
        choose(project, image, label="dog", who="Ann")
        kept = make_record("confirm", path=image, before="cat", who="Bob")
        append_records(project.fixes / "bob.jsonl", [kept])
    assert {record.path for record in settle(project, "a.png", label="cat", why="looked", who="Eve")} == {"a.png"}
