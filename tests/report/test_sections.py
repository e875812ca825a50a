"""The numbers of each section."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from datatools.report.sections import (
    count_classes,
    count_data,
    count_findings,
    count_model,
    count_queue,
    count_split,
)
from datatools.schema import FINDINGS, QUEUE, REJECTED, SPLIT
from tests.report.builders import make_dataset, make_finding, make_inputs, make_queue_row


def test_counts_in_are_counts_kept_and_left_out() -> None:
    inputs = make_inputs()
    data = count_data(inputs.dataset, inputs.rejected, inputs.titles)
    assert (data["images"], data["files_left_out"], data["rows_left_out"]) == (6, 2, 1)
    assert sum(row["n"] for row in data["left_out"]) == len(inputs.rejected)


def test_left_out_says_what_and_why_in_words() -> None:
    inputs = make_inputs()
    left_out = count_data(inputs.dataset, inputs.rejected, inputs.titles)["left_out"]
    assert [(row["what"], row["reason"], row["title"]) for row in left_out] == [
        ("file", "IMG001", "Image cannot be read"),
        ("file", "not_an_image", "neither an image nor an annotation file"),
        ("annotation", "no_image", "its image was left out"),
    ]
    assert left_out[0]["examples"][0]["message"] == "image file is truncated"


def test_left_out_counts_rows_without_reason_or_path() -> None:
    rejected = REJECTED.conform([{"source": "labels/a.csv", "row": 2}, {"source": None, "path": None}])
    data = count_data(make_dataset(), rejected, {})
    assert data["rows_left_out"] == 2
    assert [row["reason"] for row in data["left_out"]] == ["unknown"]


def test_findings_come_errors_first_then_by_number() -> None:
    rows = [
        make_finding(code="AAA001", severity="info"),
        make_finding(code="AAA002", severity="warning"),
        make_finding(code="AAA003", severity="error"),
        make_finding(code="AAA004", severity="error", path="images/2.png"),
        make_finding(code="AAA004", severity="error", path="images/3.png"),
    ]
    findings = count_findings(FINDINGS.conform(rows), {"AAA004": "Four"})
    assert [row["code"] for row in findings["codes"]] == ["AAA004", "AAA003", "AAA002", "AAA001"]
    assert findings["by_severity"] == {"error": 3, "warning": 1, "info": 1}
    assert (findings["codes"][0]["title"], findings["codes"][0]["images"], findings["n"]) == ("Four", 2, 5)


def test_findings_show_the_worst_examples() -> None:
    rows = [make_finding(score=score, message=str(score)) for score in (0.9, 0.1, 0.5, 0.2)]
    examples = count_findings(FINDINGS.conform(rows), {})["codes"][0]["examples"]
    assert [row["message"] for row in examples] == ["0.1", "0.2", "0.5"]


def test_findings_of_the_data_set_have_no_image() -> None:
    rows = [make_finding(path=None, annotation_id=None, severity=None)]
    code = count_findings(FINDINGS.conform(rows), {})["codes"][0]
    assert (code["images"], code["severity"], code["title"]) == (0, "info", "")


def test_no_findings() -> None:
    assert count_findings(FINDINGS.empty(), {}) == {
        "n": 0,
        "muted": 0,
        "by_severity": {"error": 0, "warning": 0, "info": 0},
        "codes": [],
    }


def test_queue_has_at_least_five_rows_for_the_terminal() -> None:
    queue = QUEUE.conform([make_queue_row(rank, kind="rare" if rank > 6 else "label") for rank in range(1, 9)])
    counted = count_queue(queue, 0)
    assert [row["rank"] for row in counted["top"]] == [1, 2, 3, 4, 5]
    assert counted["by_kind"] == {"label": 6, "rare": 2}
    assert len(count_queue(queue, 7)["top"]) == 7


def test_queue_kinds_come_by_number() -> None:
    queue = QUEUE.conform(
        [make_queue_row(1, kind="label"), make_queue_row(2, kind="rare"), make_queue_row(3, kind="rare")]
    )
    assert list(count_queue(queue, 1)["by_kind"]) == ["rare", "label"]


def test_classes_are_counted_by_side_in_their_order() -> None:
    inputs = make_inputs()
    rows = count_classes(inputs.dataset, inputs.split)
    assert [(row["class"], row["n"], row["train"], row["val"], row["test"]) for row in rows] == [
        ("bird", 2, 2, 0, 0),
        ("cat", 3, 2, 1, 0),
        ("dog", 1, 0, 0, 1),
    ]
    assert abs(sum(row["share"] for row in rows) - 1) < 1e-12


def test_classes_without_images_and_images_without_side() -> None:
    dataset = make_dataset({"a.png": "cat"}, classes=("bird", "cat"))
    rows = count_classes(dataset, SPLIT.empty())
    assert [(row["class"], row["n"], row["train"], row["share"]) for row in rows] == [
        ("bird", 0, 0, 0),
        ("cat", 1, 0, 1),
    ]


def test_classes_of_an_empty_data_set() -> None:
    assert [row["n"] for row in count_classes(make_dataset({}), SPLIT.empty())] == [0, 0, 0]


def test_split_takes_sizes_from_the_rows() -> None:
    inputs = make_inputs()
    split = count_split(inputs.split, inputs.certificate)
    assert split["sizes"] == {"train": 4, "val": 1, "test": 1}
    assert (split["groups"], split["groups_crossing"], split["assignment_sha256"]) == (3, 0, None)


@pytest.mark.parametrize(
    ("groups_by_column", "n"),
    [({}, 0), ({"group": {"groups": 0, "crossing": 0}}, 0), ({"a": {"groups": 2}, "b": {"groups": 3}}, 5)],
)
def test_groups_are_those_of_the_data_as_the_certificate_counts_them(groups_by_column: Any, n: int) -> None:
    certificate = {"groups": 200, "groups_crossing": 0, "groups_by_column": groups_by_column}
    assert count_split(SPLIT.empty(), certificate)["groups"] == n, "200 are the units: an image of no group is one"


def test_split_without_certificate() -> None:
    split = count_split(SPLIT.empty(), {})
    assert split["sizes"] == {"train": 0, "val": 0, "test": 0}
    assert split["groups_crossing"] is None


def test_model_takes_the_classes_of_either_key() -> None:
    row = {"precision": 1.0, "recall": None, "f1": 0.5, "support": 3}
    for key in ("classes", "per_class"):
        model = count_model({"n": 3, "accuracy": 1.0, key: {"cat": row}}, [])
        assert model["per_class"][0] == {"class": "cat", "recall_low": None, "recall_high": None, **row}


def test_model_tolerates_what_is_missing() -> None:
    model = count_model({"accuracy": None, "classes": {"cat": None}}, [{"actual": "a", "predicted": "b", "count": 2}])
    assert model["n"] is None
    assert model["per_class"][0]["f1"] is None
    assert model["confusions"] == [{"actual": "a", "predicted": "b", "n": 2}]
    assert count_model({}, []) == {}


def test_inputs_are_unchanged() -> None:
    inputs = make_inputs()
    before = [frame.copy() for frame in (inputs.rejected, inputs.findings, inputs.queue, inputs.split)]
    count_data(inputs.dataset, inputs.rejected, {})
    count_findings(inputs.findings, {})
    count_queue(inputs.queue, 3)
    count_classes(inputs.dataset, inputs.split)
    for old, new in zip(before, (inputs.rejected, inputs.findings, inputs.queue, inputs.split), strict=True):
        pd.testing.assert_frame_equal(old, new)


def test_muted_findings_are_counted_apart():
    findings = FINDINGS.conform([make_finding(), make_finding(path="images/2.png"), make_finding(code="DUP001")])
    counted = count_findings(findings, {}, [True, False, True])
    assert (counted["n"], counted["muted"]) == (1, 2)
    assert [(row["code"], row["n"]) for row in counted["codes"]] == [("BOX001", 1)]
    assert counted["by_severity"] == {"error": 1, "warning": 0, "info": 0}


def test_split_counts_the_quarantine_apart() -> None:
    inputs = make_inputs()
    split = count_split(inputs.split.assign(split=["quarantine", *inputs.split["split"][1:]]), inputs.certificate)
    assert (split["sizes"], split["quarantine"]) == ({"train": 3, "val": 1, "test": 1}, 1)
