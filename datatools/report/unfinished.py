"""What there is to say of a `dvc repro` that did not come to its report: what was validated, and which stage is missing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from datatools.dvc_state import list_missing_stages, load_lock
from datatools.project import LAYOUT, Project
from datatools.report.words import visible
from datatools.revisions import OnDisk
from datatools.store import load_json


def to_unfinished_lines(project: Project) -> Iterator[str]:
    """Lines that stand for the summary where only the first part of the pipeline ran; none where they cannot."""
    disk = OnDisk(project.root)
    missing = list_missing_stages(disk)
    if project.report.exists() or "validate" not in load_lock(disk) or "report" not in missing:
        return
    if not project.validation.exists():
        return
    found: dict[str, Any] = load_json(project.validation)
    yield f"{visible(found['title'], 60)}  data {visible(found['data_version'], 20)}"
    yield visible(found["verdict"], 400)
    yield ""
    yield f"There is no report yet: the stage {visible(missing[0], 60)} has not run to its end. `dvc repro` says why."
    yield f"What validate found: `datatools findings`, or {LAYOUT['validation_page']}"
