"""From the folder that a team brings to canonical tables: every file and every row is kept or rejected with a reason."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from datatools.agreement.consensus import vote
from datatools.dataset import Dataset, label_id
from datatools.duplicates import cluster_hashes
from datatools.engine import map_ordered
from datatools.errors import DatatoolsError
from datatools.fixes.apply import apply_fixes
from datatools.fixes.records import BrokenLine, FixRecord
from datatools.formats.coco import CocoContent, load_coco
from datatools.formats.tables import LabelContent, load_labels, load_metadata
from datatools.images import SUFFIXES, ImageFacts, UnreadableImageError, compute_facts
from datatools.params import IngestParams
from datatools.schema import ANNOTATIONS, CONSENSUS, IMAGES, REJECTED

Row = dict[str, Any]
COCO_FILE = "annotations.json"
METADATA_FILE = "metadata.csv"
CLASSES_FILE = "classes.txt"
LABELS_FOLDER = "labels"


@dataclass(frozen=True)
class Ingested:
    """The data set after the fixes, the rows left out, and what became of each fix record."""

    dataset: Dataset
    rejected: pd.DataFrame
    fixes: pd.DataFrame


@dataclass
class _Brought:
    """All that the annotation files say, before it is set against the images."""

    classes: tuple[str, ...]
    annotations: list[Row]
    rejected: list[Row]
    sizes_wh: dict[str, tuple[int | None, int | None]]
    metadata: dict[str, dict[str, str]]
    n_rows: int


def ingest(
    root: Path,
    params: IngestParams,
    records: Sequence[FixRecord] = (),
    broken: Sequence[BrokenLine] = (),
    workers: int | None = None,
    tick: Callable[[int], None] | None = None,
) -> Ingested:
    """Read the annotated image folder `root` and apply the fix records.

    `root` holds images anywhere below it and, each optional, `labels/<annotator>.csv`, `annotations.json` (COCO),
    `metadata.csv` and `classes.txt`. Each image is decoded once, here. Raises DatatoolsError for a missing or empty
    folder and for a file that is not in its format; a bad image or row goes to `rejected`.
    """
    files, others = list_files(root)
    brought = _read_annotations(root, params)
    results = list(map_ordered(functools.partial(_read_facts, root), files, workers, tick))
    facts = {path: found for path, found in zip(files, results, strict=True) if isinstance(found, ImageFacts)}
    no_images = [_rejected_file(path, "not_an_image", why) for path, why in others]
    no_images += [
        _rejected_file(path, "IMG001", found)
        for path, found in zip(files, results, strict=True)
        if isinstance(found, str)
    ]
    kept, orphans = _with_images(brought.annotations, set(facts))
    applied = apply_fixes(ANNOTATIONS.conform(kept + _consensus_rows(kept)), records, broken, set(facts))
    no_images += [_rejected_file(path, "excluded", why) for path, why in applied.excluded.items()]
    rejected = brought.rejected + orphans + no_images + _without_file(brought, set(files))
    annotations, gone = _drop_excluded(applied.annotations, set(applied.excluded))
    images = _image_table(facts, brought, params, set(applied.excluded))
    counts = {
        "files": len(files) + len(others),
        "images": len(images),
        "rows": brought.n_rows,
        "annotations": len(annotations),
        "excluded_annotations": gone,
        "rejected": len(rejected),
    }
    dataset = Dataset(images, annotations, brought.classes or _labels_found(annotations), {"counts": counts})
    assert len(files) + len(others) == len(images) + len(no_images), "a file was lost"
    n_own = int((annotations["annotator"] != CONSENSUS).fillna(True).sum())
    assert brought.n_rows == n_own + gone + len(brought.rejected) + len(orphans), "an annotation was lost"
    return Ingested(dataset, REJECTED.conform(rejected), applied.status)


def list_files(root: Path) -> tuple[list[str], list[tuple[str, str]]]:
    """Paths of the images and (path, what it is) of other files below `root`, sorted; no annotation or hidden files.

    Raises DatatoolsError when there is no folder or no image in it.
    """
    if not root.is_dir():
        raise DatatoolsError(
            f"{root}: expected a folder of images. Got no such folder: run `datatools sample make` or `dvc pull`."
        )
    known = {COCO_FILE, METADATA_FILE, CLASSES_FILE, *(f"{LABELS_FOLDER}/{path.name}" for path in _label_files(root))}
    images: list[str] = []
    others: list[tuple[str, str]] = []
    for file in sorted(root.rglob("*")):
        path = file.relative_to(root).as_posix()
        hidden = any(part.startswith(".") for part in path.split("/"))
        if hidden or not (file.is_file() or file.is_symlink()) or path in known:
            continue
        if file.is_symlink():
            others.append((_printable(path), "a symbolic link: put the file itself here"))
        elif file.suffix.lower() not in SUFFIXES:
            others.append((_printable(path), "not an image file"))
        elif _printable(path) != path:
            others.append((_printable(path), "its name is not UTF-8: rename it"))
        else:
            images.append(path)
    if not images:
        raise DatatoolsError(
            f"{root}: expected image files ({', '.join(sorted(SUFFIXES))}). Got none: put the images there."
        )
    return images, others


def _label_files(root: Path) -> list[Path]:
    return sorted(path for path in (root / LABELS_FOLDER).glob("*.csv") if not path.name.startswith("."))


def _printable(path: str) -> str:
    return path.encode("utf-8", "replace").decode("utf-8")


def _read_facts(root: Path, path: str) -> ImageFacts | str:
    try:
        return compute_facts((root / path).read_bytes())
    except UnreadableImageError as error:
        return str(error)
    except OSError as error:
        return error.strerror or type(error).__name__  # its text would name the folder of this machine


def _read_annotations(root: Path, params: IngestParams) -> _Brought:
    coco = load_coco(root / COCO_FILE) if (root / COCO_FILE).exists() else None
    tables = [load_labels(path) for path in _label_files(root)]
    metadata = load_metadata(root / METADATA_FILE) if (root / METADATA_FILE).exists() else {}
    classes = _each_once(params.classes, "ingest.classes in params.yaml") or _read_classes(root / CLASSES_FILE)
    classes = classes or (coco.classes if coco else ())
    if params.group_column and not any(params.group_column in row for row in metadata.values()):
        raise DatatoolsError(
            f"{root / METADATA_FILE}: expected the column {params.group_column!r} (ingest.group_column in params.yaml). "
            "Got none: add it, or set group_column to ''."
        )
    brought = _Brought(classes, [], [], coco.sizes_wh if coco else {}, metadata, coco.n_annotations if coco else 0)
    contents: list[LabelContent | CocoContent] = [*tables, *([coco] if coco else [])]
    for content in contents:
        brought.annotations += content.annotations
        brought.rejected += content.rejected
    brought.n_rows += sum(table.n_rows for table in tables)
    return brought


def _read_classes(path: Path) -> tuple[str, ...]:
    if not path.exists():
        return ()
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DatatoolsError(f"{path}: expected a class a line in UTF-8. Got: {error}. Save it as UTF-8.") from error
    return _each_once([line.strip() for line in lines if line.strip()], str(path))


def _each_once(names: Sequence[str], where: str) -> tuple[str, ...]:
    repeated = [name for number, name in enumerate(names) if name in names[:number]]
    if repeated:
        raise DatatoolsError(f"{where}: expected each class once. Got {repeated[0]!r} again: remove it.")
    return tuple(names)


def _with_images(rows: Sequence[Row], paths: set[str]) -> tuple[list[Row], list[Row]]:
    """Split rows into those whose image was taken in and rejected ones."""
    kept = [row for row in rows if row["path"] in paths]
    orphans = [
        {
            "source": row["source"],
            "path": row["path"],
            "annotation_id": row["annotation_id"],
            "reason": "no_image",
            "message": "its image is missing or was left out",
        }
        for row in rows
        if row["path"] not in paths
    ]
    return kept, orphans


def _without_file(brought: _Brought, files: set[str]) -> list[Row]:
    """What metadata.csv and COCO's image list say of files that are not there."""
    listed: dict[str, Collection[str]] = {METADATA_FILE: brought.metadata, COCO_FILE: brought.sizes_wh}
    message = "it is listed here, but there is no such image file"
    return [
        {"source": source, "path": path, "reason": "no_image", "message": message}
        for source, paths in listed.items()
        for path in paths
        if path not in files
    ]


def _consensus_rows(rows: Sequence[Row]) -> list[Row]:
    """The one label of each rated image: a majority vote."""
    labels = [row for row in rows if row["kind"] == "label"]
    if not labels:
        return []
    ratings = pd.DataFrame(labels).pivot(index="path", columns="annotator", values="label").sort_index()
    common = {"kind": "label", "annotator": CONSENSUS, "source": "vote", "attributes": "{}"}
    return [
        {"annotation_id": label_id(str(path)), "path": path, "label": label, **common}
        for path, label in vote(ratings).items()
    ]


def _drop_excluded(annotations: pd.DataFrame, excluded: set[str]) -> tuple[pd.DataFrame, int]:
    gone = annotations["path"].isin(excluded)
    return annotations[~gone].reset_index(drop=True), int(
        (gone & (annotations["annotator"] != CONSENSUS).fillna(True)).sum()
    )


def _image_table(
    facts: Mapping[str, ImageFacts], brought: _Brought, params: IngestParams, excluded: set[str]
) -> pd.DataFrame:
    rows = []
    for path, fact in facts.items():
        if path in excluded:
            continue
        width, height = brought.sizes_wh.get(path, (None, None))
        metadata = brought.metadata.get(path, {})
        rows.append(
            {
                **asdict(fact),
                "path": path,
                "declared_width_px": width,
                "declared_height_px": height,
                "group": (metadata.get(params.group_column) or None) if params.group_column else None,
                "metadata": json.dumps(metadata, sort_keys=True, ensure_ascii=False),
                "source": COCO_FILE if path in brought.sizes_wh else "folder",
            }
        )
    images = IMAGES.conform(rows)
    clusters = pd.Series(cluster_hashes(list(images["phash"]), params.near_duplicate_bits), dtype="int64")
    return images.assign(duplicate_of=images.groupby(clusters)["path"].transform("min").astype("string"))


def _labels_found(annotations: pd.DataFrame) -> tuple[str, ...]:
    return tuple(sorted(annotations["label"].dropna().unique()))


def _rejected_file(path: str, reason: str, message: str) -> Row:
    return {"source": path, "path": path, "reason": reason, "message": message}
