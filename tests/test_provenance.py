from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from datatools import provenance
from datatools.provenance import find_commit, hash_sources, package_versions


def git(folder: Path, *arguments: str) -> None:
    who = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    subprocess.run(["git", "-C", str(folder), *who, *arguments], check=True, capture_output=True)


def test_the_commit_is_marked_when_tracked_files_changed(tmp_path: Path):
    git(tmp_path, "init")
    (tmp_path / "a").write_text("1")
    git(tmp_path, "add", "a")
    git(tmp_path, "commit", "-m", "one")
    commit = find_commit(tmp_path)
    assert re.fullmatch("[0-9a-f]{12}", commit or "")
    (tmp_path / "untracked").write_text("1")
    assert find_commit(tmp_path) == commit
    (tmp_path / "a").write_text("2")
    assert find_commit(tmp_path) == f"{commit}+changes"


def test_there_is_no_commit_outside_git_nor_without_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert find_commit(tmp_path) is None
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_commit(tmp_path) is None


def test_versions_of_what_is_installed():
    assert re.match(r"\d+\.\d+", package_versions(["numpy", "no-such-package"]).pop("numpy"))
    assert package_versions(["no-such-package"]) == {}


def test_the_hash_of_sources_follows_names_and_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    shutil.copytree(provenance.HERE / "formats", tmp_path / "formats")
    real = hash_sources("formats")
    monkeypatch.setattr(provenance, "HERE", tmp_path)
    assert hash_sources("formats") == real
    (tmp_path / "formats" / "notes.txt").write_text("no code")
    assert hash_sources("formats") == real
    (tmp_path / "formats" / "tables.py").rename(tmp_path / "formats" / "sheets.py")
    renamed = hash_sources("formats")
    (tmp_path / "formats" / "sheets.py").write_text("x = 1\n")
    assert len({real, renamed, hash_sources("formats")}) == 3
