from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from datatools.lift import compare
from datatools.report.lift_page import save_lift, to_lift_markdown, to_lift_page, to_verdict


def make_lift(n_right_before: int, n_right_after: int, **changes: Any) -> dict[str, Any]:
    """A result with 100 test images of one class, of which so many are right, by three seeds; 4 test labels were corrected."""
    guesses = {
        name: [np.r_[np.zeros(n, np.int64), np.ones(100 - n, np.int64)] for _ in range(3)]
        for name, n in (("before", n_right_before), ("after", n_right_after))
    }
    truth = {"old": np.r_[np.ones(4, np.int64), np.zeros(96, np.int64)], "new": np.zeros(100, np.int64)}
    head = {
        "before": None,
        "n_records": 12,
        "n_excluded": 0,
        "data_version": "0123456789ab",
        "seeds": [0, 1, 2],
        "n_test": 100,
    }
    return {**head, "n_changed": {"train": 7, "val": 1, "test": 4}, **compare(guesses, truth), **changes}


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
