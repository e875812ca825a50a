"""Whether a folder is free for a new project: looked at before anything is written."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import yaml

from datatools.errors import DatatoolsError
from datatools.git import run_git
from datatools.project import Project, has_pipeline

IN_GIT = ("dvc.yaml", "dvc.lock", "params.yaml", ".dvc", "data/raw.dvc", "data/fixes/records.jsonl")
OF_A_PROJECT = ("data", "models", "reports", "stages")  # folders of a project, in which no other one starts


def check_free(folder: Path, bring_data: bool, pipeline: Path) -> None:
    """Raise DatatoolsError where init would have to overwrite something, or could not use what is there.

    `pipeline` is the file that it writes as dvc.yaml.
    """
    if folder.exists() and not folder.is_dir():
        raise DatatoolsError(f"{folder}: expected a folder or nothing. Got a file: name another folder.")
    _check_not_inside(folder.resolve())
    own = folder / "dvc.yaml"
    if own.exists() and own.read_bytes() != pipeline.read_bytes():
        raise DatatoolsError(
            f"{own}: expected none, or the one that init writes. Got another pipeline: start in a folder of its own."
        )
    raw = Project(folder).raw
    if bring_data and any(not path.is_dir() or path.is_symlink() for path in raw.rglob("*")):
        raise DatatoolsError(f"{raw}: expected an empty or missing folder. Got files: use `datatools import` instead.")
    if shutil.which("git") is None:
        raise DatatoolsError("expected the command 'git'. Got none on this machine: install it.")
    _check_params(folder / "params.yaml", pipeline)
    _check_not_ignored(folder)


def _check_not_inside(folder: Path) -> None:
    """Raise DatatoolsError in a folder that belongs to another project, where init was meant for that one."""
    for above in folder.parents:
        own = folder.relative_to(above).parts[0]
        if own in OF_A_PROJECT and has_pipeline(above):
            raise DatatoolsError(
                f"{folder}: expected a folder outside other projects. Got one in {own}/ of the project {above}: "
                f"change to {above}, or choose another folder."
            )


def _check_params(file: Path, pipeline: Path) -> None:
    """Raise DatatoolsError where parameters that are there already lack some that the pipeline depends on."""
    if not file.exists():
        return
    try:
        there = yaml.safe_load(file.read_bytes())
    except (OSError, yaml.YAMLError) as error:
        raise DatatoolsError(f"{file}: expected YAML. Got: {' '.join(str(error).split())}. Correct it.") from error
    missing = [name for name in _list_params(pipeline) if not _has(there, name)]
    if missing:
        raise DatatoolsError(
            f"{file}: expected none, or one with the parameters of the pipeline that init writes. "
            f"Got no {', '.join(missing)}: add what is missing, or start in a folder of its own."
        )


def _list_params(pipeline: Path) -> list[str]:
    """The sections and keys of params.yaml that stages name; DVC refuses to run a stage that misses one."""
    stages = yaml.safe_load(pipeline.read_bytes())["stages"].values()
    named = (item for stage in stages for item in stage.get("params", ()) if isinstance(item, str))
    return list(dict.fromkeys(named))


def _has(params: Any, name: str) -> bool:
    for part in name.split("."):
        if not isinstance(params, dict) or part not in params:
            return False
        params = params[part]
    return True


def _check_not_ignored(folder: Path) -> None:
    """Raise DatatoolsError where Git ignores a file that the project keeps in it: DVC refuses such files, too."""
    there = next(parent for parent in (folder.resolve(), *folder.resolve().parents) if parent.is_dir())
    names = "\0".join(str(folder.resolve() / name) for name in IN_GIT)
    try:
        answer = run_git(there, "check-ignore", "--verbose", "-z", "--stdin", stdin=names)
    except DatatoolsError:
        return  # nothing is ignored, or it is no Git repository yet
    fields = answer.decode("utf-8", "replace").split("\0")
    for source, line, pattern, path in zip(*(fields[n::4] for n in range(4)), strict=False):
        if not pattern.startswith("!"):
            raise DatatoolsError(
                f"{source}:{line}: expected Git to keep {Path(path).relative_to(folder.resolve())} of the project. "
                f"Got the pattern {pattern!r}, which ignores it: remove the line."
            )
