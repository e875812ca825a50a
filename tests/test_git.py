"""Git by its own command: what it gives, and what is said where it fails or is not there."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from datatools.errors import DatatoolsError
from datatools.fixes.committed import load_committed_records
from datatools.fixes.records import append_records
from datatools.git import GitError, ask_git, find_commit, last_line, list_names, read_committed, resolve_commit, run_git
from datatools.lint import lint_file
from datatools.project import Project
from datatools.revisions import LOCK
from datatools.trace.past import load_past
from tests.builders import make_record
from tests.finished_runs import git

LATIN = b"caf\xe9.jsonl"  # no UTF-8


@pytest.fixture
def root(tmp_path: Path) -> Path:
    git(tmp_path, "init", "-q", "-b", "main")
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "a.bin").write_bytes(b"\xff\r\n")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-qm", "one")
    return tmp_path


def test_a_committed_file_is_its_bytes(root: Path) -> None:
    assert read_committed(root, "HEAD", "below/a.bin") == read_committed(root / "below", "main", "a.bin") == b"\xff\r\n"
    assert read_committed(root, "HEAD", "a.bin") is None
    assert read_committed(root, "gone", "below/a.bin") is None


def test_the_commit_is_marked_when_tracked_files_changed(root: Path) -> None:
    commit = find_commit(root)
    assert re.fullmatch("[0-9a-f]{12}", commit or "")
    (root / "untracked").write_text("1")
    assert find_commit(root / "below") == commit
    (root / "below" / "a.bin").write_text("2")
    assert find_commit(root) == f"{commit}+changes"


def test_there_is_no_commit_outside_git_nor_without_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert find_commit(tmp_path) is None
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_commit(tmp_path) is None


def test_text_to_show_has_no_bytes_that_are_none(root: Path) -> None:
    assert ask_git(root, "show", "HEAD:below/a.bin") == "\ufffd\r\n"
    assert ask_git(root, "show", "HEAD:gone") == ""


def test_a_commit_is_a_full_hash_or_nothing(root: Path) -> None:
    assert resolve_commit(root, "main") == git(root, "rev-parse", "HEAD")
    for name in ("gone", "HEAD^{tree}", "", " ", "--all", "--since=2020"):
        assert resolve_commit(root, name) is None


def test_git_s_words_are_in_the_error(root: Path) -> None:
    with pytest.raises(GitError, match=r"expected `git tag` to work\. Got: fatal: .*'no name'.*[^.]\.$") as caught:
        run_git(root, "tag", "no name")
    assert caught.value.said.startswith("fatal: ")
    assert isinstance(caught.value, DatatoolsError)


def test_what_is_given_on_stdin_is_what_git_gets(root: Path) -> None:
    hashed = run_git(root, "hash-object", "-w", "--stdin", stdin="ä\n").decode().strip()
    assert run_git(root, "cat-file", "blob", hashed) == "ä\n".encode()


def test_without_git_every_question_has_an_answer(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(root))
    with pytest.raises(DatatoolsError, match=r"^expected the command 'git'\. Got none on this machine: install it\.$"):
        resolve_commit(root, "HEAD")
    assert ask_git(root, "status") == ""
    assert read_committed(root, "HEAD", "below/a.bin") is None


def test_outside_git_there_is_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert ask_git(tmp_path, "rev-parse", "HEAD") == ""
    assert resolve_commit(tmp_path, "HEAD") is None
    with pytest.raises(GitError, match=r"expected `git ls-files` to work"):
        list_names(tmp_path, "ls-files", "-z")


def test_names_are_those_on_disk_whatever_their_bytes(root: Path) -> None:
    name = os.fsdecode(b'below/n\xe9\n".bin')
    (root / name).write_bytes(b"x")
    git(root, "add", "-A")
    assert sorted(list_names(root, "ls-files", "-z")) == sorted([name, "below/a.bin"])
    git(root, "commit", "-qm", "two")
    assert read_committed(root, "HEAD", name) == b"x"


def test_records_are_read_where_a_name_or_a_line_is_not_utf_8(root: Path) -> None:
    project = Project(root)
    file = project.fixes / os.fsdecode(LATIN)
    record = make_record("exclude", 1, "a.png")
    append_records(file, [record])
    with file.open("ab") as lines:
        lines.write(b"\xff\n")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "records")
    assert load_committed_records(root, "HEAD") == [record]
    (said,) = lint_file(project, file)
    assert ":2: not a record: " in said, "the line of the last commit is still there"


def test_a_subject_with_a_line_separator_is_one_subject(root: Path) -> None:
    for number, subject in enumerate(("first\u2028half", "second")):
        (root / LOCK).write_text(f"stages: {{s{number}: {{}}}}\n")
        git(root, "add", "-A")
        git(root, "commit", "-qm", subject)
    assert [state.subject for state in load_past(root, 5).states] == ["first\u2028half", "second", ""]


@pytest.mark.parametrize(
    ("said", "line"), [("", "nothing"), ("\n", "nothing"), ("warning: a\nfatal: b.\n\n", "fatal: b"), (" c ", "c")]
)
def test_the_last_line_of_what_was_said(said: str, line: str) -> None:
    assert last_line(said) == line
