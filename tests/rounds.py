"""A project as rounds of review leave it, without running one: every table, a model, dvc.lock, DVC's cache, Git commits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from datatools.dataset import Dataset, label_id, save_dataset
from datatools.findings import Finding, concat
from datatools.fixes.records import FixRecord, append_records
from datatools.project import Project
from datatools.provenance import describe_fixes
from datatools.schema import (
    ANNOTATIONS,
    AUGMENTED,
    FINDINGS,
    FIX_STATUS,
    LEDGER,
    PAIRS,
    PREDICTIONS,
    QUEUE,
    REJECTED,
    SPLIT,
)
from datatools.split.ledger import save_ledger
from datatools.store import save_bytes, save_json, save_table
from tests.finished_runs import entry, found, git, start_project
from tests.small_data import fix_rows, make_dataset, split_table

FIRST, FIXED = "images/03.png", "images/02.png"  # both circles on the train side
RECORD = FixRecord(
    "relabel", "Rita", "2026-07-01T12:00:00.000000Z", "five points", path=FIXED, annotation_id=label_id(FIXED),
    before="circle", after="star", id="abcd000000000001",
)  # fmt: skip
STAGES: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "ingest": (
        ("data/fixes",),
        tuple(f"data/dataset/{name}" for name in (
            "images.parquet", "annotations.parquet", "dataset.json", "fixes.parquet", "rejected.parquet"
        )),
    ),
    "neighbors": (("data/dataset/images.parquet",), ("data/neighbors/pairs.parquet",)),
    "validate": (("data/dataset/images.parquet",), ("data/findings/validate.parquet", "reports/validate.json")),
    "split": (("data/dataset/images.parquet",), ("data/split/split.parquet", "data/split/certificate.json")),
    "augment": (("data/split/split.parquet",), ("data/augmented/annotations.parquet",)),
    "train": (
        ("data/dataset/annotations.parquet", "data/split/split.parquet", "data/augmented/annotations.parquet"),
        ("models/model.safetensors", "models/model.json"),
    ),
    "evaluate": (
        ("models/model.safetensors",), ("reports/evaluate/metrics.json", "reports/evaluate/predictions.parquet"),
    ),
}  # fmt: skip


def make_project(root: Path) -> Project:
    """A project after its first round: 24 images, a model that learnt them, one commit."""
    project = start_project(root)
    (root / "params.yaml").write_text(
        "ingest:\n  format: auto\nvalidate:\n  box_min_px: 2.0\nreport:\n  title: Shapes\n"
    )
    (root / "data" / "fixes" / "a.jsonl").write_text("")
    (root / ".gitignore").write_text("/.dvc/cache\n/data/*/*.parquet\n/data/dataset\n/models\n/reports/*.json\n")
    return finish_round(project, make_dataset(), commit="First run")


def relabel_one(project: Project, commit: str = "A label put right") -> Project:
    """A second round: RECORD is applied, and another model learnt it."""
    append_records(project.fixes / "2026-07-01-rita.jsonl", [RECORD])
    dataset = make_dataset()
    rows = dataset.annotations
    hit = rows["annotation_id"] == RECORD.annotation_id
    fixed = rows.assign(
        label=rows["label"].mask(hit, RECORD.after), source=rows["source"].mask(hit, f"fix/{RECORD.id}")
    )
    status = fix_rows({
        "id": RECORD.id, "path": FIXED, "annotation_id": RECORD.annotation_id, "before": "circle", "after": "star"
    })  # fmt: skip
    return finish_round(
        project, replace(dataset, annotations=ANNOTATIONS.conform(fixed)), fixes=status, weights=b"two", commit=commit
    )


def finish_round(
    project: Project,
    dataset: Dataset,
    split: pd.DataFrame | None = None,
    fixes: pd.DataFrame | None = None,
    weights: bytes = b"one",
    network: str = "resnet8",
    epochs: int = 2,
    commit: str = "",
) -> Project:
    """Write what the stages would, dvc.lock and cache; with `commit`, commit it under this message."""
    root = project.root
    split = split_table(dataset.images) if split is None else split
    fixes = FIX_STATUS.empty() if fixes is None else fixes
    dataset = replace(dataset, facts={"formats": ["coco"], "fixes": describe_fixes(fixes)})
    save_dataset(project.dataset, dataset)
    save_table(project.dataset / "fixes.parquet", fixes, FIX_STATUS)
    save_table(project.dataset / "rejected.parquet", _rejected(), REJECTED)
    _write_findings(project, dataset)
    _write_split(project, dataset, split)
    _write_model(project, dataset, weights, network, epochs)
    lock = {"schema": "2.0", "stages": {name: _lock(root, *paths) for name, paths in STAGES.items()}}
    (root / "dvc.lock").write_text(yaml.safe_dump(lock))
    if commit:
        git(root, "add", "-A")
        git(root, "commit", "-qm", commit)
    return project


def forget(project: Project, path: str) -> None:
    """Take every version of a file out of DVC's cache, as on a machine that never fetched it."""
    locks = [git(project.root, "show", f"{name}:dvc.lock") for name in git(project.root, "log", "--format=%H").split()]
    for text in locks:
        for stage in yaml.safe_load(text)["stages"].values():
            for out in (out for out in stage["outs"] if out["path"] == path):
                cached = project.root / ".dvc/cache/files/md5" / out["md5"][:2] / out["md5"][2:]
                cached.unlink(missing_ok=True)


def _lock(root: Path, deps: tuple[str, ...], outs: tuple[str, ...]) -> dict[str, Any]:
    return {"cmd": "true", "deps": [entry(root, path) for path in deps], "outs": [entry(root, path) for path in outs]}


def _rejected() -> list[dict[str, Any]]:
    common = {"source": "annotations.json", "row": 3, "reason": "no_image", "message": "its image was left out"}
    return [{**common, "path": "images/gone.png", "annotation_id": "coco/gone"}]


def _write_findings(project: Project, dataset: Dataset) -> None:
    suspect = Finding("labelled 'circle', looks like 'star'", score=0.1, path=FIXED, annotation_id=label_id(FIXED))
    save_table(project.findings, concat([found("BOX006", suspect)]), FINDINGS)
    save_json(project.validation, {"agreement": {"fleiss": 1.0, "annotators": 3, "n": 24, "cohen": []}, "checks": []})
    pairs = [{"path": FIXED, "other": FIRST, "how": "hash", "hash_bits": 3, "correlation": 0.99}]
    save_table(project.neighbors / "pairs.parquet", PAIRS.conform(pairs), PAIRS)
    row = {"rank": 1, "path": FIXED, "annotation_id": label_id(FIXED), "kind": "label", "label": "circle"}
    queue = [{**row, "suggested": "star", "score": 0.1, "split": "train", "codes": "BOX006", "reason": "it looks so"}]
    save_table(project.queue, QUEUE.conform(queue), QUEUE)


def _write_split(project: Project, dataset: Dataset, split: pd.DataFrame) -> None:
    save_table(project.split / "split.parquet", split, SPLIT)
    save_json(project.split / "certificate.json", {"verdict": "No leak.", "assignment_sha256": "ab" * 32})
    sides = dataset.images[["path", "sha256"]].merge(split[["path", "split"]], on="path")
    save_ledger(project.split / "ledger.csv", LEDGER.conform(sides))
    labels, train = dataset.labels, set(split.loc[split["split"] == "train", "path"])
    copies = [
        {"annotation_id": f"label/{path}.aug0.png", "path": f"{path}.aug0.png", "label": label, "kind": "label",
         "annotator": "consensus", "parent_path": path, "seed": 1, "policy": "ab"}
        for path, label in labels.items() if path in train
    ]  # fmt: skip
    save_table(project.augmented / "annotations.parquet", AUGMENTED.conform(copies), AUGMENTED)


def _write_model(project: Project, dataset: Dataset, weights: bytes, network: str, epochs: int) -> None:
    save_bytes(project.models / "model.safetensors", weights)
    record = {
        "data_version": dataset.version, "fixes": dataset.facts["fixes"], "code_commit": "0123456789ab",
        "params": {"epochs": epochs}, "augment": {"mode": "offline", "policy": []}, "packages": {"datatools": "0.1.0"},
    }  # fmt: skip
    facts = {"model": network, "classes": list(dataset.classes), "image_size_px": 64, "record": record}
    save_json(project.models / "model.json", facts)
    save_json(project.metrics, {"accuracy": 0.5 + len(weights) / 10, "n": 4})
    test = [{"path": "images/00.png", "label": "circle", "predicted": "star", "confidence": 0.75}]
    save_table(project.metrics.parent / "predictions.parquet", PREDICTIONS.conform(test), PREDICTIONS)
