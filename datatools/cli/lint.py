"""`datatools lint`: what people wrote by hand, checked in a moment."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from datatools.cli.common import find_here
from datatools.project import find_project


def lint(
    files: Annotated[
        Optional[list[Path]], typer.Argument(help="Fix records, data/mutes.yaml, params.yaml. Default: all of these.")
    ] = None,
) -> None:
    """Check fix records, mutes and parameters by themselves, without data; exit with 1 where there is a problem."""
    from datatools.lint import lint_file, lint_project

    named = [line for file in files or () for line in lint_file(find_project(file.resolve().parent), file)]
    problems = named if files else list(lint_project(find_here()))
    for problem in problems:
        typer.echo(problem)
    if problems:
        raise typer.Exit(1)
