"""`datatools doctor`: each judgement on good and bad surroundings, and the command on this machine."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import pytest

from datatools import doctor
from datatools.doctor import NOTE, OK, PROBLEM, examine, judge_dvc, judge_imgaug, judge_opencv, judge_space
from datatools.errors import DatatoolsError
from datatools.init import init_project, set_params
from datatools.project import Project
from tests.command_line import Run
from tests.project import REPO, run

HEADLESS = "opencv-python-headless"


@pytest.mark.parametrize(
    ("distributions", "error", "state", "text"),
    [
        ([HEADLESS], "", OK, HEADLESS),
        (["opencv-python", HEADLESS], "", NOTE, f"opencv-python and {HEADLESS} write the same folder"),
        (
            ["opencv-python"],
            "ImportError: libGL.so.1",
            PROBLEM,
            "cannot be imported (ImportError: libGL.so.1): run: pip install",
        ),
        ([], "ModuleNotFoundError: No module named 'cv2'", PROBLEM, "cannot be imported"),
    ],
)
def test_opencv(distributions: list[str], error: str, state: str, text: str) -> None:
    answer = judge_opencv(distributions, error)
    assert answer.state == state and text in answer.text


@pytest.mark.parametrize(
    ("distributions", "state", "text"),
    [
        (["imaug"], OK, "imaug"),
        ([], OK, "not installed"),
        (["imgaug"], PROBLEM, "pip uninstall -y imgaug && pip install imaug"),
        (["imaug", "imgaug-denk"], PROBLEM, "pip uninstall -y imaug imgaug-denk && pip install imaug"),
    ],
)
def test_imgaug(distributions: list[str], state: str, text: str) -> None:
    answer = judge_imgaug(distributions)
    assert answer.state == state and text in answer.text


@pytest.mark.parametrize(("needed", "free", "state"), [(10, 20, OK), (10, 19, PROBLEM), (0, 0, OK)])
def test_space(needed: int, free: int, state: str) -> None:
    answer = judge_space(needed * 10**6, free * 10**6)
    assert answer.state == state and f"{free} MB free, data/raw has {needed} MB" in answer.text


@pytest.mark.parametrize(
    ("config", "cache", "remote", "text"),
    [
        ({}, OK, NOTE, "none is set"),
        ({"core": {"remote": "s"}}, OK, NOTE, "none is set"),
        ({"core": {"remote": "s"}, "'remote \"s\"'": {"url": "s3://bucket/x"}}, OK, OK, "s3://bucket/x"),
        ({"core": {"remote": "s"}, "'remote \"s\"'": {"url": "../../new/folder"}}, OK, OK, "../../new/folder"),
        ({"cache": {"type": "hardlink,copy"}}, NOTE, NOTE, "none is set"),
        ({"cache": {"type": "symlink"}}, NOTE, NOTE, "none is set"),
    ],
)
def test_dvc(tmp_path: Path, config: dict[str, dict[str, str]], cache: str, remote: str, text: str) -> None:
    (tmp_path / "clone" / ".dvc").mkdir(parents=True)
    answers = list(judge_dvc(config, tmp_path / "clone", is_root_user=True))
    assert [answer.state for answer in answers] == [cache, remote]
    assert text in answers[1].text
    assert ("root ignores the write protection" in answers[0].text) == (cache == NOTE)


def test_a_remote_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.access", lambda path, mode: False)
    config = {"core": {"remote": "s"}, "'remote \"s\"'": {"url": "/nowhere"}}
    assert list(judge_dvc(config, tmp_path, is_root_user=False))[1].state == PROBLEM


def test_a_mongod_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("fiftyone", reason="the review needs the extra 'review'")

    def missing() -> Path:
        raise DatatoolsError("mongod: expected one. Got none: install it.")

    monkeypatch.setattr("datatools.review.mongod.find_mongod", missing)
    assert doctor._mongod() == doctor.Answer("mongod", PROBLEM, "mongod: expected one. Got none: install it.")


def test_a_missing_extra_is_a_note_with_the_line_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    notes = {answer.about: answer for answer in doctor._extras()}
    assert set(notes) == set(doctor.EXTRAS)
    assert notes["cleanlab"].state == NOTE and "pip install -e '.[curate]'" in notes["cleanlab"].text


def test_this_machine_passes_and_nothing_is_changed(finished: Path) -> None:
    before = run(finished, "git", "status", "--short").stdout
    done = run(finished, "datatools", "doctor")
    assert {line.split()[0] for line in done.stdout.splitlines()} <= {OK, NOTE}
    for about in ("Python", "OpenCV", "imgaug", "mongod", "device", "disk", "DVC cache", "DVC remote"):
        assert about in done.stdout
    assert run(finished, "git", "status", "--short").stdout == before


def test_a_problem_is_exit_code_1(monkeypatch: pytest.MonkeyPatch) -> None:
    from typer.testing import CliRunner

    from datatools.cli import app

    monkeypatch.setattr("datatools.doctor.examine", lambda project: [doctor.Answer("disk", PROBLEM, "full")])
    monkeypatch.chdir(REPO)
    result = CliRunner().invoke(app, ["doctor"])
    assert result.exit_code == 1 and result.stdout == "problem  disk        full\n"


def test_a_project_without_raw_data_can_be_examined(tmp_path: Path) -> None:
    (tmp_path / ".dvc").mkdir()
    assert any(answer.about == "disk" and answer.state == OK for answer in examine(Project(tmp_path)))


def test_outside_a_project_the_environment_is_examined(tmp_path: Path, run_in: Run) -> None:
    _, out, err = run_in(tmp_path, "doctor")
    about = [line.split()[1] for line in out.splitlines()]
    assert err == "" and {"Python", "OpenCV", "mongod", "device"} <= set(about)
    assert about[-1] == "project" and not {"disk", "DVC", "pipeline"} & set(about)


def judge_pipeline(root: Path) -> list[tuple[str, str]]:
    return [(answer.state, answer.text) for answer in examine(Project(root)) if answer.about == "pipeline"]


def test_files_of_the_pipeline_that_are_not_this_version_s_are_named(tmp_path: Path) -> None:
    init_project(tmp_path)
    own = f"datatools {version('datatools')}"
    assert judge_pipeline(tmp_path) == [(OK, f"as {own} writes it")]
    params = tmp_path / "params.yaml"
    params.write_text(set_params(params.read_text(), {"train.epochs": "3"}))  # is there to be edited
    assert judge_pipeline(tmp_path) == [(OK, f"as {own} writes it")]
    with (tmp_path / "stages/train.py").open("a") as file:
        file.write("# mine\n")
    (tmp_path / "stages/split.py").unlink()
    [(state, text)] = judge_pipeline(tmp_path)
    assert state == NOTE and text.startswith(f"stages/split.py, stages/train.py: not as {own} writes them.")
    (tmp_path / "stages/train.py").unlink()  # as it says
    init_project(tmp_path)
    assert judge_pipeline(tmp_path) == [(OK, f"as {own} writes it")]


def test_a_folder_without_a_pipeline_and_one_with_the_library_have_no_such_files(tmp_path: Path) -> None:
    assert judge_pipeline(tmp_path) == judge_pipeline(REPO) == []
