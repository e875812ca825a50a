"""What validate tells people, on a data set with faults of every kind."""

from __future__ import annotations

import html.parser
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from datatools.checks.runner import Outcome, load_checks
from datatools.findings import Finding, to_table
from datatools.mutes import apply_mutes
from datatools.report.faults import draw_faults
from datatools.report.validation import (
    EXAMPLES,
    Validation,
    ValidationReport,
    build_validation,
    choose_examples,
    save_validation,
    summarise_validation,
    to_validation_markdown,
    to_validation_page,
)  # fmt: skip
from tests.report.builders import HOSTILE as HOSTILE_TEXTS
from tests.report.faulty import HOSTILE, TODAY, make_faulty


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("faulty") / "raw"


@pytest.fixture(scope="module")
def faulty(root: Path) -> Validation:
    return make_faulty(root)


@pytest.fixture(scope="module")
def report(faulty: Validation, root: Path) -> ValidationReport:
    return build_validation(faulty, root)


class Tags(html.parser.HTMLParser):
    """Every start tag with its attributes, and the text between."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_the_verdict_comes_first_everywhere(report: ValidationReport) -> None:
    verdict = report.summary["verdict"]
    assert next(iter(report.summary)) == "verdict"
    assert re.fullmatch(r"[\d,]+ errors, .* on 6 of 7 images\. 1 muted\.", verdict)
    assert report.markdown.splitlines()[2].startswith(f"**{verdict[:10]}")
    assert report.html.index(verdict) < report.html.index("<nav")


def test_counts_add_up(faulty: Validation, report: ValidationReport) -> None:
    summary = report.summary
    assert summary["findings"] + summary["muted"] == len(faulty.findings)
    assert sum(row["n"] for row in summary["codes"]) == summary["findings"] == sum(summary["by_severity"].values())
    assert sum(row["n_muted"] for row in summary["codes"]) == summary["muted"] == 1
    assert {row["code"] for row in summary["checks"]} == {check.code for check in load_checks()}


def test_images_that_are_not_there_are_not_counted_as_images(faulty: Validation, root: Path) -> None:
    names = [*faulty.dataset.images["path"], *(f"gone/{n}.png" for n in range(9))]
    found = [Finding("annotation without image", name, score=0.0) for name in names]
    findings = to_table(found, "LBL005", 1, "error")
    outcomes = [Outcome("LBL005", "annotation without image", "error", 1, "found", len(found))]
    told = replace(faulty, findings=findings, outcomes=outcomes, muted=apply_mutes(findings, (), TODAY))
    report = build_validation(told, root)
    assert report.summary["verdict"] == "16 errors on 7 of 7 images."
    assert [row["images"] for row in report.summary["codes"]] == [7]
    assert "16 errors on 7 of 7 images" in report.markdown and "16 findings, on 7 images" in report.html


def test_seconds_are_not_in_the_document(faulty: Validation, root: Path, report: ValidationReport) -> None:
    slow = replace(faulty, outcomes=[replace(outcome, seconds=9.0) for outcome in faulty.outcomes])
    assert build_validation(slow, root) == report


def test_a_section_has_page_count_command_and_examples(report: ValidationReport) -> None:
    row = next(row for row in report.summary["codes"] if row["code"] == "MSK002")
    assert list(row["page"]) == ["What it finds", "Why it matters", "What to do", "Options"]
    assert row["hint"].startswith("Redraw the outline")
    assert row["commands"][0]["command"] == "datatools findings --code MSK002"
    assert (row["n"], row["images"], len(row["examples"])) == (1, 1, 1)
    first = next(row for row in report.summary["codes"] if row["code"] == "BOX001")
    assert 'datatools fixes accept BOX001 --path scans/0.png --why "..."' in {e["command"] for e in first["examples"]}


def test_muted_expired_and_idle_are_told(report: ValidationReport) -> None:
    row = next(row for row in report.summary["codes"] if row["code"] == "BOX003")
    assert (row["n"], row["n_muted"]) == (0, 1)
    assert row["examples"][0]["muted"] == f"points are labelled as boxes here (until 2026-06-01, {HOSTILE})"
    assert report.summary["expired_mutes"] == ["BOX001 (until 2026-01-01)"]
    assert report.summary["idle_mutes"] == ["IMG002"]


def test_the_page_runs_nothing_and_asks_for_nothing(report: ValidationReport) -> None:
    page = Tags(report.html)
    names = {tag for tag, _ in page.tags}
    assert not names & {"script", "iframe", "link", "object", "form", "img"}
    for tag, attributes in page.tags:
        assert not [name for name in attributes if name.startswith("on")]
        for name in ("href", "src"):
            value = attributes.get(name) or ""
            assert value == "" or value.startswith(("#", "data:image/png;base64,", "data:image/jpeg;base64,")), (
                tag,
                value[:80],
            )
    assert any(HOSTILE in text for text in page.texts), "hostile text is shown, as text"


def test_every_picture_has_words_and_every_link_a_target(report: ValidationReport) -> None:
    page = Tags(report.html)
    pictures = [attributes for tag, attributes in page.tags if tag == "svg"]
    assert len(pictures) >= 8
    assert all(attributes["role"] == "img" and len(attributes["aria-label"] or "") > 10 for attributes in pictures)
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    links = [attributes["href"] for tag, attributes in page.tags if tag == "a"]
    assert {f"#{row['code']}" for row in report.summary["codes"]} <= set(links)
    assert {link[1:] for link in links if link} <= set(ids)


def test_an_image_that_cannot_be_read_has_no_picture(faulty: Validation, root: Path) -> None:
    broken = to_table(
        [Finding("x", "scans/5.png", "b/unread"), Finding("x", "../5.png"), Finding("x")], "IMG001", 1, "error"
    )
    examples = choose_examples(broken, np.zeros(3, bool))
    assert draw_faults(examples, faulty.dataset.annotations, root) == {}
    summary = summarise_validation(replace(faulty, findings=broken, muted=apply_mutes(broken, (), TODAY)), examples)
    page = to_validation_page(summary, {})
    assert page.count("no picture") == 2, "a finding of no image has no place for one"


@pytest.mark.parametrize("text", HOSTILE_TEXTS)
def test_hostile_text_does_nothing(text: str, faulty: Validation, root: Path) -> None:
    table = to_table([Finding(text, text, text, subject=text)], "BOX001", 1, "error")
    outcome = Outcome("BOX001", "swapped", "error", 1, "found", 1, text)
    hostile = Validation(faulty.dataset, table, [outcome], faulty.rejected, {}, apply_mutes(table, (), TODAY), text)
    report = build_validation(hostile, root)
    page = Tags(report.html)
    assert not {tag for tag, _ in page.tags} & {"script", "img", "iframe"}
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]
    outside_code = re.sub(r"`[^`\n]*`", "", report.markdown)
    assert not re.search(r"<script|\x1b|\u202e|\x00|@octocat", outside_code)
    json.loads(json.dumps(report.sarif))


def test_examples_are_few_unmuted_first_of_different_images_and_the_worst() -> None:
    findings = to_table(
        [Finding(f"{path}{score}", f"{path}.png", score=score) for path in "abcd" for score in (0.1, 0.2, 0.3)],
        "BOX001", 1, "error",
    )  # fmt: skip
    muted = (findings["path"] == "a.png").to_numpy()
    chosen = choose_examples(findings, muted)["message"].tolist()
    assert chosen == ["b0.1", "c0.1", "d0.1", "b0.2", "c0.2", "d0.2"]
    assert len(chosen) == EXAMPLES
    assert choose_examples(findings, muted, 10)["is_muted"].tolist() == [False] * 9 + [True]


def test_clean_data_is_said_in_one_sentence(faulty: Validation, root: Path) -> None:
    none = faulty.findings.iloc[:0]
    clean = [
        Outcome("BOX001", "swapped", "error", 1, "clean"),
        Outcome("BOX002", "outside", "error", 1, "skipped", 0, "off"),
    ]
    validation = replace(faulty, findings=none, outcomes=clean, muted=apply_mutes(none, (), TODAY))
    report = build_validation(validation, root)
    assert report.summary["verdict"] == "No findings: 1 check was silent on 7 images."
    assert "<nav" not in report.html
    assert report.sarif["runs"][0]["results"] == []


def test_a_crash_is_the_first_thing_said(faulty: Validation, root: Path) -> None:
    crashed = [
        replace(outcome, outcome="crashed") if outcome.code == "IMG002" else outcome for outcome in faulty.outcomes
    ]
    report = build_validation(replace(faulty, outcomes=crashed), root)
    assert report.summary["verdict"].startswith("1 check crashed (IMG002). ")
    assert "`IMG002`" in to_validation_markdown(report.summary)
    assert not report.sarif["runs"][0]["invocations"][0]["executionSuccessful"]


def test_four_files_are_written(tmp_path: Path, report: ValidationReport) -> None:
    save_validation(tmp_path, report)
    assert {path.name for path in tmp_path.iterdir()} == {f"validate.{end}" for end in ("md", "html", "json", "sarif")}
    assert json.loads((tmp_path / "validate.json").read_text()) == report.summary
    assert json.loads((tmp_path / "validate.sarif").read_text()) == report.sarif
    assert pd.notna(report.summary["agreement"]["fleiss"])
