"""What is said about clean real data, read as it came: every warning or error is a false alarm."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from datatools.ingest import ingest
from datatools.params import IngestParams, ValidateParams
from quality import pylidc
from quality.board import Board, Clean, write_coco, write_table
from quality.clean import FOLDERS, list_faults, unpack
from quality.measure import validate
from quality.peers import Peers

OF_ITS_READER = "UndefinedAttribute"  # Datumaro says it of the `is_crowd` that its own COCO reader adds: not counted
ASKED = {pylidc.NAME: ("BOX", "MSK")}  # its pictures are not real, and that radiologists differ is no false alarm


@dataclass
class CleanScore:
    """Findings on one set that is clean, by code; `reports` are Datumaro's, about the same images and annotations."""

    name: str
    n_images: int
    n_annotations: int
    alarms: Counter[str] = field(default_factory=Counter)
    infos: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)  # the real faults left out, by what they are
    known: Counter[str] = field(default_factory=Counter)  # what is found on them, by code
    reports: Counter[str] | None = None  # None: not asked
    n_asked: int = 0  # annotations that Datumaro was asked about
    examples: list[str] = field(default_factory=list)

    @property
    def per_1000(self) -> float:
        return 1000 * self.alarms.total() / max(self.n_annotations, 1)

    @classmethod
    def total(cls, scores: Sequence[CleanScore]) -> CleanScore:
        """All sets together."""
        whole = cls("all", sum(score.n_images for score in scores), sum(score.n_annotations for score in scores))
        for score in scores:
            whole.alarms.update(score.alarms)
            whole.infos.update(score.infos)
            if score.reports is not None:
                whole.reports = (whole.reports or Counter()) + score.reports
                whole.n_asked += score.n_asked
        return whole

    def to_row(self) -> str:
        """A line of the table."""
        cells = [self.name, self.n_images, self.n_annotations, self.alarms.total(), f"{self.per_1000:.2f}"]
        cells += [to_words(self.alarms), to_words(self.infos)]
        if self.reports is None:
            return f"| {' | '.join(map(str, [*cells, '-', '-']))} |"
        share = f"{1000 * self.reports.total() / max(self.n_asked, 1):.2f}"
        return f"| {' | '.join(map(str, [*cells, share, to_words(self.reports)]))} |"


def measure_clean(name: str, clean: Clean, shared: Path, work: Path, peers: Peers | None = None) -> CleanScore:
    """Read the set's own files; leave out what is said of the real faults, which are known."""
    root = unpack(name, shared, work)
    faults = list_faults(name, root)
    score = CleanScore(name, len(clean.files), clean.n_annotations, faults=Counter(faults.values()))
    for folder in FOLDERS[name](root):
        read = ingest(folder, IngestParams(), cache=work / "cache")
        gone = {path for path in faults if path in set(read.dataset.images["path"])}
        findings = validate(read, ValidateParams())
        for row in findings[findings["code"].str.startswith(ASKED.get(name, ("",)))].to_dict("records"):
            about = [row["path"], row["annotation_id"], f"{row['code']} {row['path']}"]
            if any(not pd.isna(value) and (value in faults or value in gone) for value in about):
                score.known[row["code"]] += 1
                continue
            if row["severity"] == "info":
                score.infos[row["code"]] += 1
            else:
                score.alarms[row["code"]] += 1
                score.examples.append(f"{row['code']} {row['path']} {row['annotation_id']} {row['message']}")
    has_mask = {"segmentation" in row for row in clean.document["annotations"]}
    if peers is not None and len(has_mask) == 1:  # boxes and masks together are no task of Datumaro's
        score.n_asked = score.n_annotations
        score.reports = Counter(_reports(clean, work, peers))
    return score


def _reports(clean: Clean, work: Path, peers: Peers) -> dict[str, int]:
    reports = peers.reports(write_clean(clean, work))
    return {kind: n for kind, n in reports.items() if kind != OF_ITS_READER and not kind.endswith("(info)")}


def write_clean(clean: Clean, work: Path) -> Path:
    """The set as the peers read it: COCO, or a table where it has labels only."""
    folder = work / f"clean-{clean.name}"
    if not folder.exists():
        is_labels = not any("bbox" in row or "segmentation" in row for row in clean.document["annotations"])
        (write_table if is_labels else write_coco)(Board(clean, random.Random(0)), folder)
    return folder


def to_words(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {n}" for name, n in counts.most_common()) or "none"
