"""`datatools review`: open a project's queue in the App, and save what was decided there."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pandas as pd

from datatools.dataset import load_dataset
from datatools.fixes.records import FixRecord, load_records, now
from datatools.project import Project
from datatools.review.app import PORT, ReviewApp, open_app
from datatools.review.decisions import save_decisions
from datatools.review.load import find_review, load_review
from datatools.review.mongod import run_mongod
from datatools.schema import FIX_STATUS, QUEUE
from datatools.store import load_table
from datatools.unpack import place_files


@contextlib.contextmanager
def open_review(project: Project, port: int = PORT) -> Iterator[ReviewApp]:
    """Serve the queue of `project` in the App, on 127.0.0.1 at `port` or the next free one, until the block ends.

    Raises MissingExtraError without FiftyOne; DatatoolsError without a queue, a mongod or a free port.
    """
    dataset, queue = load_dataset(project.dataset), load_table(project.queue, QUEUE)
    records, _ = load_records(project.fixes)
    files = place_files(project.raw, queue["path"].unique(), project.images)
    with run_mongod(project.root):
        load_review(dataset, queue, files, records, _load_status(project))
        with open_app(project.root, files, port) as app:
            yield app


def save_review(project: Project, who: str) -> list[FixRecord]:
    """Turn what was decided in the App, open or not, into fix records of `who`; return the new ones.

    Raises MissingExtraError without FiftyOne; DatatoolsError without a review, or for a label that is no class.
    """
    dataset = load_dataset(project.dataset)
    with run_mongod(project.root):
        return save_decisions(find_review(), dataset, project.fixes, who, now(), _load_status(project))


def _load_status(project: Project) -> pd.DataFrame:
    return load_table(project.dataset / "fixes.parquet", FIX_STATUS)
