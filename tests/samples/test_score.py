from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from datatools.errors import DatatoolsError
from datatools.project import Project
from datatools.samples.digits import KEY_COLUMNS
from datatools.samples.score import CODES, Score, load_key, score_project, score_sample, to_lines
from datatools.schema import FINDINGS, QUEUE
from datatools.store import save_table, save_text
from tests.conftest import SampleFolder


def make_key(*rows: tuple[str, str] | tuple[str, str, str]) -> pd.DataFrame:
    """Rows of (fault, path) or (fault, path, detail)."""
    full = [(row[0], row[1], "", row[2] if len(row) > 2 else "") for row in rows]
    return pd.DataFrame(full, columns=list(KEY_COLUMNS))


def make_findings(*rows: tuple[str, str | None] | tuple[str, str | None, str]) -> pd.DataFrame:
    """Rows of (code, path) or (code, path, message)."""
    return FINDINGS.conform(
        [
            {
                "code": row[0],
                "path": row[1],
                "message": row[2] if len(row) > 2 else "m",
                "version": 1,
                "severity": "error",
                "score": 0.0,
            }
            for row in rows
        ]
    )


def make_queue(*paths: str) -> pd.DataFrame:
    return QUEUE.conform([{"rank": rank, "path": path, "score": 0.0} for rank, path in enumerate(paths, start=1)])


def counts(scores: list[Score], fault: str) -> tuple[int, int, int, int]:
    [score] = [score for score in scores if score.fault == fault]
    return score.n_planted, score.n_found, score.n_findings, score.n_true


def test_a_fault_is_found_when_its_code_names_its_path():
    key = make_key(("truncated", "a"), ("truncated", "b"), ("size_mismatch", "c"))
    findings = make_findings(("IMG004", "a"), ("IMG004", "a", "again"), ("IMG004", "x"), ("IMG002", "b"))
    scores = score_sample(key, findings, make_queue())
    assert counts(scores, "truncated") == (2, 1, 3, 2)
    assert counts(scores, "size_mismatch") == (1, 0, 1, 0)
    assert counts(scores, "box_outside") == (0, 0, 0, 0)


@pytest.mark.parametrize(
    ("message", "hit"),
    [
        ("chloe gives '4' the label '9'", True),
        ("chloe gives '9' the label '4'", True),
        ("anna gives '4' the label '9'", False),
        ("chloe gives '4' the label '7'", False),
        ("chloe2 gives '4' the label '9'", False),
    ],
)
def test_the_confusion_is_found_by_annotator_and_both_classes(message: str, hit: bool):
    key = make_key(("annotator_confusion", "", "chloe 4 9"))
    scores = score_sample(key, make_findings(("AGR002", None, message)), make_queue())
    assert counts(scores, "annotator_confusion") == (1, int(hit), 1, int(hit))


@pytest.mark.parametrize(("message", "hit"), [("background=stripes has 3", True), ("background=stripes2 has 3", False)])
def test_the_rare_slice_is_found_by_its_name(message: str, hit: bool):
    key = make_key(("rare_slice", "", "background=stripes"))
    scores = score_sample(key, make_findings(("SLC001", None, message)), make_queue())
    assert counts(scores, "rare_slice") == (1, int(hit), 1, int(hit))


def test_wrong_labels_are_looked_for_in_the_first_two_n_rows():
    key = make_key(("wrong_label", "a"), ("wrong_label", "b"))
    queue = make_queue("a", "x", "y", "z", "b").iloc[::-1]
    scores = score_sample(key, make_findings(), queue)
    assert counts(scores, "wrong_label") == (2, 1, 4, 1)
    assert scores[-1].judged_by == "first 4 of the queue"


def test_findings_of_a_structural_code_without_a_fault_are_false_alarms():
    findings = make_findings(("BOX009", "a"), ("AGR001", "a"))
    assert counts(score_sample(make_key(), findings, make_queue()), "(none planted)") == (0, 0, 1, 0)


def test_scores_without_a_fault_or_a_finding_have_no_rate():
    empty = Score("f", "c", 0, 0, 0, 0)
    assert (empty.recall, empty.precision) == (None, None)
    some = Score("f", "c", 4, 3, 6, 3)
    assert (some.recall, some.precision) == (0.75, 0.5)


def test_lines_are_a_table():
    lines = list(to_lines([Score("truncated", "IMG004", 4, 3, 6, 3), Score("x", "y", 0, 0, 0, 0)]))
    assert lines[0].split() == ["fault", "judged", "by", "planted", "found", "recall", "findings", "precision"]
    assert lines[1].split() == ["truncated", "IMG004", "4", "3", "0.750", "6", "0.500"]
    assert lines[2].split() == ["x", "y", "0", "0", "-", "0", "-"]
    assert len({len(line) for line in lines}) == 1


def test_every_planted_fault_has_a_judge(sample: SampleFolder):
    assert set(load_key(sample.key)["fault"]) == {*CODES, "wrong_label"}


def test_a_missing_key_says_what_to_run(tmp_path: Path):
    path = tmp_path / "answer_key.csv"
    with pytest.raises(DatatoolsError) as caught:
        load_key(path)
    assert str(caught.value) == (
        f"{path}: expected an answer key. Got no such file: run `datatools sample make digits` first."
    )


def save_project(root: Path) -> Project:
    project = Project(root)
    save_table(project.findings, make_findings(("IMG004", "a")), FINDINGS)
    save_table(project.model_findings, make_findings(("DUP002", "b")), FINDINGS)
    save_table(project.queue, make_queue("c"), QUEUE)
    rows = "truncated,a,,\nnear_duplicate,b,,a\nwrong_label,c,,1\n"
    save_text(project.answer_key, "fault,path,annotation_id,detail\n" + rows)
    return project


def test_a_project_is_scored_over_both_tables_of_findings(tmp_path: Path):
    found = {score.fault: score.n_found for score in score_project(save_project(tmp_path)) if score.n_planted}
    assert found == {"truncated": 1, "near_duplicate": 1, "wrong_label": 1}


@pytest.mark.parametrize("place", ["findings", "model_findings", "queue", "answer_key"])
def test_a_project_without_a_run_or_a_key_is_an_error(tmp_path: Path, place: str):
    project = save_project(tmp_path)
    getattr(project, place).unlink()
    with pytest.raises(DatatoolsError, match="Got no such file: run `"):
        score_project(project)


def test_what_follows_from_a_planted_fault_is_no_false_alarm():
    key = make_key(("mask_outside", "a"))
    scores = score_sample(key, make_findings(("MSK003", "a"), ("MSK010", "a")), make_queue())
    assert "(none planted)" not in {score.fault for score in scores}
    scores = score_sample(key, make_findings(("MSK003", "a"), ("MSK010", "a"), ("MSK010", "b")), make_queue())
    assert counts(scores, "(none planted)") == (0, 0, 1, 0)
