"""`datatools fixes`: the record of what people decided."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from datatools.cli.common import Who, Why, echo_records, find_here, sign

fixes_app = typer.Typer(no_args_is_help=True, help="The record of what people decided.")


@fixes_app.command("log")
def fixes_log() -> None:
    """List every record, oldest first, with what became of it at the last `dvc repro`."""
    from datatools.fixes.log import list_records

    for line in list_records(find_here()):
        typer.echo(line)


@fixes_app.command("show")
def fixes_show(record_id: Annotated[str, typer.Argument(metavar="ID", help="Id, or its first characters.")]) -> None:
    """Print one record with all that is known of it."""
    from datatools.fixes.history import find_record, list_fields, load_decided

    for name, value in list_fields(find_record(load_decided(find_here())[0], record_id)):
        typer.echo(f"{name:<14} {value}")


@fixes_app.command("blame")
def fixes_blame(
    name: Annotated[str, typer.Argument(metavar="ANNOTATION", help="Annotation id, or image path.")],
) -> None:
    """Print who decided what about an annotation or an image, oldest first."""
    from datatools.fixes.history import find_story, load_decided
    from datatools.fixes.log import to_lines

    for line in to_lines(find_story(load_decided(find_here())[0], name)):
        typer.echo(line)


@fixes_app.command("check")
def fixes_check() -> None:
    """Say which records cannot be read or applied, and where people disagree; exit with 1 where there are any."""
    from datatools.fixes.checking import check_fixes

    problems = list(check_fixes(find_here()))
    for problem in problems:
        typer.echo(f"{problem.where}: {problem.message}")
    if problems:
        raise typer.Exit(1)


@fixes_app.command("stats")
def fixes_stats() -> None:
    """Count the decisions by person, class, annotator and side; say how well the queue aimed and what the fixes bought."""
    from datatools.fixes.stats import count_decisions
    from datatools.fixes.stats_words import write_stats

    for line in write_stats(count_decisions(find_here())):
        typer.echo(line)


@fixes_app.command("settle")
def fixes_settle(
    image: Annotated[str, typer.Argument(help="An image that people decided differently on.")],
    why: Why,
    label: Annotated[Optional[str], typer.Option(help="The right label.")] = None,
    exclude: Annotated[
        bool, typer.Option("--exclude", help="Take the image out; without it and --label it stays.")
    ] = False,
    who: Who = None,
) -> None:
    """End a disagreement, by a record that names those it overrules."""
    from datatools.fixes.make import settle

    echo_records(settle(find_here(), image, label=label, exclude=exclude, why=why, who=sign(who)))


@fixes_app.command("import")
def fixes_import(
    file: Annotated[Path, typer.Argument(help="Fix records, a JSON object a line, as the review page saves them.")],
) -> None:
    """Take in fix records that were made elsewhere; those that are there already are passed over."""
    from datatools.fixes.importing import import_records

    done = import_records(find_here(), file)
    echo_records(done.records)
    if done.n_known:
        typer.echo(f"{done.n_known} of them were there already")


@fixes_app.command("schema")
def fixes_schema() -> None:
    """Print the JSON schema of a fix record."""
    import json

    from datatools.fixes.record_schema import make_schema

    typer.echo(json.dumps(make_schema(), indent=2))


@fixes_app.command("offered")
def fixes_offered(
    code: Annotated[str, typer.Argument(help="Only what this check offers, such as BOX001.")] = "",
    path: Annotated[str, typer.Option(metavar="GLOB", help="Only images of these paths.")] = "*",
) -> None:
    """List the repairs that checks are certain of; none is made until you accept it."""
    from datatools.fixes.offers import list_offers

    for offered in list_offers(find_here(), code.upper(), path):
        record = offered.record
        typer.echo(f"{offered.code}  {record.op:<9}  {record.annotation_id or record.path}  {offered.message}")


@fixes_app.command("accept")
def fixes_accept(
    code: Annotated[str, typer.Argument(help="A finding's code, such as BOX001.")],
    why: Why,
    path: Annotated[str, typer.Option(metavar="GLOB", help="Only images of these paths.")] = "*",
    who: Who = None,
) -> None:
    """Accept what a check offers, as fix records; the next `dvc repro` applies them."""
    from datatools.fixes.offers import accept_offers

    echo_records(accept_offers(find_here(), code, path, why=why, who=sign(who)))


@fixes_app.command("revert")
def fixes_revert(
    record_id: Annotated[str, typer.Argument(metavar="ID", help="Id of the record, or its first characters.")],
    why: Why = "reverted",
    who: Who = None,
) -> None:
    """Take a record back, by a new record; the old one stays."""
    from datatools.fixes.make import revert

    record = revert(find_here(), record_id, why=why, who=sign(who))
    typer.echo(f"{record.id}  reverts {record.reverts}; `dvc repro` applies it")
