"""What the fixes bought, in words and as rows of two small tables; pages, Markdown and terminal are made from these."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from datatools.report.words import NONE, is_number, percent, plural

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
HOW = "Set lift.seeds to 3 in params.yaml and run `dvc repro`, or run `datatools lift` once: either is 6 trainings."


def to_verdict(lift: Document) -> str:
    """The result in one sentence, which claims no more than its interval; or why there is none, and what to do."""
    if not lift.get("measured"):
        return _why_not(lift)
    found = lift["lift"]
    if not lift["n_changed"]["train"] + lift["n_changed"]["val"]:
        return "No fix changed the label of a train or val image: there is nothing to measure."
    if found["low"] <= 0 <= found["high"]:
        shown = f"{signed(found['value'])} percentage points ({interval_of(found)})"
        return f"The fixes to train and val made no difference that this test set can show: {shown}."
    size = f"{100 * abs(found['value']):.1f} percentage points ({interval_of(found)})"
    return f"The fixes to train and val {'raised' if found['value'] > 0 else 'lowered'} accuracy by {size}."


def to_rows(lift: Document) -> dict[str, Any]:
    """The rows of the tables of a measured lift: `accuracies` (name, mean, std) and `differences` (name, value, interval)."""
    accuracy = [
        {"name": name, "mean": percent(lift["accuracy"][key]["mean"]), "std": percent(lift["accuracy"][key]["std"])}
        for key, name in ACCURACIES.items()
    ]
    difference = [
        {"name": name, "value": signed(lift[key]["value"]), "interval": interval_of(lift[key])}
        for key, name in DIFFERENCES.items()
    ]
    confidence = f"{100 * lift['confidence']:.0f} %"
    return {"accuracies": accuracy, "differences": difference, "confidence": confidence, "n_test": lift["n_test"]}


def to_method(lift: Document) -> str:
    """How it was measured, and what of: of records, images, seeds."""
    changed, n_seeds = lift["n_changed"], len(lift["seeds"])
    parts = [
        f"{plural(lift['n_records'], 'fix record')} {_since(lift)} changed the label of {plural(changed['train'], 'train image')}, "
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


def to_lift_lines(lift: Document) -> list[str]:
    """The lift for a terminal: the verdict and, if it was measured, the figures and how they came about."""
    if not lift.get("measured"):
        return [to_verdict(lift)]
    rows = to_rows(lift)
    lines = [f"  {row['mean']:>7} (spread {row['std']})  {row['name']}" for row in rows["accuracies"]]
    lines += [f"  {row['value']:>7} ({row['interval']})  {row['name']}" for row in rows["differences"]]
    head = f"Accuracy on {plural(lift['n_test'], 'test image')}, and percentage points ({rows['confidence']} interval):"
    return [to_verdict(lift), head, *lines, to_method(lift)]


def interval_of(found: Document) -> str:
    """`+0.3 to +2.1`."""
    return f"{signed(found['low'])} to {signed(found['high'])}"


def signed(share: Any) -> str:
    """A difference of shares of 1 in percentage points, with its sign."""
    return f"{100 * share:+.1f}" if is_number(share) else NONE


def _why_not(lift: Document) -> str:
    why = lift.get("why_not")
    if why == "no records":
        return (
            f"No fix records {_since(lift)}: there is nothing to measure."
            if lift.get("before")
            else "No fix records yet."
        )
    if why == "no label changed":
        return f"The fix records {_since(lift)} change no image's label: there is nothing to measure."
    return f"What the fixes bought was not measured. {HOW}"


def _since(lift: Document) -> str:
    if not lift["before"]:
        return "of all time"
    commit = lift.get("before_commit")
    return f"since {lift['before']}" + (f" ({commit[:7]})" if commit and not commit.startswith(lift["before"]) else "")
