"""`datatools queue`: the review queue, to and from tools where people draw."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from datatools.cli.common import echo_records, find_here, sign

queue_app = typer.Typer(no_args_is_help=True, help="The review queue, to and from tools where people draw.")


@queue_app.command("export")
def queue_export(
    folder: Annotated[Path, typer.Argument(help="Folder to write; it must not be there yet.")],
    to: Annotated[str, typer.Option(metavar="TOOL", help="cvat or label_studio.")],
    code: Annotated[
        Optional[str], typer.Option(help="Images with a finding of this code, in place of the queue.")
    ] = None,
    images: Annotated[Optional[int], typer.Option(min=1, help="At most so many images.")] = None,
) -> None:
    """Send the images of the queue to CVAT or Label Studio, with their annotations as they are."""
    from datatools.fixes.export_queue import export_queue, to_export_lines
    from datatools.progress import progress

    with progress("queue export: images") as tick:
        done = export_queue(find_here(), folder, to, code, images, tick)
    for line in to_export_lines(done, str(folder)):
        typer.echo(line)


@queue_app.command("import")
def queue_import(
    source: Annotated[Path, typer.Argument(help="What the tool exported: CVAT for images 1.1, or Label Studio JSON.")],
    export: Annotated[
        Optional[Path], typer.Option(metavar="DIR", help="The folder that was sent. Default: where SOURCE is.")
    ] = None,
    why: Annotated[str, typer.Option(help="The reason, kept in the records. Default: drawn in the tool.")] = "",
    confirm_unchanged: Annotated[
        bool, typer.Option("--confirm-unchanged", help="Also record what was looked at and left as it is.")
    ] = False,
    accept_empty: Annotated[
        bool, typer.Option("--accept-empty", help="Delete all that was sent where nothing came back.")
    ] = False,
    who: Annotated[
        Optional[str], typer.Option(help="Who drew, unless the file names several. Default: git config user.name.")
    ] = None,
) -> None:
    """Turn what was drawn in the tool into fix records: the differences to what was sent."""
    from datatools.fixes.from_annotations import import_edits, to_import_lines

    options = {"confirm_unchanged": confirm_unchanged, "accept_empty": accept_empty}
    done = import_edits(find_here(), source, export, who=sign(who), why=why, **options)
    for line in to_import_lines(done):
        typer.echo(line)
    echo_records(done.records)
