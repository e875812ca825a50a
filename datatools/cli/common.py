"""What the commands share: where the project is, who decides, and how records are told."""

from __future__ import annotations

import datetime
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from datatools.errors import DatatoolsError
from datatools.project import Project, find_project

if TYPE_CHECKING:
    from datatools.fixes.records import FixRecord

Why = Annotated[str, typer.Option(help="The reason, kept in the record.")]
Who = Annotated[Optional[str], typer.Option(help="Who decides. Default: git config user.name.")]


def echo_records(records: Sequence[FixRecord]) -> None:
    """Print a line a record, and how it is applied and taken back."""
    for record in records:
        target = record.annotation_id or record.path
        change = f"{record.before} -> {record.after}" if record.op == "relabel" else record.op
        typer.echo(f"{record.id}  {target}  {change}")
    if records:
        what = (
            "it, `datatools fixes revert ID` takes it"
            if len(records) == 1
            else "them, `datatools fixes revert ID` takes one"
        )
        typer.echo(f"recorded; `dvc repro` applies {what} back")
    else:
        typer.echo("nothing new was decided")


def today() -> datetime.date:
    """The date, UTC."""
    return datetime.datetime.now(datetime.UTC).date()


def find_here() -> Project:
    """The project that the working directory is in; raises DatatoolsError."""
    return find_project(Path.cwd())


def shown(path: Path) -> str:
    """A path below the working directory without it."""
    return path.relative_to(Path.cwd()).as_posix() if path.is_relative_to(Path.cwd()) else str(path)


def sign(who: str | None) -> str:
    """Who decides: as given, else git's user.name. Raises DatatoolsError where neither is known."""
    if who and who.strip():
        return who.strip()
    try:
        command = ["git", "config", "user.name"]
        found = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    except FileNotFoundError:
        found = ""
    if not found:
        raise DatatoolsError("a fix record needs who decides. Got no git config user.name: set it, or pass --who NAME.")
    return found
