"""Repairs that checks offer because they are certain, and what becomes of them when a person accepts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any

import pandas as pd

from datatools.dataset import load_dataset
from datatools.errors import DatatoolsError
from datatools.findings import Offer, concat, parse_offer
from datatools.fixes.apply import WAS_SO, apply_fixes
from datatools.fixes.make import load_current
from datatools.fixes.records import FixRecord, append_records, now, sitting_path
from datatools.project import Project
from datatools.schema import FINDINGS
from datatools.store import load_table


@dataclass(frozen=True)
class Offered:
    """An offer that still holds: the record it would become, and the finding behind it."""

    code: str
    message: str
    record: FixRecord


def list_offers(project: Project, code: str = "", path: str = "*") -> list[Offered]:
    """The offers of the last run that fit the data as it is now, in the order of the findings.

    `code` restricts them to one check, `path` is a glob over image paths. What a person has decided otherwise since then no
    longer fits and is not offered.
    """
    dataset = load_dataset(project.dataset)
    current = load_current(project, dataset).annotations
    tables = [table for table in (project.findings, project.model_findings) if table.exists()]
    findings = concat([load_table(table, FINDINGS) for table in tables])
    offers = list(_to_offers(findings, current, code, path, dataset.version))
    done = apply_fixes(current, [offered.record for offered in offers], unannotated=list(dataset.images["path"])).status
    fitting = set(done.loc[(done["status"] == "applied") & (done["message"].fillna("") != WAS_SO), "id"])
    return [offered for offered in offers if offered.record.id in fitting]


def accept_offers(project: Project, code: str, path: str, *, why: str, who: str) -> list[FixRecord]:
    """Turn the offers of one check into fix records, on the disk when this returns.

    Raises DatatoolsError where the check offers nothing, or without a reason.
    """
    if not why.strip():
        raise DatatoolsError("accept: expected a reason. Got an empty --why: say it in a few words.")
    offers = list_offers(project, code.upper(), path)
    if not offers:
        raise DatatoolsError(f"accept: expected offers of {code.upper()}. Got none: see `datatools fixes offered`.")
    when = now()
    records = [_sign(offered, who, when, why) for offered in offers]
    append_records(sitting_path(project.fixes, who, when), records)
    return records


def _to_offers(
    findings: pd.DataFrame, annotations: pd.DataFrame, code: str, path: str, version: str
) -> Iterator[Offered]:
    rows = findings[findings["offer"].notna() & findings["code"].eq(code or findings["code"])]
    labels = annotations.set_index("annotation_id")["label"]
    seen: set[tuple[Any, ...]] = set()
    for row in rows.to_dict("records"):
        offer = parse_offer(row["offer"])
        for target in _targets(offer, row, annotations):
            if offer is None or (offer, *target.values()) in seen or not fnmatchcase(str(target["path"]), path):
                continue
            seen.add((offer, *target.values()))
            before = _label(labels, target["annotation_id"]) if offer.op == "delete" else offer.before
            yield Offered(row["code"], row["message"], _to_record(offer, before, {**row, **target}, version))


def _targets(offer: Offer | None, row: dict[Any, Any], annotations: pd.DataFrame) -> list[dict[str, Any]]:
    """Path and annotation of the finding; a relabel that names neither is about every annotation with that label."""
    names = ["path", "annotation_id"]
    if offer is not None and offer.op == "relabel" and pd.isna(row["annotation_id"]):
        return annotations.loc[(annotations["label"] == offer.before).fillna(False), names].to_dict("records")  # type: ignore[return-value]
    return [{name: row[name] for name in names}]


def _to_record(offer: Offer, before: str | None, row: dict[Any, Any], version: str) -> FixRecord:
    return FixRecord(
        offer.op,
        who="?",
        when="",
        why="?",
        path=row["path"],
        annotation_id=None if offer.op == "exclude" else row["annotation_id"],
        before=before,
        after=offer.after,
        base=version,
        evidence={"finding": row["code"], "message": row["message"]},
    )


def _label(labels: pd.Series, annotation_id: Any) -> str | None:
    label = labels.get(annotation_id)
    return None if label is None or pd.isna(label) else str(label)


def _sign(offered: Offered, who: str, when: str, why: str) -> FixRecord:
    return replace(offered.record, who=who, when=when, why=why)
