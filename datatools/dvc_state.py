"""What DVC recorded and what is on the disk, compared without loading DVC: hashes of files and folders, stages out of date.

A file is hashed again only if the file system says that it changed. `dvc status` has the last word, as it knows all that can be
said in a dvc.yaml; what is here covers pipelines without `foreach` and `${...}`, as ours is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from datatools.dvc_cache import OBJECT
from datatools.dvc_hashes import Hashes, read_text
from datatools.project import LAYOUT
from datatools.remotes.closure import Output
from datatools.revisions import LOCK, Stages, load_yaml, parse_stages

Load = Callable[[str], Any]


def load_lock(root: Path) -> Stages:
    """The stages of dvc.lock by name, in its order; none where there is no such file."""
    return parse_stages(read_text(root / LOCK)) or {}


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
    stages = load_object(root / "dvc.yaml").get("stages") or {}
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
    outs = load_object(root / f"{LAYOUT['raw']}.dvc").get("outs")
    md5 = outs[0].get("md5") if isinstance(outs, list) and outs and isinstance(outs[0], dict) else None
    return md5 if isinstance(md5, str) else None


def _loader(root: Path) -> Load:
    """Parameter files, each read once."""
    loaded: dict[str, Any] = {}

    def load(name: str) -> Any:
        """The document of a parameter file; YAML takes JSON as well."""
        if name not in loaded:
            loaded[name] = load_object(root / name)
        return loaded[name]

    return load


def _look_up(document: Any, key: str) -> Any:
    """The value of a parameter as DVC names it: keys with dots between them."""
    if isinstance(document, dict) and key in document:
        return document[key]
    for part in key.split("."):
        document = document.get(part) if isinstance(document, dict) else None
    return document


def load_object(file: Path) -> dict[str, Any]:
    """A YAML document with keys; empty where there is none that can be read."""
    document = load_yaml(file)
    return document if isinstance(document, dict) else {}
