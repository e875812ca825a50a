"""The `datatools` command: each command is a few lines over one library call."""

from __future__ import annotations

import datetime
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer
from rich.console import Console

from datatools.errors import DatatoolsError
from datatools.formats import AUTO
from datatools.project import Project, find_project

if TYPE_CHECKING:
    from datatools.fixes.records import FixRecord

app = typer.Typer(no_args_is_help=True, add_completion=True, pretty_exceptions_enable=False, rich_markup_mode=None)
sample_app = typer.Typer(
    no_args_is_help=True, help="Samples to try datatools on, and how well their planted faults were found."
)
fixes_app = typer.Typer(no_args_is_help=True, help="The record of what people decided.")
queue_app = typer.Typer(no_args_is_help=True, help="The review queue, to and from tools where people draw.")
split_app = typer.Typer(no_args_is_help=True, help="The split and what it promises.")
app.add_typer(sample_app, name="sample")
app.add_typer(fixes_app, name="fixes")
app.add_typer(split_app, name="split")
app.add_typer(queue_app, name="queue")

SourceFormat = Annotated[str, typer.Option("--format", help="Format of the annotation files; auto recognises them.")]
Name = Annotated[Optional[str], typer.Option(help="What to call the source. Default: its file name.")]
Why = Annotated[str, typer.Option(help="The reason, kept in the record.")]
Who = Annotated[Optional[str], typer.Option(help="Who decides. Default: git config user.name.")]


def main() -> None:
    """Run the command line; a wrong call ends with one line on stderr and exit code 2."""
    try:
        app()
    except DatatoolsError as error:
        typer.echo(f"datatools: error: {error}", err=True)
        sys.exit(error.exit_code)


@app.callback()
def root() -> None:
    """Version, check and curate image-recognition datasets with DVC."""


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="The project's folder: new, empty, or a Git repository.")] = Path("."),
    source: Annotated[
        Optional[Path], typer.Option("--from", help="Folder, zip or tar with images and annotations.")
    ] = None,
    sample: Annotated[Optional[str], typer.Option(help="Lay out a sample instead; `datatools sample list`.")] = None,
    name: Name = None,
    format: SourceFormat = AUTO,
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
        lay_out = _sample_maker(sample, tick) if sample else None
        started = init_project(folder, tree, _source_name(source, name), format, lay_out, tick)
    for line in to_started_lines(started, folder):
        typer.echo(line)


@app.command("import")
def import_(
    source: Annotated[Path, typer.Argument(help="Folder, zip or tar with images and annotations.")],
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

    project = _project()
    with progress("import: images") as tick:
        done = import_data(open_tree(source), project.raw, _source_name(source, name), format, into, mirror, tick)
    for line in to_import_lines(done, project.root):
        typer.echo(line)


@app.command()
def convert(
    source: Annotated[Path, typer.Argument(help="Folder, zip or tar with images and annotations.")],
    target: Annotated[Path, typer.Argument(help="Folder to write; it must not be there yet.")],
    to: Annotated[str, typer.Option(metavar="FORMAT", help="A format that `datatools formats` lists.")],
    format: SourceFormat = AUTO,
) -> None:
    """Convert annotations and images to another format, and list what that format cannot hold."""
    from datatools.convert import convert as convert_tree
    from datatools.progress import progress
    from datatools.report.arrivals import to_convert_lines
    from datatools.tree import open_tree

    with progress("convert: images") as tick:
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
    from datatools.unpack import unpack_images

    project = _project()
    chosen = paths or open_raw(project.raw).packed_paths()
    with progress("unpack: images", len(chosen)) as tick:
        unread = unpack_images(project.raw, chosen, project.images, tick)
    typer.echo(f"{len(chosen) - len(unread)} images in {_shown(project.images)}")
    for path, why in unread:
        typer.echo(f"{path}: {why}", err=True)
    if unread:
        raise typer.Exit(1)


@app.command()
def summary() -> None:
    """Print what the last `dvc repro` found and what to do next."""
    from datatools.report.terminal import to_terminal
    from datatools.store import load_json

    project = _project()
    Console().print(to_terminal(load_json(project.report), _shown(project.page)), highlight=False)


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

    listing = list_findings(_project(), code, path, severity, _today())
    if format == "text":
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

    verdict = run_gate(_project(), max_severity, against, _today())
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

    entry = make_mute(code, reason, _today(), until, days, path, annotation, subject, _who(who))
    n_findings = mute_findings(_project(), entry, _today())
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
    who: Who = None,
) -> None:
    """Record a decision on an image; the next `dvc repro` applies it."""
    from datatools.fixes.make import decide

    what: dict[str, Any] = {"label": label, "confirm": confirm, "exclude": exclude, "include": include}
    _echo_records(decide(_project(), image, **what, why=why, who=_who(who)))


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
    project = _project()
    if page is not None:
        from datatools.report.queue_page import save_queue_page

        typer.echo(f"{page}: {save_queue_page(project, page)} images; `datatools fixes import` takes in what it saves")
        return
    from datatools.review.run import open_review, save_review

    if save:
        _echo_records(save_review(project, _who(who)))
        return
    typer.echo("starting the app ...", err=True)
    with open_review(project, port, _who(who)) as running:
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
    """Measure what the fixes bought: accuracy with and without them on the same corrected test set."""
    from datatools.lift import measure_lift
    from datatools.progress import progress
    from datatools.report.lift_page import save_lift, to_lift_markdown

    project = _project()
    with progress("lift: trainings", 2 * seeds) as tick:
        found = measure_lift(project, before, seeds, tick)
    save_lift(project.report.parent, found)
    typer.echo(to_lift_markdown(found), nl=False)


@app.command()
def doctor() -> None:
    """Check the environment and say what to do; exit code 1 where something will fail."""
    from datatools.doctor import PROBLEM, examine

    answers = examine(_project())
    for answer in answers:
        typer.echo(f"{answer.state:<8} {answer.about:<11} {answer.text}")
    if any(answer.state == PROBLEM for answer in answers):
        raise typer.Exit(1)


@fixes_app.command("log")
def fixes_log() -> None:
    """List every record, oldest first, with what became of it at the last `dvc repro`."""
    from datatools.fixes.log import list_records

    for line in list_records(_project()):
        typer.echo(line)


@fixes_app.command("show")
def fixes_show(record_id: Annotated[str, typer.Argument(metavar="ID", help="Id, or its first characters.")]) -> None:
    """Print one record with all that is known of it."""
    from datatools.fixes.history import find_record, list_fields, load_decided

    for name, value in list_fields(find_record(load_decided(_project())[0], record_id)):
        typer.echo(f"{name:<14} {value}")


@fixes_app.command("blame")
def fixes_blame(
    name: Annotated[str, typer.Argument(metavar="ANNOTATION", help="Annotation id, or image path.")],
) -> None:
    """Print who decided what about an annotation or an image, oldest first."""
    from datatools.fixes.history import find_story, load_decided
    from datatools.fixes.log import to_lines

    for line in to_lines(find_story(load_decided(_project())[0], name)):
        typer.echo(line)


@fixes_app.command("check")
def fixes_check() -> None:
    """Say which records cannot be read or applied, and where people disagree; exit with 1 where there are any."""
    from datatools.fixes.checking import check_fixes

    problems = list(check_fixes(_project()))
    for problem in problems:
        typer.echo(f"{problem.where}: {problem.message}")
    if problems:
        raise typer.Exit(1)


@fixes_app.command("stats")
def fixes_stats() -> None:
    """Count the decisions by person, class, annotator and side, and say how well the queue aimed."""
    from datatools.fixes.stats import count_decisions, write_stats

    for line in write_stats(count_decisions(_project())):
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

    _echo_records(settle(_project(), image, label=label, exclude=exclude, why=why, who=_who(who)))


@fixes_app.command("import")
def fixes_import(
    file: Annotated[Path, typer.Argument(help="Fix records, a JSON object a line, as the review page saves them.")],
) -> None:
    """Take in fix records that were made elsewhere; those that are there already are passed over."""
    from datatools.fixes.importing import import_records

    done = import_records(_project(), file)
    _echo_records(done.records)
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

    for offered in list_offers(_project(), code.upper(), path):
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

    _echo_records(accept_offers(_project(), code, path, why=why, who=_who(who)))


@fixes_app.command("revert")
def fixes_revert(
    record_id: Annotated[str, typer.Argument(metavar="ID", help="Id of the record, or its first characters.")],
    why: Why = "reverted",
    who: Who = None,
) -> None:
    """Take a record back, by a new record; the old one stays."""
    from datatools.fixes.make import revert

    record = revert(_project(), record_id, why=why, who=_who(who))
    typer.echo(f"{record.id}  reverts {record.reverts}; `dvc repro` applies it")


@split_app.command("verify")
def split_verify(
    search: Annotated[bool, typer.Option("--search", help="Also search the near-duplicates again.")] = False,
) -> None:
    """Count every promise of the split again; exit with 1 where one is broken, 2 where files are missing or out of date."""
    from datatools.split.verification import verify_split

    promises = verify_split(_project(), search)
    for promise in promises:
        typer.echo(f"{'kept' if promise.kept else 'BROKEN':<6}  {promise.name}: {promise.text}")
    if not all(promise.kept for promise in promises):
        raise typer.Exit(1)


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
        done = export_queue(_project(), folder, to, code, images, tick)
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
    done = import_edits(_project(), source, export, who=_who(who), why=why, **options)
    for line in to_import_lines(done):
        typer.echo(line)
    _echo_records(done.records)


@sample_app.command("list")
def sample_list() -> None:
    """List the samples."""
    from datatools.samples.registry import SAMPLES

    for sample in SAMPLES.values():
        typer.echo(f"{sample.name}  {sample.summary}")


@sample_app.command("make")
def sample_make(
    name: str,
    images: Annotated[Optional[int], typer.Option(min=50, help="Fewer images than the whole sample.")] = None,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    if_missing: Annotated[bool, typer.Option("--if-missing", help="Do nothing where data/raw has files.")] = False,
) -> None:
    """Lay a sample out as data/raw."""
    from datatools.progress import progress
    from datatools.samples.registry import make_sample

    project = _project()
    if if_missing and project.raw.exists() and any(project.raw.iterdir()):
        return
    with progress(f"sample {name}: images") as tick:
        n_files = make_sample(name, project.raw, project.answer_key, seed, images, tick)
    typer.echo(
        f"{n_files} images in {_shown(project.raw)}; the planted faults are listed in {_shown(project.answer_key)}"
    )


@sample_app.command("score")
def sample_score() -> None:
    """Compare findings and queue with the sample's answer key."""
    from datatools.samples.score import score_project, to_lines

    for line in to_lines(score_project(_project())):
        typer.echo(line)


def _sample_maker(name: str, tick: Callable[[int], None]) -> Callable[[Project], Mapping[str, str]]:
    from datatools.samples.registry import find_sample, make_sample

    sample = find_sample(name)

    def lay_out(project: Project) -> Mapping[str, str]:
        """Fill the data root."""
        make_sample(name, project.raw, project.answer_key, tick=tick)
        return sample.params

    return lay_out


def _source_name(source: Path | None, name: str | None) -> str:
    if name and name.strip():
        return name.strip()
    file = source.resolve().name if source else ""
    return file.split(".")[0] or "data"


def _echo_records(records: Sequence[FixRecord]) -> None:
    for record in records:
        target = record.annotation_id or record.path
        change = f"{record.before} -> {record.after}" if record.op == "relabel" else record.op
        typer.echo(f"{record.id}  {target}  {change}")
    if records:
        typer.echo("recorded; `dvc repro` applies it, `datatools fixes revert ID` takes it back")
    else:
        typer.echo("nothing new was decided")


def _today() -> datetime.date:
    return datetime.datetime.now(datetime.UTC).date()


def _project() -> Project:
    return find_project(Path.cwd())


def _shown(path: Path) -> str:
    return path.relative_to(Path.cwd()).as_posix() if path.is_relative_to(Path.cwd()) else str(path)


def _who(who: str | None) -> str:
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
