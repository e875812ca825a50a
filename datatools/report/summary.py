"""Everything the report says, as numbers and words: this document is reports/report.json."""

from __future__ import annotations

import dataclasses
import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from datatools.dataset import Dataset
from datatools.params import ReportParams
from datatools.provenance import describe_origin
from datatools.report.decisions import count_fixes
from datatools.report.lift_words import to_method, to_verdict
from datatools.report.sections import (
    Section,
    count_classes,
    count_data,
    count_findings,
    count_model,
    count_queue,
    count_split,
)
from datatools.report.words import interval, is_number, percent, plural
from datatools.schema import FINDINGS, FIX_STATUS, QUEUE, REJECTED, SPLIT


@dataclass(frozen=True)
class ReportInputs:
    """What the stages before the report wrote. Every part but the data set may be empty."""

    dataset: Dataset
    rejected: pd.DataFrame = field(default_factory=REJECTED.empty)
    fixes: pd.DataFrame = field(default_factory=FIX_STATUS.empty)
    findings: pd.DataFrame = field(default_factory=FINDINGS.empty)  # of validate and of curate
    is_muted: Sequence[bool] = ()  # for each finding; empty: none
    queue: pd.DataFrame = field(default_factory=QUEUE.empty)
    split: pd.DataFrame = field(default_factory=SPLIT.empty)
    certificate: Mapping[str, Any] = field(default_factory=dict)  # of the split
    augmented: Mapping[str, Any] = field(default_factory=dict)  # images, parents, objects, dropped, labels_gone
    metrics: Mapping[str, Any] = field(default_factory=dict)
    confusions: Sequence[Mapping[str, Any]] = ()  # actual, predicted, n; the most frequent first
    curate: Mapping[str, Any] = field(default_factory=dict)  # what the stage curate counted
    lift: Mapping[str, Any] = field(default_factory=dict)  # what the stage lift wrote
    agreement: Mapping[str, Any] = field(default_factory=dict)  # annotators, n, fleiss, cohen: annotators, n, kappa
    record: Mapping[str, Any] = field(default_factory=dict)  # of the training run
    pictures: Mapping[str, bytes] = field(default_factory=dict)  # PNG: confusion, tsne, curves, augmented
    titles: Mapping[str, str] = field(default_factory=dict)  # finding code -> the check's title
    name: str = ""  # headline where params.title is empty
    commit: str | None = None  # of the code that writes the report; null outside Git


def summarise(inputs: ReportInputs, params: ReportParams) -> Section:
    """Return the report as one JSON document: no NaN, the same inputs give the same document.

    Shares are fractions of 1; `queue.top` has `params.thumbnails` rows, at least 5.
    """
    summary: Section = {
        "title": params.title or inputs.name or "Data set",
        "data": count_data(inputs.dataset, inputs.rejected, inputs.titles),
        "curate": _count_curate(inputs.curate),
        "queue": {"shown": params.thumbnails, **count_queue(inputs.queue, params.thumbnails)},
        "fixes": count_fixes(inputs.dataset, inputs.fixes, inputs.split, inputs.curate.get("estimated_label_errors")),
        "lift": _describe_lift(inputs.lift),
        "findings": count_findings(inputs.findings, inputs.titles, inputs.is_muted),
        "agreement": dict(inputs.agreement),
        "classes": count_classes(inputs.dataset, inputs.split),
        "split": count_split(inputs.split, inputs.certificate),
        "model": count_model(inputs.metrics, inputs.confusions),
        "augmented": _count_augmented(inputs.augmented),
        "record": dict(inputs.record),
        "origin": describe_origin(
            inputs.dataset.version, inputs.dataset.facts.get("fixes"), dataclasses.asdict(params), inputs.commit
        ),
    }
    plain: Section = to_plain(summary)
    return {"title": plain["title"], "headline": write_headline(plain), "next": list_next(plain), **plain}


def write_headline(summary: Section) -> str:
    """The verdict in a few short sentences; a sentence without its number is left out."""
    data, by_status = summary["data"], summary["fixes"]["by_status"]
    sentences = [f"{plural(data['images'], 'image')} in, {data['files_left_out']:,} left out."]
    issues = summary["curate"]["label_issues"]
    if is_number(issues):
        doubt = f", {write_weakness(summary['curate'])}" if write_weakness(summary["curate"]) else ""
        sentences.append(f"{plural(issues, 'label')} {'looks' if issues == 1 else 'look'} wrong{doubt}.")
    if has_one_class(summary):
        sentences.append("All labels are of one class, so accuracy says nothing.")
    elif is_number(summary["model"].get("accuracy")):
        sentences.append(f"Test accuracy {write_accuracy(summary['model'])}.")
    if summary["lift"]["measured"]:
        sentences.append(summary["lift"]["verdict"])
    if by_status["conflict"]:
        sentences.append(f"{plural(by_status['conflict'], 'fix', 'fixes')} could not be applied.")
    if by_status["disputed"]:
        sentences.append(f"People disagree in {plural(by_status['disputed'], 'decision')}.")
    return " ".join(sentences)


def has_one_class(summary: Section) -> bool:
    """Whether every labelled image has the same label, as where a detection set's images are named after their objects."""
    return sum(row["n"] > 0 for row in summary["classes"]) == 1


def write_weakness(curate: Section) -> str:
    """Why what looks wrong may be the model's fault; empty where the models do better than neighbours and guessing.

    The same bar as that of DST002. An older report does not know it.
    """
    agreed: Any = curate.get("out_of_fold_accuracy")
    simple: Any = curate.get("simple_accuracy")
    if not (is_number(agreed) and is_number(simple) and curate["label_issues"] and agreed < simple):
        return ""
    return f"but to models too weak to tell: they agree with {percent(agreed)} of all labels"


def write_accuracy(model: Section) -> str:
    """Accuracy with its interval: `95.4 % (93.7 to 96.7)`."""
    around = interval(model.get("accuracy_low"), model.get("accuracy_high"))
    return percent(model.get("accuracy")) + (f" ({around})" if around else "")


def write_level(model: Section) -> str:
    """The kind of interval around the accuracy, `95 % interval`; empty where there is none."""
    if not is_number(model.get("accuracy_low")):
        return ""
    level = model.get("confidence")
    return f"{100 * level:g} % interval" if level is not None else "with its interval"


def list_next(summary: Section) -> list[Section]:
    """What to do now, the most urgent first: words, and a command where there is one."""
    steps: list[Section] = []
    queue, by_status = summary["queue"], summary["fixes"]["by_status"]
    if by_status["disputed"]:
        what = "Settle what people decided differently: `datatools fixes check` lists it."
        steps.append({"what": what, "command": "datatools fixes check"})
    if by_status["conflict"]:
        what = f"Look again at {plural(by_status['conflict'], 'conflict')}, and decide again."
        steps.append({"what": what, "command": ""})
    if queue["n"]:
        what = f"Review {plural(queue['n'], 'image')}, the most doubtful first."
        steps.append({"what": what, "command": "datatools review"})
        row = next((row for row in queue["top"] if _has_suggestion(row)), queue["top"][0])
        steps.append({"what": "Or decide on one image right here.", "command": write_fix(row)})
        steps.append({"what": "Apply the decisions and see what they bought.", "command": "dvc repro"})
    if not steps:
        steps.append({"what": "Nothing waits for review. Commit this state, or bring more images.", "command": ""})
    return steps


def write_fix(row: Section) -> str:
    """The command that gives a queue row its suggested label, or confirms the label it has; quoted for a shell."""
    decision = f"--label {shlex.quote(row['suggested'])}" if _has_suggestion(row) else "--confirm"
    return f'datatools fix {shlex.quote(row["path"] or "IMAGE")} {decision} --why "..."'


def to_plain(value: Any) -> Any:
    """`value` as JSON knows it: NumPy and pandas scalars become Python's, NaN and NA null, keys strings."""
    if isinstance(value, Mapping):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [to_plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and not math.isfinite(value)):
        return None
    if isinstance(value, (bool, int, float)):
        return value
    return str(value).encode("utf-8", "backslashreplace").decode("utf-8")


def _has_suggestion(row: Section) -> bool:
    return bool(row["suggested"]) and row["suggested"] != row["label"]


def _describe_lift(lift: Mapping[str, Any]) -> Section:
    measured = bool(lift.get("measured"))
    return {**lift, "measured": measured, "verdict": to_verdict(lift), "method": to_method(lift) if measured else ""}


def _count_augmented(augmented: Mapping[str, Any]) -> Section:
    counts = {name: int(augmented.get(name) or 0) for name in ("images", "parents", "objects")}
    gone = dict(augmented.get("labels_gone") or {})
    return {**counts, "dropped": dict(augmented.get("dropped") or {}), "labels_gone": gone}


def _count_curate(curate: Mapping[str, Any]) -> Section:
    names = ("images_judged", "label_issues", "label_issues_confirmed", "out_of_fold_accuracy", "simple_accuracy")
    columns = ("column", "value", "n", "share", "accuracy", "n_wanted", "is_rare")
    slices = [{key: row.get(key) for key in columns} for row in curate.get("slices") or []]
    return {**{name: curate.get(name) for name in names}, "slices": slices}
