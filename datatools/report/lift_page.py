"""What the fixes bought, for people: a sentence, two small tables, and how it was measured; as Markdown and as a page."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from datatools.report.markdown import prose, table
from datatools.report.pages import render
from datatools.report.words import NONE, is_number, percent, plural
from datatools.store import save_json, save_text

Document = Mapping[str, Any]
ACCURACIES = {
    "before_old": "without the fixes, on the test labels as they were",
    "before": "without the fixes, on the corrected test labels",
    "after": "with the fixes, on the corrected test labels",
}
DIFFERENCES = {
    "lift": "what the fixes to train and val bought",
    "test_labels": "what the corrected test labels alone change",
    "apparent": "both together, as two reports would show it",
}


def save_lift(folder: Path, lift: Document) -> None:
    """Write lift.json, lift.md and lift.html into `folder`."""
    save_json(folder / "lift.json", lift)
    save_text(folder / "lift.md", to_lift_markdown(lift))
    save_text(folder / "lift.html", to_lift_page(lift))


def to_verdict(lift: Document) -> str:
    """The result in one sentence, which claims no more than its interval."""
    found = lift["lift"]
    if not lift["n_changed"]["train"] + lift["n_changed"]["val"]:
        return "No fix changed the label of a train or val image: there is nothing to measure."
    if found["low"] <= 0 <= found["high"]:
        shown = f"{_signed(found['value'])} percentage points ({_interval(found)})"
        return f"The fixes to train and val made no difference that this test set can show: {shown}."
    size = f"{100 * abs(found['value']):.1f} percentage points ({_interval(found)})"
    return f"The fixes to train and val {'raised' if found['value'] > 0 else 'lowered'} accuracy by {size}."


def to_lift_markdown(lift: Document) -> str:
    """The section for a report or pull request."""
    rows = _rows(lift)
    accuracies = [[prose(row["name"]), row["mean"], row["std"]] for row in rows["accuracies"]]
    differences = [[prose(row["name"]), row["value"], row["interval"]] for row in rows["differences"]]
    blocks = [
        "## What the fixes bought",
        f"**{prose(to_verdict(lift), 400)}**",
        table([f"{plural(lift['n_test'], 'test image')}", "#accuracy", "#spread over seeds"], accuracies),
        table(["percentage points", "#difference", f"#{rows['confidence']} interval"], differences),
        prose(rows["method"], 1000),
    ]
    return "\n\n".join(blocks) + "\n"


def to_lift_page(lift: Document) -> str:
    """The page: self-contained, no script, every text escaped."""
    values = {"verdict": to_verdict(lift), "data_version": lift["data_version"], "n_test": lift["n_test"]}
    return render("lift_page.html", {}, {**values, **_rows(lift)})


def _rows(lift: Document) -> dict[str, Any]:
    accuracy = [
        {"name": name, "mean": percent(lift["accuracy"][key]["mean"]), "std": percent(lift["accuracy"][key]["std"])}
        for key, name in ACCURACIES.items()
    ]
    difference = [
        {"name": name, "value": _signed(lift[key]["value"]), "interval": _interval(lift[key])}
        for key, name in DIFFERENCES.items()
    ]
    return {
        "accuracies": accuracy,
        "differences": difference,
        "confidence": f"{100 * lift['confidence']:.0f} %",
        "method": _method(lift),
    }


def _method(lift: Document) -> str:
    changed, n_seeds = lift["n_changed"], len(lift["seeds"])
    since = f"since {lift['before']}" if lift["before"] else "of all time"
    parts = [
        f"{plural(lift['n_records'], 'fix record')} {since} changed the label of {plural(changed['train'], 'train image')}, "
        f"{changed['val']:,} of val and {changed['test']:,} of test.",
        f"Each figure is the mean of {plural(n_seeds, 'training')} ({plural(n_seeds, 'seed')}, the same for both).",
        "Intervals: bootstrap over test images and seeds, paired."
        if n_seeds > 1
        else "Intervals: bootstrap over test images, paired; one seed says nothing of how much trainings differ.",
    ]
    if lift["n_excluded"]:
        parts.append(
            f"{plural(lift['n_excluded'], 'excluded image')} are in neither: what that bought is not measured."
        )
    return " ".join(parts)


def _interval(found: Document) -> str:
    return f"{_signed(found['low'])} to {_signed(found['high'])}"


def _signed(share: Any) -> str:
    return f"{100 * share:+.1f}" if is_number(share) else NONE
