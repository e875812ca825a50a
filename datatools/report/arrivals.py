"""What init, import and convert say at the end: counts, what was left out, what to do next."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from datatools.convert import REPORT, Converted, count_losses
from datatools.import_data import Imported
from datatools.init import Started
from datatools.report.words import count, plural, visible

SHOWN = 5


def to_started_lines(started: Started, folder: Path) -> Iterator[str]:
    """Lines about a project that was started."""
    at_top = [name for name in started.written if "/" not in name]
    n_below = len(started.written) - len(at_top)
    more = f" and {plural(n_below, 'file')} below {'it' if len(at_top) == 1 else 'them'}" if at_top and n_below else ""
    yield f"wrote {', '.join(at_top or started.written) or 'nothing new'}{more}"
    if started.kept:
        yield f"kept as they were: {', '.join(started.kept)}"
    if "dvc.yaml" not in (*started.written, *started.kept):
        yield "next: commit them; the head of each says what it needs"
        return
    if started.imported:
        yield from to_import_lines(started.imported, started.project.root, add=False)
    change = "" if folder == Path(".") else f"cd {shlex.quote(str(folder))} && "
    yield f"next: {change}dvc repro && datatools summary"


def to_import_lines(done: Imported, root: Path, add: bool = True) -> Iterator[str]:
    """Lines about an import."""
    formats = ", ".join(done.formats) or "images without annotations"
    yield f"read as {formats}"
    if done.batch is None:
        yield "nothing is new: data/raw stays as it is"
    else:
        yield (
            f"{plural(done.n_images, 'new or changed image')}, {plural(done.n_annotations, 'new or changed annotation')}, "
            f"{count(done.n_removed)} taken away -> {done.batch.relative_to(root).as_posix()}"
        )
    yield from _older_lines(done)
    yield from _rejected_lines(done.rejected)
    if not done.formats:
        yield "no annotations were recognised: `datatools formats` says what is read, --format NAME names it"
    if done.label_column:
        column = visible(done.label_column)
        yield f"no labels: the column {column} of metadata.csv is metadata; if it is the class, call the file labels.csv and import again"
    if add and done.batch is not None:
        yield "next: dvc add data/raw && dvc repro"


def _older_lines(done: Imported) -> Iterator[str]:
    """What became of images that the source had brought before."""
    if done.replaced:
        more = f" and {count(len(done.replaced) - 1)} more" if len(done.replaced) > 1 else ""
        yield f"replaced, as they have other bytes now: {visible(done.replaced[0])}{more}"
    if done.n_staying:
        images = plural(done.n_staying, "image")
        yield f"kept, though the source no longer has them: {images} (with --mirror they are taken away)"


def to_convert_lines(done: Converted, target: Path) -> Iterator[str]:
    """Lines about a conversion."""
    yield (
        f"{', '.join(done.formats) or 'images'} -> {target}: {plural(done.n_images, 'image')}, "
        f"{plural(done.n_annotations, 'annotation')}"
    )
    for name, message, n in count_losses(done.losses)[:SHOWN]:
        yield f"lost: {visible(name)} ({count(n)}): {visible(message)}"
    yield from _rejected_lines(done.rejected)
    if len(done.losses) or len(done.rejected):
        yield f"every loss is listed in {target / REPORT}"
    else:
        yield "nothing was lost"


def _rejected_lines(rejected: pd.DataFrame) -> Iterator[str]:
    for reason, rows in rejected.groupby("reason", sort=True):
        first = rows.iloc[0]
        row = "" if pd.isna(first["row"]) else f":{first['row']}"
        more = f" and {count(len(rows) - 1)} more" if len(rows) > 1 else ""
        yield f"left out, {reason}: {visible(first['source'])}{row}: {visible(first['message'])}{more}"
