"""Findings as SARIF 2.1.0 (OASIS), the form in which code-scanning services and editors take results.

A rule a check with its page as help; a result a finding. An image is the artifact; where the finding is about a line of a
table that was left out, that line. The fingerprint is the identity of the finding: equal over versions of the data.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any
from urllib.parse import quote

import numpy as np
import pandas as pd

from datatools.checks.runner import Outcome, explain, hint
from datatools.mutes import Muted
from datatools.report.words import visible
from datatools.schema import SEVERITIES

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
LEVELS = {"error": "error", "warning": "warning", "info": "note"}
MAX_RESULTS = 5000  # GitHub shows no more of one run, and takes at most 25,000
LINES = (".csv", ".tsv", ".txt", ".jsonl", ".ndjson")  # files in which a row is a line
FINGERPRINT = "datatools/v1"


def to_sarif(
    findings: pd.DataFrame, outcomes: Sequence[Outcome], muted: Muted, rejected: pd.DataFrame, data_root: str
) -> dict[str, Any]:
    """A SARIF log of one run, with at most 5,000 results: the most severe, of these the worst.

    `data_root` leads from the repository to the images. How many results were left out is in the run's properties.
    """
    codes = sorted({outcome.code for outcome in outcomes} | set(findings["code"]))
    ranks = findings["severity"].map({name: rank for rank, name in enumerate(SEVERITIES)}).fillna(0).astype(float)
    order = findings.assign(rank=-ranks, muted=muted.is_muted).sort_values(["muted", "rank", "score"], kind="stable")
    shown = findings.loc[order.index[:MAX_RESULTS]].sort_index()
    prints = fingerprint(findings)
    rows = _find_rows(rejected)
    results = [
        _result(row, codes.index(row["code"]), prints[index], muted.reason(index), rows, data_root)
        for index, row in zip(shown.index, shown.to_dict("records"))
    ]
    titles = {outcome.code: outcome for outcome in outcomes}
    run = {
        "tool": {
            "driver": {
                "name": "datatools",
                "semanticVersion": version("datatools"),
                "rules": [_rule(code, titles.get(code)) for code in codes],
            }
        },
        "columnKind": "unicodeCodePoints",
        "invocations": [_invocation(outcomes)],
        "results": results,
        "properties": {"findings": len(findings), "findings_left_out": len(findings) - len(shown)},
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def fingerprint(findings: pd.DataFrame) -> list[str]:
    """For each finding 32 hex digits of its identity: code, path, annotation, subject, and which of equal ones it is."""
    identity = findings[["code", "path", "annotation_id", "subject"]].astype(object)
    nth = identity.groupby(list(identity.columns), dropna=False).cumcount().to_numpy()
    joined = identity.where(identity.notna(), "").to_numpy()
    return [
        hashlib.sha256("\0".join([*map(str, parts), str(n)]).encode("utf-8", "surrogatepass")).hexdigest()[:32]
        for parts, n in zip(np.atleast_2d(joined) if len(joined) else [], nth)
    ]


def _rule(code: str, outcome: Outcome | None) -> dict[str, Any]:
    if outcome is None:
        return {"id": code}
    return {
        "id": code,
        "name": "".join(word.capitalize() for word in outcome.title.replace("-", " ").split()),
        "shortDescription": {"text": outcome.title},
        "fullDescription": {"text": hint(code)},
        "help": {"text": explain(code), "markdown": explain(code)},
        "defaultConfiguration": {"level": LEVELS[outcome.severity], "enabled": outcome.outcome != "skipped"},
        "properties": {"version": str(outcome.version)},
    }


def _invocation(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    crashed = [outcome for outcome in outcomes if outcome.outcome == "crashed"]
    notes = [
        {"level": "error", "message": {"text": visible(outcome.detail, 400)}, "associatedRule": {"id": outcome.code}}
        for outcome in crashed
    ]
    return {"executionSuccessful": not crashed, "toolExecutionNotifications": notes}


def _result(
    row: Mapping[str, Any], rule: int, print_: str, reason: str, rows: Mapping[Any, tuple[str, int]], data_root: str
) -> dict[str, Any]:
    about = [visible(row[name], 200) for name in ("annotation_id", "subject") if pd.notna(row[name])]
    result: dict[str, Any] = {
        "ruleId": row["code"],
        "ruleIndex": rule,
        "level": LEVELS.get(row["severity"], "warning"),
        "message": {"text": ": ".join([*about, visible(row["message"], 1000)])},
        "fingerprints": {FINGERPRINT: print_},
        "partialFingerprints": {FINGERPRINT: print_},
    }
    if pd.notna(row["path"]):
        result["locations"] = [_location(row, rows, data_root)]
    if pd.notna(row["score"]):
        result["rank"] = round(100 * (1 - min(max(float(row["score"]), 0.0), 1.0)), 2)
    if reason:
        result["suppressions"] = [{"kind": "external", "status": "accepted", "justification": visible(reason, 400)}]
    return result


def _location(row: Mapping[str, Any], rows: Mapping[Any, tuple[str, int]], data_root: str) -> dict[str, Any]:
    image = f"{data_root}/{row['path']}" if data_root else str(row["path"])
    logical = [{"fullyQualifiedName": str(row["annotation_id"])}] if pd.notna(row["annotation_id"]) else []
    place: dict[str, Any] = {"artifactLocation": _artifact(image)}
    source = rows.get((row["code"], row["path"], _text(row["annotation_id"])))
    if source is not None:
        place = {"artifactLocation": _artifact(f"{data_root}/{source[0]}"), "region": {"startLine": source[1]}}
    return {"physicalLocation": place, **({"logicalLocations": logical} if logical else {})}


def _artifact(path: str) -> dict[str, str]:
    """A path as URI reference: percent-encoded, relative to the repository."""
    return {"uri": quote(path.encode("utf-8", "surrogatepass"), safe="/")}


def _find_rows(rejected: pd.DataFrame) -> dict[Any, tuple[str, int]]:
    """(code, path, annotation) -> file and line, for rows of files in which a row is a line."""
    lines = rejected[rejected["row"].notna() & rejected["source"].fillna("").str.endswith(LINES)]
    return {
        (row["reason"], row["path"], _text(row["annotation_id"])): (str(row["source"]), int(row["row"]))
        for row in lines.to_dict("records")
    }


def _text(value: Any) -> str | None:
    return None if pd.isna(value) else str(value)
