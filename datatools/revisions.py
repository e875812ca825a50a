"""Pipeline results of another Git revision, and whether the results on disk are those of the data on disk.

Both read dvc.lock: for each stage it has the hashes of what the stage read and wrote, and the parameters it ran with.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from datatools.errors import DatatoolsError
from datatools.schema import Table

LOCK = "dvc.lock"
CACHE = ".dvc/cache/files/md5"
OBJECT = re.compile(r"[0-9a-f]{32}(\.dir)?")  # what DVC calls a file, or a folder's list
IGNORED = ("__pycache__",)  # in every .dvcignore of ours
# Brings one file by its hash into the cache, wherever cache and remote are, and prints its place. A process of its own:
# DVC takes a second to load. (`dvc get --rev` does not find the project where it is below the top of the Git repository.)
PULL = """
import sys
from dvc.repo import Repo
from dvc_data.hashfile.hash_info import HashInfo
root, md5 = sys.argv[1:]
with Repo(root) as repo:
    place = repo.cache.local.oid_to_path(md5)
    if not repo.cache.local.exists(md5):
        repo.cloud.pull([HashInfo("md5", md5)])
    if not repo.cache.local.exists(md5):
        sys.exit("neither has it")
print(place)
"""
Stages = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Revision:
    """A commit of the project in `root`, as the user called it, and the stages of its dvc.lock."""

    root: Path
    name: str
    commit: str
    stages: Stages

    def read(self, path: str) -> bytes | None:
        """The file `path` that a stage wrote; None where no stage did in this revision.

        It comes from the DVC cache, else from the remote. Raises DatatoolsError where neither has it.
        """
        md5 = _find_md5(self.stages, path)
        if md5 is None:
            return None
        data = read_cached(self.root, md5)
        return self._fetch(path, md5) if data is None else data

    def load_table(self, path: str, table: Table) -> pd.DataFrame | None:
        """The Parquet file `path` as `table`; None where no stage wrote it in this revision. Raises DatatoolsError.

        Columns that `table` got or lost since then are null or left out.
        """
        data = self.read(path)
        if data is None:
            return None
        frame = pd.read_parquet(io.BytesIO(data))
        return table.conform(frame[[name for name in frame.columns if name in table.columns]])

    def load_json(self, path: str) -> Any:
        """The JSON document `path`; None where no stage wrote it in this revision. Raises DatatoolsError."""
        data = self.read(path)
        return None if data is None else json.loads(data)

    def _fetch(self, path: str, md5: str) -> bytes:
        command = [sys.executable, "-c", PULL, str(self.root), md5]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        said = _last_line(done.stderr)
        if done.returncode == 0:
            place = Path(done.stdout.strip())
            if _hash_file(place) == md5:
                return place.read_bytes()
            said = f"other content in {place}; delete that file"
        raise DatatoolsError(
            f"{path} of {self.name}: expected it in the DVC cache or the remote. Got: {said}. "
            f"Push it from where it was made: `dvc push`, or check out {self.name} and run `dvc repro`."
        )


def open_revision(root: Path, name: str) -> Revision:
    """The revision `name` (branch, tag, commit) of the project in `root`. Raises DatatoolsError."""
    if not name.strip() or name.startswith("-"):
        raise DatatoolsError(f"expected a Git revision such as main or HEAD~1. Got {name!r} instead.")
    commit = _git(root, name, "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}").strip()
    return Revision(
        root, name, commit, _read_stages(_git(root, name, "show", f"{commit}:./{LOCK}"), f"{LOCK} of {name}")
    )


def read_cached(root: Path, md5: str | None) -> bytes | None:
    """A file, or the list of a folder's files (`.dir`), by its hash out of DVC's cache; None where it is not there.

    `md5` may come from anybody's dvc.lock: what is no hash is nowhere, and what is not what its hash says is not there.
    """
    folder = next((folder for folder in (root, *root.parents) if (folder / ".dvc").is_dir()), None)
    if folder is None or not md5 or not OBJECT.fullmatch(md5):
        return None
    try:
        data = (folder / CACHE / md5[:2] / md5[2:]).read_bytes()
    except OSError:
        return None
    return data if hashlib.md5(data, usedforsecurity=False).hexdigest() == md5[:32] else None


def read_committed(root: Path, name: str, path: str) -> str | None:
    """The text file `path` as Git has it in the revision `name`; None where it is not there, or `root` is not under Git."""
    try:
        command = ["git", "-C", str(root), "show", f"{name}:./{path}"]
        done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
    except FileNotFoundError:
        return None
    return done.stdout if done.returncode == 0 else None


def load_stages(root: Path) -> Stages:
    """The stages of the dvc.lock on disk; raises DatatoolsError where there is none."""
    try:
        text = (root / LOCK).read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise DatatoolsError(f"{root / LOCK}: expected what `dvc repro` recorded. Got no such file: run it.") from error
    return _read_stages(text, str(root / LOCK))


def find_stale(root: Path, stages: Stages, names: tuple[str, ...]) -> str:
    """Why the results of the stages `names` are not those of the project on disk; empty where they are.

    Looks at their outputs, at everything they and the stages before them read (data, code, parameters), but for inputs
    that are not on this machine: of these it knows what an earlier stage wrote, or what `dvc add` recorded.
    """
    for name in _with_earlier(stages, names):
        stage = stages[name]
        for reason in (*_changed_params(root, stage), *_changed_deps(root, stages, stage)):
            return f"{reason} since the stage {name} ran"
    for name in names:
        for out in stages[name].get("outs", ()):
            if out["path"].endswith((".parquet", ".json", ".csv")) and _changed(root / out["path"], out):
                return f"{out['path']} is not what the stage {name} wrote"
    return ""


def _changed_params(root: Path, stage: Mapping[str, Any]) -> Iterator[str]:
    for file, values in stage.get("params", {}).items():
        try:
            document = yaml.safe_load((root / file).read_text(encoding="utf-8"))
        except (OSError, ValueError, yaml.YAMLError):
            document = None
        for key, before in values.items():
            now = document
            for part in key.split("."):
                now = now.get(part) if isinstance(now, dict) else None
            if now != before:
                yield f"{key} in {file} changed"


def _changed_deps(root: Path, stages: Stages, stage: Mapping[str, Any]) -> Iterator[str]:
    for dep in stage.get("deps", ()):
        path = root / dep["path"]
        written, added = _find_md5(stages, dep["path"]), _read_pointer(path)
        if written not in (None, dep.get("md5")) or added not in (None, dep.get("md5")):
            yield f"{dep['path']} changed"
        elif written is None and added is None and not path.exists():
            yield f"{dep['path']} went away"
        elif added is None and _changed(path, dep):
            yield f"{dep['path']} changed"


def _with_earlier(stages: Stages, names: tuple[str, ...]) -> list[str]:
    """`names` and the stages whose outputs they read, directly or not; the earliest first."""
    makers = {out["path"]: name for name, stage in stages.items() for out in stage.get("outs", ())}
    order: list[str] = []
    todo = list(names)
    while todo:
        name = todo.pop(0)
        order = [name, *(known for known in order if known != name)]
        todo += [makers[dep["path"]] for dep in stages[name].get("deps", ()) if dep["path"] in makers]
    return order


def _changed(path: Path, entry: Mapping[str, Any]) -> bool:
    """Whether the file or folder is on disk and is not what the lock's entry says."""
    if entry.get("hash") != "md5" or not path.exists():  # of an old DVC, or not on this machine
        return False
    return (_hash_folder(path) if path.is_dir() else _hash_file(path)) != entry.get("md5")


def _hash_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _hash_folder(path: Path) -> str:
    """The hash that DVC gives a folder: of the JSON list of its files and their hashes."""
    files = [
        file
        for file in path.rglob("*")
        if file.is_file() and file.suffix != ".pyc" and not set(file.relative_to(path).parts) & set(IGNORED)
    ]
    names = sorted((file.relative_to(path).as_posix(), file) for file in files)
    listing = json.dumps([{"md5": _hash_file(file), "relpath": name} for name, file in names], sort_keys=True)
    return hashlib.md5(listing.encode(), usedforsecurity=False).hexdigest() + ".dir"


def _read_pointer(path: Path) -> str | None:
    """The hash that `dvc add` recorded for `path`; None where it is not tracked by a file of its own."""
    try:
        document = yaml.safe_load(path.with_name(f"{path.name}.dvc").read_text(encoding="utf-8"))
        return str(document["outs"][0]["md5"])
    except (OSError, ValueError, KeyError, IndexError, TypeError, yaml.YAMLError):
        return None


def _read_stages(text: str, where: str) -> Stages:
    try:
        stages = yaml.safe_load(text)["stages"]
        assert isinstance(stages, dict)
    except (yaml.YAMLError, KeyError, TypeError, AssertionError) as error:
        raise DatatoolsError(
            f"{where}: expected a dvc.lock with stages. Got another document: run `dvc repro`."
        ) from error
    return stages


def _last_line(text: str) -> str:
    """The last line of what a command said on stderr."""
    lines = text.strip().splitlines()
    return lines[-1].strip().rstrip(".") if lines else "nothing"


def _find_md5(stages: Stages, path: str) -> str | None:
    for stage in stages.values():
        for out in stage.get("outs", ()):
            if out["path"] == path:
                return str(out.get("md5"))
    return None


def _git(root: Path, name: str, *arguments: str) -> str:
    try:
        done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise DatatoolsError("expected the command 'git'. Got none on this machine: install it.") from error
    if done.returncode:
        what = f"a {LOCK} in it" if arguments[0] == "show" else "a Git revision"
        raise DatatoolsError(
            f"{name}: expected {what}. Got none in {root}: name a branch, tag or commit whose pipeline ran; "
            "a shallow clone (fetch-depth: 1) has only its own."
        )
    return done.stdout
