"""The report as one HTML page that needs no network: pictures and style are inside, foreign text is escaped."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from datatools.report import words
from datatools.report.lift_words import to_rows
from datatools.report.pages import render, to_data_uri
from datatools.report.summary import has_one_class, write_accuracy, write_fix, write_level, write_weakness
from datatools.report.thumbnails import MAX_DECISIONS

Section = dict[str, Any]
PICTURES = {
    "confusion": ("Confusion matrix", "Rows are the given labels, columns what the model said."),
    "curves": ("Training curves", "Loss and accuracy over the epochs, on the training and the validation side."),
    "tsne": (
        "Images that are alike",
        "t-SNE: above all data by the neighbour graph, below the test side as the model sees it; rings are misclassified.",
    ),
    "augmented": ("Augmented training images", "Outlines were moved along with the pixels."),
}
FILTERS = {"fix": write_fix, "accuracy": write_accuracy, "level": write_level, "delta": lambda n: f"{n:+,}"}
MAX_ROWS = 200  # of a table; the numbers of the rest are in report.json


def to_html(summary: Section, pictures: Mapping[str, bytes], thumbnails: Mapping[str, bytes]) -> str:
    """Return the page. `pictures` are PNGs by name (confusion, tsne, curves, augmented), `thumbnails` by image path."""
    drawn = {name: (to_data_uri(pictures[name]), *about) for name, about in PICTURES.items() if name in pictures}
    values = {
        **summary,
        "pictures": drawn,
        "thumbnails": {path: to_data_uri(data) for path, data in thumbnails.items()},
        "tiles": list_tiles(summary),
        "one_class": has_one_class(summary),
        "provenance": list_provenance(summary),
        "kappas": words.describe_agreement(summary["agreement"], words.visible),
        "lift_rows": to_rows(summary["lift"]) if summary["lift"]["measured"] else {},
        "max_rows": MAX_ROWS,
        "max_decisions": MAX_DECISIONS,
        "kinds": words.KINDS,
        "ops": words.OPS,
    }
    return render("template.html", FILTERS, values)


def list_tiles(summary: Section) -> list[Section]:
    """The four figures at the head of the page, each with a word of context and a section to jump to."""
    data, curate, model, findings = (summary[name] for name in ("data", "curate", "model", "findings"))
    errors = findings["by_severity"]["error"]
    around = words.interval(model.get("accuracy_low"), model.get("accuracy_high"))
    if has_one_class(summary):
        around = "says nothing: one class"
    judged = f"of {curate['images_judged']:,} images judged" if curate["images_judged"] else "not judged yet"
    judged += (
        f", {curate['label_issues_confirmed']:,} more decided by people" if curate["label_issues_confirmed"] else ""
    )
    if write_weakness(curate):
        judged += "; the models are too weak to tell"
    return [
        {
            "figure": words.count(data["images"]),
            "name": "images",
            "note": f"{data['files_left_out']:,} left out",
            "to": "left-out",
        },
        {"figure": words.count(curate["label_issues"]), "name": "labels look wrong", "note": judged, "to": "review"},
        {"figure": words.percent(model.get("accuracy")), "name": "test accuracy", "note": around, "to": "model"},
        {
            "figure": words.count(errors),
            "name": "errors found",
            "note": f"of {findings['n']:,} findings",
            "to": "findings",
        },
    ]


def list_provenance(summary: Section) -> list[tuple[str, list[tuple[str, Any]]]]:
    """The training run's record as named lists: single facts first, then each mapping in it."""
    facts: list[tuple[str, Any]] = [("data version", summary["data"]["version"])]
    if summary["split"]["assignment_sha256"]:
        facts.append(("split", summary["split"]["assignment_sha256"]))
    groups: list[tuple[str, list[tuple[str, Any]]]] = []
    for name, value in summary["record"].items():
        if isinstance(value, dict):
            groups.append((name, _flatten(value)))
        elif name != "data_version" or value != summary["data"]["version"]:
            facts.append((name.replace("_", " "), _in_short(value)))
    return [("run", facts), *groups]


def _flatten(values: Section, prefix: str = "") -> list[tuple[str, Any]]:
    rows: list[tuple[str, Any]] = []
    for name, value in values.items():
        rows += (
            _flatten(value, f"{prefix}{name}.") if isinstance(value, dict) else [(f"{prefix}{name}", _in_short(value))]
        )
    return rows


def _in_short(value: Any) -> Any:
    if isinstance(value, list):
        return ", ".join(words.visible(item, 60) for item in value) or words.NONE
    return f"{value:.4g}" if isinstance(value, float) else value
