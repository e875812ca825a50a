"""One ranked list of what to look at next, with a reason in words for every row."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from datatools.dataset import Dataset, label_id
from datatools.schema import QUEUE

KINDS = ("expert", "label", "disagreement", "duplicate", "rare")
ABOUT_LABELS = ("expert", "label", "disagreement")
DUPLICATES = ("DUP001", "DUP002", "DUP003")
DISAGREEMENTS = ("AGR003", "AGR005", "FIX002")  # on the image's label, on an object in it, of two reviewers
N_RARE = 25  # per rare slice


def build_queue(
    dataset: Dataset,
    suspects: pd.DataFrame,
    findings: pd.DataFrame,
    slices: pd.DataFrame,
    split: pd.DataFrame,
    fixes: pd.DataFrame,
    queue_max: int,
    consensus: pd.DataFrame | None = None,
    evidence: pd.Series | None = None,
) -> pd.DataFrame:
    """Join what speaks against an image into one QUEUE row, worst first.

    Order: what somebody asked an expert about, labels that the model disagrees with (lowest score first; cleanlab doubts only
    some of them, which is what LBL003 says), then images on which annotators or reviewers disagree, then duplicates, then
    the rare slices' least certain images. Where annotators disagree, the suggestion is `consensus` (index path, columns label
    and probability: annotators and model together), if it is given. `evidence` (index path, words) is told beside a
    doubted or disputed label; it changes no rank. An image that a person has decided on (an applied relabel or confirm
    record) is not asked about again.
    """
    judged = suspects.set_index("path")
    said = findings.dropna(subset=["path"]).groupby("path")[["code", "message"]].agg(list)
    asked = _asked(fixes)
    rows = pd.DataFrame({"kind": _kinds(judged, findings, dataset, slices, asked)})
    rows = rows[~rows.index.isin(_decided(fixes))]
    judged = _with_consensus(judged, rows.index[rows["kind"] == "disagreement"], consensus)
    rows = rows.join(judged).assign(order=rows["kind"].map(KINDS.index)).reset_index(names="path")
    rows = rows.sort_values(["order", "score", "path"], ignore_index=True).head(queue_max)
    sides = split.set_index("path")["split"]
    rare = _rare_members(judged, dataset, slices)
    told = {} if evidence is None else evidence.to_dict()
    result = [
        {
            "rank": rank,
            "path": row.path,
            "annotation_id": label_id(row.path),
            "kind": row.kind,
            "label": row.label,
            "suggested": row.suggested,
            "score": row.score,
            "split": sides.get(row.path),
            "codes": ",".join(sorted(set(said["code"].get(row.path, [])))),
            "reason": _reason(
                row,
                told.get(row.path, ""),
                said["message"].get(row.path, []),
                rare.get(row.path, ""),
                asked.get(row.path, ""),
            ),
        }
        for rank, row in enumerate(rows.itertuples(), start=1)
    ]
    return QUEUE.conform(result)


def _kinds(
    judged: pd.DataFrame, findings: pd.DataFrame, dataset: Dataset, slices: pd.DataFrame, asked: Mapping[str, str]
) -> pd.Series:
    """The strongest kind of each path that has one."""
    wrong = judged.index[judged["is_issue"] | (judged["suggested"] != judged["label"])]
    paths = {
        "expert": asked,
        "label": wrong,
        "disagreement": findings.loc[findings["code"].isin(DISAGREEMENTS), "path"],
        "duplicate": findings.loc[findings["code"].isin(DUPLICATES), "path"],
        "rare": _rare_paths(judged, dataset, slices),
    }
    kinds: dict[str, str] = {}
    for kind in KINDS:
        for path in paths[kind]:
            kinds.setdefault(str(path), kind)
    return pd.Series({path: kind for path, kind in kinds.items() if path in judged.index}, dtype=object)


def _rare_paths(judged: pd.DataFrame, dataset: Dataset, slices: pd.DataFrame) -> list[str]:
    """The least certain images of each rare slice."""
    members = judged.assign(rare=pd.Series(_rare_members(judged, dataset, slices))).dropna(subset=["rare"])
    return list(members.sort_values("score").groupby("rare").head(N_RARE).index)


def _rare_members(judged: pd.DataFrame, dataset: Dataset, slices: pd.DataFrame) -> dict[str, str]:
    """`column=value` of the rare slice that each image is in; the rarest where it is in several."""
    metadata = dataset.metadata
    members: dict[str, str] = {}
    for row in slices[slices["is_rare"]].sort_values("n").itertuples():
        values = judged["label"] if row.column == "label" else metadata[row.column].reindex(judged.index)
        for path in judged.index[(values == row.value).fillna(False).to_numpy(dtype=bool)]:
            members.setdefault(path, f"{row.column}={row.value}")
    return members


def _with_consensus(judged: pd.DataFrame, paths: pd.Index, consensus: pd.DataFrame | None) -> pd.DataFrame:
    """The judgements, those of `paths` with the consensus as suggestion."""
    together = pd.Series(False, index=judged.index)
    if consensus is None:
        return judged.assign(together=together)
    chosen = judged.index.isin(paths.intersection(consensus.index))
    said = consensus.reindex(judged.index)
    return judged.assign(
        suggested=judged["suggested"].where(~chosen, said["label"]),
        confidence=judged["confidence"].where(~chosen, said["probability"]),
        together=together | chosen,
    )


def find_confirmed(fixes: pd.DataFrame, labels: pd.Series) -> set[str]:
    """The images whose label is what a person confirmed or gave; `labels` has the index path. A later change ends that."""
    done = fixes[(fixes["status"] == "applied") & fixes["op"].isin(["confirm", "relabel"])]
    done = done[done["annotation_id"] == label_id("") + done["path"]]
    said = done["before"].where(done["op"] == "confirm", done["after"])
    return set(done.loc[said == done["path"].map(labels), "path"])


def _asked(fixes: pd.DataFrame) -> dict[str, str]:
    """Path -> who asks an expert about it, and why."""
    rows = fixes[(fixes["status"] == "applied") & (fixes["op"] == "ask")]
    return {row["path"]: f"{row['who']} asks an expert: {row['why']}" for row in rows.to_dict("records")}


def _decided(fixes: pd.DataFrame) -> set[str]:
    done = fixes[(fixes["status"] == "applied") & fixes["op"].isin(["relabel", "confirm"])]
    return set(done["path"].dropna())


def _reason(row: object, evidence: str, messages: list[str], rare: str, asked: str) -> str:
    label, suggested, confidence = row.label, row.suggested, row.confidence  # type: ignore[attr-defined]
    parts = [asked] if asked else []
    if row.together:  # type: ignore[attr-defined]
        parts.append(
            f"the annotators and a model together say {suggested!r} with {confidence:.0%}, the label is {label!r}"
        )
    elif suggested != label:
        parts.append(f"a model that never saw it says {suggested!r} with {confidence:.0%}, the label is {label!r}")
    elif row.kind == "rare":  # type: ignore[attr-defined]
        parts.append(f"the model says {suggested!r} with {confidence:.0%}")
    parts += [evidence] if evidence and row.kind in ABOUT_LABELS else []  # type: ignore[attr-defined]
    parts += [f"in the rare slice {rare}"] if rare else []
    parts += [message for message in messages if not message.startswith("labelled ")]
    return "; ".join(parts)
