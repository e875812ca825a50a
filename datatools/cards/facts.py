"""What a card says of a data set, collected from what the stages wrote."""

from __future__ import annotations

import datetime
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from datatools.cards.licences import Conflict, Licence, find_conflicts
from datatools.cards.sources import FILE, SourceNote, find_note, load_sources, name_licences, name_sources
from datatools.checks.runner import load_titles
from datatools.dataset import Dataset, load_dataset
from datatools.findings import concat
from datatools.git import ask_git, find_commit
from datatools.mutes import apply_mutes, load_mutes
from datatools.params import ReportParams, load_params
from datatools.project import Project
from datatools.provenance import list_changing
from datatools.release.tags import list_releases
from datatools.report.sections import Section, count_classes, count_findings
from datatools.schema import AUGMENTED, CONSENSUS, FINDINGS, FIX_STATUS, QUARANTINE, REJECTED, SIDES, SPLIT, Table
from datatools.store import load_if_there, load_json
from datatools.trace.past import load_past, open_state

SIZES = (
    (1_000, "n<1K"),
    (10_000, "1K<n<10K"),
    (100_000, "10K<n<100K"),
    (1_000_000, "100K<n<1M"),
    (10_000_000, "1M<n<10M"),
)
DATASET = "data/dataset/dataset.json"
LARGEST = "10M<n<100M"
TASKS = {"label": "image-classification", "box": "object-detection", "mask": "image-segmentation"}


@dataclass(frozen=True)
class CardFacts:
    """A data set as its card tells it."""

    name: str
    version: str | None  # of the last release that has this very data set; None: there is none
    commit: str | None
    committed: str | None  # day of the commit: no clock, so that the same commit gives the same card
    url: str | None  # of the Git remote, where it is one that anybody can open
    dataset: Dataset
    split: pd.DataFrame
    certificate: Mapping[str, Any]
    classes: Sequence[Section]  # class, n, share, train, val, test, objects
    tasks: Sequence[str]
    annotators: Mapping[str, int]  # -> annotations
    agreement: Mapping[str, Any]
    findings: Section
    fixes: Mapping[str, int]  # operation -> records that were applied
    rejected: Mapping[str, int]  # reason -> files and rows
    n_copies: int
    notes: Sequence[SourceNote]
    sources: pd.Series  # path -> name of its source
    licences: Mapping[str, Licence]  # by path
    conflicts: Sequence[Conflict]

    @property
    def size_category(self) -> str:
        """As Hugging Face has it."""
        return next((name for limit, name in SIZES if len(self.dataset.images) < limit), LARGEST)

    @property
    def distinct(self) -> list[Licence]:
        """Every licence once, that of most images first."""
        counts = pd.Series([licence.id for licence in self.licences.values()], dtype="object").value_counts()
        by_id = {licence.id: licence for licence in self.licences.values()}
        return [by_id[name] for name in sorted(counts.index, key=lambda name: (-counts[name], name))]

    def list_sources(self) -> list[dict[str, Any]]:
        """Each source and licence with its number of images and what data/sources.yaml says of it."""
        counts = Counter(
            (str(name), self.licences[path].id, find_note(self.notes, name, path))
            for path, name in self.sources.items()
        )
        rows = [
            {"name": name, "licence": licence, "images": n, "note": note} for (name, licence, note), n in counts.items()
        ]
        return sorted(rows, key=lambda row: (row["name"], -row["images"], row["licence"]))


def collect_facts(project: Project) -> CardFacts:
    """Read what a card says. Raises DatatoolsError before the first `dvc repro`, and for a broken data/sources.yaml."""
    dataset = load_dataset(project.dataset)
    split = _load(project, "split/split.parquet", SPLIT)
    findings = concat([_load(project, f"findings/{name}.parquet", FINDINGS) for name in ("validate", "curate")])
    status = _load(project, "dataset/fixes.parquet", FIX_STATUS)
    copies = _load(project, "augmented/annotations.parquet", AUGMENTED)
    notes = load_sources(project.root / FILE)
    sources = name_sources(dataset.images, project.raw)
    licences = name_licences(dataset.images, sources, notes, project.raw)
    changed = status[status["id"].isin(list_changing(status))]
    n_copies = int(copies["path"].nunique())
    commit, committed = find_commit(project.root), _find_day(project)
    return CardFacts(
        name=load_params(project.params, ReportParams).title or project.root.name,
        version=_find_version(project),
        commit=commit,
        committed=committed,
        url=_find_url(project),
        dataset=dataset,
        split=split,
        certificate=_load_json(project, "data/split/certificate.json"),
        classes=_count_classes(dataset, split),
        tasks=_list_tasks(dataset),
        annotators=_count_annotators(dataset),
        agreement=_load_json(project, "reports/validate.json").get("agreement") or {},
        findings=_count_findings(project, findings, committed),
        fixes=_count(changed["op"]),
        rejected=_count(_load(project, "dataset/rejected.parquet", REJECTED)["reason"]),
        n_copies=n_copies,
        notes=notes,
        sources=sources,
        licences=licences,
        conflicts=find_conflicts(licences.values(), augmented=n_copies > 0),
    )


def _count_classes(dataset: Dataset, split: pd.DataFrame) -> list[Section]:
    objects = dataset.objects["label"].value_counts()
    return [{**row, "objects": int(objects.get(row["class"], 0))} for row in count_classes(dataset, split)]


def _list_tasks(dataset: Dataset) -> list[str]:
    """What the annotations are good for; a label that was only derived from objects is no task of its own."""
    rows = dataset.annotations[dataset.annotations["source"] != "objects"]
    kinds = set(rows["kind"].dropna())
    return [task for kind, task in TASKS.items() if kind in kinds]


def _count_annotators(dataset: Dataset) -> dict[str, int]:
    rows = dataset.annotations["annotator"]
    return _count(rows[rows != CONSENSUS])


def _count_findings(project: Project, findings: pd.DataFrame, committed: str | None) -> Section:
    """By code, mutes as they stood on the day of the commit."""
    day = datetime.date.fromisoformat(committed) if committed else datetime.date.min
    muted = apply_mutes(findings, load_mutes(project.mutes), day).is_muted.tolist()
    return count_findings(findings, load_titles(), muted)


def _count(column: pd.Series) -> dict[str, int]:
    """Value -> how often, the most frequent first."""
    counts = column.dropna().value_counts()
    return {str(name): int(counts[name]) for name in sorted(counts.index, key=lambda name: (-counts[name], name))}


def count_sides(split: pd.DataFrame) -> dict[str, int]:
    """Images on each side, and in quarantine where there are any."""
    counts = split["split"].value_counts()
    sides = {side: int(counts.get(side, 0)) for side in SIDES}
    return sides | ({QUARANTINE: int(counts[QUARANTINE])} if QUARANTINE in counts else {})


def _load(project: Project, name: str, table: Table) -> pd.DataFrame:
    return load_if_there(project.root / "data" / name, table)


def _load_json(project: Project, name: str) -> dict[str, Any]:
    file = project.root / name
    return load_json(file) if file.exists() else {}


def _find_version(project: Project) -> str | None:
    """The last release whose data set is the one on disk."""
    now = load_past(project.root, 1).now
    md5 = now.find_out(DATASET) if now else None
    for release in reversed(list_releases(project.root, "data")) if md5 else ():
        state = open_state(project.root, f"refs/tags/{release.tag}")
        if state and state.find_out(DATASET) == md5:
            return str(release.version)
    return None


def _find_day(project: Project) -> str | None:
    return ask_git(project.root, "log", "-1", "--format=%cs").strip() or None


def _find_url(project: Project) -> str | None:
    """The address of the remote `origin` as a page, without user and password; None for one that is no page."""
    url = ask_git(project.root, "config", "--get", "remote.origin.url").strip()
    found = re.fullmatch(r"(?:https?://(?:[^@/]*@)?|git@|ssh://git@)([\w.-]+)[:/](.+?)(?:\.git)?/?", url)
    return f"https://{found[1]}/{found[2]}" if found else None
