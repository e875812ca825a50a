"""Tags in the form of GTO, read back by GTO's own code."""

from __future__ import annotations

from pathlib import Path

import pytest

from datatools.errors import DatatoolsError
from datatools.release.tags import create_tag, list_releases, tag_prefix
from tests.finished_runs import git

MESSAGE = "data 1.0.0: the first release\n\n# not a comment\n"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{name}_NAME", "Rita")
        monkeypatch.setenv(f"GIT_{name}_EMAIL", "r@example.org")
    git(tmp_path, "init", "-q")
    git(tmp_path, "commit", "-qm", "one", "--allow-empty")
    return tmp_path


def test_a_release_is_an_annotated_tag(root: Path):
    create_tag(root, "data@v1.0.0", MESSAGE)
    [release] = list_releases(root, "data")
    assert (release.tag, str(release.version), release.who) == ("data@v1.0.0", "1.0.0", "Rita")
    assert release.commit == git(root, "rev-parse", "HEAD")
    assert git(root, "cat-file", "-t", "data@v1.0.0") == "tag"
    assert git(root, "for-each-ref", "--format=%(contents)", "refs/tags/data@v1.0.0") == MESSAGE.strip()


def test_releases_are_ordered_by_version_and_other_tags_passed_over(root: Path):
    names = (
        "data@v1.10.0",
        "data@v1.9.0",
        "data@v1.10.0-rc.1",
        "model@v3.0.0",
        "data@v1",
        "data#prod#1",
        "data@v2.0.0!",
        "v9.0.0",
    )
    for name in names:
        git(root, "tag", name)
    assert [str(release.version) for release in list_releases(root, "data")] == ["1.9.0", "1.10.0-rc.1", "1.10.0"]
    assert [release.commit for release in list_releases(root, "model")] == [git(root, "rev-parse", "HEAD")], (
        "a light tag"
    )


def test_below_the_top_the_folder_is_part_of_the_name(root: Path):
    below = root / "sets" / "cells"
    below.mkdir(parents=True)
    assert (tag_prefix(root, "data"), tag_prefix(below, "data")) == ("data@v", "sets/cells=data@v")
    create_tag(below, "sets/cells=data@v0.1.0", MESSAGE)
    assert [release.tag for release in list_releases(below, "data")] == ["sets/cells=data@v0.1.0"]
    assert list_releases(root, "data") == []


def test_gto_reads_them(root: Path):
    tag = pytest.importorskip("gto.tag")
    for name, folder in (("data@v1.2.0", ""), ("sets/cells=data@v0.1.0-rc.1", "sets/cells:")):
        parsed = tag.parse_name(name)
        assert (parsed["name"], parsed["version"]) == (f"{folder}data", name.partition("@")[2])


def test_a_tag_that_is_there_or_without_a_commit_is_one_line(root: Path, tmp_path: Path):
    create_tag(root, "data@v1.0.0", MESSAGE)
    with pytest.raises(
        DatatoolsError, match=r"data@v1\.0\.0: expected Git to make this tag\. Got: .*already exists\.$"
    ):
        create_tag(root, "data@v1.0.0", MESSAGE)


def test_outside_git_there_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert list_releases(tmp_path, "data") == []
