"""How many of a sample's planted faults the pipeline found: recall and precision by fault."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from datatools.errors import DatatoolsError
from datatools.findings import concat
from datatools.formats.tables import load_csv
from datatools.project import Project
from datatools.samples.digits import KEY_COLUMNS
from datatools.schema import FINDINGS, QUEUE
from datatools.store import load_table

# fault in the key -> the finding code that should name it
CODES = {
    "truncated": "IMG004",
    "size_mismatch": "IMG002",
    "exact_duplicate": "DUP001",
    "near_duplicate": "DUP002",
    "swapped_corners": "BOX001",
    "box_outside": "BOX002",
    "open_polygon": "MSK001",
    "self_crossing": "MSK002",
    "mask_outside": "MSK003",
    "class_id": "LBL001",
    "annotator_confusion": "AGR002",
    "rare_slice": "SLC001",
}
STRUCTURAL = ("IMG", "BOX", "MSK", "LBL001", "DUP001")  # codes whose every finding should be planted


@dataclass(frozen=True)
class Score:
    """One fault: how many were planted and found, how many findings of its code there are, and how many are planted."""

    fault: str
    judged_by: str
    n_planted: int
    n_found: int
    n_findings: int
    n_true: int

    @property
    def recall(self) -> float | None:
        """Found among planted; None where nothing was planted."""
        return self.n_found / self.n_planted if self.n_planted else None

    @property
    def precision(self) -> float | None:
        """Planted among findings; None where there is no finding."""
        return self.n_true / self.n_findings if self.n_findings else None


def load_key(path: Path) -> pd.DataFrame:
    """Read an answer key; raises DatatoolsError when there is none."""
    if not path.exists():
        raise DatatoolsError(
            f"{path}: expected an answer key. Got no such file: run `datatools sample make digits` first."
        )
    return pd.DataFrame([row for _, row in load_csv(path, KEY_COLUMNS, KEY_COLUMNS)], columns=list(KEY_COLUMNS))


def score_project(project: Project) -> list[Score]:
    """Score the last run of `project`; raises DatatoolsError without an answer key or without a run."""
    tables = [load_table(path, FINDINGS) for path in (project.findings, project.model_findings)]
    return score_sample(load_key(project.answer_key), concat(tables), load_table(project.queue, QUEUE))


def to_lines(scores: Sequence[Score]) -> Iterator[str]:
    """A table for the terminal."""
    yield f"{'fault':<20} {'judged by':<24} {'planted':>7} {'found':>6} {'recall':>7} {'findings':>9} {'precision':>10}"
    for score in scores:
        rates = ("-" if rate is None else f"{rate:.3f}" for rate in (score.recall, score.precision))
        recall, precision = rates
        yield (
            f"{score.fault:<20} {score.judged_by:<24} {score.n_planted:>7} {score.n_found:>6} {recall:>7} "
            f"{score.n_findings:>9} {precision:>10}"
        )


def score_sample(key: pd.DataFrame, findings: pd.DataFrame, queue: pd.DataFrame) -> list[Score]:
    """Compare findings and queue with the key, one Score a fault.

    A fault on an image is found when its code names that path; the confusion and the rare slice when a message names
    them. Wrong labels are looked for in the first 2 n rows of the queue, n being the number planted. Codes of
    structural checks that are not in the key are listed too: all their findings are false alarms, but for those on images with
    a planted fault, as a mask that was moved no longer fits its box.
    """
    scores = [_score_code(fault, code, key[key["fault"] == fault], findings) for fault, code in CODES.items()]
    elsewhere = findings[~findings["path"].isin(set(key.loc[key["fault"].isin(CODES), "path"]))]
    extra = sorted({code for code in elsewhere["code"] if code.startswith(STRUCTURAL)} - set(CODES.values()))
    empty = key.iloc[:0]
    scores += [_score_code("(none planted)", code, empty, elsewhere) for code in extra]
    return [*scores, _score_queue(key[key["fault"] == "wrong_label"], queue)]


def _score_code(fault: str, code: str, planted: pd.DataFrame, findings: pd.DataFrame) -> Score:
    rows = findings[findings["code"] == code]
    if fault == "annotator_confusion":
        who, one, other = planted["detail"].iloc[0].split() if len(planted) else ("", "", "")
        hits = [_names(text, who, one, other) for text in rows["message"]]
        return Score(fault, code, len(planted), int(any(hits)), len(rows), sum(hits))
    if fault == "rare_slice":
        hits = [any(text.startswith(detail + " ") for detail in planted["detail"]) for text in rows["message"]]
        return Score(fault, code, len(planted), int(any(hits)), len(rows), sum(hits))
    named, wanted = set(rows["path"].dropna()), set(planted["path"])
    true = int(rows["path"].isin(wanted).sum())
    return Score(fault, code, len(wanted), len(wanted & named), len(rows), true)


def _names(text: str, who: str, one: str, other: str) -> bool:
    return text.startswith(f"{who} ") and f"'{one}'" in text and f"'{other}'" in text


def _score_queue(planted: pd.DataFrame, queue: pd.DataFrame) -> Score:
    wanted = set(planted["path"])
    top = queue.sort_values("rank").head(2 * len(wanted))
    found = int(top["path"].isin(wanted).sum())
    return Score("wrong_label", f"first {len(top)} of the queue", len(wanted), found, len(top), found)
