"""The files of one version, the workspace's or a Git revision's, and what else than the data differs between two."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from datatools.project import Project
from datatools.revisions import Revision, Stages, find_stale, load_stages, open_revision, read_committed
from datatools.schema import Table

# The stages that a model and its figures come from; what changes in the others does not change them.
BEHIND_MODEL = ("ingest", "neighbors", "split", "augment", "train", "evaluate")
CODE = ("datatools/", "stages/")


@dataclass(frozen=True)
class Files:
    """What stages and people wrote in a version of the project in `root`; without a revision, what is on disk."""

    root: Path
    stages: Stages
    revision: Revision | None = None

    def read(self, path: str) -> bytes | None:
        """A file that a stage wrote; None where none did. Raises DatatoolsError where neither cache nor remote has it."""
        if self.revision is not None:
            return self.revision.read(path)
        try:
            return (self.root / path).read_bytes()
        except FileNotFoundError:
            return None

    def read_text(self, path: str) -> str | None:
        """A text file that is in Git, or may be: written by people, or by a stage with `cache: false`."""
        if self.revision is not None:
            return read_committed(self.root, self.revision.commit, path)
        data = self.read(path)
        return None if data is None else data.decode("utf-8", "replace")

    def load_json(self, path: str) -> Any:
        """The JSON document `path`, as `read`."""
        data = self.read(path)
        return None if data is None else json.loads(data)

    def load_table(self, path: str, table: Table) -> pd.DataFrame | None:
        """The Parquet file `path` as `table`, as `read`; columns that `table` got or lost since then are null or left out."""
        data = self.read(path)
        if data is None:
            return None
        frame = pd.read_parquet(io.BytesIO(data))
        return table.conform(frame[[name for name in frame.columns if name in table.columns]])

    def load_csv(self, path: str) -> pd.DataFrame | None:
        """The CSV file `path`, every cell as text, as `read`."""
        data = self.read(path)
        return None if data is None else pd.read_csv(io.BytesIO(data), dtype=str, keep_default_na=False)

    def find_stale(self, *stages: str) -> str:
        """Why what these stages wrote is not of the data, code and parameters on disk; empty where it is, or in a commit."""
        known = tuple(name for name in stages if name in self.stages)
        return find_stale(self.root, self.stages, known) if self.revision is None and known else ""


def open_files(project: Project, name: str | None) -> Files:
    """The files of the Git revision `name`; None for the workspace. Raises DatatoolsError."""
    if name is None:
        return Files(project.root, load_stages(project.root))
    revision = open_revision(project.root, name)
    return Files(project.root, revision.stages, revision)


def find_other_changes(before: Stages, after: Stages) -> list[dict[str, Any]]:
    """What differs behind the model beside the data: name, before, after; of a parameter its values, of code nothing.

    It is read from the two dvc.lock, so it is what the stages ran with. A difference of the two models is then not only
    one of the data.
    """
    params = _params(before), _params(after)
    rows: list[dict[str, Any]] = [
        {"what": "parameter", "name": name, "before": params[0].get(name), "after": params[1].get(name)}
        for name in sorted(params[0].keys() | params[1].keys())
        if params[0].get(name) != params[1].get(name)
    ]
    code = _code(before), _code(after)
    changed = sorted(name for name in code[0].keys() | code[1].keys() if code[0].get(name) != code[1].get(name))
    return [*rows, *({"what": "code", "name": name, "before": None, "after": None} for name in changed)]


def _params(stages: Stages) -> dict[str, Any]:
    """Every parameter of the stages behind a model, as section.key."""
    found: dict[str, Any] = {}
    for name in BEHIND_MODEL:
        for file, values in stages.get(name, {}).get("params", {}).items():
            prefix = "" if file == "params.yaml" else f"{file}: "
            found |= {f"{prefix}{key}": value for key, value in _flatten(values)}
    return found


def _flatten(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _code(stages: Stages) -> dict[str, str]:
    deps = [dep for name in BEHIND_MODEL for dep in stages.get(name, {}).get("deps", ())]
    return {dep["path"]: str(dep.get("md5")) for dep in deps if dep["path"].startswith(CODE)}
