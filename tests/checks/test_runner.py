from __future__ import annotations

import pytest

from datatools.checks import runner
from datatools.checks.base import Check
from datatools.checks.runner import explain, get_check, load_checks, needs, run_checks
from datatools.errors import DatatoolsError
from datatools.findings import Finding
from tests.small_data import boxes, make_inputs


def check_of(code, find, severity="warning"):
    return Check(code, "made up", severity, find, lambda inputs: inputs, version=3)


def with_checks(monkeypatch, *checks):
    monkeypatch.setattr(runner, "load_checks", lambda: checks)


def find_nothing(images):
    return []


def find_two(annotations):
    yield Finding("second", "b.png", score=0.5)
    yield Finding("first", "a.png", "box/0")


def crash_late(images):
    yield Finding("found before the crash", "a.png")
    raise KeyError("no such column")


def test_a_crash_is_a_finding_and_the_others_go_on(monkeypatch):
    with_checks(monkeypatch, check_of("AAA001", find_two), check_of("BBB001", crash_late), check_of("CCC001", find_two))
    table, outcomes = run_checks(make_inputs())
    assert [(o.code, o.outcome, o.n_findings) for o in outcomes] == [
        ("AAA001", "found", 2),
        ("BBB001", "crashed", 1),
        ("CCC001", "found", 2),
    ]
    assert outcomes[1].detail == "KeyError: 'no such column'"
    crash = table[table["code"] == "BBB001"].iloc[0]
    assert crash["message"] == "the check itself failed on this data: KeyError: 'no such column'"
    assert (crash["severity"], crash["version"], crash["score"]) == ("error", 3, 0.0)
    assert list(table["code"]) == ["AAA001", "AAA001", "BBB001", "CCC001", "CCC001"]


def test_ctrl_c_is_not_a_crash_of_the_check(monkeypatch):
    def interrupt(images):
        raise KeyboardInterrupt

    with_checks(monkeypatch, check_of("AAA001", interrupt))
    with pytest.raises(KeyboardInterrupt):
        run_checks(make_inputs())


def test_rows_are_sorted_and_carry_version_and_severity(monkeypatch):
    with_checks(monkeypatch, check_of("AAA001", find_two, "info"))
    table, _ = run_checks({"annotations": boxes()})
    assert table["message"].tolist() == ["first", "second"]
    assert table["severity"].tolist() == ["info", "info"]
    assert table["score"].tolist() == [0.0, 0.5]


def test_without_its_inputs_a_check_is_not_applicable(monkeypatch):
    def find_both(images, ratings):
        raise AssertionError("not to be called")

    with_checks(monkeypatch, check_of("AAA001", find_both), check_of("BBB001", find_nothing))
    table, outcomes = run_checks({"images": make_inputs()["images"], "ratings": None})
    assert [(o.outcome, o.detail) for o in outcomes] == [("not applicable", "needs ratings"), ("clean", "")]
    assert table.empty
    _, outcomes = run_checks({})
    assert outcomes[0].detail == "needs images, ratings"


def test_only_with_runs_the_checks_that_need_one_of_these():
    inputs = make_inputs()
    _, outcomes = run_checks(inputs, only_with=frozenset({"suspects", "slices"}))
    assert [outcome.code for outcome in outcomes] == ["LBL003", "SLC001"]
    _, everything = run_checks(inputs)
    assert [outcome.code for outcome in everything] == [check.code for check in load_checks()]
    assert {outcome.outcome for outcome in everything} == {"clean"}


def test_no_inputs_no_findings():
    table, outcomes = run_checks({})
    assert table.empty
    assert {outcome.outcome for outcome in outcomes} == {"not applicable"}


def test_needs_are_the_argument_names():
    assert needs(check_of("AAA001", find_two)) == ("annotations",)
    assert needs(get_check("BOX002")) == ("annotations", "images", "params")


def test_an_unknown_code_lists_the_known_ones():
    with pytest.raises(DatatoolsError, match=r"^code must be one of AGR001, .*, SLC001\. Got 'XYZ999' instead\.$"):
        get_check("XYZ999")
    with pytest.raises(DatatoolsError, match="Got '' instead"):
        explain("")


def test_a_code_may_be_written_small():
    assert get_check("box001").code == "BOX001"
