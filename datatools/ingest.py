"""From what a team brings to canonical tables: every file and every row is kept or rejected with a reason."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from datatools.agreement.consensus import decide
from datatools.agreement.ratings import from_long
from datatools.batches import merge_batches
from datatools.dataset import Dataset, label_id
from datatools.errors import DatatoolsError
from datatools.facts import Facts, collect_facts
from datatools.fixes.apply import SOURCE, Applied, apply_fixes
from datatools.fixes.records import BrokenLine, FixRecord
from datatools.formats import AUTO
from datatools.formats.base import Content, load_attributes
from datatools.formats.registry import merge_contents
from datatools.object_labels import label_by_objects
from datatools.packed import FOLDER, among, list_batches, without
from datatools.params import IngestParams
from datatools.provenance import describe_fixes
from datatools.raw import RawImages, open_raw
from datatools.schema import ANNOTATIONS, BY_OBJECTS, CONSENSUS, IMAGES, RECORDS, REJECTED
from datatools.source import check_source, read_source
from datatools.store import from_arrow, to_arrow
from datatools.tree import FolderTree, Tree, open_tree, refuse

Row = dict[str, Any]
AT_ONCE = 4096  # JSON texts that are taken apart together
_ENCODE = json.JSONEncoder(sort_keys=True, ensure_ascii=False).encode


@dataclass(frozen=True)
class Ingested:
    """The data set after the fixes, the rows left out, and what became of each fix record."""

    dataset: Dataset
    rejected: pd.DataFrame
    fixes: pd.DataFrame


@dataclass(frozen=True)
class Brought:
    """All that lies under the data root: image paths, what is said of them, and every file that is neither, with a reason."""

    paths: tuple[str, ...]
    content: Content
    refused: tuple[Row, ...]
    formats: tuple[str, ...]


def ingest(
    root: Path,
    params: IngestParams,
    records: Sequence[FixRecord] = (),
    broken: Sequence[BrokenLine] = (),
    workers: int | None = None,
    tick: Callable[[int], None] | None = None,
    cache: Path | None = None,
) -> Ingested:
    """Read what the team brought to `root` and apply the fix records.

    `root` holds images and annotation files in any of the formats, batches that were imported, or both. Each image is
    decoded once in its life: its facts are kept in the folder `cache` by its SHA-256. Raises DatatoolsError for a missing
    or empty folder, for a named format that is not there, and where no annotation file could be read; a bad image, file or
    row goes to `rejected`.
    """
    brought, raw = _bring(root, params.format)
    content = brought.content
    _check_group_column(root, content.records, params.group_column)
    facts = collect_facts(raw, brought.paths, workers, tick, cache)
    del raw  # where each image lies takes as much memory as the table of images
    with_image = among(content.annotations["path"], facts.paths)
    orphans = content.annotations[~with_image]
    said = _with_consensus(content.annotations[with_image] if len(orphans) else content.annotations, params.consensus)
    applied = apply_fixes(said, records, broken, facts.paths, _metadata_of(content.records, records))
    deleted = said[among(said["annotation_id"], applied.deleted)]
    no_images = [*brought.refused, *(refuse(path, **fault) for path, fault in facts.faults.items())]
    no_images += [refuse(path, "excluded", why) for path, why in applied.excluded.items()]
    rejected = pd.concat(
        [
            content.rejected,
            REJECTED.conform(
                [*_orphan_rows(orphans, brought.paths), *no_images, *_deleted_rows(deleted, applied.deleted)]
            ),
            _without_file(brought),
        ]
    )
    annotations, gone = _drop_excluded(applied.annotations, set(applied.excluded))
    images = _image_table(facts, content.records, params, applied)
    counts = {
        "files": len(brought.paths) + len(brought.refused),
        "images": len(images),
        "rows": len(content.annotations) + int(content.rejected["row"].notna().sum()),
        "annotations": len(annotations),
        "excluded_annotations": gone,
        "rejected": len(rejected),
    }
    classes = _each_once(params.classes, "ingest.classes in params.yaml") or content.classes
    dataset = Dataset(
        images,
        annotations,
        classes or tuple(sorted(annotations["label"].dropna().unique())),
        {"counts": counts, "formats": list(brought.formats), "fixes": describe_fixes(applied.status)},
    )
    assert counts["files"] == len(images) + len(no_images), "a file was lost"
    n_out = _count_own(annotations) + _count_own(deleted) + gone + len(orphans)
    assert len(content.annotations) + _count_drawn(said, applied.annotations) == n_out, "an annotation was lost"
    return Ingested(dataset, REJECTED.conform(rejected), applied.status)


def bring(root: Path, format: str) -> Brought:
    """List and read everything under `root`; raises DatatoolsError where there is no image, or no annotation to be read."""
    return _bring(root, format)[0]


def _bring(root: Path, format: str) -> tuple[Brought, RawImages]:
    if not root.is_dir():
        raise DatatoolsError(
            f"{root}: expected a folder of images. Got no such folder: run `datatools import`, `datatools sample make` or `dvc pull`."
        )
    tree = open_tree(root)
    if not list_batches(root):
        source = read_source(tree, format)
        check_source(root, source.images, source.content, source.refused)
        return Brought(source.images, source.content, source.refused, tuple(source.formats)), open_raw(root)
    merged = merge_batches(root)
    raw = open_raw(root, merged.images)
    source = read_source(_beside_batches(tree), AUTO)
    content = merge_contents([source.content, merged.content])
    packed = raw.packed_paths()
    twice = sorted(frozenset(source.images).intersection(packed))
    refused = [refuse(path, "name_collision", "an image of this path was imported") for path in twice]
    paths = tuple(sorted({*packed, *source.images}) if source.images else packed)
    check_source(root, paths, content, source.refused)
    return Brought(paths, content, (*source.refused, *refused), tuple(source.formats)), raw


def _beside_batches(tree: Tree) -> Tree:
    """The tree without the imported batches."""
    inside = f"{FOLDER}/"
    sizes = {path: size for path, size in tree.sizes.items() if not path.startswith(inside)}
    refused = tuple(row for row in tree.refused if not row["path"].startswith(inside))
    return FolderTree(tree.root, sizes, refused)


def _check_group_column(root: Path, records: pd.DataFrame, column: str) -> None:
    if column and not any(column in load_attributes(text) for text in records["metadata"].dropna()):
        raise DatatoolsError(
            f"{root / 'metadata.csv'}: expected the column {column!r} (ingest.group_column in params.yaml). "
            "Got none: add it, or set group_column to ''."
        )


def _each_once(names: Sequence[str], where: str) -> tuple[str, ...]:
    repeated = [name for number, name in enumerate(names) if name in names[:number]]
    if repeated:
        raise DatatoolsError(f"{where}: expected each class once. Got {repeated[0]!r} again: remove it.")
    return tuple(names)


def _orphan_rows(orphans: pd.DataFrame, paths: Sequence[str]) -> list[Row]:
    """Annotations whose image is not in the data set: it is not there at all, or is there and cannot be read."""
    left_out = {"reason": "no_image", "message": "its image was left out"}
    missing = {"reason": "LBL005", "message": "there is no such image file"}
    is_there = among(orphans["path"], paths)
    rows = orphans[["source", "path", "annotation_id"]].to_dict("records")
    return [{**row, **(left_out if known else missing)} for row, known in zip(rows, is_there, strict=True)]


def _deleted_rows(rows: pd.DataFrame, why: Mapping[str, str]) -> list[Row]:
    names = ("source", "path", "annotation_id")
    return [
        {**{name: row[name] for name in names}, "reason": "deleted", "message": why[row["annotation_id"]]}
        for row in rows.to_dict("records")
    ]


def _without_file(brought: Brought) -> pd.DataFrame:
    """What annotation files say of images that are not there."""
    records = brought.content.records
    listed = records.loc[~among(records["path"], brought.paths), ["source", "path"]]
    return listed.assign(reason="LBL005", message="it is listed here, but there is no such image file")


def _with_consensus(annotations: pd.DataFrame, rule: str) -> pd.DataFrame:
    """Also the one label of each image: the annotators' consensus; where nobody labels whole images, what its objects say."""
    labels = annotations[annotations["kind"] == "label"]
    if len(labels):
        by_name = labels[["path", "annotator", "label"]].fillna({"annotator": ""})
        once = by_name.drop_duplicates(["path", "annotator"])  # of several labels by one annotator the first id counts
        decided, source = decide(from_long(once, "path", "annotator", "label"), rule), "vote"
    else:
        decided, source = label_by_objects(annotations), BY_OBJECTS
    if not len(decided):
        return ANNOTATIONS.conform(annotations)
    paths = pd.Series(decided.index, dtype="string")
    rows = {"annotation_id": label_id("") + paths, "path": paths, "label": decided.array}
    consensus = pd.DataFrame(rows).assign(kind="label", annotator=CONSENSUS, source=source, attributes="{}")
    return ANNOTATIONS.join([annotations, ANNOTATIONS.conform(consensus)])


def _metadata_of(records: pd.DataFrame, fixes: Sequence[FixRecord]) -> dict[str, dict[str, Any]]:
    """What metadata.csv says of the images whose metadata a fix record changes."""
    named = {record.path for record in fixes if record.op == "set_metadata"}
    rows = records.loc[among(records["path"], named), ["path", "metadata"]] if named else records[:0]
    return {row.path: load_attributes(row.metadata) for row in rows.itertuples()}


def _drop_excluded(annotations: pd.DataFrame, excluded: set[str]) -> tuple[pd.DataFrame, int]:
    gone = among(annotations["path"], excluded)
    return annotations[~gone].reset_index(drop=True), _count_own(annotations[gone])


def _count_drawn(before: pd.DataFrame, after: pd.DataFrame) -> int:
    """How many fix records added. They put their name on all that they touch: nothing else is looked up."""
    touched = after[after["source"].str.startswith(SOURCE).fillna(False)]
    known = before["annotation_id"][among(before["annotation_id"], touched["annotation_id"])]
    return _count_own(without(touched, "annotation_id", known))


def _count_own(annotations: pd.DataFrame) -> int:
    """How many somebody made; a consensus follows from them."""
    return int((annotations["annotator"] != CONSENSUS).fillna(True).sum())


def _image_table(facts: Facts, records: pd.DataFrame, params: IngestParams, applied: Applied) -> pd.DataFrame:
    paths, known = pa.array(facts.paths, pa.large_string()), facts.table
    if applied.excluded:
        stays = pc.invert(pc.is_in(paths, value_set=pa.array(list(applied.excluded), paths.type)))
        paths, known = paths.filter(stays), known.filter(stays)
    rows = pc.index_in(paths, value_set=to_arrow(records["path"]))
    said = {name: to_arrow(records[name]).take(rows) for name in RECORDS.columns}
    group, metadata = _read_metadata(paths, said["metadata"], params.group_column, applied)
    columns = {
        **{name: known[name] for name in known.column_names},
        "path": paths,
        "declared_width_px": said["width_px"],
        "declared_height_px": said["height_px"],
        "group": group,
        "subset": said["subset"],
        "metadata": metadata,
        "attributes": said["attributes"].fill_null("{}"),
        "source": said["source"].fill_null("folder"),
    }
    return from_arrow(columns, IMAGES)


def _read_metadata(paths: pa.Array, texts: pa.Array, group_column: str, applied: Applied) -> tuple[pa.Array, pa.Array]:
    """The group and the metadata (JSON object) of each image."""
    groups: list[Any] = []
    metadata: list[str] = []
    for start in range(0, len(paths), AT_ONCE):
        part = [text or "{}" for text in texts.slice(start, AT_ONCE).to_pylist()]
        rows: list[Row] = json.loads(f"[{','.join(part)}]")
        for path, row in zip(paths.slice(start, AT_ONCE).to_pylist(), rows, strict=True) if applied.metadata else ():
            _change_metadata(row, applied.metadata.get(path, {}))
        groups += [(row.get(group_column) or None) if group_column else None for row in rows]
        metadata += map(_ENCODE, rows)
    return to_arrow(pd.Series(groups, dtype=None if group_column else "string").astype("string")), pa.array(metadata)


def _change_metadata(row: Row, changes: Mapping[str, str | None]) -> None:
    for name, value in changes.items():
        row[name] = value
        if value is None:
            del row[name]
