"""The end of a run in a terminal."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest
from rich.console import Console

from datatools.params import ReportParams
from datatools.report.summary import ReportInputs, summarise
from datatools.report.terminal import MAX_CODES, to_terminal, to_text
from datatools.schema import FINDINGS, FIX_STATUS, QUEUE
from tests.report.builders import (
    HOSTILE,
    hostile_summary,
    make_dataset,
    make_finding,
    make_fix,
    make_inputs,
    make_queue_row,
)

EXPECTED = """\
animals  data VERSION
6 images in, 2 left out. 1 label looks wrong. Test accuracy 90.0 % (74.4 to 96.5).

Images    6 images taken in, 2 files left out, 1 annotation left out
            1 file: Image cannot be read [IMG001]
            1 file: neither an image nor an annotation file [not_an_image]
            1 annotation: its image was left out [no_image]
Findings  1 error, 1 info
          1  BOX001  error  Box stands over the edge
          1  DUP001  info   -
Kappa     Fleiss' kappa 0.951 of 2 annotators on 6 images; Cohen's: ann and bo 0.951
Split     4 train, 1 val, 1 test; 0 of 3 groups cross, 0 near-duplicates cross
Model     test accuracy 90.0 % (74.4 to 96.5), 95 % interval, 30 images; macro F1 85.0 %
Labels    1 of 6 judged look wrong, by models that agree with 88.0 % of all labels
          2 images to review: 1 model disagrees, 1 rare
Fixes     1 applied

Look at these first
  1  images/0.png  bird -> cat  the model is sure
  2  images/4.png  bird         the model is sure

Report  reports/report.html
Next    Review 2 images, the most doubtful first.
          datatools review
        Or decide on one image right here.
          datatools fix images/0.png --label cat --why "..."
        Apply the decisions and see what they bought.
          dvc repro
"""


def render(width: int = 100, **changes: Any) -> str:
    return to_text(summarise(make_inputs(**changes), ReportParams()), width=width)


def test_the_whole_text() -> None:
    summary = summarise(make_inputs(), ReportParams())
    assert to_text(summary) == EXPECTED.replace("VERSION", summary["data"]["version"])


def test_it_is_a_renderable_with_colour_where_there_is_a_terminal() -> None:
    stream = io.StringIO()
    group = to_terminal(summarise(make_inputs(), ReportParams()), report="out/page.html")
    Console(file=stream, width=100, force_terminal=True, color_system="standard", no_color=False).print(group)
    assert "\x1b[" in stream.getvalue()
    plain = re.sub(r"\x1b\[[0-9;]*m", "", stream.getvalue())
    assert "Report  out/page.html" in plain


@pytest.mark.parametrize("width", [60, 80, 100, 200])
def test_lines_fit_the_width_and_have_no_trailing_spaces(width: int) -> None:
    queue = QUEUE.conform([make_queue_row(n, reason="because " * 30, path="images/" + "x" * 90) for n in range(1, 9)])
    lines = render(width, queue=queue).splitlines()
    assert max(map(len, lines)) <= width
    assert all(line == line.rstrip() for line in lines)


def test_only_the_first_five_of_the_queue() -> None:
    queue = QUEUE.conform([make_queue_row(rank, path=f"images/q{rank}.png") for rank in range(1, 20)])
    text = render(queue=queue)
    assert "images/q5.png" in text and "images/q6.png" not in text


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_cannot_act_on_the_terminal(text: str) -> None:
    shown = to_text(hostile_summary(text))
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f\u202a-\u202e\u2028\u2029]", shown)
    assert max(map(len, shown.splitlines())) <= 100


def test_markup_in_names_is_text() -> None:
    assert "[bold red]markup[/] [/]" in to_text(hostile_summary("[bold red]markup[/] [/]"), width=200)


@pytest.mark.parametrize(
    ("changes", "present", "absent"),
    [
        ({"queue": QUEUE.empty()}, "0 images to review", "Look at these first"),
        ({"metrics": {}}, "Labels    1 of 6", "Model"),
        ({"fixes": FIX_STATUS.empty()}, "Fixes     none yet", "applied"),
        ({"findings": FINDINGS.empty()}, "Findings  none", "BOX001"),
        ({"curate": {}}, "Labels    2 images to review", "judged"),
        ({"metrics": {"accuracy": 0.5}}, "test accuracy 50.0 %, 0 images", "interval"),
        ({"split": make_inputs().split.head(0)}, "Findings", "Split "),
        ({"certificate": {}}, "4 train, 1 val, 1 test\n", "cross"),
    ],
)
def test_parts_that_are_empty(changes: dict[str, Any], present: str, absent: str) -> None:
    text = render(**changes)
    assert present in text
    assert absent not in text


def test_a_conflict_says_which_image_and_why() -> None:
    text = render(fixes=FIX_STATUS.conform([make_fix(1, status="conflict", message="label is 'bird'")]))
    assert "conflict: images/2.png: label is 'bird'" in text
    assert "Next    Look again at 1 conflict" in text


def test_many_codes_are_cut_with_a_sentence() -> None:
    rows = [make_finding(code=f"ZZZ{number:03d}") for number in range(MAX_CODES + 2)]
    assert "and 2 more codes" in render(findings=FINDINGS.conform(rows))


def test_an_empty_data_set() -> None:
    text = to_text(summarise(ReportInputs(make_dataset({}, classes=())), ReportParams()))
    assert "0 images taken in, 0 files left out" in text
    assert "Nothing waits for review." in text


def test_same_summary_same_text() -> None:
    assert render() == render()


def test_labels_that_a_person_confirmed_are_counted_apart() -> None:
    curate = {"images_judged": 6, "label_issues": 1, "label_issues_confirmed": 2, "out_of_fold_accuracy": 0.88}
    text = render(curate=curate)
    assert "1 of 6 judged look wrong (and 2 that people decided on), by models" in text
    assert "1 label looks wrong." in text
