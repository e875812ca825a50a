"""What DVC recorded and what is on the disk, compared without loading DVC: hashes of files and folders, stages out of date.

A file is hashed again only if the file system says that it changed. `dvc status` has the last word, as it knows all that can be
said in a dvc.yaml; what is here covers pipelines without `foreach` and `${...}`, as ours is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from datatools.dvc_cache import OBJECT
from datatools.project import LAYOUT
from datatools.remotes.closure import Output
from datatools.revisions import LOCK, OnDisk, Stages

PIPELINE = "dvc.yaml"


def load_lock(disk: OnDisk) -> Stages:
    """The stages of dvc.lock by name, in its order; none where there is no such file, or it is broken."""
    return disk.lock or {}


def list_missing_stages(disk: OnDisk) -> list[str]:
    """The stages of dvc.yaml, in its order, that dvc.lock does not have: they never ran to their end."""
    lock = load_lock(disk)
    return [name for name in _load_pipeline(disk) if name not in lock]


def is_lock_broken(disk: OnDisk) -> bool:
    """Whether there is a dvc.lock that DVC did not write, or not to its end."""
    return disk.lock is None and (disk.root / LOCK).exists()


def find_changed_stages(disk: OnDisk) -> dict[str, list[str]]:
    """Stages that `dvc repro` would run for what changed itself: name -> the paths, parameters, `cmd`; in dvc.yaml's order.

    A stage that never ran has `dvc.lock`. What only follows from another stage's run is not among them.
    """
    lock = load_lock(disk)
    changed: dict[str, list[str]] = {}
    for name, stage in _load_pipeline(disk).items():
        if stage.get("frozen") or stage.get("always_changed") or not {"foreach", "matrix"}.isdisjoint(stage):
            continue
        other = _compare_stage(stage, lock[name], disk) if name in lock else ["dvc.lock"]
        if other:
            changed[name] = list(dict.fromkeys(other))
    return changed


def _compare_stage(stage: Mapping[str, Any], locked: Mapping[str, Any], disk: OnDisk) -> list[str]:
    other = ["cmd"] if _command(stage) != _command(locked) else []
    for kind in ("deps", "outs"):
        for entry in locked.get(kind, ()):
            other += [entry["path"]] if entry.get("md5") != disk.hashes.find(entry["path"]) else []
    return [*other, *(f"{file}:{key}" for file, key in disk.changed_params(locked))]


def _command(stage: Mapping[str, Any]) -> list[str]:
    """The words of a stage's commands: dvc.lock folds its lines elsewhere."""
    cmd = stage.get("cmd") or ""
    return " ".join([cmd] if isinstance(cmd, str) else cmd).split()


def list_outputs(disk: OnDisk) -> list[Output]:
    """What `dvc push` would push: outputs of dvc.lock that DVC keeps, and data/raw."""
    stages = _load_pipeline(disk)
    kept: dict[str, str] = {}
    for name, stage in load_lock(disk).items():
        settings = _settings_of(stages.get(name))
        for out in stage.get("outs", ()):
            said = settings.get(out["path"], {})
            if said.get("cache", True) and said.get("push", True) and OBJECT.fullmatch(str(out.get("md5"))):
                kept[out["path"]] = out["md5"]
    raw = disk.read_pointer(disk.root / LAYOUT["raw"])
    return [Output(path, md5) for path, md5 in ({**kept, LAYOUT["raw"]: raw} if raw else kept).items()]


def _settings_of(stage: Any) -> dict[str, Mapping[str, Any]]:
    """Settings of outputs in dvc.yaml, by path."""
    rows = [row for kind in ("outs", "metrics", "plots") for row in (stage or {}).get(kind) or ()]
    return {path: said or {} for row in rows if isinstance(row, dict) for path, said in row.items()}


def _load_pipeline(disk: OnDisk) -> Stages:
    document = disk.load_yaml(disk.root / PIPELINE)
    stages = document.get("stages") if isinstance(document, dict) else None
    if not isinstance(stages, dict):
        return {}
    return {name: stage for name, stage in stages.items() if isinstance(stage, dict)}
