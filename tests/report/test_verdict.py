"""What the gate says: the verdict first, in words, JSON and workflow commands."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from datatools.errors import DatatoolsError
from datatools.findings import CRASHED, Finding, concat, to_table
from datatools.gate import Verdict
from datatools.mutes import Mute, apply_mutes
from datatools.report.verdict import write_lines
from tests.report.builders import HOSTILE
from tests.report.faulty import TODAY

ERRORS = to_table([Finding(f"over by {n} px", f"{n}.png", f"b/{n}", n / 10) for n in range(5)], "BOX002", 1, "error")
CRASH = to_table([Finding("the check itself failed", subject=CRASHED)], "BOX001", 1, "error")


def verdict_of(table: pd.DataFrame, *fates: str, against: str = "", mutes: tuple[Mute, ...] = ()) -> Verdict:
    array = np.array([*fates], object)
    return Verdict(table, array, apply_mutes(table, mutes, TODAY), "warning", ("validate", "curate"), against)


def lines(verdict: Verdict, form: str = "text") -> list[str]:
    return list(write_lines(verdict, form, "data/raw"))


def test_green_is_one_line() -> None:
    assert lines(verdict_of(ERRORS.iloc[:0])) == ["passed: no finding worse than warning (of validate and curate)"]
    passed = lines(verdict_of(ERRORS, *["known"] * 5, against="main"))
    assert passed == [
        "passed: no new finding worse than warning since main (of validate and curate)",
        "not counted: 5 known at main",
    ]


def test_red_shows_codes_first_findings_and_what_to_do() -> None:
    said = lines(
        verdict_of(ERRORS, "muted", *["failing"] * 4, against="main", mutes=(Mute("BOX002", "x", TODAY, "0*"),))
    )
    assert said[0] == "failed: 4 errors, new since main"
    assert said[1] == "  BOX002  error  4  box outside the image"
    assert said[2:5] == [f"      {n}.png  b/{n}: over by {n} px" for n in (1, 2, 3)]
    assert said[5] == "      and 1 more: datatools findings --code BOX002"
    assert said[6].startswith("      -> Clip the box")
    assert said[7:] == ["not counted: 1 muted"]


def test_newer_checks_expired_and_idle_mutes_are_told() -> None:
    gone = Mute("BOX002", "x", TODAY.replace(year=2020))
    idle = Mute("IMG001", "x", TODAY)
    said = lines(verdict_of(ERRORS, *["newer check"] * 5, against="v1", mutes=(gone, idle)))
    assert said[1:] == [
        "not new data: 5 findings on images that were there, by checks that are newer than v1: BOX002",
        "expired mute, no longer in force: BOX002 (until 2020-06-01)",
        "mute that matches nothing: IMG001; remove it from data/mutes.yaml",
    ]


def test_a_crash_is_told_as_what_it_is() -> None:
    said = lines(verdict_of(CRASH, "crashed"))
    assert said == [
        "failed: 1 check crashed, so nobody knows what it would have found",
        "  BOX001  crashed: the check itself failed",
    ]


def test_json_is_one_document() -> None:
    table = concat([CRASH, ERRORS])
    document = json.loads(
        "\n".join(lines(verdict_of(table, "crashed", "failing", *["known"] * 4, against="main"), "json"))
    )
    assert next(iter(document)) == "verdict"
    assert (document["passed"], document["against"]) == (False, "main")
    assert document["counts"] == {"crashed": 1, "muted": 0, "known": 4, "newer check": 0, "allowed": 0, "failing": 1}
    assert [row["path"] for row in document["failing"]] == [None, "0.png"]


def test_github_gets_annotations_of_files_and_the_verdict() -> None:
    table = concat([to_table([Finding("50% off", "a,b:c/1.png")], "BOX002", 1, "error"), CRASH])
    said = lines(verdict_of(table, "crashed", "failing"), "github")
    assert "::error file=data/raw/a%2Cb%3Ac/1.png,title=BOX002 box outside the image::50%25 off" in said
    assert any(line.startswith("::error file=dvc.yaml,title=BOX001") for line in said)
    assert said[-1].startswith("::error title=datatools gate::failed: ")
    assert lines(verdict_of(ERRORS.iloc[:0]), "github")[-1].startswith("::notice title=datatools gate::passed")


def test_github_gets_at_most_ten_of_a_level() -> None:
    many = to_table([Finding("x", f"{n}.png") for n in range(50)], "BOX002", 1, "error")
    assert len(lines(verdict_of(many, *["failing"] * 50), "github")) == 11


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_on_its_line(text: str) -> None:
    table = to_table([Finding(text, text, text)], "BOX002", 1, "error")
    for form in ("text", "github"):
        for line in lines(verdict_of(table, "failing"), form):
            assert not set(line) & set("\n\r\x1b\x00\u202e\u2028")
    [command, _] = lines(verdict_of(table, "failing"), "github")
    assert command.count("::") >= 2
    assert command.startswith("::error file=data/raw/")


def test_an_unknown_form_lists_the_known() -> None:
    with pytest.raises(DatatoolsError, match=r"--format must be one of text, json, github\. Got 'xml' instead"):
        lines(verdict_of(ERRORS, *["known"] * 5), "xml")
