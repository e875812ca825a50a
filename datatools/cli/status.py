"""`datatools status`: where the project stands, and what comes next."""

from __future__ import annotations

import typer

from datatools.cli.common import find_here


def status() -> None:
    """Tell where the project stands: data, pipeline, decisions, review, remote, Git, each with the command that comes next."""
    from datatools.status import find_standing

    for standing in find_standing(find_here()):
        typer.echo(standing)
