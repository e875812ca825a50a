"""The states of the project that Git knows, by its dvc.lock: bounded, and read from DVC's cache alone.

A state names every file that a stage read and wrote by its hash. Files are read by these hashes, so nothing is checked out, and
what this machine does not have is told as such: a trace never waits for a network.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from datatools.errors import DatatoolsError
from datatools.revisions import LOCK, Stages, read_cached

SHORT = 12  # digits of a commit
LINE = "%H%x1f%aI%x1f%an%x1f%s"  # of git log
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # a lock of 30 KB takes 100 ms in pure Python


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
        outs = (out for stage in self.stages.values() for out in stage.get("outs", ()))
        return next((str(out.get("md5")) for out in outs if out["path"] == path), None)

    def find_dep(self, stage: str, path: str) -> str | None:
        """The hash of the file `path` that a stage read."""
        deps = self.stages.get(stage, {}).get("deps", ())
        return next((str(dep.get("md5")) for dep in deps if dep["path"] == path), None)

    def load_json(self, md5: str | None) -> Any:
        """A JSON document by its hash; None where the cache has none."""
        data = read_cached(self.root, md5)
        return None if data is None else json.loads(data)

    def load_committed_json(self, path: str) -> Any:
        """A JSON document that Git itself holds, such as metrics; None where it is not there."""
        if self.commit is None:
            file = self.root / path
            return json.loads(file.read_bytes()) if file.is_file() else None
        text = run_git(self.root, "show", f"{self.commit}:./{path}")
        return json.loads(text) if text else None

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
    now = [State(root, _parse(here.read_text(encoding="utf-8")))] if here.is_file() else []
    return Past([*reversed(found[:limit]), *now], len(found) > limit)


def open_state(root: Path, revision: str) -> State | None:
    """The state of a tag or commit; None where it has no dvc.lock."""
    text = run_git(root, "show", f"{revision}:./{LOCK}")
    return State(root, _parse(text), revision) if text else None


def run_git(root: Path, *arguments: str) -> str:
    """What a Git command prints; empty where it fails, or there is no Git."""
    command = ["git", "-C", str(root), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace", check=False)
    except FileNotFoundError:
        return ""
    return done.stdout if done.returncode == 0 else ""


def find_commit_of(root: Path, text: str, path: str) -> dict[str, str]:
    """The commit that first brought `text` into the file or folder `path`, described as a state is."""
    log = run_git(root, "log", f"--format={LINE}", "-S", text, "--", f"./{path}").splitlines()
    commit, when, who, subject = log[-1].split("\x1f", 3) if log else (None, "", "", "")
    return State(root, {}, commit, when, who, subject).describe()


def _list_committed(root: Path, limit: int) -> Iterator[State]:
    """The newest first."""
    log = run_git(root, "log", f"-n{limit}", f"--format={LINE}", "--", f"./{LOCK}")
    for line in log.splitlines():
        commit, when, who, subject = line.split("\x1f", 3)
        text = run_git(root, "show", f"{commit}:./{LOCK}")
        if text:
            yield State(root, _parse(text), commit, when, who, subject)


def _parse(text: str) -> Mapping[str, Any]:
    try:
        stages = yaml.load(text, LOADER)["stages"]
    except (yaml.YAMLError, KeyError, TypeError):
        return {}
    return stages if isinstance(stages, dict) else {}
