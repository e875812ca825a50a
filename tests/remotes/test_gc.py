"""gc: what goes was proven on the remote a moment before; the rest stays."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from datatools.errors import DatatoolsError
from datatools.remotes.gc import CURRENT, gc
from datatools.remotes.outcome import Outcome
from datatools.remotes.pull import pull
from datatools.remotes.scope import Wanted
from tests.remotes.conftest import send
from tests.remotes.projects import commit, dvc, flip, md5_of, objects_of, overwrite

MODEL = "models/m.bin"


def collect(root: Path, **options: object) -> Outcome:
    return gc(Wanted(root, history=True), **options)


def change(root: Path, data: bytes) -> str:
    """Another model, recorded; returns its object."""
    (root / MODEL).unlink()
    (root / MODEL).write_bytes(data)
    assert dvc(root, "add", "-q", MODEL).returncode == 0
    return md5_of(root, MODEL)


@pytest.fixture(scope="module")
def made_history(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """Objects of an earlier commit, of none but pushed, of none and not pushed, and of the workspace."""
    folder = tmp_path_factory.mktemp("history") / "all"
    shutil.copytree(shared, folder)
    root = folder / "top" / "project"
    old = md5_of(root, MODEL)
    loose = change(root, b"pushed, never committed" * 100)
    assert send(root).proven
    own = change(root, b"never pushed" * 100)
    now = change(root, b"now" * 100)
    assert send(root).proven
    commit(root, "two")
    return folder, {"old": old, "loose": loose, "own": own, "now": now}


@pytest.fixture
def history(made_history: tuple[Path, dict[str, str]], tmp_path: Path) -> tuple[Path, dict[str, str]]:
    """A copy to change."""
    shutil.copytree(made_history[0], tmp_path / "history")
    return tmp_path / "history" / "top" / "project", made_history[1]


def here(root: Path, objects: dict[str, str]) -> set[str]:
    cache = objects_of(root / ".dvc" / "cache")
    return {name for name, md5 in objects.items() if md5 in cache}


def test_by_default_it_shows_what_would_go(history: tuple[Path, dict[str, str]]) -> None:
    root, objects = history
    outcome = collect(root)
    assert (outcome.facts["n_going"], outcome.facts["n_only_here"]) == (1, 1)
    assert outcome.verdict.startswith("would go from the cache: 1 object, 0.0 MB; --yes does it")
    assert "stays: 1 object, 0.0 MB that no commit needs and no remote has" in outcome.notes
    assert here(root, objects) == {"old", "loose", "own", "now"}


def test_it_keeps_what_commits_need_and_what_is_only_here(history: tuple[Path, dict[str, str]]) -> None:
    root, objects = history
    assert collect(root, yes=True).verdict == "gone from the cache: 1 object, 0.0 MB"
    assert here(root, objects) == {"old", "own", "now"}
    assert collect(root, yes=True).facts["n_going"] == 0


def test_it_can_keep_the_workspace_alone_and_a_pull_brings_the_rest_back(history: tuple[Path, dict[str, str]]) -> None:
    root, objects = history
    shown = collect(root, keep=CURRENT)
    assert any(note.startswith("goes: 1 object, 0.0 MB of ") and note.endswith(" receipt") for note in shown.notes)
    assert collect(root, keep=CURRENT, yes=True).facts["n_going"] == 2
    assert here(root, objects) == {"own", "now"}
    assert pull(Wanted(root, rev="HEAD~1")).proven
    assert here(root, objects) == {"own", "now", "old"}


def test_a_fault_on_the_remote_stops_it(history: tuple[Path, dict[str, str]]) -> None:
    root, objects = history
    store = root.parents[1] / "store"
    place = objects_of(store)[objects["old"]]
    overwrite(place, flip(place.read_bytes()))
    outcome = collect(root, keep=CURRENT, yes=True)
    assert [fault.paths for fault in outcome.faults] == [(MODEL,)]
    assert here(root, objects) == {"old", "loose", "own", "now"}
    overwrite(objects_of(store)[objects["loose"]], b"rotten")
    overwrite(place, flip(place.read_bytes()))
    assert collect(root, yes=True).facts["n_going"] == 0, "only what is right there may go here"
    assert "loose" in here(root, objects)


def test_what_to_keep_is_checked(root: Path) -> None:
    with pytest.raises(DatatoolsError, match=r"^--keep: expected commits or workspace\. Got 'all' instead"):
        collect(root, keep="all")
