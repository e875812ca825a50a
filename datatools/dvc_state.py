"""What DVC recorded and what is on the disk, compared without loading DVC: hashes of files and folders, stages out of date.

A file is hashed again only if the file system says that it changed. `dvc status` has the last word, as it knows all that can be
said in a dvc.yaml; what is here covers pipelines without `foreach` and `${...}`, as ours is.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pathspec
import yaml

from datatools.dvc_cache import OBJECT
from datatools.project import LAYOUT
from datatools.remotes.closure import Output
from datatools.seen_files import SeenFiles, stamp_of

Load = Callable[[str], Any]
NOT_DATA = (".git/", ".hg/", ".dvc/", ".dvcignore")  # never part of a folder that DVC hashes
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the one in C reads a long dvc.lock ten times as fast


class Hashes:
    """The MD5 that DVC gives files and folders of a project, in which files that did not change are not read again."""

    def __init__(self, root: Path, seen: SeenFiles) -> None:
        self._root, self._seen = root, seen
        lines = read_text(root / ".dvcignore").splitlines()
        self._ignored = pathspec.GitIgnoreSpec.from_lines([*NOT_DATA, *lines])
        self._found: dict[str, str | None] = {}

    def find(self, path: str) -> str | None:
        """The hash of the file or folder (`.dir` at its end) at the POSIX path below the root; None where there is none."""
        if path not in self._found:
            place = self._root / path
            self._found[path] = self._of_folder(place) if place.is_dir() else self._of_file(place)
        return self._found[path]

    def count(self, path: str) -> tuple[int, int]:
        """Files of a folder, and their bytes."""
        sizes = [os.stat(place).st_size for _, place in self._walk(self._root / path)]
        return len(sizes), sum(sizes)

    def list_files(self, path: str) -> dict[str, str | None]:
        """The hash of each file of a folder, by its POSIX path below it."""
        return {name: self._of_file(place) for name, place in self._walk(self._root / path)}

    def save(self) -> None:
        """Keep what was hashed for the next time."""
        self._seen.save()

    def _of_file(self, place: str | Path) -> str | None:
        try:
            stamp = stamp_of(os.stat(place))
            known = self._seen.find(stamp)
            if known is None:
                with open(place, "rb") as file:
                    known = hashlib.file_digest(file, _md5).digest()
                self._seen.add(stamp, known)
        except OSError:
            return None
        return known.hex()

    def _of_folder(self, folder: Path) -> str:
        """Of the JSON list of its files and their hashes, in the order of their names."""
        files = self.list_files(folder.relative_to(self._root).as_posix())
        rows = [{"md5": files[name], "relpath": name} for name in sorted(files)]
        return _md5(json.dumps(rows, sort_keys=True).encode()).hexdigest() + ".dir"

    def _walk(self, folder: Path) -> Iterator[tuple[str, str]]:
        """(POSIX path below `folder`, place) of each file that .dvcignore does not leave out."""
        above = folder.relative_to(self._root).as_posix()
        for here, folders, files in os.walk(folder):
            inner = "" if here == str(folder) else os.path.relpath(here, folder).replace(os.sep, "/") + "/"
            folders[:] = [name for name in folders if not self._is_ignored(f"{above}/{inner}{name}/")]
            for name in files:
                if not self._is_ignored(f"{above}/{inner}{name}"):
                    yield inner + name, os.path.join(here, name)

    def _is_ignored(self, path: str) -> bool:
        return self._ignored.match_file(path)


def load_lock(root: Path) -> dict[str, Any]:
    """The stages of dvc.lock by name, in its order; none where there is no such file."""
    return load_yaml(root / "dvc.lock").get("stages") or {}


def find_changed_stages(root: Path, hashes: Hashes) -> dict[str, list[str]]:
    """Stages that `dvc repro` would run for what changed itself: name -> the paths, parameters, `cmd`; in dvc.yaml's order.

    A stage that never ran has `dvc.lock`. What only follows from another stage's run is not among them.
    """
    load, lock = _loader(root), load_lock(root)
    changed: dict[str, list[str]] = {}
    for name, stage in (load("dvc.yaml").get("stages") or {}).items():
        if stage.get("frozen") or stage.get("always_changed") or not {"foreach", "matrix"}.isdisjoint(stage):
            continue
        other = _compare_stage(stage, lock[name], load, hashes) if name in lock else ["dvc.lock"]
        if other:
            changed[name] = list(dict.fromkeys(other))
    return changed


def _compare_stage(stage: Mapping[str, Any], locked: Mapping[str, Any], load: Load, hashes: Hashes) -> list[str]:
    other = ["cmd"] if _command(stage) != _command(locked) else []
    for kind in ("deps", "outs"):
        for entry in locked.get(kind) or ():
            other += [entry["path"]] if entry.get("md5") != hashes.find(entry["path"]) else []
    for file, values in (locked.get("params") or {}).items():
        now = load(file)
        other += [f"{file}:{key}" for key, value in values.items() if _look_up(now, key) != value]
    return other


def _command(stage: Mapping[str, Any]) -> list[str]:
    """The words of a stage's commands: dvc.lock folds its lines elsewhere."""
    cmd = stage.get("cmd") or ""
    return " ".join([cmd] if isinstance(cmd, str) else cmd).split()


def list_outputs(root: Path) -> list[Output]:
    """What `dvc push` would push: outputs of dvc.lock that DVC keeps, and data/raw."""
    stages = load_yaml(root / "dvc.yaml").get("stages") or {}
    kept: dict[str, str] = {}
    for name, stage in load_lock(root).items():
        settings = _settings_of(stages.get(name))
        for out in stage.get("outs", ()):
            said = settings.get(out["path"], {})
            if said.get("cache", True) and said.get("push", True) and OBJECT.fullmatch(str(out.get("md5"))):
                kept[out["path"]] = out["md5"]
    raw = find_recorded_raw(root)
    return [Output(path, md5) for path, md5 in ({**kept, LAYOUT["raw"]: raw} if raw else kept).items()]


def _settings_of(stage: Any) -> dict[str, Mapping[str, Any]]:
    """Settings of outputs in dvc.yaml, by path."""
    rows = [row for kind in ("outs", "metrics", "plots") for row in (stage or {}).get(kind) or ()]
    return {path: said or {} for row in rows if isinstance(row, dict) for path, said in row.items()}


def find_recorded_raw(root: Path) -> str | None:
    """The hash of data/raw in data/raw.dvc; None where it is not recorded."""
    outs = load_yaml(root / f"{LAYOUT['raw']}.dvc").get("outs")
    md5 = outs[0].get("md5") if isinstance(outs, list) and outs and isinstance(outs[0], dict) else None
    return md5 if isinstance(md5, str) else None


def _loader(root: Path) -> Load:
    """Parameter files, each read once."""
    loaded: dict[str, Any] = {}

    def load(name: str) -> Any:
        """The document of a parameter file; YAML takes JSON as well."""
        if name not in loaded:
            loaded[name] = load_yaml(root / name)
        return loaded[name]

    return load


def _look_up(document: Any, key: str) -> Any:
    """The value of a parameter as DVC names it: keys with dots between them."""
    if isinstance(document, dict) and key in document:
        return document[key]
    for part in key.split("."):
        document = document.get(part) if isinstance(document, dict) else None
    return document


def load_yaml(file: Path) -> dict[str, Any]:
    """A document with keys; empty where there is none that can be read."""
    try:
        document = yaml.load(read_text(file), Loader=_LOADER)
    except yaml.YAMLError:
        return {}
    return document if isinstance(document, dict) else {}


def read_text(file: Path) -> str:
    """The text of a file; empty where there is none that can be read."""
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _md5(data: bytes = b"") -> Any:
    return hashlib.md5(data, usedforsecurity=False)
