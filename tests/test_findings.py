from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datatools.findings import Finding, Mark, Offer, concat, parse_marks, parse_offer, to_table
from datatools.schema import FINDINGS

FINDING = st.builds(
    Finding,
    message=st.sampled_from(["m1", "m2"]),
    path=st.none() | st.sampled_from(["a", "b"]),
    annotation_id=st.none() | st.just("x"),
    score=st.sampled_from([0.0, 0.5]),
)


def test_a_finding_becomes_a_row_with_code_version_and_severity():
    table = to_table([Finding("b is bad", "b.png", "coco/1", 0.25), Finding("all is bad")], "BOX001", 2, "error")
    first = table.to_dict("records")[0]
    assert all(pd.isna(first.pop(name)) for name in ("subject", "marks", "offer"))
    assert first == {
        "code": "BOX001",
        "version": 2,
        "severity": "error",
        "path": "b.png",
        "annotation_id": "coco/1",
        "score": 0.25,
        "message": "b is bad",
    }
    assert table.loc[1, "score"] == 0.0
    assert table.loc[1, ["path", "annotation_id", "subject"]].isna().all()


@pytest.mark.parametrize(
    "marks", [(), (Mark("box", (1.0, 2.0, 3.0, 4.5)),), (Mark("point", (1, 2)), Mark("line", (0, 0, 1, 1)))]
)
def test_marks_survive_the_table(marks):
    (text,) = to_table([Finding("m", marks=marks)], "BOX001", 1, "error")["marks"]
    assert parse_marks(text) == marks


@pytest.mark.parametrize(
    "offer", [None, Offer("delete", "x"), Offer("relabel", None, "Ünï"), Offer("move_box", "[1]", "[2]")]
)
def test_an_offer_survives_the_table(offer):
    (text,) = to_table([Finding("m", offer=offer)], "BOX001", 1, "error")["offer"]
    assert parse_offer(text) == offer


@given(st.lists(FINDING, max_size=5), st.lists(FINDING, max_size=5))
def test_concat_keeps_every_row_whatever_the_order_of_the_tables(one: list[Finding], other: list[Finding]):
    tables = [to_table(one, "AAA001", 1, "info"), FINDINGS.empty(), to_table(other, "BBB001", 1, "error")]
    joined = concat(tables)
    assert len(joined) == len(one) + len(other)
    pd.testing.assert_frame_equal(joined, concat(reversed(tables)))
    expected = {code: len(rows) for code, rows in (("AAA001", one), ("BBB001", other)) if rows}
    assert joined["code"].value_counts().to_dict() == expected


def test_concat_of_nothing_is_an_empty_table():
    for tables in ([], [FINDINGS.empty()]):
        pd.testing.assert_frame_equal(concat(tables), FINDINGS.empty())


def test_joined_findings_come_in_the_order_of_the_codes():
    tables = [to_table([Finding("m")] * n, code, 1, "info") for code, n in (("B", 1), ("A", 2), ("C", 3))]
    assert concat(tables)["code"].tolist() == ["A", "A", "B", "C", "C", "C"]


NAMES = st.none() | st.sampled_from(["a", "B", "\u00e9", "\U0001f600", ""])
ANY = st.builds(
    Finding,
    message=st.sampled_from(["m", "n"]),
    path=NAMES,
    annotation_id=NAMES,
    score=st.sampled_from([0.0, 0.5, 1]),
    subject=NAMES,
    marks=st.sampled_from([(), (Mark("point", (1.0, 2.0)),)]),
    offer=st.sampled_from([None, Offer("delete")]),
)


@given(st.lists(ANY, max_size=8))
def test_a_table_is_what_its_schema_makes_of_it(findings: list[Finding]):
    table = to_table(findings, "IMG001", 2, "info")
    shuffled = table.sample(frac=1, random_state=0) if len(table) else table
    pd.testing.assert_frame_equal(table, FINDINGS.conform(shuffled))


def test_the_table_of_nothing_is_nobody_elses():
    one = to_table([], "IMG001", 1, "info")
    one.loc[0, "message"] = "changed"
    pd.testing.assert_frame_equal(to_table([], "IMG001", 1, "info"), FINDINGS.empty())
