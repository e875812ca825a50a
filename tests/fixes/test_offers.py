from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from datatools.dataset import load_dataset
from datatools.errors import DatatoolsError
from datatools.findings import Finding, Offer, concat, to_table
from datatools.fixes.make import decide
from datatools.fixes.offers import accept_offers, list_offers
from datatools.fixes.records import load_records
from datatools.project import Project
from datatools.schema import BOX, FINDINGS
from datatools.store import save_table
from tests.builders import coco_text, lay_out, make_object, make_png
from tests.fixes.test_make import run_ingest

WHO: dict[str, Any] = {"why": "looked", "who": "Ann"}
BEFORE, AFTER = "[9.0, 2.0, 3.0, 4.0]", "[3.0, 2.0, 9.0, 4.0]"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Two images; a.png has a box, twice, that check BOX001 offers to move and DUP009 to delete."""
    project = Project(tmp_path)
    lay_out(project.raw, {name: make_png(number) for number, name in enumerate(("a.png", "b.png"))})
    objects = [make_object(bbox=[9, 2, -6, 2]), make_object(id=2), make_object(id=3, image_id=2)]
    lay_out(project.raw, {"annotations.json": coco_text(*objects)})
    run_ingest(project)
    save_findings(
        project,
        BOX001=[Finding("corners are swapped", "a.png", "coco/1", offer=Offer("move_box", BEFORE, AFTER))],
        BOX005=[Finding("twice", "a.png", "coco/2", offer=Offer("delete")), Finding("odd", "b.png", "coco/3")],
        DUP001=[Finding("a copy", "b.png", offer=Offer("exclude"))],
    )
    return project


def save_findings(project: Project, **found: list[Finding]) -> None:
    table = concat([to_table(findings, code, 1, "error") for code, findings in found.items()])
    save_table(project.findings, table, FINDINGS)


def ops(offers: list[Any]) -> list[tuple[str, str, str | None]]:
    return [(offered.code, offered.record.op, offered.record.annotation_id) for offered in offers]


def test_what_is_offered_is_listed_by_code_and_path(project):
    everything = [("BOX001", "move_box", "coco/1"), ("BOX005", "delete", "coco/2"), ("DUP001", "exclude", None)]
    assert ops(list_offers(project)) == everything
    assert ops(list_offers(project, "BOX005")) == everything[1:2]
    assert ops(list_offers(project, path="b.*")) == everything[2:]
    assert load_records(project.fixes) == ([], [])


def test_an_accepted_offer_is_a_record_that_says_what_it_rests_on(project):
    (record,) = accept_offers(project, "box001", "*", **WHO)
    assert load_records(project.fixes) == ([record], [])
    assert (record.op, record.before, record.after, record.who, record.why) == (
        "move_box",
        BEFORE,
        AFTER,
        "Ann",
        "looked",
    )
    assert record.evidence == {"finding": "BOX001", "message": "corners are swapped"}
    assert record.base == load_dataset(project.dataset).version


def test_the_next_run_applies_them_and_counts_what_is_gone(project):
    n = len(load_dataset(project.dataset).annotations)
    for code in ("BOX001", "BOX005"):
        accept_offers(project, code, "*", **WHO)
    done = load_dataset(run_ingest(project).dataset)
    rows = done.annotations.set_index("annotation_id")
    assert json.dumps(rows.loc["coco/1", BOX].tolist()) == AFTER
    assert "coco/2" not in rows.index
    assert len(done.annotations) == n - 1
    assert done.facts["counts"]["rejected"] == 1


def test_what_was_accepted_or_no_longer_fits_is_not_offered_again(project):
    accept_offers(project, "BOX001", "*", **WHO)
    assert ops(list_offers(project, "BOX001")) == []
    with pytest.raises(DatatoolsError, match="Got none: see"):
        accept_offers(project, "BOX001", "*", **WHO)
    decide(project, "a.png", label="dog", confirm=False, exclude=False, **WHO)
    assert dataclasses.asdict(list_offers(project, "BOX005")[0].record)["before"] == "dog"


def test_an_offer_made_twice_is_one_record(project):
    twice = [Finding(words, "a.png", "coco/1", offer=Offer("move_box", BEFORE, AFTER)) for words in ("one", "two")]
    save_findings(project, BOX001=twice)
    assert len(list_offers(project)) == 1


def test_a_reason_is_needed(project):
    with pytest.raises(DatatoolsError, match="expected a reason"):
        accept_offers(project, "BOX001", "*", why=" ", who="Ann")


def test_a_relabel_of_a_whole_class_is_a_record_for_each_annotation_of_it(project):
    rows = load_dataset(project.dataset).annotations
    ids = sorted(rows.loc[rows["label"] == "cat", "annotation_id"])
    assert len(ids) > 2
    save_findings(
        project, LBL004=[Finding("one class, two names", subject="cat, Cat", offer=Offer("relabel", "cat", "dog"))]
    )
    assert len(list_offers(project, path="b.*")) < len(ids)
    records = accept_offers(project, "LBL004", "*", **WHO)
    assert sorted(str(record.annotation_id) for record in records) == ids
    assert not (load_dataset(run_ingest(project).dataset).annotations["label"] == "cat").any()
