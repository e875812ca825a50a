"""The files of one version of a project: the workspace as it is on disk, or a Git revision. Nothing is checked out.

What reads a version reads it here, so that a file of a revision and one on disk are read by the same code.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd

from datatools.errors import DatatoolsError
from datatools.revisions import (
    OnDisk,
    Revision,
    Stages,
    find_stale,
    find_stale_in,
    load_stages,
    open_revision,
    read_committed,
)
from datatools.schema import Table

WORKSPACE = "workspace"
T = TypeVar("T")


@dataclass(frozen=True)
class VersionFiles:
    """What stages and people wrote in a version of the project in `root`; without a revision, what is on disk."""

    root: Path
    stages: Stages
    revision: Revision | None = None

    @property
    def name(self) -> str:
        """As the user called it."""
        return WORKSPACE if self.revision is None else self.revision.name

    @property
    def commit(self) -> str | None:
        """The full hash of the commit; None for the workspace."""
        return None if self.revision is None else self.revision.commit

    def read(self, path: str) -> bytes | None:
        """A file that a stage wrote; None where none did. Raises DatatoolsError where neither cache nor remote has it."""
        if self.revision is not None:
            return self.revision.read(path)
        try:
            return (self.root / path).read_bytes()
        except FileNotFoundError:
            return None

    def read_text(self, path: str) -> str | None:
        """A text file that people or a stage wrote, whether it is in Git or in the cache. Raises DatatoolsError as `read`."""
        text = read_committed(self.root, self.revision.commit, path) if self.revision else None
        if text is not None:
            return text
        data = self.read(path)
        return None if data is None else data.decode("utf-8", "replace")

    def load_json(self, path: str) -> Any:
        """The JSON document `path`, as `read`. Raises DatatoolsError for another file."""
        return self._load(path, "JSON", json.loads)

    def load_table(self, path: str, table: Table, columns: Sequence[str] = ()) -> pd.DataFrame | None:
        """The Parquet file `path` as `table`, as `read`: these columns, all if none are named, and its rows in its order.

        Columns that `table` got since then are null, those that it lost are left out. Raises DatatoolsError for another file.
        """
        wanted = list(columns or table.columns)
        types = {name: table.columns[name] for name in wanted}
        expected = f"the table {table.name} as Parquet"
        return self._load(path, expected, lambda data: _read_columns(data, wanted).astype(types))

    def load_csv(self, path: str) -> pd.DataFrame | None:
        """The CSV file `path`, every cell as text, as `read`. Raises DatatoolsError for another file."""
        return self._load(path, "CSV", lambda data: pd.read_csv(io.BytesIO(data), dtype=str, keep_default_na=False))

    def find_stale(self, *stages: str) -> str:
        """Why what these stages wrote is not of this version's data and parameters, on disk its code as well; empty where it is."""
        known = tuple(name for name in stages if name in self.stages)
        if self.revision is not None:
            return find_stale_in(self.revision, known)
        return find_stale(self.root, self.stages, known, self._disk) if known else ""

    @cached_property
    def _disk(self) -> OnDisk:
        return OnDisk(self.root)

    def _load(self, path: str, expected: str, parse: Callable[[bytes], T]) -> T | None:
        data = self.read(path)
        try:
            return None if data is None else parse(data)
        except (OSError, ValueError, TypeError, RecursionError) as error:
            raise DatatoolsError(f"{path}: expected {expected}. Got: {error}. Run `dvc repro`.") from error


def open_files(root: Path, name: str | None) -> VersionFiles:
    """The files of what Git calls `name` (branch, tag, commit) in the project in `root`; None for the workspace.

    Raises DatatoolsError for a revision that Git does not know, or whose pipeline did not run.
    """
    if name is None:
        return VersionFiles(root, load_stages(root))
    revision = open_revision(root, name)
    return VersionFiles(root, revision.stages, revision)


def _read_columns(data: bytes, wanted: Sequence[str]) -> pd.DataFrame:
    try:
        return pd.read_parquet(io.BytesIO(data), columns=list(wanted))
    except ValueError:  # the version is older than one of the columns
        return pd.read_parquet(io.BytesIO(data)).reindex(columns=list(wanted))
