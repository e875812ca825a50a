from __future__ import annotations

import dataclasses
import time

import pytest

from datatools.checks import runner
from datatools.checks.base import Check
from datatools.checks.runner import explain, get_check, hint, load_checks, needs, paragraphs, run_checks
from datatools.errors import DatatoolsError
from datatools.findings import CRASHED, Finding, is_crash
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
        ("BBB001", "crashed", 2),
        ("CCC001", "found", 2),
    ]
    assert outcomes[1].detail == "KeyError: 'no such column'"
    before, crash = (row for _, row in table[table["code"] == "BBB001"].sort_values("path").iterrows())
    assert (before["message"], before["path"], before["severity"]) == ("found before the crash", "a.png", "warning")
    assert crash["message"] == "the check itself failed on this data: KeyError: 'no such column'"
    assert (crash["severity"], crash["version"], crash["score"]) == ("error", 3, 0.0)
    assert is_crash(table).tolist() == (table["message"] == crash["message"]).tolist()
    assert list(table["code"]) == ["AAA001", "AAA001", "BBB001", "BBB001", "CCC001", "CCC001"]


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


def test_checks_of_the_models_judgement_name_the_stage_that_runs_them():
    _, outcomes = run_checks(make_inputs() | {"suspects": None}, only_with=frozenset({"suspects"}))
    assert outcomes[0].detail == "needs suspects, which the stage curate has: see datatools findings"


def test_only_with_runs_the_checks_that_need_one_of_these():
    inputs = make_inputs()
    _, outcomes = run_checks(inputs, only_with=frozenset({"suspects", "slices"}))
    assert {"LBL003", "SLC001"} <= {outcome.code for outcome in outcomes} < {check.code for check in load_checks()}
    _, everything = run_checks(inputs)
    assert [outcome.code for outcome in everything] == [check.code for check in load_checks()]
    assert {outcome.outcome for outcome in everything} <= {"clean", "skipped", "not applicable"}


def test_no_inputs_no_findings():
    table, outcomes = run_checks({})
    assert table.empty
    assert {outcome.outcome for outcome in outcomes} == {"not applicable"}


def test_needs_are_the_argument_names():
    assert needs(check_of("AAA001", find_two)) == ("annotations",)
    assert needs(get_check("BOX002")) == ("annotations", "images", "params")


def test_an_unknown_code_lists_the_known_ones():
    with pytest.raises(
        DatatoolsError, match=r"^code must be one of AGR001, .*, [A-Z]{3}\d{3}\. Got 'XYZ999' instead\.$"
    ):
        get_check("XYZ999")
    with pytest.raises(DatatoolsError, match="Got '' instead"):
        explain("")


def test_a_code_may_be_written_small():
    assert get_check("box001").code == "BOX001"


@pytest.mark.parametrize("bad", [Finding("text", score="high"), "no finding"], ids=["score", "type"])
def test_what_cannot_stand_in_the_table_is_a_crash_and_the_rest_stays(monkeypatch, bad):
    with_checks(monkeypatch, check_of("AAA001", lambda images: [Finding("sound", "a.png"), bad]))
    table, [outcome] = run_checks(make_inputs())
    assert (outcome.outcome, outcome.n_findings) == ("crashed", 2)
    assert table["message"].str.startswith("the check itself failed").sum() == 1
    assert "sound" in set(table["message"])


def test_a_crash_is_one_line_of_bounded_length(monkeypatch):
    def shout(images):
        raise ValueError("line one\nline two " + "x" * 5000)

    with_checks(monkeypatch, check_of("AAA001", shout))
    table, [outcome] = run_checks(make_inputs())
    assert outcome.detail.startswith("ValueError: line one line two x")
    assert len(outcome.detail) == 300
    assert "\n" not in table["message"].iloc[0]


def test_a_finding_on_an_image_is_no_crash_whatever_its_subject():
    found = runner.to_table([Finding("x", "a.png", subject=CRASHED), Finding("y", subject="cat")], "AAA001", 1, "error")
    assert not is_crash(found).any()


def test_a_check_that_parameters_switch_off_is_skipped_and_says_why(monkeypatch):
    def never(images):
        raise AssertionError("not to be called")

    checks = [dataclasses.replace(check_of("AAA001", never), off=lambda inputs: f"limit is {inputs['limit']}")]
    checks.append(dataclasses.replace(check_of("BBB001", find_two), off=lambda inputs: ""))
    with_checks(monkeypatch, *checks)
    table, outcomes = run_checks({**make_inputs(), "limit": 0})
    assert [(o.outcome, o.n_findings, o.detail) for o in outcomes] == [("skipped", 0, "limit is 0"), ("found", 2, "")]
    assert set(table["code"]) == {"BBB001"}


def test_a_switch_that_crashes_is_a_crash_of_the_check(monkeypatch):
    with_checks(monkeypatch, dataclasses.replace(check_of("AAA001", find_two), off=lambda inputs: inputs["nothing"]))
    _, [outcome] = run_checks(make_inputs())
    assert (outcome.outcome, outcome.detail) == ("crashed", "KeyError: 'nothing'")


def test_every_check_ticks_and_tells_its_cpu_seconds_and_version(monkeypatch):
    def busy(images):
        until = time.process_time() + 0.05
        while time.process_time() < until:
            pass
        return []

    with_checks(monkeypatch, check_of("AAA001", busy), check_of("BBB001", find_nothing))
    ticks = []
    _, outcomes = run_checks(make_inputs(), tick=ticks.append)
    assert ticks == [1, 1]
    assert outcomes[0].seconds >= 0.05 > outcomes[1].seconds >= 0.0
    assert [outcome.version for outcome in outcomes] == [3, 3]


def test_the_hint_is_the_first_sentence_of_what_to_do():
    assert hint("MSK001") == "Open the annotation, finish the outline, export again."
    assert hint("AAA999") == ""
    for check in load_checks():
        page = paragraphs(check.code)
        assert list(page)[:4] == ["What it finds", "Why it matters", "What to do", "Options"]
        assert all(page.values())
        assert hint(check.code).endswith((".", "?", "!"))
        assert page["What to do"].lower().startswith(hint(check.code).lower())
