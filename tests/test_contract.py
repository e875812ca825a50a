"""What every check promises, whatever it looks for."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import datatools.checks
from datatools.checks.base import BY_CURATE, INPUTS, Check
from datatools.checks.runner import NOT_CHECKS, explain, get_check, load_checks, needs, run_checks
from datatools.findings import Finding
from datatools.params import SECTIONS
from datatools.schema import FINDINGS, SEVERITIES

from .small_data import make_inputs

PARAGRAPHS = ("What it finds:", "Why it matters:", "What to do:", "Options:")
GOOD_STATES = {"clean", "closed", "complete", "correct", "fine", "good", "ok", "sound", "unique", "valid", "verified"}
GIVEN_BY_CURATE = {*BY_CURATE, "images", "pairs", "curation"}  # validate gives the rest, and the images and pairs too
each_check = pytest.mark.parametrize("check", load_checks(), ids=lambda check: check.code)


def page_of(check: Check) -> str:
    return inspect.cleandoc(inspect.getmodule(check.find).__doc__ or "")


def find(check: Check, inputs: dict[str, Any]) -> list[Finding]:
    return list(check.find(**{name: inputs[name] for name in needs(check)}))


def assert_same(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert one.keys() == other.keys()
    for name, value in one.items():
        if isinstance(value, pd.DataFrame):
            pd.testing.assert_frame_equal(value, other[name], check_exact=True, obj=name)
        else:
            assert value == other[name], name


def test_one_file_is_one_check():
    folder = Path(datatools.checks.__file__).parent
    files = {path.stem for path in folder.glob("*.py")} - {"__init__", *NOT_CHECKS}
    homes = [inspect.getmodule(check.find).__name__.rpartition(".")[2] for check in load_checks()]
    assert sorted(homes) == sorted(files)


def test_codes_and_titles_are_unique_and_codes_are_in_order():
    checks = load_checks()
    assert len(checks) >= 17
    for names in ([check.code for check in checks], [check.title for check in checks]):
        assert [name for name, n in Counter(names).items() if n > 1] == []
    assert [check.code for check in checks] == sorted(check.code for check in checks)


@each_check
def test_code_title_severity_version(check):
    assert re.fullmatch(r"[A-Z]{3}\d{3}", check.code)
    assert check.severity in SEVERITIES
    assert isinstance(check.version, int)
    assert check.version >= 1
    words = set(re.findall(r"[a-z]+", check.title.lower()))
    assert words, "a title says what is wrong"
    assert not words & GOOD_STATES, "a title names the defect, not the good state"
    assert check.title[0].islower()
    assert not check.title.endswith(".")


@each_check
def test_the_page_is_complete(check):
    page = page_of(check)
    starts = [page.find(f"\n{title}" if number else title) for number, title in enumerate(PARAGRAPHS)]
    assert starts[0] == 0
    assert -1 not in starts, f"missing: {PARAGRAPHS[starts.index(-1)]}"
    assert starts == sorted(starts), "the paragraphs stand in their order"
    bodies = re.split("|".join(PARAGRAPHS), page)[1:]
    assert all(body.strip().endswith((".", ").")) for body in bodies)
    assert explain(check.code).endswith(page + "\n")


@each_check
def test_the_page_names_options_that_exist(check):
    named = re.findall(r"`(\w+)\.(\w+)", page_of(check))
    options = [(section, key) for section, key in named if section in SECTIONS]
    for section, key in options:
        assert key in {field.name for field in dataclasses.fields(SECTIONS[section])}, f"{section}.{key}"
    assert options or not {"params", "curation"} & set(needs(check)), "a check that reads params names them"


@each_check
def test_it_asks_for_inputs_that_one_stage_gives(check):
    asked = set(needs(check))
    assert asked
    assert asked <= set(INPUTS)
    assert asked <= GIVEN_BY_CURATE or not asked & BY_CURATE, "no stage gives both"
    assert "curation" not in asked or asked & BY_CURATE, "only curate gives its parameters"


@each_check
def test_silent_on_clean_data(check):
    assert find(check, make_inputs()) == []


@each_check
def test_loud_on_its_own_bad_example(check):
    bad = check.spoil(make_inputs())
    findings = find(check, bad)
    assert findings
    paths = set(bad["images"]["path"]) | set(bad["rejected"]["path"])
    ids = set(bad["annotations"]["annotation_id"]) | set(bad["rejected"]["annotation_id"])
    for finding in findings:
        assert 0.0 <= finding.score <= 1.0
        assert finding.message.strip()
        assert "\n" not in finding.message
        assert finding.path is None or finding.path in paths
        assert finding.annotation_id is None or finding.annotation_id in ids
        assert not re.search(r"\bnan\b|<NA>|\bNone\b", finding.message), finding.message


@each_check
def test_inputs_are_unchanged(check):
    inputs = make_inputs()
    before = copy.deepcopy(inputs)
    bad = check.spoil(inputs)
    assert_same(inputs, before)
    spoilt = copy.deepcopy(bad)
    find(check, bad)
    assert_same(bad, spoilt)


@each_check
def test_rows_in_another_order_give_the_same_findings(check):
    bad = check.spoil(make_inputs())
    turned = {
        name: value[::-1].reset_index(drop=name != "ratings") if isinstance(value, pd.DataFrame) else value
        for name, value in bad.items()
    }
    turned["ratings"] = bad["ratings"][::-1]
    assert Counter(find(check, turned)) == Counter(find(check, bad))


@each_check
def test_its_findings_fit_the_table(check):
    table, outcomes = run_checks(check.spoil(make_inputs()))
    own = table[table["code"] == check.code]
    assert len(own)
    assert list(table.columns) == list(FINDINGS.columns)
    assert set(own["severity"]) == {check.severity}
    assert set(own["version"]) == {check.version}
    assert {outcome.code: outcome.outcome for outcome in outcomes}[check.code] == "found"
    assert "crashed" not in {outcome.outcome for outcome in outcomes}


@each_check
def test_explain_starts_with_code_title_and_severity(check):
    first = explain(check.code.lower()).splitlines()[0]
    assert first == f"{check.code} · {check.title} · {check.severity} · version {check.version}"
    assert get_check(check.code) is check
