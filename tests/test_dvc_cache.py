"""Files by their hash, out of DVC's cache; with a real DVC and a remote in test_revisions.py."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from datatools.dvc_cache import read_cached, read_object
from tests.finished_runs import entry
from tests.test_dvc_state import dvc


@pytest.mark.parametrize("suffix", ["", ".dir"])
def test_the_cache_gives_what_the_hash_says_or_nothing(tmp_path: Path, suffix: str) -> None:
    md5 = hashlib.md5(b"one", usedforsecurity=False).hexdigest() + suffix
    file = tmp_path / ".dvc/cache/files/md5" / md5[:2] / md5[2:]
    file.parent.mkdir(parents=True)
    file.write_bytes(b"one")
    assert read_cached(tmp_path, md5) == b"one"
    assert read_cached(tmp_path / "data", md5) == b"one", "the project may be below DVC's folder"
    assert read_cached(tmp_path.parent / "elsewhere", md5) is None
    assert read_cached(tmp_path, None) is None
    file.write_bytes(b"on")
    assert read_cached(tmp_path, md5) is None


def test_a_hash_that_is_a_path_leads_nowhere(tmp_path: Path) -> None:
    (tmp_path / ".dvc/cache/files/md5").mkdir(parents=True)
    (tmp_path / "secret").write_bytes(b"s")
    assert read_cached(tmp_path, "../../../../../secret") is None
    assert read_cached(tmp_path, str(tmp_path / "secret")) is None


def test_what_the_cache_has_needs_no_dvc(tmp_path: Path) -> None:
    (tmp_path / ".dvc").mkdir()
    (tmp_path / "a.txt").write_text("a")
    md5 = entry(tmp_path, "a.txt")["md5"]
    assert read_object(tmp_path, md5) == (b"a", "")


def test_without_cache_and_project_there_is_a_reason(tmp_path: Path) -> None:
    data, said = read_object(tmp_path, "0" * 32)
    assert data is None
    assert said


def test_without_a_remote_the_reason_says_so(tmp_path: Path) -> None:
    dvc(tmp_path, "init", "-q", "--no-scm")
    assert read_object(tmp_path, "0" * 32) == (None, "not in the cache, and no remote is set")
