"""`datatools diff`: what changed between two versions of the data."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from datatools.cli.common import find_here
from datatools.errors import DatatoolsError

if TYPE_CHECKING:
    from datatools.diff.changes import Diff

FORMATS = ("table", "json", "jsonl", "markdown", "html")
LIMIT = 20


def diff(
    before: Annotated[Optional[str], typer.Argument(metavar="A", help="Git revision, or A..B. Default: HEAD.")] = None,
    after: Annotated[Optional[str], typer.Argument(metavar="B", help="Git revision. Default: the workspace.")] = None,
    stat: Annotated[bool, typer.Option("--stat", help="Only counts.")] = False,
    classes: Annotated[
        Optional[list[str]],
        typer.Option("--class", metavar="NAME", help="Only changes that concern this class; repeatable."),
    ] = None,
    path: Annotated[Optional[str], typer.Option(metavar="GLOB", help="Only images of these paths.")] = None,
    limit: Annotated[int, typer.Option(min=0, help="At most so many changes in the table.")] = LIMIT,
    format: Annotated[str, typer.Option(help="table, json, jsonl (a change a line), markdown or html.")] = "table",
    output: Annotated[Optional[Path], typer.Option(help="Write to this file.")] = None,
    exit_code: Annotated[bool, typer.Option("--exit-code", help="Exit with 1 where something differs.")] = False,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON schema of --format json.")] = False,
) -> None:
    """Say what changed between two versions of the data, and who decided it. Nothing is checked out."""
    if schema:
        _echo_schema()
        return
    from datatools.diff.compare import compare_versions
    from datatools.diff.selecting import select
    from datatools.diff.versions import load_version, parse_range

    if format not in FORMATS:
        raise DatatoolsError(f"--format must be one of {', '.join(FORMATS)}. Got {format!r} instead.")
    project = find_here()
    sides = [load_version(project, name) for name in parse_range(before, after)]
    found = select(compare_versions(sides[0], sides[1]), classes or (), path)
    _write(found, format, None if stat else limit, output)
    if exit_code and not found.is_empty:
        raise typer.Exit(1)


def _write(found: Diff, form: str, limit: int | None, output: Path | None) -> None:
    """Print the difference, or write it to a file; `limit` is None for counts alone."""
    if form == "table":
        _write_table(found, limit, output)
        return
    from datatools.store import save_text

    if output:
        save_text(output, "".join(_pieces(found, form, limit)))
        return
    for piece in _pieces(found, form, limit):
        typer.echo(piece, nl=False)


def _pieces(found: Diff, form: str, limit: int | None) -> Iterable[str]:
    from datatools.diff.document import write_json, write_lines

    if form in ("json", "jsonl"):
        return write_lines(found) if form == "jsonl" else write_json(found, limit is not None)
    from datatools.report.against.build import render_html, render_markdown

    return [render_markdown(found) if form == "markdown" else render_html(found)]


def _write_table(found: Diff, limit: int | None, output: Path | None) -> None:
    from datatools.diff.terminal import to_terminal, to_text
    from datatools.store import save_text

    if output:
        save_text(output, to_text(found, limit))
    else:
        from rich.console import Console

        Console().print(to_terminal(found, limit), highlight=False)


def _echo_schema() -> None:
    import json

    from datatools.diff.document_schema import make_schema

    typer.echo(json.dumps(make_schema(), indent=2))
