"""The fix records that a Git revision had."""

from __future__ import annotations

import subprocess
from pathlib import Path

from datatools.errors import DatatoolsError
from datatools.fixes.records import FixRecord, in_order, parse_lines
from datatools.project import LAYOUT
from datatools.revisions import read_committed


def load_committed_records(root: Path, revision: str) -> list[FixRecord]:
    """The records in data/fixes of the project in `root` as Git has them in `revision`, by time and id.

    Lines that are no records are passed over, as they are anywhere. Raises DatatoolsError where there is no such revision.
    """
    texts = {path: read_committed(root, revision, path) or "" for path in _list_files(root, revision)}
    return in_order(record for path, text in texts.items() for record in parse_lines(text.encode(), path)[0])


def _list_files(root: Path, revision: str) -> list[str]:
    """The `*.jsonl` files of data/fixes in `revision`, below `root`."""
    if not revision.strip() or revision.startswith("-"):
        raise DatatoolsError(f"--before: expected a Git revision such as main or HEAD~1. Got {revision!r} instead.")
    command = ["git", "-C", str(root), "ls-tree", "-z", "--name-only", revision, f"./{LAYOUT['fixes']}/"]
    try:
        done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
    except FileNotFoundError as error:
        raise DatatoolsError("expected the command 'git'. Got none on this machine: install it.") from error
    if done.returncode:
        raise DatatoolsError(
            f"--before: expected a Git revision. Got {revision!r}, which {root} does not have: name a branch, tag or commit."
        )
    return [name for name in done.stdout.split("\0") if name.endswith(".jsonl")]
