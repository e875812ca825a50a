"""Git, by its own command, in the folder of a project: what everything here asks Git goes through this file.

Git gives bytes: a file, a name or a message need not be UTF-8. Names of files are asked for with `-z`, as Git quotes them otherwise.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from datatools.errors import DatatoolsError


class GitError(DatatoolsError):
    """Git could not do what it was asked for; `said` is the last line of what it says about that."""

    def __init__(self, root: Path, command: str, said: str) -> None:
        super().__init__(f"{root}: expected `git {command}` to work. Got: {said}.")
        self.said = said


def run_git(root: Path, *arguments: str, stdin: str = "") -> bytes:
    """What a Git command prints. Raises GitError where it fails, DatatoolsError where this machine has no Git."""
    command = ["git", "-C", str(root), *arguments]
    try:
        done = subprocess.run(command, input=stdin.encode(), capture_output=True, check=False)
    except FileNotFoundError as error:
        raise DatatoolsError("expected the command 'git'. Got none on this machine: install it.") from error
    if done.returncode:
        raise GitError(root, arguments[0], last_line(done.stderr.decode("utf-8", "replace")))
    return done.stdout


def ask_git(root: Path, *arguments: str) -> str:
    """What a Git command prints, as text to show: what is not UTF-8 is replaced. Empty where it fails, or there is no Git."""
    try:
        return run_git(root, *arguments).decode("utf-8", "replace")
    except DatatoolsError:
        return ""


def list_names(root: Path, *arguments: str) -> list[str]:
    """The names of files that a Git command with `-z` prints, as `open` takes them. Raises as `run_git`."""
    return [os.fsdecode(name) for name in run_git(root, *arguments).split(b"\0") if name]


def find_commit(folder: Path) -> str | None:
    """The Git commit that `folder` is at, with `+changes` when tracked files differ from it; None outside Git."""
    commit = ask_git(folder, "rev-parse", "--short=12", "HEAD").strip()
    changes = ask_git(folder, "status", "--porcelain", "--untracked-files=no") if commit else ""
    return f"{commit}+changes" if changes else commit or None


def resolve_commit(root: Path, revision: str) -> str | None:
    """The full hash of the commit that `revision` (branch, tag, commit) is now; None where it is none, or is an option.

    Raises DatatoolsError where this machine has no Git.
    """
    if not revision.strip() or revision.startswith("-"):
        return None
    try:
        found = run_git(root, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")
    except GitError:
        return None
    return found.decode("ascii").strip()


def read_committed(root: Path, revision: str, path: str) -> bytes | None:
    """The file `path`, from `root` on, as Git has it in `revision`; None where it is not there, or there is no Git."""
    try:
        return run_git(root, "show", f"{revision}:./{path}")
    except DatatoolsError:
        return None


def last_line(said: str) -> str:
    """The last line of what a command says on stderr, without its full stop."""
    lines = said.strip().splitlines()
    return lines[-1].strip().rstrip(".") if lines else "nothing"
