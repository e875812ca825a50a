"""Stories in a terminal: every kind, hostile names, and the command itself."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from datatools.cli import app
from datatools.dataset import label_id
from datatools.project import Project
from datatools.trace.run import trace
from datatools.trace.words import MANY, to_terminal
from tests.finished_runs import git
from tests.rounds import FIXED, RECORD, forget, make_project, relabel_one


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = relabel_one(make_project(tmp_path_factory.mktemp("words") / "p"))
    git(project.root, "tag", "-am", "second", "model@v1.1.0", "HEAD")
    return project


def show(story: dict[str, Any]) -> str:
    console = Console(file=io.StringIO(), width=200, color_system=None)
    with console.capture() as capture:
        console.print(to_terminal(story), highlight=False)
    return capture.get()


def test_an_image(project: Project):
    text = show(trace(project, FIXED))
    for words in (
        f"image {FIXED}", "64 x 48 PNG, 100 bytes", "group w2", "label star by consensus, from fix/abcd000000000001",
        "train, together with 3 other images, since", "First run", "images/03.png (hash, correlation 0.990), in train",
        "BOX006 warning", "rank 1: it looks so", "2026-07-01 Rita: circle -> star, applied (five points)",
        f"{FIXED}.aug0.png", "as circle, model f97c5d29941b", "as star, model", "(the one on disk)",
        f"A label put right: relabelled {label_id(FIXED)} circle -> star",
    ):  # fmt: skip
        assert words in text, words


def test_an_image_of_no_group_is_together_with_none(project: Project):
    story = trace(project, FIXED)
    text = show({**story, "split": {**story["split"], "together": 1}})
    assert "train, since" in text and "together" not in text


def test_what_the_model_said(project: Project):
    assert "star with 75.0 %: wrong by the label circle" in show(trace(project, "images/00.png"))


def test_an_annotation_a_model_and_a_record(project: Project):
    assert "voted: anna circle, ben circle, chloe circle" in show(trace(project, label_id(FIXED)))
    assert "box circle at 4, 4, 40, 44" in show(trace(project, "coco/box03"))
    model = show(trace(project, "model"))
    for words in (
        "data ",
        "params: epochs 2",
        "1 record, hash",
        RECORD.id,
        "16 images of the train side and 16 augmented copies",
    ):
        assert words in model, words
    assert "accuracy 0.8, n 4" in model
    assert "model@v1.1.0" in model
    record = show(trace(project, RECORD.id))
    for words in (f"about {RECORD.annotation_id}", "in Git by", "First run: without it", "A label put right: with it"):
        assert words in record, words


def test_what_is_not_known_is_said(tmp_path: Path):
    project = relabel_one(make_project(tmp_path / "p"))
    old = trace(project, "model")["first_in"]
    assert old["commit"]
    for path in ("models/model.json", "data/split/split.parquet", "data/dataset/fixes.parquet"):
        forget(project, path)
    story = trace(project, "model")
    text = show(story)
    for words in (
        "not on this machine: models/model.json",
        "not recorded",
        "not known: the tables of that time",
        "in no release",
    ):
        assert words in text, words
    assert "perhaps: the tables of that time are not on this machine" in show(trace(project, FIXED))
    assert "not in the cache, so not known" in show(trace(project, FIXED))
    assert "A label put right: not known" in show(trace(project, RECORD.id))


def test_an_image_that_is_out(project: Project):
    assert "left out: no_image, its image was left out (annotations.json)" in show(trace(project, "images/gone.png"))


def test_a_name_cannot_act_on_the_terminal(project: Project):
    story = trace(project, FIXED)
    evil = "\x1b[2J[red]\u202e\nrm -rf"
    story |= {"name": evil, "copies": [evil], "metadata": {evil: evil}}
    text = show(story)
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "[red]" in text, "it is no style"


def test_long_sections_are_cut_and_say_so(project: Project):
    story = trace(project, FIXED) | {"copies": [f"{number}.png" for number in range(MANY + 3)]}
    text = show(story)
    assert "and 3 more: --json has them" in text
    assert f"{MANY}.png" not in text


def test_long_values_are_cut(project: Project):
    story = trace(project, FIXED)
    story["changes"][-1]["changes"] = [{"kind": "reshaped", "before": {"mask": "x" * 200}, "after": [1.5, None]}]
    assert f"reshaped {'x' * 39}… -> 1.5, None" in show(story)


def test_the_command(project: Project, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(project.root / "data")
    runner = CliRunner()
    done = runner.invoke(app, ["trace", FIXED, "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.output)["schema"] == 1
    assert json.loads(done.output) == trace(project, FIXED)
    assert "image images/02.png" in runner.invoke(app, ["trace", "02.png", "--commits", "1"]).output
    assert runner.invoke(app, ["trace", FIXED, "--commits", "0"]).exit_code == 2
