"""SARIF: the parts of the standard that readers need, and fingerprints that outlive a run."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from datatools.checks.runner import Outcome
from datatools.findings import Finding, concat, to_table
from datatools.mutes import Mute, apply_mutes
from datatools.report.sarif import MAX_RESULTS, fingerprint, to_sarif
from datatools.schema import REJECTED
from tests.report.faulty import TODAY, make_faulty

OUTCOME = Outcome("BOX001", "swapped corners", "error", 1, "found", 1)


def run_of(findings: pd.DataFrame, *mutes: Mute, rejected: pd.DataFrame | None = None) -> dict:
    rejected = REJECTED.empty() if rejected is None else rejected
    log = to_sarif(findings, [OUTCOME], apply_mutes(findings, mutes, TODAY), rejected, "data/raw")
    return json.loads(json.dumps(log, allow_nan=False))["runs"][0]


def found(*findings: Finding, severity: str = "error") -> pd.DataFrame:
    return to_table(findings, "BOX001", 1, severity)


def test_the_log_names_version_tool_and_rules(tmp_path: Path) -> None:
    faulty = make_faulty(tmp_path)
    log = to_sarif(faulty.findings, faulty.outcomes, faulty.muted, faulty.rejected, "data/raw")
    assert (log["version"], log["$schema"]) == ("2.1.0", "https://json.schemastore.org/sarif-2.1.0.json")
    [run] = log["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == sorted(outcome.code for outcome in faulty.outcomes)
    assert all(rule["shortDescription"]["text"] and rule["fullDescription"]["text"] for rule in rules)
    assert all("Why it matters" in rule["help"]["text"] for rule in rules)
    assert len(run["results"]) == len(faulty.findings) == run["properties"]["findings"]
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["level"] in ("error", "warning", "note")
    assert sum("suppressions" in result for result in run["results"]) == 1
    lines = [r for r in run["results"] if r["ruleId"] == "LBL001"]
    assert lines[0]["locations"][0]["physicalLocation"] == {
        "artifactLocation": {"uri": "data/raw/labels/anna.csv"},
        "region": {"startLine": 7},
    }


@pytest.mark.parametrize(
    ("path", "uri"),
    [
        ("a.png", "data/raw/a.png"),
        ("ü b/#1?.png", "data/raw/%C3%BC%20b/%231%3F.png"),
        ("a%20b.png", "data/raw/a%2520b.png"),
        ("c:d.png", "data/raw/c%3Ad.png"),
    ],
)
def test_a_path_becomes_a_relative_uri(path: str, uri: str) -> None:
    [result] = run_of(found(Finding("x", path)))["results"]
    assert result["locations"][0]["physicalLocation"] == {"artifactLocation": {"uri": uri}}


def test_a_finding_of_the_data_set_has_no_location_and_says_its_subject() -> None:
    [result] = run_of(found(Finding("is rare", subject="cat", score=0.25)))["results"]
    assert "locations" not in result
    assert (result["message"]["text"], result["rank"]) == ("cat: is rare", 75.0)


def test_a_list_position_is_no_line() -> None:
    rejected = REJECTED.conform(
        [{"source": "coco.json", "row": 3, "path": "a.png", "reason": "BOX001", "message": "m"}]
    )
    [result] = run_of(found(Finding("x", "a.png")), rejected=rejected)["results"]
    assert "region" not in result["locations"][0]["physicalLocation"]


def test_a_muted_finding_is_suppressed_with_its_reason() -> None:
    results = run_of(found(Finding("x", "a.png"), Finding("x", "b.png")), Mute("BOX001", "known", TODAY, path="a*"))
    suppressed = [result.get("suppressions") for result in results["results"]]
    reason = "known (until 2026-06-01)"
    assert suppressed == [[{"kind": "external", "status": "accepted", "justification": reason}], None]


def test_a_fingerprint_is_the_identity_not_the_message() -> None:
    before = found(Finding("3 px", "a.png", "b/1"), Finding("x", "b.png"))
    after = found(Finding("new", "0.png"), Finding("4 px", "a.png", "b/1"), Finding("y", "b.png"))
    assert set(fingerprint(before)) < set(fingerprint(after))
    twice = fingerprint(found(Finding("1", "a.png"), Finding("2", "a.png"), Finding("3", subject="a.png")))
    assert len(set(twice)) == 3
    assert twice[0] == fingerprint(found(Finding("other", "a.png")))[0]
    assert fingerprint(found()) == []


def test_of_too_many_the_worst_are_kept_and_the_rest_is_counted() -> None:
    few = found(Finding("bad", "z.png"))
    many = to_table([Finding("x", f"{n}.png", score=0.5) for n in range(MAX_RESULTS)], "BOX001", 1, "info")
    run = run_of(concat([few, many]))
    assert len(run["results"]) == MAX_RESULTS
    assert run["properties"]["findings_left_out"] == 1
    assert "bad" in {result["message"]["text"] for result in run["results"]}
