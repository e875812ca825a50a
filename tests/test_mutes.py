"""Mutes: what an entry covers, how long, and that the file stays the team's own."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from datatools.errors import DatatoolsError
from datatools.findings import CRASHED, Finding, concat, to_table
from datatools.mutes import HEAD, Mute, add_mute, apply_mutes, load_mutes, make_mute, mute_findings, parse_mutes
from datatools.project import Project
from datatools.schema import FINDINGS
from datatools.store import save_table

TODAY = datetime.date(2026, 6, 1)
FOUND = concat(
    [
        to_table(
            [Finding("a", "scans/1.png", "b/1"), Finding("b", "scans/deep/2.png", "b/2"), Finding("c", subject="cat")],
            "BOX001", 1, "error",
        ),
        to_table([Finding("d", "scans/1.png", "b/1"), Finding("e", "Scans/1.png")], "BOX002", 1, "error"),
        to_table([Finding("f", subject=CRASHED)], "BOX003", 1, "error"),
    ]
)  # fmt: skip
ENTRY = "- code: BOX001\n  reason: seen\n  until: 2026-12-31\n"


def a_mute(code: str = "BOX001", **changes: object) -> Mute:
    return Mute(**{"code": code, "reason": "seen", "until": TODAY, **changes})  # type: ignore[arg-type]


def muted_messages(*mutes: Mute, today: datetime.date = TODAY) -> set[str]:
    return set(FOUND.loc[apply_mutes(FOUND, mutes, today).is_muted, "message"])


@pytest.mark.parametrize(
    ("narrow", "expected"),
    [
        ({}, {"a", "b", "c"}),
        ({"path": "*"}, {"a", "b"}),
        ({"path": "scans/*"}, {"a", "b"}),
        ({"path": "scans/?.png"}, {"a"}),
        ({"path": "scans/[2-9].png"}, set()),
        ({"annotation": "b/2"}, {"b"}),
        ({"subject": "cat"}, {"c"}),
        ({"path": "scans/1.png", "annotation": "b/2"}, set()),
        ({"code": "BOX002", "path": "scans/*"}, {"d"}),
        ({"code": "BOX003"}, set()),  # a crash is no finding to live with
    ],
)
def test_what_an_entry_covers(narrow: dict[str, str], expected: set[str]) -> None:
    mute = a_mute(**narrow)
    assert muted_messages(mute) == expected
    assert apply_mutes(FOUND, [mute], TODAY).idle == (() if expected else (mute,))


def test_an_entry_holds_through_its_last_day() -> None:
    mute = a_mute()
    assert muted_messages(mute, today=TODAY) == {"a", "b", "c"}
    late = apply_mutes(FOUND, [mute], TODAY + datetime.timedelta(days=1))
    assert not late.is_muted.any()
    assert (late.expired, late.idle) == ((mute,), ())


def test_the_first_entry_in_force_is_the_reason() -> None:
    gone = a_mute(until=datetime.date(2026, 1, 1), reason="old")
    first, second = a_mute(path="scans/1.png", by="Ada"), a_mute(reason="later")
    muted = apply_mutes(FOUND, [gone, first, second], TODAY)
    reasons = {FOUND["message"][row]: muted.reason(row) for row in range(len(FOUND))}
    assert reasons["a"] == "seen (until 2026-06-01, Ada)"
    assert reasons["b"] == reasons["c"] == "later (until 2026-06-01)"
    assert reasons["d"] == ""


def test_no_file_no_mutes(tmp_path: Path) -> None:
    assert load_mutes(tmp_path / "mutes.yaml") == ()


@pytest.mark.parametrize("text", ["", "# only words\n", "[]\n", HEAD])
def test_an_empty_file_has_no_mutes(text: str) -> None:
    assert parse_mutes(text, "m.yaml") == ()


def test_an_entry_is_read_with_all_its_keys() -> None:
    text = ENTRY + "  path: 'a*'\n  annotation: b/1\n  subject: cat\n  by: Ada\n"
    assert parse_mutes(text, "m.yaml") == (
        Mute("BOX001", "seen", datetime.date(2026, 12, 31), "a*", "b/1", "cat", "Ada"),
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: b", "m.yaml: expected a list of mutes. Got a dict: start entries with -."),
        ("- [", "m.yaml: expected YAML. Got: while parsing"),
        ("- BOX001", "m.yaml: entry 1 (line 1) must be a mapping of code, path,"),
        (ENTRY + ENTRY + "  why: x", "m.yaml: entry 2 (line 4) has the keys code, path, annotation, subject, reason, until, by. Got 'why'"),
        ("- code: BOX001\n  until: 2026-12-31", "m.yaml: entry 1 (line 1) needs code, reason, until. Got no 'reason': add it."),
        ("- code: BOX001\n  reason: x", "Got no 'until': add it."),
        (ENTRY.replace("2026-12-31", "soon"), "until must be a date such as 2027-01-31. Got 'soon' instead."),
        (ENTRY.replace("2026-12-31", "2026-12-31 10:00:00"), "until must be a date such as 2027-01-31."),
        (ENTRY.replace("2026-12-31", "2026-13-31"), "m.yaml: expected YAML. Got: month must be in 1..12"),
        (ENTRY.replace("seen", "''"), "reason must be text; put it in quotes. Got '' instead."),
        (ENTRY.replace("seen", "7"), "reason must be text; put it in quotes. Got 7 instead."),
        (ENTRY + "  path: [a, b]", "path must be text; put it in quotes."),
        (ENTRY.replace("BOX001", "box1"), "code must be a finding's code such as BOX001. Got 'box1' instead."),
        (ENTRY + "  code: BOX002", "entry 1 (line 1) may have each key once. Got 'code' twice: start a new entry with '- '."),
    ],
)  # fmt: skip
def test_a_broken_entry_is_one_line_that_names_file_and_entry(text: str, message: str) -> None:
    with pytest.raises(DatatoolsError) as caught:
        parse_mutes(text, "m.yaml")
    assert message in str(caught.value)
    assert str(caught.value).startswith("m.yaml: ")
    assert "\n" not in str(caught.value)


def test_bytes_that_are_no_text_are_one_line(tmp_path: Path) -> None:
    (tmp_path / "mutes.yaml").write_bytes(b"- \xff")
    with pytest.raises(DatatoolsError, match=r"mutes\.yaml: expected a list of mutes\. Got: 'utf-8'"):
        load_mutes(tmp_path / "mutes.yaml")


@pytest.mark.parametrize(
    "before", ["", "# words\n[]\n", "# words\n", ENTRY, "# words\n" + ENTRY + "  # more words", ENTRY + "\n# end\n"]
)
def test_a_new_entry_is_appended_and_the_rest_stays(tmp_path: Path, before: str) -> None:
    file = tmp_path / "mutes.yaml"
    if before:
        file.write_text(before)
    known, new = load_mutes(file), a_mute("BOX002", path="a: 'b' #*", reason="größer: ja", by="Ada")
    add_mute(file, new)
    assert load_mutes(file) == (*known, new)
    for line in before.replace("[]\n", "").splitlines():
        assert line in file.read_text().splitlines()
    assert file.read_text().startswith(before.removesuffix("[]\n") or HEAD)


def test_the_same_entry_twice_and_an_odd_layout_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "mutes.yaml"
    add_mute(file, a_mute())
    with pytest.raises(DatatoolsError, match=r"expected a new mute\. Got BOX001, which is there already"):
        add_mute(file, a_mute())
    file.write_text("[{code: BOX001, reason: seen, until: 2026-12-31}]\n")
    with pytest.raises(DatatoolsError, match="expected entries that start with '- ' in the first column"):
        add_mute(file, a_mute("BOX002"))
    assert file.read_text().startswith("[{")


def test_make_mute_takes_a_date_or_days() -> None:
    assert make_mute("box001", " seen ", TODAY, None, 30) == a_mute(until=datetime.date(2026, 7, 1))
    assert make_mute("BOX001", "seen", TODAY, "2026-06-01", None) == a_mute()


@pytest.mark.parametrize(
    ("until", "days", "message"),
    [
        (None, None, "expected --until DATE or --days N. Got none or both"),
        ("2026-07-01", 3, "Got none or both"),
        ("tomorrow", None, "--until must be a date such as 2027-01-31. Got 'tomorrow' instead."),
        ("2026-05-31", None, "--until must be today or later. Got 2026-05-31, which is over."),
    ],
)
def test_a_mute_without_a_good_end_is_refused(until: str | None, days: int | None, message: str) -> None:
    with pytest.raises(DatatoolsError) as caught:
        make_mute("BOX001", "seen", TODAY, until, days)
    assert message in str(caught.value)


def test_an_empty_reason_is_refused() -> None:
    with pytest.raises(DatatoolsError, match="reason must be text"):
        make_mute("BOX001", " ", TODAY, None, 3)


def test_muting_counts_what_it_mutes_and_refuses_to_mute_nothing(tmp_path: Path) -> None:
    project = Project(tmp_path)
    save_table(project.findings, FOUND, FINDINGS)
    assert mute_findings(project, a_mute(path="scans/*"), TODAY) == 2
    with pytest.raises(
        DatatoolsError, match=r"Got BOX001 path=nowhere/\*, which matches none of those \(codes: BOX001"
    ):
        mute_findings(project, a_mute(path="nowhere/*"), TODAY)
    assert load_mutes(project.mutes) == (a_mute(path="scans/*"),)
