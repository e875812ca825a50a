"""The states of the project that Git knows, by its dvc.lock: bounded, and read from DVC's cache alone.

A state names every file that a stage read and wrote by its hash. Files are read by these hashes, so nothing is checked out, and
what this machine does not have is told as such: a trace never waits for a network.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from datatools.dvc_cache import read_cached
from datatools.errors import DatatoolsError
from datatools.git import ask_git, read_committed
from datatools.revisions import LOCK, Stages, find_out, parse_stages

SHORT = 12  # digits of a commit
LINE = "%H%x1f%aI%x1f%an%x1f%s"  # of git log


@dataclass(frozen=True)
class State:
    """What dvc.lock said in a commit (None: on disk), and who committed it when."""

    root: Path
    stages: Stages
    commit: str | None = None
    when: str = ""  # ISO 8601, of the author
    who: str = ""
    subject: str = ""

    def find_out(self, path: str) -> str | None:
        """The hash of the file `path` that a stage wrote."""
        return find_out(self.stages, path)

    def find_dep(self, stage: str, path: str) -> str | None:
        """The hash of the file `path` that a stage read."""
        deps = self.stages.get(stage, {}).get("deps", ())
        return next((str(dep.get("md5")) for dep in deps if dep["path"] == path), None)

    def load_json(self, md5: str | None) -> Any:
        """A JSON document by its hash; None where the cache has none."""
        data = read_cached(self.root, md5)
        return None if data is None else json.loads(data)

    def load_rows(
        self, md5: str | None, columns: Sequence[str] | None = None, path: str | None = None
    ) -> pd.DataFrame | None:
        """A Parquet table by its hash: these columns, all if none are named, of all rows or those of the image `path`.

        None where the cache has no such file.
        """
        data = read_cached(self.root, md5)
        if data is None:
            return None
        filters = None if path is None else [("path", "==", path)]
        return pd.read_parquet(io.BytesIO(data), columns=columns and list(columns), filters=filters)

    def load_committed_json(self, path: str) -> Any:
        """A JSON document that Git itself holds, such as metrics; None where it is not there."""
        if self.commit is None:
            file = self.root / path
            return json.loads(file.read_bytes()) if file.is_file() else None
        data = read_committed(self.root, self.commit, path)
        return json.loads(data) if data else None

    def describe(self) -> dict[str, str]:
        """Commit, time, person and subject, as a story tells them."""
        if self.commit is None:
            return {"commit": "", "when": "", "who": "", "subject": "not committed yet"}
        return {"commit": self.commit[:SHORT], "when": self.when, "who": self.who, "subject": self.subject}


@dataclass(frozen=True)
class Past:
    """The states, oldest first, the one on disk last; `is_cut`: Git knows older ones."""

    states: Sequence[State]
    is_cut: bool = False

    @property
    def now(self) -> State | None:
        """The state on disk; None before the first `dvc repro`."""
        return self.states[-1] if self.states and self.states[-1].commit is None else None


def load_past(root: Path, limit: int) -> Past:
    """The last `limit` states that Git knows, and the one on disk. Raises DatatoolsError for a limit below 1."""
    if limit < 1:
        raise DatatoolsError(f"--commits must be at least 1. Got {limit} instead.")
    found = list(_list_committed(root, limit + 1))
    here = root / LOCK
    now = [State(root, parse_stages(here.read_bytes()) or {})] if here.is_file() else []
    return Past([*reversed(found[:limit]), *now], len(found) > limit)


def open_state(root: Path, revision: str) -> State | None:
    """The state of a tag or commit; None where it has no dvc.lock."""
    text = read_committed(root, revision, LOCK)
    return State(root, parse_stages(text) or {}, revision) if text else None


def find_commit_of(root: Path, text: str, path: str) -> dict[str, str]:
    """The commit that first brought `text` into the file or folder `path`, described as a state is."""
    log = _read_log(root, "-S", text, "--", f"./{path}")
    return State(root, {}, *log[-1]).describe() if log else State(root, {}).describe()


def _list_committed(root: Path, limit: int) -> Iterator[State]:
    """The newest first."""
    for commit, *told in _read_log(root, f"-n{limit}", "--", f"./{LOCK}"):
        text = read_committed(root, commit, LOCK)
        if text:
            yield State(root, parse_stages(text) or {}, commit, *told)


def _read_log(root: Path, *arguments: str) -> list[tuple[str, str, str, str]]:
    """Hash, moment, person and subject of commits, as `git log` with these arguments has them; empty without Git."""
    log = ask_git(root, "log", "-z", f"--format={LINE}", *arguments)
    entries = (entry.split("\x1f", 3) for entry in log.split("\0") if entry)
    return [(commit, when, who, subject) for commit, when, who, subject in entries]
