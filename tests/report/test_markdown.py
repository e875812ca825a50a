"""The report for a pull request."""

from __future__ import annotations

import re
from typing import Any

import pytest
from markdown_it import MarkdownIt

from datatools.params import ReportParams
from datatools.report.markdown import CUT, code, prose, table, to_markdown
from datatools.report.summary import ReportInputs, summarise
from datatools.schema import FIX_STATUS, QUEUE
from tests.report.builders import (
    HOSTILE,
    hostile_summary,
    make_dataset,
    make_fix,
    make_inputs,
    make_lift,
    make_queue_row,
)

PARSER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])


def render(**changes: Any) -> str:
    return to_markdown(summarise(make_inputs(**changes), ReportParams()))


def leaves(text: str) -> list[tuple[str, str]]:
    """(type, content) of every inline token and every html block."""
    found = []
    for token in PARSER.parse(text):
        if token.type == "inline":
            found += [(child.type, child.content) for child in token.children or []]
        elif token.type.startswith(("html", "fence", "code_block")):
            found.append((token.type, token.content))
    return found


def test_a_full_report_has_every_section() -> None:
    text = render()
    headings = re.findall(r"^### (.*)$", text, flags=re.M)
    assert headings == [
        *(
            "Review first",
            "Fixes",
            "What the fixes bought",
            "Findings",
            "Agreement",
            "Left out",
            "Split and classes",
            "Model",
            "Under-represented",
            "Provenance",
        ),
    ]
    assert text.startswith("## animals\n\n**6 images in, 2 left out.")
    assert "| 1 | `images/0.png` | `bird` | `cat` | `train` | `the model is sure` |" in text
    assert "| `images/2.png` | `dog` → `cat` | `applied` | `Ada` | `2026-11-21 10:01` | `whiskers` |" in text
    assert "| `cat` | 2 | 3 | +1 |" in text
    assert "**Train and val, what the model learns from**: 1 relabelled. The queue's doubts: none reviewed yet." in text
    assert "| label was | reviewed | changed | became it |" in text and "| `dog` | 1 | 1 | 0 |" in text
    assert "was not measured" in text and "`datatools lift`" not in text  # prose has no code
    assert "Test accuracy **90.0 % (74.4 to 96.5)**, 95 % interval, 30 images; macro F1 85.0 %." in text
    assert "Fleiss' kappa 0.951 of 2 annotators on 6 images; Cohen's: `ann` and `bo` 0.951" in text
    assert "0 of 3 groups cross, 0 near-duplicates cross." in text


def test_what_the_fixes_bought_is_told_with_its_interval() -> None:
    text = render(lift=make_lift(60, 90))
    assert "**The fixes to train and val raised accuracy by 30.0 percentage points" in text
    assert "| with the fixes, on the corrected test labels | 90.0 % | 0.0 % |" in text
    assert "3 trainings \\(3 seeds, the same for both\\)" in text


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"queue": QUEUE.empty()}, "Nothing waits for review."),
        ({"fixes": FIX_STATUS.empty()}, "No fixes yet: a decision made in review appears here."),
        ({"findings": make_inputs().findings.head(0)}, "No findings."),
    ],
)
def test_empty_sections_say_so(changes: dict[str, Any], sentence: str) -> None:
    assert sentence in render(**changes)


def test_sections_without_anything_are_left_out() -> None:
    text = to_markdown(summarise(ReportInputs(make_dataset({}, classes=())), ReportParams()))
    assert "### Model" not in text
    assert "### Left out" not in text
    assert "### Under-represented" not in text


def test_conflicts_are_prominent() -> None:
    text = render(fixes=FIX_STATUS.conform([make_fix(1, status="conflict", message="label is 'bird'")]))
    assert "**In conflict or disputed, not applied:**" in text
    assert "`label is 'bird'`" in text


@pytest.mark.parametrize("op", ["confirm", "exclude", "revert"])
def test_decisions_that_change_no_label_are_in_words(op: str) -> None:
    words = {"confirm": "confirmed `dog`", "exclude": "excluded", "revert": "took back a record"}
    before = "dog" if op == "confirm" else None
    assert f"| {words[op]} |" in render(fixes=FIX_STATUS.conform([make_fix(1, op=op, before=before, after=None)]))


def test_the_worst_class_comes_first_and_unknown_figures_are_dashes() -> None:
    classes = {"a": {"f1": 0.9, "support": 2}, "b": {"f1": 0.2}, "c": {"f1": None}}
    rows = re.findall(r"^\| `([abc])` \|.*", render(metrics={"accuracy": 0.5, "classes": classes}), flags=re.M)
    assert rows[-3:] == ["c", "b", "a"]
    assert "| `c` | - | - | - | - |" in render(metrics={"accuracy": 0.5, "classes": classes})


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_only_ever_code(text: str) -> None:
    report = to_markdown(hostile_summary(text))
    kinds = {kind for kind, _ in leaves(report)}
    assert kinds <= {"text", "code_inline", "softbreak", "strong_open", "strong_close"}
    outside = " ".join(content for kind, content in leaves(report) if kind == "text")
    assert not re.search(r"[@#<>`\x00-\x08\x1b\u202e]|://|www\.|GH-\d", outside)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_breaks_no_table(text: str) -> None:
    plain = to_markdown(hostile_summary("plain"))
    report = to_markdown(hostile_summary(text))
    assert [line.count("|") for line in report.split("\n")] == [line.count("|") for line in plain.split("\n")]


@pytest.mark.parametrize("text", HOSTILE)
def test_code_is_one_span(text: str) -> None:
    tokens = leaves(f"before {code(text)} after")
    assert [kind for kind, _ in tokens if kind != "text"] in (["code_inline"], [])
    assert tokens[-1][1].endswith(" after")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("cat", "`cat`"),
        (None, "-"),
        ("", "-"),
        ("a`b|c", "`a'b¦c`"),
        (float("nan"), "-"),
        (" pad ", "`pad`"),
        (3, "`3`"),
    ],
)
def test_code(text: Any, expected: str) -> None:
    assert code(text) == expected


@pytest.mark.parametrize("text", HOSTILE)
def test_prose_is_only_text(text: str) -> None:
    assert {kind for kind, _ in leaves(f"## a {prose(text)}")} <= {"text"}


def test_prose_keeps_plain_words() -> None:
    assert prose("Box stands over the edge, 3 px") == "Box stands over the edge, 3 px"


def test_table_aligns_numbers() -> None:
    assert table(["a", "#n"], [["x", "1"]]) == "| a | n |\n| --- | ---: |\n| x | 1 |"


@pytest.mark.parametrize("limit", [150, 500, 1500, 2500, 100_000])
def test_size_is_kept_and_the_cut_is_between_blocks(limit: int) -> None:
    summary = summarise(make_inputs(), ReportParams())
    whole, cut = to_markdown(summary), to_markdown(summary, limit)
    assert len(cut.encode()) <= limit
    if cut != whole:
        assert cut.endswith(CUT + "\n")
        kept = cut.removesuffix(CUT + "\n")
        assert whole.startswith(kept)
        assert kept == "" or kept.endswith("\n\n")


def test_a_huge_report_fits_a_pull_request() -> None:
    classes = tuple(f"class {number} " + "猫" * 200 for number in range(500))
    labels = {f"{number}/" + "é" * 300: classes[number % 500] for number in range(600)}
    fixes = [make_fix(n, path=path, why="w" * 900, when=f"t{n}", before="x" * 300) for n, path in enumerate(labels)]
    queue = [make_queue_row(n, path=path, reason="猫" * 900) for n, path in enumerate(labels, 1)]
    metrics = {"accuracy": 0.5, "classes": {name: {"f1": 0.1, "support": 3} for name in classes}}
    inputs = make_inputs(
        dataset=make_dataset(labels, classes),
        fixes=FIX_STATUS.conform(fixes),
        queue=QUEUE.conform(queue),
        metrics=metrics,
    )
    text = to_markdown(summarise(inputs, ReportParams(thumbnails=500)))
    assert len(text.encode()) <= 65_000
    assert len(text) < 65_536
    assert "And 460 more classes." in text or text.endswith(CUT + "\n")


def test_same_summary_same_bytes() -> None:
    assert render() == render()


def test_training_on_other_data_shows() -> None:
    assert "trained on `abc`" in render()
