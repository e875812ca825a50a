"""The document that becomes report.json."""

from __future__ import annotations

import copy
import json
import shlex
from typing import Any

import numpy as np
import pandas as pd
import pytest

from datatools.errors import DatatoolsError
from datatools.params import ReportParams, from_mapping
from datatools.report.summary import (
    ReportInputs,
    list_next,
    summarise,
    to_plain,
    write_accuracy,
    write_fix,
    write_headline,
    write_level,
)
from datatools.schema import FIX_STATUS, QUEUE
from tests.report.builders import HOSTILE, LABELS, hostile_summary, make_dataset, make_fix, make_inputs, make_queue_row


def test_headline_is_the_verdict() -> None:
    summary = summarise(make_inputs(), ReportParams())
    assert summary["headline"] == "6 images in, 2 left out. 1 label looks wrong. Test accuracy 90.0 % (74.4 to 96.5)."


@pytest.mark.parametrize(
    ("changes", "headline"),
    [
        ({"metrics": {}}, "6 images in, 2 left out. 1 label looks wrong."),
        ({"metrics": {"accuracy": None}, "curate": {}}, "6 images in, 2 left out."),
        ({"curate": {"label_issues": 0}, "metrics": {}}, "6 images in, 2 left out. 0 labels look wrong."),
        ({"metrics": {"accuracy": 0.5}, "curate": {}}, "6 images in, 2 left out. Test accuracy 50.0 %."),
        (
            {"metrics": {}, "curate": {}, "fixes": FIX_STATUS.conform([make_fix(1, status="conflict")])},
            "6 images in, 2 left out. 1 fix could not be applied.",
        ),
    ],
)
def test_headline_leaves_out_what_is_unknown(changes: dict[str, Any], headline: str) -> None:
    assert write_headline(summarise(make_inputs(**changes), ReportParams())) == headline


def test_labels_of_one_class_have_no_accuracy_worth_a_headline() -> None:
    inputs = make_inputs(dataset=make_dataset(dict.fromkeys(LABELS, "cat")), curate={})
    headline = write_headline(summarise(inputs, ReportParams()))
    assert headline == "6 images in, 2 left out. All labels are of one class, so accuracy says nothing."


@pytest.mark.parametrize(
    ("n", "agreed", "simple", "sentence"),
    [
        (2, 0.1, 0.6, "2 labels look wrong, but to models too weak to tell: they agree with 10.0 % of all labels."),
        (2, 0.7, 0.6, "2 labels look wrong."),
        (0, 0.5, 0.6, "0 labels look wrong."),
        (2, 0.1, None, "2 labels look wrong."),  # a report of an older version
    ],
)
def test_doubts_of_a_weak_model_are_told_as_such(n: int, agreed: float, simple: float | None, sentence: str) -> None:
    curate = {"label_issues": n, "out_of_fold_accuracy": agreed, "simple_accuracy": simple}
    headline = write_headline(summarise(make_inputs(curate=curate, metrics={}), ReportParams()))
    assert headline == f"6 images in, 2 left out. {sentence}"


@pytest.mark.parametrize(
    ("title", "name", "expected"),
    [("Owls", "animals", "Owls"), ("", "animals", "animals"), ("", "", "Data set")],
)
def test_title(title: str, name: str, expected: str) -> None:
    assert summarise(make_inputs(name=name), ReportParams(title=title))["title"] == expected


def test_next_steps_of_a_run_with_a_queue() -> None:
    steps = summarise(make_inputs(), ReportParams())["next"]
    assert [step["command"] for step in steps] == [
        "datatools review",
        'datatools fix images/0.png --label cat --why "..."',
        "dvc repro",
    ]


def test_conflicts_come_before_everything() -> None:
    summary = summarise(make_inputs(fixes=FIX_STATUS.conform([make_fix(1, status="conflict")])), ReportParams())
    assert list_next(summary)[0]["what"].startswith("Look again at 1 conflict")


def test_next_step_when_nothing_waits() -> None:
    steps = summarise(make_inputs(queue=QUEUE.empty()), ReportParams())["next"]
    assert len(steps) == 1
    assert steps[0]["what"].startswith("Nothing waits")


@pytest.mark.parametrize(
    ("row", "command"),
    [
        ({"path": "a.png", "label": "cat", "suggested": "dog"}, 'datatools fix a.png --label dog --why "..."'),
        (
            {"path": "a b.png", "label": "cat", "suggested": "sea lion"},
            "datatools fix 'a b.png' --label 'sea lion' --why \"...\"",
        ),
        ({"path": "a.png", "label": "cat", "suggested": "cat"}, 'datatools fix a.png --confirm --why "..."'),
        ({"path": "a.png", "label": "cat", "suggested": None}, 'datatools fix a.png --confirm --why "..."'),
        ({"path": None, "label": None, "suggested": None}, 'datatools fix IMAGE --confirm --why "..."'),
    ],
)
def test_write_fix(row: dict[str, Any], command: str) -> None:
    assert write_fix(row) == command


@pytest.mark.parametrize("text", HOSTILE)
def test_the_command_quotes_for_a_shell(text: str) -> None:
    command = write_fix({"path": text, "label": "x", "suggested": text})
    assert shlex.split(command) == ["datatools", "fix", text, "--label", text, "--why", "..."]


@pytest.mark.parametrize(
    ("model", "accuracy", "level"),
    [
        (
            {"accuracy": 0.9, "accuracy_low": 0.8, "accuracy_high": 0.95, "confidence": 0.975},
            "90.0 % (80.0 to 95.0)",
            "97.5 % interval",
        ),
        (
            {"accuracy": 0.9, "accuracy_low": 0.8, "accuracy_high": 0.95, "confidence": None},
            "90.0 % (80.0 to 95.0)",
            "with its interval",
        ),
        ({"accuracy": 0.9, "accuracy_low": None, "accuracy_high": None, "confidence": 0.95}, "90.0 %", ""),
        ({}, "-", ""),
    ],
)
def test_accuracy_and_its_interval(model: dict[str, Any], accuracy: str, level: str) -> None:
    assert (write_accuracy(model), write_level(model)) == (accuracy, level)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.int64(3), 3),
        (np.float32("nan"), None),
        (np.bool_(True), True),
        (float("-inf"), None),
        (pd.NA, None),
        (pd.NaT, None),
        ((1, np.float64(0.5)), [1, 0.5]),
        (np.array([1.0, float("nan")]), [1.0, None]),
        ({1: {"a": np.nan}}, {"1": {"a": None}}),
        ("\ud800", "\\ud800"),
        (ReportParams, str(ReportParams)),
    ],
)
def test_to_plain(value: Any, expected: Any) -> None:
    assert to_plain(value) == expected


def test_json_has_no_nan_and_only_plain_values() -> None:
    nan = float("nan")
    queue = QUEUE.conform([make_queue_row(1, score=nan, suggested=None)])
    curate = {
        "label_issues": nan,
        "images_judged": None,
        "slices": [{"column": "c", "value": "v", "n": np.int64(2), "accuracy": nan}],
    }
    metrics = {"accuracy": nan, "accuracy_low": nan, "classes": {"cat": {"f1": nan}}}
    summary = summarise(make_inputs(queue=queue, curate=curate, metrics=metrics), ReportParams())
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary
    assert summary["queue"]["top"][0]["score"] is None
    assert summary["model"]["per_class"][0]["f1"] is None
    assert summary["headline"] == "6 images in, 2 left out."


def test_a_data_set_alone_is_enough() -> None:
    summary = summarise(ReportInputs(make_dataset({})), ReportParams())
    json.dumps(summary, allow_nan=False)
    assert summary["headline"] == "0 images in, 0 left out."
    assert summary["model"] == {}
    assert summary["augmented"] == {"images": 0, "parents": 0, "objects": 0, "dropped": {}, "labels_gone": {}}


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_as_it_is_in_json(text: str) -> None:
    summary = hostile_summary(text)
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary
    assert summary["queue"]["top"][0]["label"] == text


def test_same_inputs_same_document_and_inputs_unchanged() -> None:
    inputs = make_inputs()
    metrics = copy.deepcopy(inputs.metrics)
    first, second = summarise(inputs, ReportParams()), summarise(make_inputs(), ReportParams())
    assert json.dumps(first) == json.dumps(second)
    assert inputs.metrics == metrics


def test_row_order_changes_nothing() -> None:
    inputs = make_inputs()
    turned = make_inputs(queue=inputs.queue[::-1], split=inputs.split[::-1], findings=inputs.findings[::-1])
    assert summarise(turned, ReportParams()) == summarise(inputs, ReportParams())


def test_sections_come_in_the_order_a_person_wants() -> None:
    assert list(summarise(make_inputs(), ReportParams())) == [
        *("title", "headline", "next", "data", "curate", "queue", "fixes", "lift", "findings"),
        *("agreement", "classes", "split", "model", "augmented", "record", "origin"),
    ]


@pytest.mark.parametrize("value", [-1, 501, "many", None])
def test_thumbnails_out_of_range_are_a_wrong_call(value: Any) -> None:
    with pytest.raises(DatatoolsError, match=r"report\.thumbnails must be an int in"):
        from_mapping(ReportParams, {"thumbnails": value}, "params.yaml: report")


def test_disputes_are_told_and_come_first() -> None:
    rows = [
        make_fix(1, status="disputed", message="ann: cat; bob: dog", path="images/1.png"),
        make_fix(2, status="conflict"),
    ]
    summary = summarise(make_inputs(fixes=FIX_STATUS.conform(rows)), ReportParams())
    assert "People disagree in 1 decision." in summary["headline"]
    assert next(step["command"] for step in summary["next"]) == "datatools fixes check"
    assert len(summary["fixes"]["conflicts"]) == 2
