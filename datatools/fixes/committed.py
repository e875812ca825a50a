"""The fix records that a Git revision had."""

from __future__ import annotations

from pathlib import Path

from datatools.errors import DatatoolsError
from datatools.fixes.records import FixRecord, in_order, parse_lines
from datatools.git import GitError, list_names, read_committed
from datatools.project import LAYOUT


def load_committed_records(root: Path, revision: str) -> list[FixRecord]:
    """The records in data/fixes of the project in `root` as Git has them in `revision`, by time and id.

    Lines that are no records are passed over, as they are anywhere. Raises DatatoolsError where there is no such revision.
    """
    files = {path: read_committed(root, revision, path) or b"" for path in _list_files(root, revision)}
    return in_order(record for path, data in files.items() for record in parse_lines(data, path)[0])


def _list_files(root: Path, revision: str) -> list[str]:
    """The `*.jsonl` files of data/fixes in `revision`, below `root`."""
    if not revision.strip() or revision.startswith("-"):
        raise DatatoolsError(f"before: expected a Git revision such as main or HEAD~1. Got {revision!r} instead.")
    try:
        names = list_names(root, "ls-tree", "-z", "--name-only", revision, f"./{LAYOUT['fixes']}/")
    except GitError as error:
        raise DatatoolsError(
            f"before: expected a Git revision. Got {revision!r}, which this repository does not have: name a branch, tag or commit."
        ) from error
    return [name for name in names if name.endswith(".jsonl")]
