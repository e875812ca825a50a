"""Results of another revision, with a real DVC: from the cache, from the remote, or not at all."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from datatools.errors import DatatoolsError
from datatools.revisions import find_stale, find_stale_in, load_stages, open_revision, parse_stages
from tests.finished_runs import git, spy_on_hashes

COMMAND = "mkdir -p out && cp in.txt out/a.txt"
DVC = (sys.executable, "-m", "dvc")


@pytest.fixture
def repo(made: Path, tmp_path: Path) -> Path:
    """A copy to change, of the project and its remote."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    return tmp_path / "top" / "project"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Git and DVC project in a folder below the top, with a stage that ran twice and a remote."""
    folder = tmp_path_factory.mktemp("made")
    top = folder / "top"
    root = top / "project"
    (root / "code").mkdir(parents=True)
    (root / "code" / "x.py").write_text("1\n")
    git(folder, "init", "-q", "-b", "main", str(top))
    run(root, "init", "-q", "--subdir")
    run(root, "config", "core.analytics", "false")
    run(root, "remote", "add", "-q", "-d", "store", "../../store")  # relative: must hold from anywhere
    (root / "params.yaml").write_text("copy:\n  n: 1\nother: 2\n")
    (root / "dvc.yaml").write_text(
        f"stages:\n  copy:\n    cmd: {COMMAND}\n    deps: [in.txt, code]\n    params: [copy]\n    outs: [out/a.txt]\n"
    )
    for text in ("one", "two"):
        (root / "in.txt").write_text(text)
        run(root, "repro", "-q")
        run(root, "push", "-q")
        git(root, "add", "-A")
        git(root, "commit", "-qm", text)
    return folder


def run(root: Path, *arguments: str) -> None:
    subprocess.run([*DVC, *arguments], cwd=root, check=True, capture_output=True)


def test_a_file_of_another_revision_comes_from_the_cache_else_from_the_remote(repo: Path) -> None:
    assert open_revision(repo, "HEAD").read("out/a.txt") == b"two"
    before = open_revision(repo, "HEAD~1")
    assert before.read("out/a.txt") == b"one"
    shutil.rmtree(repo / ".dvc" / "cache")
    assert before.read("out/a.txt") == b"one"
    assert (repo / "out" / "a.txt").read_text() == "two", "what is checked out stays"
    shutil.rmtree(repo / ".dvc" / "cache", ignore_errors=True)
    shutil.rmtree(repo.parents[1] / "store")
    with pytest.raises(
        DatatoolsError, match=r"^out/a\.txt of HEAD~1: expected it in the DVC cache or the remote\. Got: "
    ):
        before.read("out/a.txt")


def test_what_no_stage_wrote_is_none(repo: Path) -> None:
    revision = open_revision(repo, "main")
    assert revision.read("in.txt") is None
    assert revision.read("no.parquet") is None


def test_stale_is_what_dvc_status_says(repo: Path) -> None:
    def both() -> tuple[str, bool]:
        said = subprocess.run([*DVC, "status", "-q", "copy"], cwd=repo, check=False).returncode
        return find_stale(repo, load_stages(repo), ("copy",)), said != 0

    assert both() == ("", False)
    (repo / "params.yaml").write_text("copy:\n  n: 1\nother: 3\n")
    (repo / "code" / "__pycache__").mkdir()
    (repo / "code" / "x.py").touch()
    assert both() == ("", False)
    (repo / "params.yaml").write_text("copy:\n  n: 2\nother: 3\n")
    assert both() == ("copy in params.yaml changed since the stage copy ran", True)
    (repo / "params.yaml").write_text("copy:\n  n: 1\n")
    (repo / "code" / "y.py").write_text("2\n")
    assert both() == ("code changed since the stage copy ran", True)
    (repo / "code" / "y.py").unlink()
    (repo / "in.txt").write_text("three")
    assert both() == ("in.txt changed since the stage copy ran", True)
    (repo / "in.txt").unlink()
    assert both() == ("in.txt went away since the stage copy ran", True)


def commit(repo: Path) -> str:
    """Commit all; what the commit says of its two stages."""
    git(repo, "add", "-A")
    git(repo, "commit", "-qm", "more")
    return find_stale_in(open_revision(repo, "HEAD"), ("again",))


def test_a_commit_that_was_made_before_the_pipeline_ran_on_is_stale(repo: Path) -> None:
    again = (
        "  again:\n    cmd: cp out/a.txt out/b.txt\n    deps: [out/a.txt]\n    params: [other]\n    outs: [out/b.txt]\n"
    )
    with (repo / "dvc.yaml").open("a") as file:
        file.write(again)
    run(repo, "repro", "-q")
    assert commit(repo) == ""
    (repo / "in.txt").write_text("three")
    run(repo, "repro", "-q", "copy")
    assert commit(repo) == "out/a.txt changed since the stage again ran"
    assert find_stale_in(open_revision(repo, "HEAD"), ("copy",)) == ""
    assert find_stale_in(open_revision(repo, "HEAD~1"), ("again",)) == ""
    run(repo, "repro", "-q")
    assert commit(repo) == ""
    (repo / "params.yaml").write_text("copy:\n  n: 1\nother: 3\n")
    assert commit(repo) == "other in params.yaml changed since the stage again ran"
    (repo / "params.yaml").write_text("{")
    assert commit(repo).endswith("in params.yaml changed since the stage copy ran")


def test_a_commit_with_other_data_than_its_pipeline_read_is_stale(repo: Path) -> None:
    git(repo, "rm", "-q", "--cached", "in.txt")
    run(repo, "add", "-q", "in.txt")
    run(repo, "repro", "-q")
    git(repo, "add", "-A")
    git(repo, "commit", "-qm", "tracked")
    assert find_stale_in(open_revision(repo, "HEAD"), ("copy",)) == ""
    (repo / "in.txt").write_text("four")
    run(repo, "add", "-q", "in.txt")
    git(repo, "commit", "-qam", "other data")
    assert find_stale_in(open_revision(repo, "HEAD"), ("copy",)) == "in.txt changed since the stage copy ran"


def test_data_that_dvc_tracks_need_not_be_there(repo: Path) -> None:
    git(repo, "rm", "-q", "--cached", "in.txt")
    run(repo, "add", "-q", "in.txt")
    (repo / "in.txt").unlink()
    assert find_stale(repo, load_stages(repo), ("copy",)) == ""
    (repo / "in.txt").write_text("four")
    run(repo, "add", "-q", "in.txt")
    (repo / "in.txt").unlink()
    assert find_stale(repo, load_stages(repo), ("copy",)) == "in.txt changed since the stage copy ran"


def test_what_many_stages_read_is_hashed_once(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stages = load_stages(repo)
    both = {**stages, "again": {"deps": stages["copy"]["deps"]}}
    hashed = spy_on_hashes(monkeypatch)
    assert find_stale(repo, both, ("copy", "again")) == ""
    assert len(hashed) == len(set(hashed)) > 0
    assert repo / "in.txt" in hashed


@pytest.mark.parametrize("text", ["", "no: lock\n", "stages: []\n", "{", "\0"])
def test_what_is_no_lock_has_no_stages(repo: Path, text: str) -> None:
    (repo / "dvc.lock").write_text(text)
    assert parse_stages(text) is parse_stages(text.encode()) is None
    with pytest.raises(DatatoolsError, match=r"dvc\.lock: expected a dvc\.lock with stages\. Got another document"):
        load_stages(repo)
