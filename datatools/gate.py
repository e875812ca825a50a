"""The step that fails a CI run: are there findings worse than allowed, or, as a ratchet, more of them than before?"""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from datatools.errors import DatatoolsError
from datatools.findings import concat, is_crash
from datatools.mutes import Muted, apply_mutes, load_mutes
from datatools.packed import among
from datatools.project import LAYOUT, Project
from datatools.revisions import find_stale, load_stages
from datatools.schema import FINDINGS, IMAGES, SEVERITIES
from datatools.store import load_table
from datatools.version_files import VersionFiles, open_files

STAGES = {"validate": "findings", "curate": "model_findings"}  # who writes findings, and where (Project)
WORST_ALLOWED = ("none", *SEVERITIES)
# What becomes of a finding, in the order in which it is decided.
FATES = ("crashed", "muted", "known", "newer check", "allowed", "failing")
CONTENT = ("path", "sha256")
IDENTITY = ["code", "path", "annotation_id", "subject"]


@dataclass(frozen=True)
class Findings:
    """The findings of the project on disk and of which stages they are; why they are out of date, if they are."""

    table: pd.DataFrame
    stages: tuple[str, ...]
    stale: str


@dataclass(frozen=True)
class Baseline:
    """What was known before: findings, images (path, sha256), and the version of each check where that is recorded."""

    name: str
    findings: pd.DataFrame
    images: pd.DataFrame
    versions: Mapping[str, int] | None


@dataclass(frozen=True)
class Verdict:
    """What the gate says: `fates` has one of FATES for each row of `findings`."""

    findings: pd.DataFrame
    fates: NDArray[np.object_]
    muted: Muted
    max_severity: str
    stages: tuple[str, ...]
    against: str = ""

    @property
    def passed(self) -> bool:
        """Whether nothing fails: no finding that counts, and no check that crashed."""
        return not np.isin(self.fates, ("failing", "crashed")).any()

    def of(self, *fates: str) -> pd.DataFrame:
        """The findings that have one of these fates."""
        return self.findings[np.isin(self.fates, fates)]


def run_gate(project: Project, max_severity: str, against: str | None, today: datetime.date) -> Verdict:
    """Judge the findings of the last `dvc repro`; with `against`, only those that this Git revision did not have.

    Raises DatatoolsError where findings are missing or are not those of the data, code and parameters on disk: a gate
    that does not know does not pass.
    """
    if max_severity not in WORST_ALLOWED:
        raise DatatoolsError(f"--max-severity must be one of {', '.join(WORST_ALLOWED)}. Got {max_severity!r} instead.")
    found = load_findings(project)
    if found.stale:
        raise DatatoolsError(f"gate: expected findings of the data as it is. Got {found.stale}: run `dvc repro`.")
    muted = apply_mutes(found.table, load_mutes(project.mutes), today)
    baseline = load_baseline(open_files(project.root, against)) if against else None
    images = load_table(project.dataset / "images.parquet", IMAGES) if baseline else IMAGES.empty()
    fates = decide(found.table, muted, max_severity, images, baseline)
    return Verdict(found.table, fates, muted, max_severity, found.stages, against or "")


def load_findings(project: Project) -> Findings:
    """The findings on disk, of validate and, where it ran, of curate. Raises DatatoolsError where there are none."""
    recorded = load_stages(project.root)
    if "validate" not in recorded:
        raise DatatoolsError("dvc.lock: expected that the stage validate ran. Got no record of it: run `dvc repro`.")
    stages = tuple(name for name in STAGES if name in recorded)
    tables = [load_table(getattr(project, STAGES[name]), FINDINGS) for name in stages]
    return Findings(concat(tables), stages, find_stale(project.root, recorded, stages))


def load_baseline(revision: VersionFiles) -> Baseline:
    """What a revision knew. Raises DatatoolsError where its findings are neither here nor in the remote."""
    tables = {name: revision.load_table(LAYOUT[place], FINDINGS) for name, place in STAGES.items()}
    if tables["validate"] is None:
        raise DatatoolsError(
            f"{revision.name}: expected findings in its dvc.lock. Got none: name a revision whose pipeline ran."
        )
    images = revision.load_table(f"{LAYOUT['dataset']}/images.parquet", IMAGES, CONTENT)
    report = revision.load_json(LAYOUT["validation"])
    findings = concat([table for table in tables.values() if table is not None])
    return make_baseline(
        revision.name,
        findings,
        IMAGES.empty() if images is None else images,
        None if report is None else report["checks"],
    )


def make_baseline(
    name: str, findings: pd.DataFrame, images: pd.DataFrame, checks: Sequence[Mapping[str, Any]] | None
) -> Baseline:
    """What a version knew, of its findings, its images and the checks that ran (as reports/validate.json has them)."""
    if checks is None:
        return Baseline(name, findings, images, None)
    versions = {str(check["code"]): int(check.get("version", 1)) for check in checks}  # 1: older than versions are
    found = {str(code): int(version) for code, version in findings.groupby("code")["version"].max().items()}
    return Baseline(name, findings, images, versions | found)


def decide(
    findings: pd.DataFrame, muted: Muted, max_severity: str, images: pd.DataFrame, baseline: Baseline | None = None
) -> NDArray[np.object_]:
    """The fate of each finding. `images` are those of now; they matter only against a baseline.

    A finding is known if the baseline has one of the same code, path, annotation and subject that no other finding was
    matched to; a renamed image of equal content keeps its findings. A finding of a check that is newer than the
    baseline, on an image that was there already, says something about the check and not about new data.
    """
    fates = np.full(len(findings), "failing", object)
    severities = {name: rank for rank, name in enumerate(WORST_ALLOWED)}
    ranks = findings["severity"].map(severities).fillna(len(severities)).to_numpy(float)
    fates[ranks <= severities[max_severity]] = "allowed"
    if baseline is not None:
        is_old = find_known(findings, images, baseline)
        fates[_is_newer_check(findings, images, baseline)] = "newer check"
        fates[is_old] = "known"
    fates[muted.is_muted] = "muted"
    fates[is_crash(findings).to_numpy()] = "crashed"
    return fates


def find_known(findings: pd.DataFrame, images: pd.DataFrame, baseline: Baseline) -> NDArray[np.bool_]:
    """Which findings the baseline had: each of its findings stands for one."""
    renamed = find_renamed(images, baseline.images)
    now = [(code, renamed.get(path, path), *rest) for code, path, *rest in _identities(findings)]
    before = _identities(baseline.findings)
    known, left = _pair(now, before)
    # Annotations of a renamed image may have got other ids: ids can have the path in them.
    old_names = set(renamed.values())
    moved = [row for row, identity in enumerate(now) if identity[1] in old_names and not known[row]]
    also, _ = _pair([_without_id(now[row]) for row in moved], [_without_id(identity) for identity in left.elements()])
    for row, is_known in zip(moved, also):
        known[row] = is_known
    return np.array(known, bool)


def find_renamed(images: pd.DataFrame, before: pd.DataFrame) -> dict[str, str]:
    """New path -> old path of each image that went away under one name and came under another with the same bytes."""
    gone = before[~among(before["path"], set(images["path"].tolist()))].sort_values("path")
    came = images[~among(images["path"], set(before["path"].tolist()))].sort_values("path")
    numbered = [part.assign(n=part.groupby("sha256").cumcount())[["path", "sha256", "n"]] for part in (came, gone)]
    pairs = numbered[0].merge(numbered[1], on=["sha256", "n"], suffixes=("", "_before"))
    return dict(zip(pairs["path"], pairs["path_before"]))


def _identities(findings: pd.DataFrame) -> list[tuple[Any, ...]]:
    """Code, path, annotation and subject of each finding; None for a null."""
    columns = [findings[name].astype(object).where(findings[name].notna(), None) for name in IDENTITY]
    return list(zip(*columns))


def _without_id(identity: tuple[Any, ...]) -> tuple[Any, ...]:
    code, path, _, subject = identity
    return code, path, subject


def _pair(now: Sequence[Any], before: Sequence[Any]) -> tuple[list[bool], Counter[Any]]:
    """Which of `now` have a partner of their own in `before`, and what of `before` is left."""
    left = Counter(before)
    known = []
    for identity in now:
        known.append(left[identity] > 0)
        left[identity] -= known[-1]
    return known, left


def _is_newer_check(findings: pd.DataFrame, images: pd.DataFrame, baseline: Baseline) -> NDArray[np.bool_]:
    if baseline.versions is None:
        return np.zeros(len(findings), bool)
    version_before = findings["code"].map(baseline.versions).fillna(0).astype(int)
    same_content = set(images.loc[images["sha256"].isin(set(baseline.images["sha256"])), "path"])
    unread = set(baseline.findings["path"].dropna()) - set(
        images["path"]
    )  # an image that cannot be read has no content
    was_there = findings["path"].isna() | findings["path"].isin(same_content | unread)
    return ((findings["version"] > version_before) & was_there).to_numpy(bool)
