"""`datatools report --against BASE`: what a change of the data did, for the pull request."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from datatools.cli.common import find_here, shown


def report(
    against: Annotated[
        str, typer.Option(metavar="REV", help="The Git revision to compare with: a branch, tag, commit.")
    ],
    head: Annotated[
        Optional[str], typer.Option(metavar="REV", help="Compare this revision. Default: the workspace as it is.")
    ] = None,
    out: Annotated[
        Optional[Path], typer.Option(help="Folder to write changes.md, .html and .json to. Default: reports/against.")
    ] = None,
    max_characters: Annotated[
        int, typer.Option(help="Longest Markdown: 65,536 for a GitHub comment, 1,000,000 for GitLab.")
    ] = 65_536,
) -> None:
    """Report what changed since a revision and what that did to the model, for a pull request. Nothing is checked out."""
    from datatools.report.against.build import FOLDER, report_against, save_against
    from datatools.report.words import visible

    project = find_here()
    folder = project.root / FOLDER if out is None else out
    made = report_against(project, against, head, max_characters)
    save_against(folder, made)
    typer.echo(visible(made.document["verdict"]["sentence"], 600))
    for row in made.document["verdict"]["rows"]:
        typer.echo(f"  {row['what']:<9}  {row['state']:<7}  {visible(row['text'], 300)}")
    typer.echo(f"{shown(folder / 'changes.html')}, .md and .json are written")
