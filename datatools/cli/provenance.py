"""`datatools trace`, `card` and `release`: where things come from, and what goes out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Optional

import typer

from datatools.cli.common import find_here, shown, today


def trace(
    name: Annotated[str, typer.Argument(help="An image, annotation id, model (file, digest, release) or fix record.")],
    as_json: Annotated[bool, typer.Option("--json", help="Everything, as one JSON document.")] = False,
    commits: Annotated[int, typer.Option(min=1, help="How many versions of dvc.lock to look at.")] = 50,
) -> None:
    """Tell where an image, annotation, model or fix record comes from and what became of it."""
    from datatools.trace.run import trace as find_story
    from datatools.trace.words import to_terminal

    story = find_story(find_here(), name, commits)
    if as_json:
        typer.echo(json.dumps(story, indent=2, ensure_ascii=False))
    else:
        from rich.console import Console

        Console().print(to_terminal(story), highlight=False)


def card(
    out: Annotated[Path, typer.Option(help="Folder to write; what an earlier run wrote there is replaced.")] = Path(
        "card"
    ),
) -> None:
    """Write the dataset card (README.md for Hugging Face), Croissant metadata and the tables they speak of."""
    from datatools.cards.write import write_card

    written = write_card(find_here(), out)
    for warning in written.warnings:
        typer.echo(f"licence: {warning}", err=True)
    typer.echo(f"{shown(out.resolve())}: {', '.join(written.files)}")


def release(
    artifact: Annotated[str, typer.Argument(help="data or model.")],
    version: Annotated[str, typer.Argument(help="Such as 1.2.0.")],
    against: Annotated[
        Optional[str], typer.Option(metavar="TAG", help="Compare with this release. Default: the last one.")
    ] = None,
    allow: Annotated[
        Optional[str], typer.Option(metavar="WHY", help="Take a lower version than the changes ask for; WHY is kept.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be written; write nothing.")] = False,
) -> None:
    """Release the data or the model: check, compare with the last release, write the changelog and an annotated tag."""
    from datatools.release.run import make_release

    done = make_release(find_here(), artifact, version, today(), against=against, allow=allow, dry_run=dry_run)
    typer.echo(done.entry, nl=False)
    for line in done.next_steps:
        typer.echo(line)
