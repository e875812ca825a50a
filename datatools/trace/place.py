"""What a trace reads of the project on disk, each table once and only when it is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from datatools.dataset import Dataset, load_dataset
from datatools.findings import concat
from datatools.fixes.history import Decided, load_decided
from datatools.project import LAYOUT, Project
from datatools.schema import AUGMENTED, FINDINGS, PAIRS, PREDICTIONS, QUEUE, REJECTED, SPLIT
from datatools.split.ledger import FILE, load_ledger
from datatools.store import load_if_there, load_json
from datatools.trace.past import Past, load_past

WEIGHTS = f"{LAYOUT['models']}/model.safetensors"
FACTS = f"{LAYOUT['models']}/model.json"
METRICS = LAYOUT["metrics"]
EVALUATED = Path(METRICS).parent
AUGMENTED_TABLE = f"{LAYOUT['augmented']}/annotations.parquet"
SPLIT_TABLE = f"{LAYOUT['split']}/split.parquet"
N_COMMITS = 50  # versions of dvc.lock that are looked at


@dataclass(frozen=True)
class Place:
    """A project and how far back to look. What a stage has not written yet is an empty table."""

    project: Project
    n_commits: int = N_COMMITS

    @cached_property
    def past(self) -> Past:
        """The states that Git knows."""
        return load_past(self.project.root, self.n_commits)

    @cached_property
    def dataset(self) -> Dataset:
        """The data set; raises DatatoolsError before the first `dvc repro`."""
        return load_dataset(self.project.dataset)

    @cached_property
    def rejected(self) -> pd.DataFrame:
        """REJECTED."""
        return load_if_there(self.project.dataset / "rejected.parquet", REJECTED)

    @cached_property
    def decided(self) -> list[Decided]:
        """All fix records and what became of them."""
        return load_decided(self.project)[0]

    @cached_property
    def split(self) -> pd.DataFrame:
        """SPLIT."""
        return load_if_there(self.project.split / "split.parquet", SPLIT)

    @cached_property
    def ledger(self) -> pd.DataFrame:
        """LEDGER."""
        return load_ledger(self.project.split / FILE)

    @cached_property
    def pairs(self) -> pd.DataFrame:
        """PAIRS."""
        return load_if_there(self.project.neighbors / "pairs.parquet", PAIRS)

    @cached_property
    def findings(self) -> pd.DataFrame:
        """FINDINGS of both finders."""
        return concat([load_if_there(path, FINDINGS) for path in (self.project.findings, self.project.model_findings)])

    @cached_property
    def queue(self) -> pd.DataFrame:
        """QUEUE."""
        return load_if_there(self.project.queue, QUEUE)

    @cached_property
    def copies(self) -> pd.DataFrame:
        """AUGMENTED."""
        return load_if_there(self.project.root / AUGMENTED_TABLE, AUGMENTED)

    @cached_property
    def predictions(self) -> pd.DataFrame:
        """PREDICTIONS."""
        return load_if_there(self.project.root / EVALUATED / "predictions.parquet", PREDICTIONS)

    @cached_property
    def model(self) -> dict[str, Any] | None:
        """models/model.json; None where no model was trained."""
        file = self.project.root / FACTS
        return load_json(file) if file.is_file() else None
