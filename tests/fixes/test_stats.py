from __future__ import annotations

import pandas as pd
import pytest
from scipy.stats import binomtest

from datatools.dataset import Dataset, label_id
from datatools.fixes.apply import apply_fixes
from datatools.fixes.history import Decided
from datatools.fixes.make import decide
from datatools.fixes.outcomes import find_outcomes
from datatools.fixes.records import BrokenLine
from datatools.fixes.stats import ClassCount, FixStats, compute_stats, count_decisions, from_status, measure_precision
from datatools.fixes.stats_words import write_stats
from datatools.schema import ANNOTATIONS, IMAGES, SPLIT
from datatools.store import save_json
from tests.builders import make_record
from tests.fixes.test_make import project, run_ingest  # noqa: F401  project is a fixture
from tests.report.builders import make_lift

PATHS = [f"{number}.png" for number in range(6)]
QUEUE = {"queue": "label"}


def make_dataset() -> Dataset:
    rows = [
        {"annotation_id": f"{who}/{path}", "path": path, "label": label, "kind": "label", "annotator": who}
        for who, label in (("anna", "cat"), ("ben", "dog"))
        for path in PATHS[: 4 if who == "ben" else 6]
    ]
    return Dataset(IMAGES.empty(), ANNOTATIONS.conform(rows), ("cat", "dog"))


def decided(op: str, number: int, status: str = "applied", **fields) -> Decided:
    if op in ("relabel", "confirm"):
        fields = {"annotation_id": label_id(PATHS[number]), "before": "cat", **fields}
    return Decided(make_record(op, number, path=PATHS[number], id=f"r{number}{status}{op}", **fields), status)


def make_stats() -> FixStats:
    items = [
        decided("relabel", 0, after="dog", evidence=QUEUE),
        decided("relabel", 1, after="dog", evidence={"queue": ["label", "duplicate"]}, who="bob"),
        decided("confirm", 2, evidence=QUEUE),
        decided("exclude", 3, evidence=QUEUE),
        decided("confirm", 4, evidence={"queue": "duplicate"}),
        decided("relabel", 5, status="reverted", after="dog", evidence=QUEUE),
    ]
    split = SPLIT.conform([{"path": path, "split": "test" if path < "2" else "train"} for path in PATHS])
    return compute_stats(items, make_dataset(), split, {"rate": 0.1, "low": 0.05, "high": 0.2, "n": 60})


def test_decisions_are_counted_by_person_status_change_and_side():
    stats = make_stats()
    assert stats.by_person["bob"] == {"relabel": 1}
    assert stats.by_status == {"applied": 5, "reverted": 1}
    assert stats.by_change == {("cat", "dog"): 2}
    assert stats.by_side == {"test": {"relabel": 2}, "train": {"confirm": 2, "exclude": 1}}


def test_annotators_are_held_against_what_was_decided():
    assert make_stats().by_annotator == {"anna": (2, 4), "ben": (1, 3)}


def test_the_test_side_has_a_lane_of_its_own():
    learnt, measured = make_stats().lanes["train and val"], make_stats().lanes["test"]
    assert list(make_stats().lanes) == ["train and val", "test"]
    assert (learnt.by_op, measured.by_op) == ({"confirm": 2, "exclude": 1}, {"relabel": 2})
    assert learnt.by_class == {"cat": ClassCount(2, 0, 0)}
    assert measured.by_class == {"cat": ClassCount(2, 2, 0), "dog": ClassCount(0, 0, 2)}
    assert learnt.by_annotator == {"anna": (0, 2), "ben": (1, 1)}
    assert measured.by_annotator == {"anna": (2, 2), "ben": (0, 2)}
    assert (learnt.precision.wrong, learnt.precision.reviewed) == (1, 2)
    assert (measured.precision.wrong, measured.precision.reviewed) == (2, 2)


def test_objects_that_nobody_relabelled_with_their_image_count_for_themselves():
    rows = [
        {"annotation_id": f"b{n}", "path": "0.png", "label": "cat", "kind": "box", "annotator": "anna"} for n in (1, 2)
    ]
    dataset = Dataset(IMAGES.empty(), ANNOTATIONS.conform(rows), ("cat", "dog"))
    items = [
        decided("relabel", 0, annotation_id="b1", after="dog"),
        Decided(make_record("confirm", 1, "0.png", id="x", annotation_id="b2", before="cat"), "applied"),
    ]
    stats = compute_stats(items, dataset, SPLIT.empty())
    assert stats.by_annotator == {"anna": (1, 2)}
    assert stats.lanes["on no side"].by_class == {"cat": ClassCount(2, 1, 0), "dog": ClassCount(0, 0, 1)}


def test_precision_of_the_queue_with_wilsons_interval():
    found = make_stats().precision
    interval = binomtest(3, 4).proportion_ci(method="wilson")
    assert (found.wrong, found.reviewed, found.share) == (3, 4, 0.75)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))
    assert measure_precision([]).share is None


def test_errors_left_are_images():
    assert make_stats().errors_left == pytest.approx({"rate": 6, "low": 3, "high": 12})


def test_the_lines_say_it_all():
    text = "\n".join(write_stats(make_stats()))
    assert "3 of 4 were wrong labels, 75% (95 % interval 30% to 95%)" in text
    assert "Estimated wrong labels left: 6 (3 to 12)" in text
    assert "2  cat -> dog" in text and "bob: 1 relabel" in text
    assert "Test, what the model is measured on:\n  2 relabel\n  The queue's doubts: 2 of 2 were wrong labels" in text
    assert (
        "  cat                          2        2          0\n  dog                          0        0          2\n"
        in text
    )
    assert "  ben                          2        0\n" in text
    assert "Set lift.seeds to 3 in params.yaml" in text


def test_hostile_names_stay_text():
    items = [decided("relabel", 0, after="\x1b[31mred", who="\u202eeve")]
    text = "\n".join(write_stats(compute_stats(items, make_dataset(), SPLIT.empty())))
    assert "\x1b" not in text and "\u202e" not in text and "\\x1b[31mred" in text


def test_what_the_fixes_bought_is_told_with_its_interval_and_seeds(project):  # noqa: F811
    decide(project, "a.png", label="dog", why="looked", who="Ann")
    run_ingest(project)
    lift = make_lift(60, 90)
    save_json(project.root / "reports" / "lift.json", {**lift, "measured": False, "why_not": "not asked"})
    assert "was not measured" in "\n".join(write_stats(count_decisions(project)))
    save_json(project.root / "reports" / "lift.json", {"measured": False, "why_not": "no records", "before": None})
    text = "\n".join(write_stats(count_decisions(project)))
    assert "was not measured" in text and "No fix records" not in text, "there are some since the last run"
    save_json(project.root / "reports" / "lift" / "lift.json", lift)  # as `datatools lift` does
    text = "\n".join(write_stats(count_decisions(project)))
    assert "raised accuracy by 30.0 percentage points (+" in text
    assert "  60.0 % (spread 0.0 %)  without the fixes, on the corrected test labels" in text
    assert "  90.0 % (spread 0.0 %)  with the fixes, on the corrected test labels" in text
    assert "3 trainings (3 seeds, the same for both)" in text
    assert "That was on data 0123456789ab; now it is " in text
    save_json(project.root / "reports" / "lift.json", make_lift(90, 60))  # the pipeline's own goes first
    assert "lowered accuracy" in "\n".join(write_stats(count_decisions(project)))


def test_stats_of_a_project_before_split_and_curate(project):  # noqa: F811
    assert write_stats(count_decisions(project))[0] == "no records yet"
    decide(project, "a.png", label="dog", why="looked", who="Ann")
    stats = count_decisions(run_ingest(project))
    assert stats.by_side == {"none": {"relabel": 1}}
    assert stats.errors_left is None
    assert pd.isna(stats.precision.share)


def test_what_the_status_table_tells_is_what_the_records_tell():
    records = [
        make_record("relabel", 1, before="cat", after="dog", evidence=QUEUE),
        make_record("confirm", 2, path="b.png", before="cat", evidence={"queue": ["rare", "label"]}),
        make_record("confirm", 3, path="c.png", before="cat"),
    ]
    rows = [
        {"annotation_id": label_id(name), "path": name, "label": "cat", "kind": "label"}
        for name in ("a.png", "b.png", "c.png")
    ]
    status = apply_fixes(ANNOTATIONS.conform(rows), records, [BrokenLine("x.jsonl", 1, "torn")]).status
    found = measure_precision(find_outcomes(from_status(status)))
    assert (found.wrong, found.reviewed) == (1, 2)
