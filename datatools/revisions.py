"""Pipeline results of another Git revision, and whether the results on disk are those of the data on disk.

Both read dvc.lock: for each stage it has the hashes of what the stage read and wrote, and the parameters it ran with.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from datatools import git
from datatools.dvc_cache import read_object
from datatools.dvc_hashes import Hashes
from datatools.errors import DatatoolsError
from datatools.seen_files import SeenFiles

LOCK = "dvc.lock"
SCHEMA = "2.0"  # of DVC 1.11 and later
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # a lock of 30 KB takes 100 ms in pure Python
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
        md5 = find_out(self.stages, path)
        if md5 is None:
            return None
        data, said = read_object(self.root, md5)
        if data is None:
            raise DatatoolsError(
                f"{path} of {self.name}: expected it in the DVC cache or the remote. Got: {said}. "
                f"Push it from where it was made: `dvc push`, or check out {self.name} and run `dvc repro`."
            )
        return data


def open_revision(root: Path, name: str) -> Revision:
    """The revision `name` (branch, tag, commit) of the project in `root`. Raises DatatoolsError."""
    if not name.strip() or name.startswith("-"):
        raise DatatoolsError(f"expected a Git revision such as main or HEAD~1. Got {name!r} instead.")
    commit = git.resolve_commit(root, name)
    if commit is None:
        raise _unknown(root, name, "a Git revision")
    lock = git.read_committed(root, commit, LOCK)
    if lock is None:
        raise _unknown(root, name, f"a {LOCK} in it")
    return Revision(root, name, commit, _read_stages(lock, f"{LOCK} of {name}"))


def read_committed(root: Path, name: str, path: str) -> str | None:
    """The text file `path` as Git has it in the revision `name`; None where it is not there, or `root` is not under Git.

    What is not UTF-8 is replaced.
    """
    data = git.read_committed(root, name, path)
    return None if data is None else data.decode("utf-8", "replace")


def load_stages(root: Path) -> Stages:
    """The stages of the dvc.lock on disk; raises DatatoolsError where there is none."""
    try:
        text = (root / LOCK).read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise DatatoolsError(f"{root / LOCK}: expected what `dvc repro` recorded. Got no such file: run it.") from error
    return _read_stages(text, str(root / LOCK))


def parse_stages(text: str | bytes) -> Stages | None:
    """The stages of a dvc.lock; None for another document."""
    try:
        return as_stages(yaml.load(text, LOADER))
    except (ValueError, yaml.YAMLError):
        return None


def as_stages(document: Any) -> Stages | None:
    """The stages of the document that a dvc.lock holds; None where it is not as DVC writes it.

    DVC writes the file in place: a `dvc repro` that is killed then leaves the beginning of it.
    """
    is_lock = isinstance(document, dict) and document.get("schema", SCHEMA if "stages" in document else None) == SCHEMA
    stages = document.get("stages", {}) if is_lock else None
    return stages if isinstance(stages, dict) and all(map(_is_stage, stages.values())) else None


def _is_stage(stage: Any) -> bool:
    if not isinstance(stage, dict):
        return False
    cmd = stage.get("cmd", "")
    lists, params = [stage[kind] for kind in ("deps", "outs") if kind in stage], stage.get("params", {})
    return (
        all(isinstance(line, str) for line in (cmd if isinstance(cmd, list) else [cmd]))
        and all(isinstance(entries, list) and all(map(_is_entry, entries)) for entries in lists)
        and isinstance(params, dict)
        and all(isinstance(values, dict) for values in params.values())
    )


def _is_entry(entry: Any) -> bool:
    """Whether this can be a file or folder of a dvc.lock."""
    kinds: dict[str, type] = {"path": str, "hash": str, "size": int, "nfiles": int}
    return (
        isinstance(entry, dict)
        and "path" in entry
        and all(isinstance(entry[name], kind) for name, kind in kinds.items() if name in entry)
    )


def find_out(stages: Stages, path: str) -> str | None:
    """The hash of the file or folder `path` that one of the stages wrote; None where none did."""
    outs = (out for stage in stages.values() for out in stage.get("outs", ()))
    return next((str(out.get("md5")) for out in outs if out["path"] == path), None)


def find_stale(root: Path, stages: Stages, names: tuple[str, ...], disk: OnDisk | None = None) -> str:
    """Why the results of the stages `names` are not those of the project on disk; empty where they are.

    Looks at their outputs, at everything they and the stages before them read (data, code, parameters), but for inputs
    that are not on this machine: of these it knows what an earlier stage wrote, or what `dvc add` recorded. Who asks more
    than once gives one `disk`.
    """
    disk = disk or OnDisk(root)
    for name in _with_earlier(stages, names):
        stage = stages[name]
        for reason in (*_tell_params(disk, stage), *_changed_deps(disk, stages, stage)):
            return f"{reason} since the stage {name} ran"
    for name in names:
        for out in stages[name].get("outs", ()):
            if out["path"].endswith((".parquet", ".json", ".csv")) and disk.differs(out):
                return f"{out['path']} is not what the stage {name} wrote"
    return ""


def find_stale_in(revision: Revision, names: tuple[str, ...]) -> str:
    """As find_stale, of a commit: was it made before the pipeline had run to the end? Empty if nothing shows it.

    Looks at what an earlier stage wrote, at what `dvc add` recorded and at parameters, as Git has them; not at code nor at
    other files in Git.
    """
    stages, committed = revision.stages, functools.partial(git.read_committed, revision.root, revision.commit)
    load = functools.cache(lambda path: _parse_yaml(committed(path)))
    for name in _with_earlier(stages, names):
        changed = [f"{key} in {file} changed" for file, key in _changed_params(stages[name], load)]
        for dep in stages[name].get("deps", ()):
            recorded = find_out(stages, dep["path"]) or _pointed(load(f"{dep['path']}.dvc"))
            if recorded not in (None, dep.get("md5")):
                changed.append(f"{dep['path']} changed")
        if changed:
            return f"{changed[0]} since the stage {name} ran"
    return ""


class OnDisk:
    """The project on disk, where each file is looked at once: most are read by many stages."""

    def __init__(self, root: Path, seen: SeenFiles | None = None) -> None:
        """With `seen`, what did not change since it was seen is not hashed again."""
        self.root = root
        self.hashes = Hashes(root, seen or SeenFiles(None))
        self.load_yaml = functools.cache(load_yaml)
        self.read_pointer = functools.cache(_read_pointer)

    @functools.cached_property
    def lock(self) -> Stages | None:
        """The stages of dvc.lock; None where there is no such file, or it is broken."""
        return as_stages(self.load_yaml(self.root / LOCK))

    def differs(self, entry: Mapping[str, Any]) -> bool:
        """Whether a file or folder is there and is not what dvc.lock says of it."""
        path = self.root / entry["path"]
        if entry.get("hash") != "md5" or not path.exists():  # of an old DVC, or not on this machine
            return False
        return self.hashes.find(entry["path"]) != entry.get("md5")

    def changed_params(self, stage: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """File and name, with dots between the keys, of each parameter that is not what the stage of dvc.lock ran with."""
        return _changed_params(stage, lambda file: self.load_yaml(self.root / file))


def _changed_params(stage: Mapping[str, Any], load: Callable[[str], Any]) -> Iterator[tuple[str, str]]:
    for file, values in stage.get("params", {}).items():
        for key, before in values.items():
            now = load(file)
            for part in key.split("."):
                now = now.get(part) if isinstance(now, dict) else None
            if now != before:
                yield file, key


def _tell_params(disk: OnDisk, stage: Mapping[str, Any]) -> Iterator[str]:
    return (f"{key} in {file} changed" for file, key in disk.changed_params(stage))


def _changed_deps(disk: OnDisk, stages: Stages, stage: Mapping[str, Any]) -> Iterator[str]:
    for dep in stage.get("deps", ()):
        path = disk.root / dep["path"]
        written, added = find_out(stages, dep["path"]), disk.read_pointer(path)
        if written not in (None, dep.get("md5")) or added not in (None, dep.get("md5")):
            yield f"{dep['path']} changed"
        elif written is None and added is None and not path.exists():
            yield f"{dep['path']} went away"
        elif added is None and disk.differs(dep):
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


def load_yaml(path: Path) -> Any:
    """A YAML document; None where there is none."""
    try:
        return yaml.load(path.read_text(encoding="utf-8"), LOADER)
    except (OSError, ValueError, yaml.YAMLError):
        return None


def _parse_yaml(data: bytes | None) -> Any:
    try:
        return None if data is None else yaml.load(data, LOADER)
    except (ValueError, yaml.YAMLError):
        return None


def _read_pointer(path: Path) -> str | None:
    """The hash that `dvc add` recorded for `path`; None where it is not tracked by a file of its own."""
    return _pointed(load_yaml(path.with_name(f"{path.name}.dvc")))


def _pointed(document: Any) -> str | None:
    """The hash in a file that `dvc add` wrote."""
    try:
        return str(document["outs"][0]["md5"])
    except (KeyError, IndexError, TypeError):
        return None


def _read_stages(text: str | bytes, where: str) -> Stages:
    stages = parse_stages(text)
    if stages is None:
        raise DatatoolsError(
            f"{where}: expected a dvc.lock with stages. Got another document: take that of another commit."
        )
    return stages


def _unknown(root: Path, name: str, what: str) -> DatatoolsError:
    return DatatoolsError(
        f"{name}: expected {what}. Got none in {root}: name a branch, tag or commit whose pipeline ran; "
        "a shallow clone (fetch-depth: 1) has only its own."
    )
