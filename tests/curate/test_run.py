from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch

from datatools.curate import run
from datatools.curate.run import curate
from datatools.errors import DatatoolsError
from datatools.learn import crossfit
from datatools.params import CurateParams, TrainParams
from datatools.schema import ANNOTATIONS, FINDINGS, FIX_STATUS, PAIRS, QUEUE, SPLIT
from datatools.similarity.graph import Neighbors, find_neighbors
from tests.small_data import fix_rows, suspect_table

PARAMS = CurateParams(folds=2, epochs=1, slice_columns=["background"], queue_max=200)
TRAIN = TrainParams(image_size_px=16, batch_size=32, device="cpu", precision="fp32")


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def dataset(ingested):
    return ingested.dataset


@pytest.fixture(scope="module")
def split(dataset):
    """Every writer is a unit, called as the split does by its smallest path."""
    images = dataset.images[["path", "group"]].sort_values("path")
    unit = images.groupby(images["group"].fillna(images["path"]))["path"].transform("min")
    return SPLIT.conform(pd.DataFrame({"path": images["path"], "split": "train", "group": unit}))


@pytest.fixture(scope="module")
def neighbors(dataset):
    """A graph in which the images of a class lie close, and none of an image that has no label."""
    paths = list(dataset.images["path"])
    code = pd.Index(dataset.classes).get_indexer(pd.Index(dataset.labels.reindex(paths)))
    rows = np.random.default_rng(0).normal(size=(len(paths), 11)) * 0.2 + np.eye(11)[code]
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return Neighbors(tuple(paths), rows, *find_neighbors(rows, 16))


@pytest.fixture
def calls(monkeypatch):
    """Replace cross-fitting by a model that is 90 % sure of the label, and count its calls."""
    made = []

    def cross_fit(examples, groups, n_classes, params, folds, epochs, seed, tick=None):
        made.append((examples, groups, n_classes, params, folds, epochs, seed))
        probs = np.full((len(examples), n_classes), 0.1 / (n_classes - 1), dtype=np.float32)
        probs[np.arange(len(examples)), examples.labels] = 0.9
        return crossfit.CrossFit(probs, np.ones(n_classes))

    monkeypatch.setattr(crossfit, "cross_fit", cross_fit)
    return made


@pytest.fixture
def work(dataset, split, neighbors, sample, tmp_path):
    """Run curate with some arguments changed."""

    def work_with(**changes):
        arguments = {"dataset": dataset, "split": split, "findings": FINDINGS.empty(), "fixes": FIX_STATUS.empty()}
        arguments |= {"pairs": PAIRS.empty(), "neighbors": neighbors}
        arguments |= {"root": sample.root, "params": PARAMS, "train": TRAIN, "cache": tmp_path / "cache"}
        return curate(**{**arguments, **changes})

    return work_with


def relabel(dataset, path, label):
    chosen = dataset.annotations["annotation_id"] == f"label/{path}"
    assert chosen.any()
    annotations = dataset.annotations.assign(label=dataset.annotations["label"].mask(chosen, label))
    return dataclasses.replace(dataset, annotations=ANNOTATIONS.conform(annotations))


def test_real_cross_fitting_on_a_tiny_sample(work, dataset):
    ticks = []
    result = work(tick=ticks.append)
    assert result.summary["images_judged"] == len(dataset.labels) > 50
    assert 0 <= result.summary["out_of_fold_accuracy"] <= 1
    assert list(result.queue.columns) == list(QUEUE.columns)
    assert list(result.findings.columns) == list(FINDINGS.columns)
    assert set(result.findings["code"]) <= {"DST002", "DST003", "LBL003", "SLC001"}
    assert (result.findings["code"] == "LBL003").sum() == result.summary["label_issues"]
    assert sum(ticks) == PARAMS.folds * PARAMS.epochs
    again = work(tick=ticks.append)
    assert sum(ticks) == PARAMS.folds * PARAMS.epochs, "the second run trains nothing"
    pd.testing.assert_frame_equal(again.queue, result.queue)
    assert again.summary == result.summary


def test_cross_fitting_gets_what_the_params_and_the_split_say(work, calls, dataset, split):
    work()
    ((examples, groups, n_classes, params, folds, epochs, seed),) = calls
    labels = dataset.labels
    assert examples.images.shape == (len(labels), 16, 16, 3)
    assert [dataset.classes[code] for code in examples.labels] == labels.tolist()
    assert groups.tolist() == split.set_index("path")["group"].loc[labels.index].tolist()
    assert (n_classes, params, folds, epochs, seed) == (10, TRAIN, 2, 1, 0)


def test_the_summary_counts_the_tables(work, calls, dataset):
    said = [
        {
            "code": "AGR003",
            "version": 1,
            "severity": "info",
            "path": path,
            "score": 0.5,
            "message": "annotators disagree",
        }
        for path in dataset.labels.index[:3]
    ]
    result = work(findings=FINDINGS.conform(said))
    assert result.summary["queue"] == result.queue["kind"].value_counts().to_dict()
    assert result.summary["queue"]["disagreement"] == 3
    assert result.summary["out_of_fold_accuracy"] == 1.0
    assert result.summary["label_issues"] == 0
    assert result.summary["folds"] == 2
    slices = pd.DataFrame(result.summary["slices"])
    assert slices.loc[slices["column"] == "label", "n"].sum() == len(dataset.labels)
    rare = result.findings[result.findings["code"] == "SLC001"]
    assert len(rare) == slices["is_rare"].sum()


def test_a_confirmed_label_trains_nothing_again_and_leaves_the_queue(work, calls, dataset):
    path = dataset.labels.index[0]
    said = [{"code": "AGR003", "version": 1, "severity": "info", "path": path, "score": 0.5, "message": "disagree"}]
    first = work(findings=FINDINGS.conform(said))
    assert path in set(first.queue["path"])
    second = work(findings=FINDINGS.conform(said), fixes=fix_rows({"op": "confirm", "path": path}))
    assert len(calls) == 1
    assert path not in set(second.queue["path"])
    assert len(second.queue) == len(first.queue) - 1


@pytest.mark.parametrize(
    ("said", "is_confirmed"),
    [
        ({}, True),
        ({"op": "relabel", "before": "another", "after": "the label"}, True),
        ({"op": "relabel", "after": "another"}, False),
        ({"status": "reverted"}, False),
        ({"op": "ask"}, False),
        ({"before": "another"}, False),
        ({"before": None}, False),
        ({"annotation_id": "label/a.png@anna"}, False),
    ],
)
def test_a_doubted_label_that_a_person_confirmed_or_gave_is_no_finding_while_it_stays(
    work, monkeypatch, calls, dataset, said, is_confirmed
):
    paths = list(dataset.labels.index[:3])

    def suspect(labels, probs, classes):
        return suspect_table(*((path, labels[path], classes[0], 0.1, path in paths) for path in labels.index))

    monkeypatch.setattr(run, "find_suspects", suspect)
    record = {
        "op": "confirm",
        "path": paths[1],
        "annotation_id": f"label/{paths[1]}",
        "before": dataset.labels[paths[1]],
    }
    if said.get("after") == "the label":
        said = {**said, "after": record["before"]}
    result = work(fixes=fix_rows({**record, **said}))
    found = result.findings.loc[result.findings["code"] == "LBL003", "path"].tolist()
    assert sorted(found) == sorted({*paths} - ({paths[1]} if is_confirmed else set()))
    assert result.summary["label_issues"] == 3 - is_confirmed
    assert result.summary["label_issues_confirmed"] == is_confirmed


@pytest.mark.parametrize(
    "change",
    [
        {"params": dataclasses.replace(PARAMS, queue_max=1)},
        {"params": dataclasses.replace(PARAMS, slice_columns=[])},
        {"params": dataclasses.replace(PARAMS, share_min=0.9)},
    ],
    ids=["queue_max", "slice_columns", "share_min"],
)
def test_what_the_model_does_not_see_trains_nothing_again(work, calls, change):
    work()
    work(**change)
    assert len(calls) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"params": dataclasses.replace(PARAMS, folds=3)},
        {"params": dataclasses.replace(PARAMS, epochs=2)},
        {"params": dataclasses.replace(PARAMS, seed=1)},
        {"train": dataclasses.replace(TRAIN, model="resnet10")},
        {"train": dataclasses.replace(TRAIN, learning_rate=0.1)},
    ],
    ids=["folds", "epochs", "seed", "model", "learning_rate"],
)
def test_what_the_model_depends_on_trains_again(work, calls, change):
    work()
    work(**change)
    assert len(calls) == 2


def test_near_duplicates_are_one_unit_for_the_folds(work, calls, dataset, split):
    unit = split.set_index("path")["group"].loc[dataset.labels.index]
    one = unit.index[0]
    other = unit.index[unit != unit.iloc[0]][0]
    work(pairs=PAIRS.conform([{"path": one, "other": other, "how": "hash"}]))
    ((_, groups, *_),) = calls
    joined = unit.isin([unit[one], unit[other]]).to_numpy()
    assert set(groups[joined]) == {min(unit[one], unit[other])}
    assert groups[~joined].tolist() == unit[~joined].tolist()


def test_what_the_neighbours_are_labelled_is_told_and_changes_no_rank(work, calls, dataset, neighbors, sample):
    said = [
        {
            "code": "AGR003",
            "version": 1,
            "severity": "info",
            "path": path,
            "score": 0.5,
            "message": "annotators disagree",
        }
        for path in dataset.labels.index
    ]
    n, nothing = len(neighbors.paths), np.zeros((len(neighbors.paths), 0), np.float32)
    with_graph = work(findings=FINDINGS.conform(said))
    without = work(
        findings=FINDINGS.conform(said),
        neighbors=Neighbors(neighbors.paths, nothing, nothing.astype(np.int32), nothing),
    )
    assert len(calls) == 1, "the graph trains nothing again"
    assert with_graph.queue["reason"].str.contains(" nearest images ").any()
    assert not without.queue["reason"].str.contains(" nearest images ").any()
    rest = [name for name in QUEUE.columns if name != "reason"]
    pd.testing.assert_frame_equal(with_graph.queue[rest], without.queue[rest])
    assert with_graph.summary["neighbors"]["n"] <= n
    assert with_graph.summary["neighbors"]["accuracy"] > 0.7
    assert without.summary["neighbors"] == {"n": 0, "accuracy": None}


def test_another_label_another_group_and_other_pixels_train_again(work, calls, dataset, split, monkeypatch):
    work()
    path, label = dataset.labels.index[0], dataset.labels.iloc[0]
    work(dataset=relabel(dataset, path, next(name for name in dataset.classes if name != label)))
    assert len(calls) == 2
    work(split=split.assign(group=split["group"].mask(split["path"] == path, "another")))
    assert len(calls) == 3
    monkeypatch.setattr(
        "datatools.curate.run.load_pixels", lambda *_, **__: np.zeros((len(dataset.labels), 8, 8, 3), "u1")
    )
    images = dataset.images.assign(sha256=dataset.images["sha256"].mask(dataset.images["path"] == path, "0" * 64))
    work(dataset=dataclasses.replace(dataset, images=images))
    assert len(calls) == 4


def test_other_sources_of_the_learner_train_again(work, calls, monkeypatch):
    work()
    monkeypatch.setattr("datatools.curate.run.hash_sources", lambda package: "other code")
    work()
    assert len(calls) == 2


def test_a_damaged_cache_counts_as_none(work, calls, tmp_path):
    work()
    (file,) = (tmp_path / "cache").glob("*.npz")
    file.write_bytes(file.read_bytes()[:40])
    work()
    assert len(calls) == 2


def test_an_unknown_slice_column_is_an_error(work, calls):
    with pytest.raises(DatatoolsError, match=r"must be columns of metadata.csv \(background, writer\)\. Got 'weather'"):
        work(params=dataclasses.replace(PARAMS, slice_columns=["weather"]))


def test_a_gpu_that_is_not_there_is_an_error_before_any_image_is_read(work, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(DatatoolsError, match=r"train\.device must be auto or cpu"):
        work(train=dataclasses.replace(TRAIN, device="cuda"), root=tmp_path / "nowhere")


def test_tables_are_unchanged(work, calls, dataset, split):
    before = [frame.copy(deep=True) for frame in (dataset.images, dataset.annotations, split)]
    work()
    for frame, known in zip((dataset.images, dataset.annotations, split), before, strict=True):
        pd.testing.assert_frame_equal(frame, known)
