from __future__ import annotations

import pytest

from datatools.errors import DatatoolsError
from datatools.fixes.checking import check_fixes
from datatools.fixes.history import Decided, describe_change, find_record, find_story, list_fields, load_decided
from datatools.fixes.make import decide, disputes_of, revert, settle
from datatools.fixes.records import append_records, load_records
from datatools.store import append_line
from tests.builders import make_record
from tests.fixes.test_make import labels, project, run_ingest  # noqa: F401  project is a fixture

WHY = {"why": "looked"}


def disagree(project, exclude: bool = False) -> None:  # noqa: F811
    if exclude:
        decide(project, "b.png", exclude=True, who="Ann", **WHY)
        append_records(project.fixes / "bob.jsonl", [make_record("include", 59, path="b.png", who="Bob")])
    else:
        decide(project, "a.png", label="dog", who="Ann", **WHY)
        append_records(project.fixes / "bob.jsonl", [make_record("confirm", 59, who="Bob", before="cat")])


def test_a_story_has_the_records_of_an_image_and_of_one_annotation(project):  # noqa: F811
    first = decide(project, "a.png", label="dog", who="Ann", **WHY)
    decide(project, "b.png", confirm=True, who="Ann", **WHY)
    back = revert(project, first[0].id, who="Ann", **WHY)
    decided, _ = load_decided(project)
    story = find_story(decided, "a.png")
    assert {item.record.id for item in story} == {*(record.id for record in first), back.id}
    assert [item.record.id for item in find_story(decided, "label/a.png")] == [first[0].id, back.id]
    assert {item.record.id: item.status for item in story}[first[0].id] == "reverted"
    with pytest.raises(DatatoolsError, match="expected an annotation id or an image path"):
        find_story(decided, "nobody.png")


def test_a_record_is_found_by_the_start_of_its_id_and_told_whole(project):  # noqa: F811
    record = decide(project, "a.png", label="dog", who="Ann", **WHY)[0]
    decided, _ = load_decided(project)
    fields = dict(list_fields(find_record(decided, record.id[:8])))
    assert (fields["what"], fields["status"], fields["base"]) == ("cat -> dog", "pending", record.base)
    with pytest.raises(DatatoolsError, match="which 0 have"):
        find_record(decided, "nobody")


def test_fields_of_a_settlement_and_of_evidence():
    record = make_record("confirm", before="cat", settles=("r1", "r2"), evidence={"score": 0.1})
    fields = list_fields(Decided(record, "conflict", "gone"))
    assert (
        ("settles", "r2") in fields and ("evidence.score", "0.1") in fields and ("status", "conflict: gone") in fields
    )


@pytest.mark.parametrize(
    ("record", "words"),
    [
        (make_record("relabel", before=None, after="dog"), "(none) -> dog"),
        (make_record("set_metadata", column="writer", before="w", after=None), "writer: w -> (none)"),
        (make_record("confirm", before="cat"), "confirm cat"),
        (make_record("exclude"), "exclude"),
        (make_record("revert", reverts="r1"), "revert r1"),
    ],
)
def test_changes_in_words(record, words: str):
    assert describe_change(record) == words


def test_what_is_disputed_is_seen_at_once_and_after_the_run(project):  # noqa: F811
    disagree(project)
    for _ in range(2):
        problems = {problem.where: problem.message for problem in check_fixes(project)}
        assert problems["label/a.png"].startswith("people disagree: ")
        assert "Bob: cat" in problems["label/a.png"] and "Ann: dog" in problems["label/a.png"]
        run_ingest(project)
        assert labels(project)["a.png"] == "cat"


def test_a_settlement_ends_the_dispute_about_label_and_objects(project):  # noqa: F811
    disagree(project)
    records = settle(project, "a.png", label="dog", who="Eve", **WHY)
    assert [(record.op, record.annotation_id) for record in records] == [
        ("relabel", "label/a.png"),
        ("relabel", "coco/1"),
    ]
    assert [len(record.settles) for record in records] == [2, 1]
    assert disputes_of(project) == {} and list(check_fixes(run_ingest(project))) == []
    assert labels(project)["a.png"] == "dog"
    with pytest.raises(DatatoolsError, match="There is no dispute"):
        settle(project, "a.png", label="dog", who="Eve", **WHY)


def test_a_settlement_may_confirm_what_was(project):  # noqa: F811
    disagree(project)
    assert {record.op for record in settle(project, "a.png", label="cat", who="Eve", **WHY)} == {"confirm"}
    assert labels(run_ingest(project))["a.png"] == "cat"


@pytest.mark.parametrize(("exclude", "is_there"), [(True, False), (False, True)])
def test_a_dispute_about_an_image_is_settled_either_way(project, exclude: bool, is_there: bool):  # noqa: F811
    disagree(project, exclude=True)
    assert "b.png" in labels(run_ingest(project))
    settle(project, "b.png", label=None, exclude=exclude, who="Eve", **WHY)
    assert ("b.png" in labels(run_ingest(project))) == is_there


@pytest.mark.parametrize(
    ("image", "decision", "message"),
    [
        ("b.png", {"label": "dog"}, "There are disputes about a.png"),
        ("a.png", {"label": "cow"}, "label must be one of"),
        ("a.png", {"label": None}, "expected a dispute about that"),
        ("a.png", {"label": "dog", "why": " "}, "expected a reason"),
    ],
)
def test_what_cannot_be_settled_writes_nothing(project, image: str, decision: dict, message: str):  # noqa: F811
    disagree(project)
    before = load_records(project.fixes)
    with pytest.raises(DatatoolsError, match=message):
        settle(project, image, **{"exclude": False, "who": "Eve", **WHY, **decision})
    assert load_records(project.fixes) == before


def test_an_excluded_image_is_brought_back(project):  # noqa: F811
    decide(project, "b.png", exclude=True, who="Ann", **WHY)
    assert "b.png" not in labels(run_ingest(project))
    decide(project, "b.png", include=True, who="Ann", **WHY)
    assert "b.png" in labels(run_ingest(project))
    with pytest.raises(DatatoolsError, match=r"expected one that was excluded: b\.png"):
        decide(project, "a.png", include=True, who="Ann", **WHY)


def test_broken_lines_and_conflicts_are_problems(project):  # noqa: F811
    append_line(project.fixes / "x.jsonl", "<<<<<<< HEAD")
    append_records(project.fixes / "y.jsonl", [make_record("relabel", 1, before="cow", after="dog", id="r1")])
    problems = [(problem.where, problem.message) for problem in check_fixes(run_ingest(project))]
    assert problems[0][0] == "x.jsonl:1" and problems[0][1].startswith("not a record")
    assert problems[1] == ("r1", "conflict: label is 'cat', the record was made on 'cow'")
