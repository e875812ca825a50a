"""A project of two versions as two runs of the pipeline leave it, without running one; names and labels may be hostile."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from datatools.dataset import Dataset, label_id, save_dataset
from datatools.findings import Finding, concat
from datatools.fixes.records import FixRecord, append_records
from datatools.images import encode_png
from datatools.project import Project
from datatools.schema import ANNOTATIONS, FINDINGS, FIX_STATUS, PREDICTIONS, SPLIT
from datatools.store import save_csv, save_json, save_table
from tests.finished_runs import CODES, entry, found, git, md5
from tests.project import REPO
from tests.small_data import box_row, image_row, label_rows, make_images

N = 40
CLASSES = ("cat", "dog")
PATHS = tuple(f"images/{number:02d}.png" for number in range(N))
OUTS = {
    "ingest": ["data/dataset/images.parquet", "data/dataset/annotations.parquet", "data/dataset/dataset.json",
               "data/dataset/fixes.parquet"],
    "validate": ["data/findings/validate.parquet", "reports/validate.json"],
    "split": ["data/split/split.parquet", "data/split/certificate.json"],
    "train": ["models/model.json"],
    "evaluate": ["reports/evaluate/predictions.parquet", "reports/evaluate/tsne.csv"],
}  # fmt: skip
CERTIFICATE = {
    "verdict": "No leak.",
    "holds": True,
    "groups_by_column": {"group": {"groups": 40, "crossing": 0}},
    "near_duplicates": 2,
    "near_duplicates_crossing": 0,
    "copies_crossing": 0,
    "ledger": {"samples": 40, "moved": 0, "disputes": []},
    "search": {},
    "sizes": {"train": 20, "val": 0, "test": 20},
}


@dataclass(frozen=True)
class State:
    """A version: labels and predictions by path, boxes by path, paths of the test side, findings, records, and so on."""

    labels: Mapping[str, str]
    predicted: Mapping[str, str]
    boxes: Mapping[str, Sequence[float]] = field(default_factory=dict)
    test: Sequence[str] = PATHS[:20]
    findings: Sequence[pd.DataFrame] = ()
    records: Sequence[FixRecord] = ()
    classes: tuple[str, ...] = CLASSES
    pixels: Mapping[str, int] = field(default_factory=dict)  # seed of the picture, where it is another than usual
    params: Mapping[str, Any] = field(default_factory=dict)
    certificate: Mapping[str, Any] = field(default_factory=lambda: CERTIFICATE)
    with_model: bool = True


def make_state(**changes: Any) -> State:
    """40 images, cats and dogs in turn, 20 of them the test side, of which the model gets the first 4 wrong."""
    labels = {path: CLASSES[number % 2] for number, path in enumerate(PATHS)}
    predicted = {path: CLASSES[(number + (number < 4)) % 2] for number, path in enumerate(PATHS[:20])}
    boxes = dict.fromkeys(PATHS[20:24], (4.0, 4.0, 24.0, 20.0))
    code = found("BOX006", Finding("a small box", path=PATHS[20], annotation_id=f"box/{PATHS[20]}"))
    return replace(State(labels, predicted, boxes, findings=(code,)), **changes)


def relabel(state: State, path: str, label: str, who: str = "Rita", why: str = "seen") -> State:
    """The state after a fix record gave the image another label."""
    before = state.labels[path]
    record = FixRecord(
        "relabel", who, f"2026-11-01T10:00:{len(state.records):02d}.000000Z", why, path=path, annotation_id=label_id(path),
        before=before, after=label, id=f"{len(state.records):016x}",
    )  # fmt: skip
    return replace(state, labels={**state.labels, path: label}, records=(*state.records, record))


def start(root: Path) -> Project:
    """An empty project under Git, with DVC's folder."""
    (root / ".dvc").mkdir(parents=True)
    (root / "data" / "fixes").mkdir(parents=True)
    (root / "dvc.yaml").write_text("stages: {}\n")
    (root / "params.yaml").write_text((REPO / "params.yaml").read_text())
    (root / ".gitignore").write_text(
        "/.dvc/cache\n/data/dataset\n/data/findings\n/data/raw\n/data/split\n/models\n/reports\n"
    )
    git(root.parent, "init", "-q", "-b", "main", str(root))
    return Project(root)


def write(project: Project, state: State, commit: str = "") -> Project:
    """Write what the stages would, dvc.lock and DVC's cache; with `commit`, commit it under this message."""
    root = project.root
    _write_raw(project, state)
    dataset = _dataset(state)
    save_dataset(project.dataset, dataset)
    applied = [
        {"id": record.id, "status": "applied", "op": record.op, "path": record.path, "annotation_id": record.annotation_id,
         "before": record.before, "after": record.after, "why": record.why, "who": record.who, "when": record.when,
         "message": ""}
        for record in state.records
    ]  # fmt: skip
    save_table(project.dataset / "fixes.parquet", FIX_STATUS.conform(applied), FIX_STATUS)
    for file in project.fixes.glob("*.jsonl"):
        file.unlink()
    append_records(project.fixes / "a.jsonl", state.records)
    sides = [{"path": path, "split": "test" if path in state.test else "train", "group": path} for path in state.labels]
    save_table(project.split / "split.parquet", SPLIT.conform(sides), SPLIT)
    save_json(project.split / "certificate.json", state.certificate)
    save_table(project.findings, concat(state.findings) if state.findings else FINDINGS.empty(), FINDINGS)
    save_json(
        project.validation, {"checks": [{"code": code, "version": 1} for code in CODES], "agreement": {"fleiss": 0.8}}
    )
    _write_model(project, state)
    _lock(root, state)
    if commit:
        git(root, "add", "-A")
        git(root, "commit", "-qm", commit)
    return project


def picture(seed: int) -> bytes:
    """Noise of 32 x 24 px: every seed another picture."""
    return encode_png(np.random.default_rng(seed).integers(0, 255, size=(24, 32, 3)).astype(np.uint8))


def _seed(state: State, path: str) -> int:
    return state.pixels.get(path, int(md5(path.encode())[:6], 16))


def _dataset(state: State) -> Dataset:
    rows = [row for path, label in state.labels.items() for row in label_rows(path, {}, label)]
    rows += [box_row(f"box/{path}", xyxy, path, state.classes[0]) for path, xyxy in state.boxes.items()]
    images = [
        image_row(path, sha256=md5(picture(_seed(state, path))), width_px=32, height_px=24, n_bytes=len(picture(_seed(state, path))))
        for path in state.labels
    ]  # fmt: skip
    return Dataset(make_images(images), ANNOTATIONS.conform(rows), state.classes)


def _write_raw(project: Project, state: State) -> None:
    """The image files that a file system can have, and what `dvc add` leaves of them."""
    listing = []
    for path in state.labels:
        if "\0" in path or len(path) > 200:
            continue
        file = project.raw / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(picture(_seed(state, path)))
        listing.append({"md5": _cache(project.root, file.read_bytes()), "relpath": path})
    digest = _cache(project.root, json.dumps(listing).encode(), ".dir")
    (project.root / "data" / "raw.dvc").write_text(yaml.safe_dump({"outs": [{"md5": digest, "path": "raw"}]}))


def _cache(root: Path, data: bytes, suffix: str = "") -> str:
    digest = md5(data) + suffix
    place = root / ".dvc" / "cache" / "files" / "md5" / digest[:2] / digest[2:]
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(data)
    return digest


def _write_model(project: Project, state: State) -> None:
    folder = project.metrics.parent
    rows = [
        {
            "path": path,
            "label": state.labels[path],
            "predicted": state.predicted[path],
            "confidence": 0.5 + number / 100,
        }
        for number, path in enumerate(state.test)
        if path in state.labels
    ]
    save_table(folder / "predictions.parquet", PREDICTIONS.conform(rows), PREDICTIONS)
    places = np.random.default_rng(0).normal(size=(len(state.labels), 2))
    table = {
        "view": "data",
        "path": list(state.labels),
        "x": places[:, 0],
        "y": places[:, 1],
        "label": list(state.labels.values()),
    }
    save_csv(folder / "tsne.csv", pd.DataFrame({**table, "predicted": None}))
    device = {"name": "cpu", "bf16": False, "description": "a CPU"}
    save_json(project.models / "model.json", {"record": {"seed": 0, "epochs": 12, "device": device}})


def _lock(root: Path, state: State) -> None:
    stages: dict[str, Any] = {
        name: {"outs": [entry(root, path) for path in outs]}
        for name, outs in OUTS.items()
        if state.with_model or name not in ("train", "evaluate")
    }
    if state.with_model:
        stages["train"] |= {"params": {"params.yaml": {"train": {"epochs": 12, **state.params}}}}
        stages["train"]["deps"] = [
            {"path": "datatools/learn", "hash": "md5", "md5": state.params.get("code", "a") + ".dir"}
        ]
    (root / "dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": stages}))
