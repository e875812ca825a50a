from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from datatools.report.lift_page import save_lift, to_lift_markdown, to_lift_page
from datatools.report.lift_words import to_lift_lines, to_method, to_verdict
from tests.report.builders import make_lift


@pytest.mark.parametrize(
    ("lift", "verdict"),
    [
        (make_lift(60, 90), "The fixes to train and val raised accuracy by 30.0 percentage points (+"),
        (make_lift(90, 60), "The fixes to train and val lowered accuracy by 30.0 percentage points (-"),
        (make_lift(90, 90), "made no difference that this test set can show: +0.0 percentage points (+0.0 to +0.0)."),
        (make_lift(90, 90, n_changed={"train": 0, "val": 0, "test": 4}), "there is nothing to measure"),
    ],
)
def test_the_verdict_claims_no_more_than_the_interval(lift: dict[str, Any], verdict: str):
    assert verdict in to_verdict(lift)


@pytest.mark.parametrize(
    ("why_not", "before", "verdict"),
    [
        ("no records", None, "No fix records yet."),
        ("no records", "v1", "No fix records since v1 (0123456): there is nothing to measure."),
        ("no label changed", None, "The fix records of all time change no image's label: there is nothing to measure."),
        ("not asked", None, "Set lift.seeds to 3 in params.yaml and run `dvc repro`, or run `datatools lift` once"),
    ],
)
def test_it_says_why_nothing_was_measured(why_not: str, before: str | None, verdict: str):
    lift = {"measured": False, "why_not": why_not, "before": before, "before_commit": "0123456789"}
    assert verdict in to_verdict(lift)
    assert to_lift_lines(lift) == [to_verdict(lift)]
    assert "was not measured" in to_verdict({})  # of a run before there was the stage


def test_the_commit_of_the_revision_is_named():
    commit = "0123456789" * 4
    assert "since main (0123456) changed" in to_method(make_lift(60, 90, before="main", before_commit=commit))
    assert "since 01234 changed" in to_method(make_lift(60, 90, before="01234", before_commit=commit))


def test_the_page_and_the_markdown_tell_the_lanes_apart():
    lift = make_lift(60, 90)
    for text in (to_lift_markdown(lift), to_lift_page(lift)):
        assert "90.0 %" in text
        assert "56.0 %" in text  # before, on the old labels: 4 of its 60 hits were on labels that were wrong
        assert "+34.0" in text
        assert "what the corrected test labels alone change" in text
        assert "12 fix records of all time changed the label of 7 train images, 1 of val and 4 of test" in text
    assert "| without the fixes, on the test labels as they were | 56.0 % | 0.0 % |" in to_lift_markdown(lift)


def test_one_seed_and_excluded_images_are_said():
    lift = make_lift(60, 90, seeds=[0], n_excluded=2)
    assert "one seed says nothing of how much trainings differ" in to_lift_markdown(lift)
    assert "2 excluded images are in neither" in to_lift_page(lift)


def test_hostile_names_of_revisions_stay_text():
    lift = make_lift(60, 90, before="<script>x</script>|**`b`**\u202e")
    page, markdown = to_lift_page(lift), to_lift_markdown(lift)
    assert "<script>" not in page + markdown
    assert "\u202e" not in page + markdown
    assert "|**" not in markdown


def test_the_files_are_written(tmp_path: Path):
    lift = make_lift(60, 90)
    save_lift(tmp_path, lift)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lift.html", "lift.json", "lift.md"]
    assert json.loads((tmp_path / "lift.json").read_text())["lift"]["value"] == pytest.approx(0.3)
    assert "http" not in (tmp_path / "lift.html").read_text().replace('http-equiv="', "")
