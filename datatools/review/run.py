"""`datatools review`: open a project's queue in the App, and save what was decided there."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from datatools.dataset import load_dataset
from datatools.fixes.records import FixRecord, load_records, now
from datatools.project import Project
from datatools.review.app import PORT, ReviewApp, open_app
from datatools.review.cards import load_deck
from datatools.review.decisions import save_decisions
from datatools.review.failures import add_failures
from datatools.review.layout import save_own_view
from datatools.review.load import find_review, load_review
from datatools.review.map import load_nearby
from datatools.review.mongod import run_mongod
from datatools.review.showing import show_standings
from datatools.review.sitting import Sitting
from datatools.schema import FIX_STATUS, QUEUE
from datatools.store import load_json, load_table
from datatools.unpack import place_files

if TYPE_CHECKING:
    import fiftyone as fo


@contextlib.contextmanager
def open_review(project: Project, port: int = PORT, who: str = "") -> Iterator[ReviewApp]:
    """Serve the queue of `project` in the App, on 127.0.0.1 at `port` or the next free one, until the block ends.

    Decisions by key or button are records of `who`. Raises MissingExtraError without FiftyOne; DatatoolsError without a
    queue, a mongod or a free port.
    """
    with run_mongod(project.root):
        files = prepare_review(project, who)
        with open_app(project.root, files, port, who) as app:
            yield app


def prepare_review(project: Project, who: str = "") -> Path:
    """Bring the App's data set up to date with the tables and the records; returns the folder that has the images.

    Call it inside run_mongod.
    """
    dataset, queue = load_dataset(project.dataset), load_table(project.queue, QUEUE)
    queue = add_failures(queue, project.metrics.parent / "failures.csv", dataset.images["path"])
    records, _ = load_records(project.fixes)
    files = place_files(project.raw, queue["path"].unique(), project.images)
    base = str(load_json(project.dataset / "dataset.json")["version"])  # a hash over all tables, known already
    nearby = load_nearby(project.neighbors, queue["path"].tolist())
    review = load_review(
        dataset, queue, files, records, _load_status(project), base=base, nearby=nearby, project=project.root
    )
    _show_decisions(review, project, who)
    return files


def _show_decisions(review: fo.Dataset, project: Project, who: str) -> None:
    """What was decided since, also where a kill came between the record and the App."""
    sitting = Sitting(load_deck(project.root), project.fixes, who)
    show_standings(review, sitting.standings())
    if who:
        save_own_view(review, who)


def save_review(project: Project, who: str) -> list[FixRecord]:
    """Turn what was decided in the App, open or not, into fix records of `who`; return the new ones.

    Raises MissingExtraError without FiftyOne; DatatoolsError without a review, or for a label that is no class.
    """
    dataset = load_dataset(project.dataset)
    with run_mongod(project.root):
        return save_decisions(find_review(), dataset, project.fixes, who, now(), _load_status(project))


def _load_status(project: Project) -> pd.DataFrame:
    return load_table(project.dataset / "fixes.parquet", FIX_STATUS)
