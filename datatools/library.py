"""The installed library as a dependency of a project's stages.

A project that `datatools init` made has no library sources that DVC could watch. Its first stage runs this at every
`dvc repro`: it writes the version and, for each stage, a digest of the modules that the stage uses. Each stage depends
on its own digest, so that an upgrade reruns what it affects and nothing else.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
MODULES = HERE / "template" / "modules.json"  # stage -> files and folders below datatools/ that it imports


def describe_library() -> dict[str, Any]:
    """The version of datatools and a digest for each stage."""
    modules: Mapping[str, list[str]] = json.loads(MODULES.read_text(encoding="utf-8"))
    return {
        "datatools": version("datatools"),
        "stages": {stage: _digest(names) for stage, names in modules.items()},
    }


def describe_change(old: Mapping[str, Any], new: Mapping[str, Any]) -> str | None:
    """One line on what another library means for a project; None where it is the same."""
    before, after = old.get("stages", {}), new["stages"]
    changed = [stage for stage in after if before.get(stage) != after[stage]]
    if not changed or not before:
        return None
    return f"datatools {old.get('datatools')} -> {new['datatools']}: {', '.join(changed)} will run again"


def update_library(file: Path) -> str | None:
    """Write the description to `file`, if it changes; returns what that means for the project, if anything."""
    new = describe_library()
    try:
        old = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        old = {}
    if new != old:
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_name(f".{file.name}.{os.getpid()}")
        part.write_text(json.dumps(new, indent=2) + "\n", encoding="utf-8")
        part.replace(file)
    return describe_change(old if isinstance(old, dict) else {}, new)


def _digest(names: list[str]) -> str:
    total = hashlib.sha256()
    for name in names:
        place = HERE / name
        files = sorted(place.rglob("*.py")) if place.is_dir() else [place]
        for file in files:
            total.update(file.relative_to(HERE).as_posix().encode() + b"\0" + file.read_bytes())
    return total.hexdigest()[:16]
