"""From what a team brings to canonical tables: every file and every row is kept or rejected with a reason."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pandas as pd

from datatools.agreement.consensus import decide
from datatools.batches import merge_batches
from datatools.cache import KeptValues
from datatools.dataset import Dataset, label_id, pivot_ratings
from datatools.engine import map_ordered
from datatools.errors import DatatoolsError
from datatools.fixes.apply import Applied, apply_fixes
from datatools.fixes.records import BrokenLine, FixRecord
from datatools.formats import AUTO
from datatools.formats.base import Content, load_attributes
from datatools.formats.registry import merge_contents
from datatools.images import ImageFacts, UnreadableImageError, compute_facts_of
from datatools.object_labels import label_by_objects
from datatools.packed import FOLDER, among, list_batches
from datatools.params import IngestParams
from datatools.provenance import decoder_version, describe_fixes
from datatools.raw import RawImages, open_raw
from datatools.schema import ANNOTATIONS, CONSENSUS, IMAGES, REJECTED
from datatools.source import check_source, read_source
from datatools.tree import FolderTree, Tree, UnreadableFileError, open_tree, refuse

Row = dict[str, Any]
FACTS = [field.name for field in fields(ImageFacts)]
TOGETHER = 16  # images that a worker measures together


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
    brought = bring(root, params.format)
    content = brought.content
    _check_group_column(root, content.records, params.group_column)
    facts, unreadable = _collect_facts(open_raw(root), brought.paths, workers, tick, cache)
    with_image = among(content.annotations["path"], facts)
    kept, orphans = content.annotations[with_image], content.annotations[~with_image]
    consensus = _consensus_rows(kept, params.consensus)
    said = _concat(kept, consensus)
    applied = apply_fixes(said, records, broken, set(facts), _metadata_of(content.records, records))
    deleted = said[said["annotation_id"].isin(list(applied.deleted))]
    no_images = [*brought.refused, *unreadable]
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
    drawn = applied.annotations[~applied.annotations["annotation_id"].isin(said["annotation_id"])]  # by fix records
    n_out = _count_own(annotations) + _count_own(deleted) + gone + len(orphans)
    assert len(content.annotations) + _count_own(drawn) == n_out, "an annotation was lost"
    return Ingested(dataset, REJECTED.conform(rejected), applied.status)


def bring(root: Path, format: str) -> Brought:
    """List and read everything under `root`; raises DatatoolsError where there is no image, or no annotation to be read."""
    if not root.is_dir():
        raise DatatoolsError(
            f"{root}: expected a folder of images. Got no such folder: run `datatools import`, `datatools sample make` or `dvc pull`."
        )
    tree = open_tree(root)
    if not list_batches(root):
        source = read_source(tree, format)
        check_source(root, source.images, source.content, source.refused)
        return Brought(source.images, source.content, source.refused, tuple(source.formats))
    merged = merge_batches(root)
    source = read_source(_beside_batches(tree), AUTO)
    content = merge_contents([source.content, merged.content])
    twice = sorted(merged.paths.intersection(source.images))
    refused = [refuse(path, "name_collision", "an image of this path was imported") for path in twice]
    paths = tuple(sorted(merged.paths.union(source.images)))
    check_source(root, paths, content, source.refused)
    return Brought(paths, content, (*source.refused, *refused), tuple(source.formats))


def _beside_batches(tree: Tree) -> Tree:
    """The tree without the imported batches."""
    inside = f"{FOLDER}/"
    sizes = {path: size for path, size in tree.sizes.items() if not path.startswith(inside)}
    refused = tuple(row for row in tree.refused if not row["path"].startswith(inside))
    return FolderTree(tree.root, sizes, refused)


def _collect_facts(
    raw: RawImages,
    paths: Sequence[str],
    workers: int | None,
    tick: Callable[[int], None] | None,
    cache: Path | None,
) -> tuple[dict[str, list[Any]], list[Row]]:
    """Values of FACTS by path, and rows of the images that cannot be read. What is known is not decoded."""
    kept = KeptValues(cache / "images.sqlite", f"facts by {decoder_version()}") if cache else None
    known = kept.load() if kept else {}
    found = {path: known[sha256] for path in paths if (sha256 := raw.sha256(path)) in known}
    rest = [path for path in paths if path not in found]
    new: dict[str, Any] = {}
    chunks = [rest[start : start + TOGETHER] for start in range(0, len(rest), TOGETHER)]
    work = functools.partial(_read_facts, raw, frozenset(known))
    for chunk, results in zip(chunks, map_ordered(work, chunks, workers), strict=True):
        for path, (sha256, value) in zip(chunk, results, strict=True):
            found[path] = known[sha256] if value is None else value
            if sha256 and value is not None:
                new[sha256] = value
        if tick:
            tick(len(chunk))
    if kept:
        kept.add(new)
    unreadable = [refuse(path, **value) for path in paths if isinstance(value := found[path], dict)]
    return {path: found[path] for path in paths if not isinstance(found[path], dict)}, unreadable


def _read_facts(raw: RawImages, known: frozenset[str], paths: Sequence[str]) -> list[tuple[str, Any]]:
    """For each image its SHA-256 (empty where the bytes cannot be had), and its facts, why there are none, or None for a known one."""
    read: list[tuple[str, Any]] = []

    def unknown_bytes() -> Iterator[bytes]:
        """The bytes of the images whose facts are not known."""
        for path in paths:
            try:
                data = raw.read(path)
            except UnreadableFileError as error:
                read.append(("", {"reason": UnreadableImageError.code, "message": str(error)}))
                continue
            sha256 = hashlib.sha256(data).hexdigest()
            read.append((sha256, None if sha256 in known else ...))
            if sha256 not in known:
                yield data

    facts = iter(compute_facts_of(unknown_bytes()))
    return [(sha256, _to_value(next(facts)) if value is ... else value) for sha256, value in read]


def _to_value(facts: ImageFacts | UnreadableImageError) -> list[Any] | dict[str, str]:
    if isinstance(facts, UnreadableImageError):
        return {"reason": facts.code, "message": str(facts)}
    return [getattr(facts, name) for name in FACTS]


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


def _concat(kept: pd.DataFrame, consensus: list[Row]) -> pd.DataFrame:
    return ANNOTATIONS.conform(pd.concat([kept, ANNOTATIONS.conform(consensus)]) if consensus else kept)


def _orphan_rows(orphans: pd.DataFrame, paths: Sequence[str]) -> list[Row]:
    """Annotations whose image is not in the data set: it is not there at all, or is there and cannot be read."""
    left_out = {"reason": "no_image", "message": "its image was left out"}
    missing = {"reason": "LBL005", "message": "there is no such image file"}
    is_there = among(orphans["path"], frozenset(paths))
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
    listed = records.loc[~among(records["path"], frozenset(brought.paths)), ["source", "path"]]
    return listed.assign(reason="LBL005", message="it is listed here, but there is no such image file")


def _consensus_rows(annotations: pd.DataFrame, rule: str) -> list[Row]:
    """The one label of each image: the annotators' consensus; where nobody labels whole images, what its objects say."""
    labels = annotations[annotations["kind"] == "label"]
    if len(labels):
        decided, source = decide(pivot_ratings(labels), rule), "vote"
    else:
        decided, source = label_by_objects(annotations), "objects"
    common = {"kind": "label", "annotator": CONSENSUS, "source": source, "attributes": "{}"}
    return [
        {"annotation_id": label_id(str(path)), "path": path, "label": label, **common}
        for path, label in decided.items()
    ]


def _metadata_of(records: pd.DataFrame, fixes: Sequence[FixRecord]) -> dict[str, dict[str, Any]]:
    """What metadata.csv says of the images whose metadata a fix record changes."""
    named = {record.path for record in fixes if record.op == "set_metadata"}
    rows = records.loc[among(records["path"], named), ["path", "metadata"]] if named else records[:0]
    return {row.path: load_attributes(row.metadata) for row in rows.itertuples()}


def _drop_excluded(annotations: pd.DataFrame, excluded: set[str]) -> tuple[pd.DataFrame, int]:
    gone = among(annotations["path"], excluded)
    return annotations[~gone].reset_index(drop=True), _count_own(annotations[gone])


def _count_own(annotations: pd.DataFrame) -> int:
    """How many somebody made; a consensus follows from them."""
    return int((annotations["annotator"] != CONSENSUS).fillna(True).sum())


def _image_table(
    facts: Mapping[str, list[Any]], records: pd.DataFrame, params: IngestParams, applied: Applied
) -> pd.DataFrame:
    paths = [path for path in facts if path not in applied.excluded]
    said = records.set_index("path").reindex(paths)
    metadata = [load_attributes(text) for text in said["metadata"]]
    for path, row in zip(paths, metadata, strict=True) if applied.metadata else ():
        for name, value in applied.metadata.get(path, {}).items():
            row[name] = value
            if value is None:
                del row[name]
    column = params.group_column
    images = pd.DataFrame([facts[path] for path in paths], columns=FACTS).assign(
        path=paths,
        declared_width_px=said["width_px"].array,
        declared_height_px=said["height_px"].array,
        group=[(row.get(column) or None) if column else None for row in metadata],
        subset=said["subset"].array,
        metadata=[json.dumps(row, sort_keys=True, ensure_ascii=False) for row in metadata],
        attributes=said["attributes"].fillna("{}").array,
        source=said["source"].fillna("folder").array,
    )
    return IMAGES.conform(images)
