"""The whole way once: find a wrong label, fix it in FiftyOne, rerun, see the difference, take it back, share it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from tests.project import copy_project, outputs, run

# What a reviewer does in the app, through FiftyOne's own API in a process of its own.
EDIT = """
import sys
from pathlib import Path
from datatools.dataset import load_dataset
from datatools.review.load import find_review, load_review
from datatools.review.mongod import run_mongod
from datatools.schema import FIX_STATUS, QUEUE
from datatools.store import load_table
root, path, label = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
with run_mongod(root):
    import fiftyone as fo
    queue = load_table(root / "data/queue/queue.parquet", QUEUE)
    status = load_table(root / "data/dataset/fixes.parquet", FIX_STATUS)
    load_review(load_dataset(root / "data/dataset"), queue, root / "data/raw", (), status)
    sample = find_review().match({"path": path}).first()
    sample["label"] = fo.Classification(label=label)
    sample.save()
"""
UPSTREAM_OF_NOTHING = ("data/dataset/annotations.parquet", "data/dataset/images.parquet", "data/split/split.parquet")


@pytest.fixture
def project(finished: Path, tmp_path: Path) -> Path:
    """A finished project to change."""
    return copy_project(finished, tmp_path / "project")


def find_wrong_label(project: Path) -> tuple[str, str, str]:
    """Path, given label and true label of a planted error that stands in the queue."""
    key = pd.read_csv(project / "data/answer_key.csv", dtype=str)
    planted = key[key["fault"] == "wrong_label"].set_index("path")["detail"]
    queue = pd.read_parquet(project / "data/queue/queue.parquet")
    row = queue[queue["path"].isin(planted.index)].iloc[0]
    return row["path"], row["label"], planted[row["path"]]


def label_of(project: Path, path: str) -> str:
    annotations = pd.read_parquet(project / "data/dataset/annotations.parquet").set_index("annotation_id")
    return str(annotations.loc[f"label/{path}", "label"])


def class_counts(project: Path) -> dict[str, int]:
    annotations = pd.read_parquet(project / "data/dataset/annotations.parquet")
    voted = annotations[(annotations["kind"] == "label") & (annotations["annotator"] == "consensus")]
    return {str(label): int(n) for label, n in voted["label"].value_counts().items()}


def test_a_fix_made_in_fiftyone_changes_the_data_and_can_be_taken_back(project: Path) -> None:
    pytest.importorskip("fiftyone", reason="the review needs the extra 'review'")
    before = {name: (project / name).read_bytes() for name in UPSTREAM_OF_NOTHING}
    counts, (path, given, truth) = class_counts(project), find_wrong_label(project)
    assert label_of(project, path) == given != truth

    run(project, "python", "-c", EDIT, str(project), path, truth)
    assert "relabel" not in "".join(file.read_text() for file in (project / "data/fixes").glob("*.jsonl"))
    saved = run(project, "datatools", "review", "--save").stdout
    assert f"label/{path}  {given} -> {truth}" in saved
    assert "nothing new" in run(project, "datatools", "review", "--save").stdout
    done = run(project, "dvc", "repro").stdout

    assert "Running stage 'ingest'" in done and "Running stage 'report'" in done
    assert label_of(project, path) == truth
    assert class_counts(project) == counts | {given: counts[given] - 1, truth: counts[truth] + 1}
    assert (project / "data/split/split.parquet").read_bytes() == before["data/split/split.parquet"]
    report = json.loads((project / "reports/report.json").read_text())
    assert report["fixes"]["by_status"]["applied"] >= 1
    page = (project / "reports/report.html").read_text()
    assert "Rita Reviewer" in page and path in page
    assert path not in set(pd.read_parquet(project / "data/queue/queue.parquet")["path"])

    records = [
        json.loads(line) for file in (project / "data/fixes").glob("*.jsonl") for line in file.read_text().splitlines()
    ]
    assert {record["who"] for record in records} == {"Rita Reviewer"}
    assert all({"when", "why", "before", "after", "base"} <= set(record) for record in records)
    for record in records:
        run(project, "datatools", "fixes", "revert", record["id"], "--why", "only a test")
    run(project, "dvc", "repro")
    assert {name: (project / name).read_bytes() for name in UPSTREAM_OF_NOTHING} == before
    assert "reverted" in run(project, "datatools", "fixes", "log").stdout


def test_confirming_from_the_command_line_trains_nothing_again(project: Path) -> None:
    path = str(pd.read_parquet(project / "data/queue/queue.parquet")["path"].iloc[0])
    run(project, "datatools", "fix", path, "--confirm", "--why", "looked twice")
    done = run(project, "dvc", "repro").stdout
    for stage, runs in {
        "ingest": True,
        "split": True,  # a record can put an image on a side; what it writes is the same
        "augment": False,
        "train": False,
        "evaluate": False,
        "report": True,
    }.items():
        assert (f"Running stage '{stage}'" in done) == runs, done
    assert path not in set(pd.read_parquet(project / "data/queue/queue.parquet")["path"])


def test_an_unchanged_project_reruns_nothing(project: Path) -> None:
    assert "Running stage" not in run(project, "dvc", "repro").stdout


def test_push_and_pull_carry_everything_to_a_second_clone(finished: Path, tmp_path: Path) -> None:
    project = copy_project(finished, tmp_path / "first")
    run(project, "git", "add", "-A")
    run(project, "git", "commit", "-qm", "first run")
    run(project, "dvc", "push")
    assert (tmp_path / "datatools-storage").is_dir()
    run(tmp_path, "git", "clone", "-q", str(project), "second")
    second = tmp_path / "second"
    run(second, "dvc", "pull")
    assert "Running stage" not in run(second, "dvc", "repro").stdout
    for stage in ("ingest", "split", "train", "curate", "report"):
        assert outputs(second, stage) == outputs(project, stage), stage


def test_wrong_labels_of_the_sample_stand_early_in_the_queue(project: Path) -> None:
    lines = run(project, "datatools", "sample", "score").stdout.splitlines()
    for line in lines[1:]:
        fault, recall = line[:20].strip(), line.split()[-3]
        if fault not in ("wrong_label", "annotator_confusion", "rare_slice"):
            assert recall == "1.000", line


def test_a_missing_raw_folder_is_one_line(project: Path) -> None:
    shutil.rmtree(project / "data/raw")
    done = run(
        project,
        "python",
        "-m",
        "stages.ingest",
        "--raw",
        "data/raw",
        "--fixes",
        "data/fixes",
        "--out",
        "x",
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("datatools: error: data/raw: expected a folder of images. Got no such folder")
    assert done.stderr.count("\n") == 1
