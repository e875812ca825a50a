"""What a name means, and what is said where it means nothing or too much."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from datatools.dataset import label_id
from datatools.errors import DatatoolsError
from datatools.project import Project
from datatools.trace.names import ANNOTATION, FIX, IMAGE, MODEL, Named, resolve
from datatools.trace.place import Place
from tests.finished_runs import git
from tests.rounds import FIXED, RECORD, make_project, relabel_one

ONE, TWO = (hashlib.md5(data, usedforsecurity=False).hexdigest() for data in (b"one", b"two"))
SHA256 = hashlib.sha256(FIXED.encode()).hexdigest()


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = relabel_one(make_project(tmp_path_factory.mktemp("names") / "p"))
    git(project.root, "tag", "-am", "first", "model@v1.0.0", "HEAD~1")
    return project


@pytest.mark.parametrize(
    ("name", "means"),
    [
        (FIXED, Named(IMAGE, FIXED)),
        (f"data/raw/{FIXED}", Named(IMAGE, FIXED)),
        (f"data/images/{FIXED}", Named(IMAGE, FIXED)),
        (f"{FIXED}.aug0.png", Named(IMAGE, FIXED)),
        ("02.png", Named(IMAGE, FIXED)),
        (SHA256, Named(IMAGE, FIXED)),
        (SHA256[:10].upper(), Named(IMAGE, FIXED)),
        ("images/gone.png", Named(IMAGE, "images/gone.png")),
        (label_id(FIXED), Named(ANNOTATION, label_id(FIXED))),
        ("coco/box01", Named(ANNOTATION, "coco/box01")),
        ("coco/gone", Named(ANNOTATION, "coco/gone")),
        (RECORD.id, Named(FIX, RECORD.id)),
        (RECORD.id[:5], Named(FIX, RECORD.id)),
        ("model", Named(MODEL, TWO)),
        ("models/model.safetensors", Named(MODEL, TWO)),
        (ONE[:8], Named(MODEL, ONE)),
        (hashlib.sha256(b"one").hexdigest()[:12], Named(MODEL, ONE)),
        ("model@v1.0.0", Named(MODEL, ONE)),
    ],
)
def test_a_name_means_one_thing(project: Project, name: str, means: Named):
    assert resolve(Place(project), name) == means


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("images/0333.png", "close to it are images/03.png"),
        ("model@v9.0.0", "which none has"),
        ("abc", "which none has; an image is images/00.png"),  # too short for a part of an id
        ("", "which none has"),
        ("--all", "which none has"),
        ("zzzz\x1b[2J", r"zzzz\\x1b"),
    ],
)
def test_a_name_of_nothing_is_told_with_what_is_close(project: Project, name: str, said: str):
    with pytest.raises(DatatoolsError, match=r"^trace: expected an image path") as caught:
        resolve(Place(project), name)
    assert said in str(caught.value) or said.replace("\\\\", "\\") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_part_that_several_have_lists_them(project: Project, monkeypatch: pytest.MonkeyPatch):
    place = Place(project)
    dataset = place.dataset
    dataset.images["sha256"] = "ffff" + dataset.images["sha256"].str[4:]
    with pytest.raises(
        DatatoolsError, match=r"may be image images/00\.png, image images/01\.png, .* and 19 more: give more"
    ):
        resolve(place, "ffff")


def test_an_image_and_an_annotation_of_one_name_are_two(project: Project):
    place = Place(project)
    rows = place.dataset.annotations
    rows.loc[rows["annotation_id"] == "coco/box01", "annotation_id"] = FIXED
    with pytest.raises(DatatoolsError, match=r"image images/02\.png, annotation images/02\.png"):
        resolve(place, FIXED)


def test_the_model_before_any_is_nothing(tmp_path: Path):
    project = make_project(tmp_path / "p")
    (project.root / "dvc.lock").unlink()
    with pytest.raises(DatatoolsError, match="which none has"):
        resolve(Place(project), "model")
