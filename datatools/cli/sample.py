"""`datatools sample`: data sets to try datatools on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Optional

import typer

from datatools.cli.common import find_here, shown
from datatools.project import Project

sample_app = typer.Typer(
    no_args_is_help=True, help="Samples to try datatools on, and how well their planted faults were found."
)


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

    project = find_here()
    if if_missing and project.raw.exists() and any(project.raw.iterdir()):
        return
    with progress(f"sample {name}: images") as tick:
        n_files = make_sample(name, project.raw, project.answer_key, seed, images, tick)
    typer.echo(
        f"{n_files} images in {shown(project.raw)}; the planted faults are listed in {shown(project.answer_key)}"
    )


@sample_app.command("score")
def sample_score() -> None:
    """Compare findings and queue with the sample's answer key."""
    from datatools.samples.score import score_project, to_lines

    for line in to_lines(score_project(find_here())):
        typer.echo(line)


def sample_maker(name: str, tick: Callable[[int], None]) -> Callable[[Project], Mapping[str, str]]:
    """What lays out the sample called `name`; raises DatatoolsError for an unknown one."""
    from datatools.samples.registry import find_sample, make_sample

    sample = find_sample(name)

    def lay_out(project: Project) -> Mapping[str, str]:
        """Fill the data root."""
        make_sample(name, project.raw, project.answer_key, tick=tick)
        return sample.params

    return lay_out
