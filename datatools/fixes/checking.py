"""`datatools fixes check`: whether every record can be read and applied, without running the pipeline."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from datatools.fixes.history import load_decided
from datatools.fixes.targets import target_of
from datatools.project import Project

BAD = ("conflict", "disputed")


@dataclass(frozen=True)
class Problem:
    """Something about the records that a person must see to: where, and what, in words."""

    where: str
    message: str


def check_fixes(project: Project) -> Iterator[Problem]:
    """Yield a problem for each line that is no record, and for each conflict and dispute of the last `dvc repro` or since."""
    decided, broken = load_decided(project)
    for line in broken:
        yield Problem(f"{line.file}:{line.line}", f"not a record: {line.message}")
    disputed = set()
    for item in decided:
        if item.status not in BAD:
            continue
        target = target_of(item.record)
        if item.status == "disputed" and target is not None:
            if target not in disputed:
                disputed.add(target)
                yield Problem(target.name, f"people disagree: {item.message}; `datatools fixes settle` decides")
        else:
            yield Problem(item.record.id, f"conflict: {item.message}")
