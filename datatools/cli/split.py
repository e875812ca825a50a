"""`datatools split`: the split and what it promises."""

from __future__ import annotations

from typing import Annotated

import typer

from datatools.cli.common import find_here

split_app = typer.Typer(no_args_is_help=True, help="The split and what it promises.")


@split_app.command("verify")
def split_verify(
    search: Annotated[bool, typer.Option("--search", help="Also search the near-duplicates again.")] = False,
) -> None:
    """Count every promise of the split again; exit with 1 where one is broken, 2 where files are missing or out of date."""
    from datatools.split.verification import verify_split

    promises = verify_split(find_here(), search)
    for promise in promises:
        typer.echo(f"{'kept' if promise.kept else 'BROKEN':<6}  {promise.name}: {promise.text}")
    if not all(promise.kept for promise in promises):
        raise typer.Exit(1)
