"""Files that people write, checked by themselves: no data, no pipeline, in a moment. Pre-commit hooks ask this.

Fix records: every line is a record, and every line that the last commit had is still there, as records are append-only.
Mutes and parameters: the file says what it may say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from datatools.errors import DatatoolsError
from datatools.fixes.records import parse_lines
from datatools.git import read_committed
from datatools.mutes import load_mutes
from datatools.params import SECTIONS, load_params
from datatools.project import LAYOUT, Project


def lint_project(project: Project) -> Iterator[str]:
    """Yield a line for each problem in the files that people write in a project."""
    for file in (*sorted(project.fixes.glob("*.jsonl")), project.mutes, project.params):
        if file.exists():
            yield from lint_file(project, file)


def lint_file(project: Project, file: Path) -> Iterator[str]:
    """Yield a line for each problem in one file. Raises DatatoolsError for a file that is none of these."""
    name = file.resolve().relative_to(project.root.resolve()).as_posix()
    if name.startswith(f"{LAYOUT['fixes']}/") and file.suffix == ".jsonl":
        yield from _lint_records(project.root, name)
    elif name == LAYOUT["mutes"]:
        yield from _lint_by(lambda: load_mutes(file))
    elif name == LAYOUT["params"]:
        for section in SECTIONS.values():
            yield from _lint_by(lambda section=section: load_params(file, section))  # type: ignore[misc]
    else:
        known = f"{LAYOUT['fixes']}/*.jsonl, {LAYOUT['mutes']} or {LAYOUT['params']}"
        raise DatatoolsError(f"lint: expected {known}. Got {name!r} instead: leave it out.")


def _lint_records(root: Path, name: str) -> Iterator[str]:
    data = (root / name).read_bytes()
    for broken in parse_lines(data, name)[1]:
        yield f"{broken.file}:{broken.line}: not a record: {broken.message}"
    lines = {line.strip() for line in data.split(b"\n")}
    committed = (read_committed(root, "HEAD", name) or b"").split(b"\n")
    gone = [number for number, line in enumerate(committed, start=1) if line.strip() and line.strip() not in lines]
    for number in gone:
        yield (
            f"{name}: line {number} of the last commit was changed or is gone; records are append-only: "
            "bring it back, and take a decision back with `datatools fixes revert`"
        )


def _lint_by(load: Callable[[], object]) -> Iterator[str]:
    try:
        load()
    except DatatoolsError as error:
        yield str(error)
