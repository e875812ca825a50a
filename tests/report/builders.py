"""A small data set with everything a report can show, and the strings that must do no harm in it."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import Any

import numpy as np

from datatools.dataset import Dataset, label_id
from datatools.images import encode_png
from datatools.lift import compare
from datatools.params import ReportParams
from datatools.report.summary import ReportInputs, summarise
from datatools.schema import ANNOTATIONS, CONSENSUS, FINDINGS, FIX_STATUS, IMAGES, QUEUE, REJECTED, SPLIT

CLASSES = ("bird", "cat", "dog")
LABELS = {
    "images/0.png": "bird",
    "images/1.png": "bird",
    "images/2.png": "cat",
    "images/3.png": "cat",
    "images/4.png": "cat",
    "images/5.png": "dog",
}
HOSTILE = (
    "<script>alert(1)</script>",
    "</style><img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "' onmouseover='alert(1)",
    "javascript:alert(1)",
    "{{ 7 * 7 }}",
    "{% include '/etc/passwd' %}",
    "&lt;b&gt; &amp;",
    "a | b | c",
    "`code` ``` fence",
    "@octocat please look",
    "see #123 and GH-45",
    "https://evil.example/x www.evil.example",
    "![pixel](https://evil.example/x.png)",
    "[click](javascript:alert(1))",
    "line one\nline two\r\n# heading",
    "| --- |\n| cell |",
    "\x1b[31mred\x1b[0m \x07",
    "\u202egnp.exe",
    "null\x00byte",
    "[bold red]markup[/] [/]",
    "$(rm -rf /) `reboot` ; true",
    "-" * 5000,
    "\u2028\u2029separator",
    " ",
    "--- \\ *_~ $x$",
)


def make_dataset(labels: dict[str, str] | None = None, classes: tuple[str, ...] = CLASSES, **columns: Any) -> Dataset:
    """A data set of one label an image; every image has one box."""
    labels = LABELS if labels is None else labels
    images = [
        {
            "path": path,
            "sha256": path,
            "n_bytes": 1,
            "width_px": 8,
            "height_px": 8,
            "channels": 3,
            "n_frames": 1,
        }
        for path in labels
    ]
    rows = []
    for path, label in labels.items():
        common = {"path": path, "label": label, "source": "test", **columns}
        rows.append({"annotation_id": label_id(path), "kind": "label", "annotator": CONSENSUS, **common})
        rows.append(
            {
                "annotation_id": f"box/{path}",
                "kind": "box",
                "x0_px": 1.0,
                "y0_px": 1.0,
                "x1_px": 6.0,
                "y1_px": 7.0,
                **common,
            }
        )
    return Dataset(IMAGES.conform(images), ANNOTATIONS.conform(rows), classes)


def make_fix(number: int, **values: Any) -> dict[str, Any]:
    """One row of the fixes table: Ada relabels image 2 from dog to cat."""
    row = {
        "id": f"fix{number:04d}",
        "status": "applied",
        "op": "relabel",
        "path": "images/2.png",
        "annotation_id": label_id("images/2.png"),
        "before": "dog",
        "after": "cat",
        "why": "whiskers",
        "who": "Ada",
        "when": f"2026-11-21T10:{number % 60:02d}:00.000000Z",
        "message": "",
    }
    return {**row, **values}


def make_queue_row(rank: int, **values: Any) -> dict[str, Any]:
    """One row of the queue: image 0 is called a bird and looks like a cat."""
    row = {
        "rank": rank,
        "path": "images/0.png",
        "annotation_id": label_id("images/0.png"),
        "kind": "label",
        "label": "bird",
        "suggested": "cat",
        "score": 0.1,
        "split": "train",
        "codes": "LBL001",
        "reason": "the model is sure",
    }
    return {**row, **values}


def make_finding(**values: Any) -> dict[str, Any]:
    """One finding: the box of image 1 stands over the edge."""
    row = {
        "code": "BOX001",
        "version": 1,
        "severity": "error",
        "path": "images/1.png",
        "annotation_id": "box/images/1.png",
        "score": 0.2,
        "message": "box stands 3 px over the edge",
    }
    return {**row, **values}


def make_png(side_px: int = 8, level: int = 128) -> bytes:
    """A grey square."""
    return encode_png(np.full((side_px, side_px, 3), level, dtype=np.uint8))


def make_inputs(**changes: Any) -> ReportInputs:
    """Inputs with something in every part; `changes` replace parts."""
    return replace(_full_inputs(), **changes)


@functools.cache
def _full_inputs() -> ReportInputs:
    sides = ["train", "train", "train", "train", "val", "test"]
    split = SPLIT.conform(
        [{"path": path, "split": side, "group": None} for path, side in zip(LABELS, sides, strict=True)]
    )
    rejected = [
        {"source": "images/9.png", "path": "images/9.png", "reason": "IMG001", "message": "image file is truncated"},
        {"source": "notes.txt", "path": "notes.txt", "reason": "not_an_image", "message": "not an image file"},
        {"source": "labels/ada.csv", "row": 4, "path": "images/9.png", "reason": "no_image", "message": "no image"},
    ]
    classes = {name: {"precision": 0.9, "recall": 0.8, "f1": 0.85, "support": 10} for name in CLASSES}
    metrics = {"n": 30, "accuracy": 0.9, "accuracy_low": 0.744, "accuracy_high": 0.965, "macro_f1": 0.85}
    return ReportInputs(
        dataset=make_dataset(),
        rejected=REJECTED.conform(rejected),
        fixes=FIX_STATUS.conform([make_fix(1), make_fix(1, id="fix0001b", annotation_id="box/images/2.png")]),
        findings=FINDINGS.conform([make_finding(), make_finding(code="DUP001", severity="info", message="twin")]),
        queue=QUEUE.conform([make_queue_row(1), make_queue_row(2, path="images/4.png", kind="rare", suggested=None)]),
        split=split,
        certificate={
            "groups": 5,  # units: two images are of no group
            "groups_by_column": {"group": {"groups": 3, "crossing": 0}},
            "groups_crossing": 0,
            "near_duplicates_crossing": 0,
            "largest_class_deviation": 0.012,
        },
        augmented={"images": 4, "parents": 4, "objects": 3, "dropped": {"outside": 1}, "labels_gone": {"no label": 2}},
        metrics={**metrics, "confidence": 0.95, "classes": classes},
        confusions=[{"actual": "cat", "predicted": "dog", "count": 2, "share": 0.2}],
        curate={"images_judged": 6, "label_issues": 1, "out_of_fold_accuracy": 0.88, "slices": [make_slice()]},
        agreement={
            "annotators": 2,
            "n": 6,
            "fleiss": 0.9512,
            "cohen": [{"annotators": ["ann", "bo"], "n": 6, "kappa": 0.9512}],
        },
        record={"data_version": "abc", "code_commit": "f00", "seeds": {"train": 0}, "packages": {"torch": "2.11"}},
        pictures={name: make_png() for name in ("confusion", "tsne", "curves", "augmented")},
        titles={"BOX001": "Box stands over the edge", "IMG001": "Image cannot be read"},
        name="animals",
    )


def make_slice(**values: Any) -> dict[str, Any]:
    """An under-represented slice."""
    return {
        "column": "camera",
        "value": "night",
        "n": 1,
        "share": 0.17,
        "accuracy": 0.5,
        "n_wanted": 5,
        "is_rare": True,
        **values,
    }


def make_lift(n_right_before: int, n_right_after: int, **changes: Any) -> dict[str, Any]:
    """A result with 100 test images of one class, of which so many are right, by three seeds; 4 test labels were corrected."""
    guesses = {
        name: [np.r_[np.zeros(n, np.int64), np.ones(100 - n, np.int64)] for _ in range(3)]
        for name, n in (("before", n_right_before), ("after", n_right_after))
    }
    truth = {"old": np.r_[np.ones(4, np.int64), np.zeros(96, np.int64)], "new": np.zeros(100, np.int64)}
    head = {
        "measured": True,
        "before": None,
        "before_commit": None,
        "n_records": 12,
        "n_excluded": 0,
        "data_version": "0123456789ab",
        "seeds": [0, 1, 2],
        "n_test": 100,
    }
    return {**head, "n_changed": {"train": 7, "val": 1, "test": 4}, **compare(guesses, truth), **changes}


@functools.cache
def hostile_summary(text: str) -> dict[str, Any]:
    """The summary of `make_hostile(text)`, made once."""
    return summarise(make_hostile(text), ReportParams())


@functools.cache
def make_hostile(text: str) -> ReportInputs:
    """Inputs in which every text that people or files bring is `text`."""
    dataset = make_dataset({f"{text}{number}": text for number in range(3)}, classes=(text,))
    path = f"{text}0"
    words = {"path": path, "message": text}
    fix = {"path": path, "before": text, "after": f"{text}!", "why": text, "who": text, "message": text}
    queue = {"path": path, "label": text, "suggested": f"{text}!", "codes": text, "reason": text, "split": text}
    return make_inputs(
        dataset=dataset,
        rejected=REJECTED.conform(
            [{"source": path, "reason": text, **words}, {"source": text, "reason": "x", **words}]
        ),
        fixes=FIX_STATUS.conform(
            [make_fix(1, **fix), make_fix(2, **fix, status="conflict", when=text), make_fix(3, op=text)]
        ),
        findings=FINDINGS.conform([make_finding(**words, severity=text), make_finding(**words, code=text)]),
        queue=QUEUE.conform([make_queue_row(1, **queue), make_queue_row(2, kind=text)]),
        metrics={"n": 1, "accuracy": 1.0, "classes": {text: {"precision": 1.0}}},
        confusions=[{"actual": text, "predicted": text, "n": 1}],
        curate={"slices": [make_slice(column=text, value=text)]},
        agreement={
            "annotators": 2,
            "n": 1,
            "fleiss": 0.5,
            "cohen": [{"annotators": [text, text], "n": 1, "kappa": 0.5}],
        },
        augmented={"images": 1, "dropped": {text: 1}, "labels_gone": {text: 1}},
        lift=make_lift(60, 90, before=text),
        record={text: text, "params": {text: {text: text}}, "seeds": [text]},
        titles={"BOX001": text},
        name=text,
    )
