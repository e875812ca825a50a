"""Reading what the stages before the report wrote."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from datatools.checks.runner import load_titles
from datatools.dataset import load_dataset
from datatools.findings import concat
from datatools.git import find_commit
from datatools.mutes import apply_mutes, load_mutes
from datatools.report.summary import ReportInputs
from datatools.schema import FINDINGS, FIX_STATUS, QUEUE, REJECTED, SPLIT
from datatools.store import load_json, load_table

PICTURES = ("confusion", "tsne", "curves")


@dataclass(frozen=True)
class ReportPaths:
    """Where the stages wrote: folders, but for the findings, the queue, three JSON documents and a picture; and the mutes."""

    dataset: Path
    findings: Path
    validate: Path
    model_findings: Path
    queue: Path
    split: Path
    augmented: Path
    curate: Path
    lift: Path
    evaluate: Path
    model: Path
    picture: Path
    mutes: Path


def load_inputs(paths: ReportPaths, name: str) -> ReportInputs:
    """Read everything the report needs; `name` is its headline if params give none. Raises DatatoolsError."""
    pictures = {title: (paths.evaluate / f"{title}.png").read_bytes() for title in PICTURES}
    confusions = pd.read_csv(
        paths.evaluate / "top_confusions.csv", dtype={"actual": str, "predicted": str}, keep_default_na=False
    )
    findings = concat([load_table(path, FINDINGS) for path in (paths.findings, paths.model_findings)])
    today = datetime.datetime.now(datetime.UTC).date()
    return ReportInputs(
        dataset=load_dataset(paths.dataset),
        rejected=load_table(paths.dataset / "rejected.parquet", REJECTED),
        fixes=load_table(paths.dataset / "fixes.parquet", FIX_STATUS),
        findings=findings,
        is_muted=apply_mutes(findings, load_mutes(paths.mutes), today).is_muted.tolist(),
        queue=load_table(paths.queue, QUEUE),
        split=load_table(paths.split / "split.parquet", SPLIT),
        certificate=load_json(paths.split / "certificate.json"),
        augmented=load_json(paths.augmented / "augmented.json"),
        metrics={
            **load_json(paths.evaluate / "metrics.json"),
            "classes": load_json(paths.evaluate / "classes.json"),
        },
        confusions=confusions.to_dict("records"),
        curate=load_json(paths.curate),
        lift=load_json(paths.lift),
        agreement=load_json(paths.validate)["agreement"],
        record=load_json(paths.model / "model.json")["record"],
        pictures={**pictures, "augmented": paths.picture.read_bytes()},
        titles=load_titles(),
        name=name,
        commit=find_commit(paths.dataset),
    )
