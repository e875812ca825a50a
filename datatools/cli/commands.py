"""The `datatools` command: each command is a few lines over one library call."""

from __future__ import annotations

import copy
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Optional

import typer
from typer.main import get_command_name
from typer.models import CommandInfo

from datatools.cli.common import Who, Why, echo_records, find_here, shown, sign, today
from datatools.cli.diff import diff
from datatools.cli.fixes import fixes_app
from datatools.cli.lint import lint
from datatools.cli.provenance import card, release, trace
from datatools.cli.queue import queue_app
from datatools.cli.remotes import gc, pull, push, verify
from datatools.cli.report import report
from datatools.cli.sample import sample_app, sample_maker
from datatools.cli.split import split_app
from datatools.cli.status import status
from datatools.errors import DatatoolsError
from datatools.formats import AUTO
from datatools.project import Project, has_pipeline
from datatools.starting import start_light

app = typer.Typer(no_args_is_help=True, add_completion=True, pretty_exceptions_enable=False, rich_markup_mode=None)
app.add_typer(sample_app, name="sample")
app.add_typer(fixes_app, name="fixes")
app.add_typer(split_app, name="split")
app.add_typer(queue_app, name="queue")
app.command()(status)
app.command()(report)
app.command()(diff)
app.command()(lint)
for command in (trace, card, release):
    app.command()(command)
app.command()(push)
app.command()(pull)
app.command()(verify)
app.command()(gc)


def _named(name: str | Path) -> Path:
    if not str(name).strip():
        raise DatatoolsError("expected the name of a folder. Got an empty one: name it, or write . for this one.")
    return Path(name)


Source = Annotated[Path, typer.Argument(parser=_named, help="Folder, zip or tar with images and annotations.")]
SourceFormat = Annotated[str, typer.Option("--format", help="Format of the annotation files; auto recognises them.")]
Name = Annotated[Optional[str], typer.Option(help="What to call the source. Default: its file name.")]


def main() -> None:
    """Run the command line; a wrong call ends with one line on stderr and exit code 2."""
    start_light()
    try:
        narrow(sys.argv[1:])()
    except DatatoolsError as error:
        typer.echo(f"datatools: error: {error}", err=True)
        sys.exit(error.exit_code)


def narrow(args: Sequence[str]) -> typer.Typer:
    """The application with the one command, or group, that `args` begins with; the whole one where there is none such.

    Typer makes a parser of every command that it is given, which takes longer than many a command.
    """
    name = args[0] if args else ""
    commands = [command for command in app.registered_commands if _name_of(command) == name]
    groups = [group for group in app.registered_groups if group.name == name]
    if not (commands or groups):
        return app
    narrowed = copy.copy(app)
    narrowed.registered_commands, narrowed.registered_groups = commands, groups
    return narrowed


def _name_of(command: CommandInfo) -> str:
    return command.name or (get_command_name(command.callback.__name__) if command.callback else "")


@app.callback()
def root() -> None:
    """Version, check and curate image-recognition datasets with DVC."""


@app.command()
def init(
    folder: Annotated[
        Path, typer.Argument(parser=_named, help="The project's folder: new, empty, or a Git repository.")
    ] = Path("."),
    source: Annotated[
        Optional[Path], typer.Option("--from", parser=_named, help="Folder, zip or tar with images and annotations.")
    ] = None,
    sample: Annotated[Optional[str], typer.Option(help="Lay out a sample instead; `datatools sample list`.")] = None,
    name: Name = None,
    format: SourceFormat = AUTO,
    ci: Annotated[
        Optional[str], typer.Option(help="Also write workflow files: github or gitlab. A project gets these alone.")
    ] = None,
) -> None:
    """Start a project: the pipeline, its parameters, Git and DVC, and your data in it. Nothing is overwritten."""
    from datatools.init import init_project
    from datatools.progress import progress
    from datatools.report.arrivals import to_started_lines
    from datatools.tree import open_tree

    if source and sample:
        raise DatatoolsError("init: expected --from or --sample. Got both: choose one.")
    tree = open_tree(source) if source else None
    with progress("init: images") as tick:
        lay_out = sample_maker(sample, tick) if sample else None
        started = init_project(folder, tree, _source_name(source, name), format, lay_out, tick, ci)
    for line in to_started_lines(started, folder):
        typer.echo(line)


@app.command("import")
def import_(
    source: Source,
    name: Name = None,
    format: SourceFormat = AUTO,
    into: Annotated[str, typer.Option(metavar="FOLDER", help="Put all paths below this folder.")] = "",
    mirror: Annotated[bool, typer.Option("--mirror", help="Take away what the source no longer has.")] = False,
) -> None:
    """Bring data into the project: what is new or changed becomes one more batch in data/raw, packed for DVC."""
    from datatools.import_data import import_data
    from datatools.progress import progress
    from datatools.report.arrivals import to_import_lines
    from datatools.tree import open_tree

    project = find_here()
    with progress("import: images") as tick:
        done = import_data(
            open_tree(source),
            project.raw,
            _source_name(source, name),
            format,
            into,
            mirror,
            tick,
            project.state / "cache",
        )
    for line in to_import_lines(done, project.root):
        typer.echo(line)


@app.command()
def convert(
    source: Annotated[
        Path, typer.Argument(parser=_named, help="Folder, zip or tar with images and annotations, or a project.")
    ],
    target: Annotated[Path, typer.Argument(parser=_named, help="Folder to write; it must not be there yet.")],
    to: Annotated[str, typer.Option(metavar="FORMAT", help="A format that `datatools formats` lists.")],
    format: SourceFormat = AUTO,
) -> None:
    """Convert annotations and images to another format, and list what that format cannot hold.

    Of a project, the data as the last `dvc repro` left it is written: with the fixes, and the sides of the split as subsets.
    """
    from datatools.progress import progress
    from datatools.report.arrivals import to_convert_lines

    with progress("convert: images") as tick:
        if has_pipeline(source):
            from datatools.convert_project import convert_project  # it loads the split

            done = convert_project(Project(source), target, to, tick)
        else:
            from datatools.convert import convert as convert_tree
            from datatools.tree import open_tree

            done = convert_tree(open_tree(source), target, to, format, tick)
    for line in to_convert_lines(done, target):
        typer.echo(line)


@app.command()
def formats(name: Annotated[Optional[str], typer.Argument(help="Print the page of this one.")] = None) -> None:
    """List the annotation formats, or print the page of one: layout, pixel convention, what is kept where."""
    from datatools.formats import NAMES
    from datatools.formats.registry import describe_format, load_format

    if name:
        typer.echo(describe_format(name))
        return
    for name in NAMES:
        typer.echo(f"{name:<13}  {load_format(name).title}")


@app.command()
def unpack(
    paths: Annotated[
        Optional[list[str]], typer.Argument(help="Images of the data set. Default: all that were imported.")
    ] = None,
) -> None:
    """Put imported images into data/images as ordinary files, to look at; the pipeline does not need them."""
    from datatools.progress import progress
    from datatools.raw import open_raw
    from datatools.unpack import check_there, unpack_images

    project = find_here()
    check_there(project.raw)
    chosen = paths or open_raw(project.raw).packed_paths()
    with progress("unpack: images", len(chosen)) as tick:
        unread = unpack_images(project.raw, chosen, project.images, tick)
    typer.echo(f"{len(chosen) - len(unread)} images in {shown(project.images)}")
    for path, why in unread:
        typer.echo(f"{path}: {why}", err=True)
    if unread:
        raise typer.Exit(1)


@app.command()
def summary() -> None:
    """Print what the last `dvc repro` found and what to do next."""
    from rich.console import Console

    from datatools.report.terminal import to_terminal
    from datatools.report.unfinished import to_unfinished_lines
    from datatools.store import load_json

    project = find_here()
    if lines := list(to_unfinished_lines(project)):
        typer.echo("\n".join(lines))
        return
    Console().print(to_terminal(load_json(project.report), shown(project.page)), highlight=False)


@app.command()
def findings(
    code: Annotated[Optional[str], typer.Option(help="Only findings of this code.")] = None,
    path: Annotated[Optional[str], typer.Option(metavar="GLOB", help="Only images of these paths.")] = None,
    severity: Annotated[
        Optional[str], typer.Option(help="Only of this severity or worse: info, warning, error.")
    ] = None,
    limit: Annotated[int, typer.Option(min=0, help="At most so many rows.")] = 20,
    format: Annotated[str, typer.Option(help="text or json.")] = "text",
) -> None:
    """List what the checks found at the last `dvc repro`, the worst first."""
    from datatools.report.listing import list_findings, to_listing_json, to_listing_table

    listing = list_findings(find_here(), code, path, severity, today())
    if format == "text":
        from rich.console import Console

        Console().print(to_listing_table(listing, limit), highlight=False)
    else:
        typer.echo(to_listing_json(listing, format))


@app.command()
def gate(
    max_severity: Annotated[
        str, typer.Option(help="The worst that may pass: none, info, warning or error. All that is worse fails.")
    ] = "warning",
    against: Annotated[
        Optional[str], typer.Option(metavar="REV", help="Count only findings that this Git revision did not have.")
    ] = None,
    format: Annotated[str, typer.Option(help="text, json, or github: annotations of a workflow run.")] = "text",
) -> None:
    """Exit with 1 where the checks found what must not pass; with 2 where findings are missing or out of date."""
    from datatools.gate import run_gate
    from datatools.project import LAYOUT
    from datatools.report.verdict import write_lines

    verdict = run_gate(find_here(), max_severity, against, today())
    for line in write_lines(verdict, format, LAYOUT["raw"]):
        typer.echo(line)
    if not verdict.passed:
        raise typer.Exit(1)


@app.command()
def mute(
    code: Annotated[str, typer.Argument(help="A finding's code, such as BOX001.")],
    reason: Annotated[str, typer.Option(help="Why to live with it, kept in data/mutes.yaml.")],
    path: Annotated[Optional[str], typer.Option(metavar="GLOB", help="Only on images of these paths.")] = None,
    annotation: Annotated[Optional[str], typer.Option(metavar="ID", help="Only of this annotation.")] = None,
    subject: Annotated[Optional[str], typer.Option(help="Only about this class, pair or slice.")] = None,
    until: Annotated[Optional[str], typer.Option(metavar="DATE", help="Last day, as 2027-01-31.")] = None,
    days: Annotated[Optional[int], typer.Option(min=1, help="Or: for so many days.")] = None,
    who: Who = None,
) -> None:
    """Live with findings until a date: they stay in the tables, are counted apart and pass the gate."""
    from datatools.mutes import make_mute, mute_findings

    entry = make_mute(code, reason, today(), until, days, path, annotation, subject, sign(who))
    n_findings = mute_findings(find_here(), entry, today())
    noun = "finding" if n_findings == 1 else "findings"
    typer.echo(f"{entry.describe()}: {n_findings:,} {noun} muted until {entry.until}; commit data/mutes.yaml")


@app.command()
def explain(code: Annotated[str, typer.Argument(help="A finding's code, such as BOX001.")]) -> None:
    """Print the page of a check: what it finds, why it matters, what to do."""
    from datatools.checks.runner import explain as explain_code

    typer.echo(explain_code(code), nl=False)


@app.command()
def checks() -> None:
    """List the checks: code, severity, title."""
    from datatools.checks.runner import load_checks

    for check in load_checks():
        typer.echo(f"{check.code}  {check.severity:<7}  {check.title}")


@app.command()
def fix(
    image: Annotated[str, typer.Argument(help="Path in the data set, or a file name that only one image has.")],
    why: Why,
    label: Annotated[Optional[str], typer.Option(help="The right label.")] = None,
    confirm: Annotated[bool, typer.Option("--confirm", help="The label is right as it is.")] = False,
    exclude: Annotated[bool, typer.Option("--exclude", help="Take the image out of the data set.")] = False,
    include: Annotated[bool, typer.Option("--include", help="Bring an excluded image back.")] = False,
    side: Annotated[Optional[str], typer.Option(help="Put it on this side of the split: train, val or test.")] = None,
    who: Who = None,
) -> None:
    """Record a decision on an image; the next `dvc repro` applies it."""
    from datatools.fixes.make import decide

    what: dict[str, Any] = {"label": label, "confirm": confirm, "exclude": exclude, "include": include, "side": side}
    echo_records(decide(find_here(), image, **what, why=why, who=sign(who)))


@app.command()
def review(
    save: Annotated[bool, typer.Option("--save", help="Turn what was decided in the app into fix records.")] = False,
    page: Annotated[
        Optional[Path], typer.Option(help="Write the queue as one HTML page instead, for people without FiftyOne.")
    ] = None,
    port: Annotated[int, typer.Option(min=1024, max=65535, help="Port on 127.0.0.1, or the next free one.")] = 5151,
    browser: Annotated[bool, typer.Option(help="Open the page in a browser.")] = True,
    who: Who = None,
) -> None:
    """Open the review queue in the FiftyOne app, or save what was decided there."""
    project = find_here()
    if page is not None:
        from datatools.report.queue_page import save_queue_page

        typer.echo(f"{page}: {save_queue_page(project, page)} images; `datatools fixes import` takes in what it saves")
        return
    from datatools.review.run import open_review, save_review

    if save:
        echo_records(save_review(project, sign(who)))
        return
    typer.echo("starting the app ...", err=True)
    with open_review(project, port, sign(who)) as running:
        typer.echo(running.instructions)
        if browser:
            typer.launch(running.url)
        running.wait()


@app.command()
def lift(
    before: Annotated[
        Optional[str], typer.Option(metavar="REV", help="Measure the fixes since this Git revision. Default: all.")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Trainings of each kind.")] = 3,
) -> None:
    """Measure now what the fixes bought: accuracy with and without them on the same corrected test set; to reports/lift.

    The pipeline does it by itself where params.yaml has lift.seeds.
    """
    from datatools.lift import measure_lift
    from datatools.progress import progress
    from datatools.report.lift_page import save_lift, to_lift_markdown

    project = find_here()
    with progress("lift: trainings", 2 * seeds) as tick:
        found = measure_lift(project, before, seeds, tick)
    save_lift(project.report.parent / "lift", found)
    typer.echo(to_lift_markdown(found), nl=False)


@app.command()
def doctor() -> None:
    """Check the environment and say what to do; exit code 1 where something will fail."""
    from datatools.doctor import PROBLEM, examine
    from datatools.project import look_for_project

    answers = examine(look_for_project(Path.cwd()))
    for answer in answers:
        typer.echo(f"{answer.state:<8} {answer.about:<11} {answer.text}")
    if any(answer.state == PROBLEM for answer in answers):
        raise typer.Exit(1)


def _source_name(source: Path | None, name: str | None) -> str:
    if name and name.strip():
        return name.strip()
    file = source.resolve().name if source else ""
    return file.split(".")[0] or "data"
