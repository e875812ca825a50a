"""From one annotation format to another, with a list of what the target cannot hold."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd

from datatools.errors import DatatoolsError
from datatools.formats import AUTO
from datatools.formats.base import Content, Loss, Row, Saved, write_new
from datatools.formats.registry import load_format
from datatools.git import find_commit
from datatools.image_sizes import read_size
from datatools.images import UnreadableImageError
from datatools.packed import list_batches
from datatools.provenance import EXPORT, SCHEMA, hash_ids, package_versions
from datatools.schema import LOSSES, RECORDS, REJECTED
from datatools.source import Source, check_source, read_source
from datatools.store import save_csv, save_json
from datatools.tree import Tree, UnreadableFileError, refuse

REPORT = "losses.csv"
RELATIVE = ("label_studio", "yolo")  # their coordinates are shares of the image's size
IN_PIXELS = ("coco", "cvat", "labelme", "voc")  # they state the size of an image, and many programs need it
NOT_ANNOTATED = '{"labels":"missing"}'  # as YOLO has it: an image without a word is not one without objects


@dataclass(frozen=True)
class Converted:
    """What a conversion did: counts, what was lost (LOSSES) and what was never read (REJECTED)."""

    formats: tuple[str, ...]
    n_images: int
    n_annotations: int
    losses: pd.DataFrame
    rejected: pd.DataFrame


def convert(
    tree: Tree, target: Path, to: str, source_format: str = AUTO, tick: Callable[[int], None] | None = None
) -> Converted:
    """Write everything in `tree` to the new folder `target` in the format `to`, images included.

    `losses.csv` in it lists what the format cannot hold and what could not be read; there is none where nothing is
    lost. `.datatools.json` says what it was made of. The folder appears whole or not at all. Raises DatatoolsError when
    `target` is there, when `to` cannot be written and when nothing could be read.
    """
    _find_writer(to, target)
    _refuse_part_of_project(tree.root)
    source = read_source(tree, source_format)
    check_source(tree.root, (*source.images, *source.content.annotations["path"]), source.content, source.refused)
    return write_source(source, target, to, tick)


def write_source(
    source: Source,
    target: Path,
    to: str,
    tick: Callable[[int], None] | None = None,
    origin: Mapping[str, Any] | None = None,
) -> Converted:
    """Write `source` as `convert` does; `origin` says in `.datatools.json` what it was made of, where more is known."""
    save, tree, content = _find_writer(to, target), source.tree, source.content
    target.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        content, resized = _with_true_sizes(tree, source, content) if to in RELATIVE else (content, [])
        content = _with_missing_sizes(tree, source, content) if to in IN_PIXELS else content
        saved = save(content, folder)
        copied = {path: _copy(tree, path, folder, saved.moved.get(path, path), tick) for path in source.images}
        unread = [row for row in copied.values() if not isinstance(row, str)]
        rejected = REJECTED.conform(
            pd.concat([content.rejected, REJECTED.conform([*_without_origin(source.refused), *unread])])
        )
        losses = _list_losses((*saved.losses, *resized))
        _save_report(folder / REPORT, losses, rejected)
        sha256 = {path: digest for path, digest in copied.items() if isinstance(digest, str)}
        save_json(folder / EXPORT, {**_describe(source, sha256, to, len(losses)), **(origin or {})})
        folder.chmod(0o755)
        os.rename(folder, target)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return Converted(
        tuple(source.formats), len(source.images) - len(unread), len(content.annotations), losses, rejected
    )


def _find_writer(to: str, target: Path) -> Callable[[Content, Path], Saved]:
    """What writes the format `to`. Raises DatatoolsError where there is none, or where `target` is there already."""
    save = load_format(to).save
    if save is None:
        raise DatatoolsError(f"expected a format that can be written. Got {to!r}: choose another one.")
    if os.path.lexists(target):
        raise DatatoolsError(f"{target}: expected a folder that is not there yet. Got an existing one: name another.")
    return save


def _refuse_part_of_project(root: Path) -> None:
    if list_batches(root) or all((root / name).exists() for name in ("dataset.json", "images.parquet")):
        raise DatatoolsError(
            f"{root}: expected images and annotations as a tool wrote them. Got a part of a project: "
            "name the project's own folder, and its data is written with the fixes."
        )


def count_losses(losses: pd.DataFrame) -> list[tuple[str, str, int]]:
    """(field, message of the first, how many), the most frequent first."""
    counts = Counter(losses["field"])
    first = losses.drop_duplicates("field").set_index("field")["message"]
    return [(name, str(first[name]), n) for name, n in counts.most_common()]


def _with_true_sizes(tree: Tree, source: Source, content: Content) -> tuple[Content, list[Loss]]:
    """The content with the size of each image as the image itself has it, and a loss where the file said another one.

    Every image gets a record, as writers move only those they know of; one that nobody annotated says so.
    """
    declared = content.records.set_index("path")
    sizes = _read_sizes(tree, source.images)
    records = declared.reindex(declared.index.union(list(sizes))).rename_axis("path")
    said = list(zip(records.index, records["width_px"], records["height_px"], strict=True))
    losses = [
        Loss(
            "width_px", path, "", f"the file says {width} x {height}, the image is {sizes[path][0]} x {sizes[path][1]}"
        )
        for path, width, height in said
        if path in sizes and pd.notna(width) and pd.notna(height) and (width, height) != sizes[path]
    ]
    spoken_of = declared.index.union(content.annotations["path"])
    records.loc[records.index.difference(spoken_of), "attributes"] = NOT_ANNOTATED
    records["width_px"] = [sizes.get(path, (width,))[0] for path, width, _ in said]
    records["height_px"] = [sizes[path][1] if path in sizes else height for path, _, height in said]
    return replace(content, records=RECORDS.conform(records.reset_index())), losses


def _with_missing_sizes(tree: Tree, source: Source, content: Content) -> Content:
    """The content with the size of each image that the annotation files speak of and state no size of.

    A size that is stated stays, right or wrong. An image that nobody speaks of gets no record: it would say that there
    is no object.
    """
    records = content.records.set_index("path")
    records = records.reindex(records.index.union(content.annotations["path"].unique())).rename_axis("path")
    records.loc[records.index.difference(content.records["path"]), "attributes"] = "{}"
    unstated = records.index[records[["width_px", "height_px"]].isna().any(axis=1)]
    sizes = _read_sizes(tree, unstated.intersection(list(source.images)))
    for number, side in enumerate(("width_px", "height_px")):
        seen = {path: size[number] for path, size in sizes.items()}
        records[side] = records[side].fillna(pd.Series(seen, dtype=records[side].dtype))
    kept = records.index.isin([*content.records["path"], *sizes])
    return replace(content, records=RECORDS.conform(records[kept].reset_index()))


def _read_sizes(tree: Tree, paths: Iterable[str]) -> dict[str, tuple[int, int]]:
    """Width and height by path, of the images that have a size."""
    sizes: dict[str, tuple[int, int]] = {}
    for path in paths:
        with contextlib.suppress(UnreadableFileError, UnreadableImageError):
            sizes[path] = read_size(tree.read(path))
    return sizes


def _without_origin(refused: Iterable[Row]) -> list[Row]:
    """What was refused but for the note of an earlier conversion: that is no loss."""
    return [row for row in refused if row["path"] != EXPORT]


def _describe(source: Source, sha256: Mapping[str, str], to: str, n_losses: int) -> dict[str, Any]:
    """What an export was made of: the same source gives the same words. No fix record plays a part in it."""
    content = source.content
    total = hashlib.sha256("\n".join(content.classes).encode())
    for table in (pd.DataFrame(sorted(sha256.items())), content.records, content.annotations):
        total.update(table.to_csv(index=False, lineterminator="\n").encode())
    return {
        "schema": SCHEMA,
        "made_by": "datatools convert",
        "datatools": package_versions(["datatools"]).get("datatools"),
        "data_version": total.hexdigest()[:12],
        "code_commit": find_commit(source.tree.root if source.tree.root.is_dir() else source.tree.root.parent),
        "fixes": {"n": 0, "sha256": hash_ids(()), "ids": []},
        "params": {"from": sorted(source.formats), "to": to},
        "counts": {"images": len(sha256), "annotations": len(content.annotations), "losses": n_losses},
    }


def _copy(tree: Tree, path: str, folder: Path, new: str, tick: Callable[[int], None] | None) -> Row | str:
    """Copy an image; its SHA-256, or a row of REJECTED where it cannot be read."""
    if PurePosixPath(new).is_absolute() or ".." in PurePosixPath(new).parts:
        raise AssertionError(f"a writer wants to leave the folder: {new}")
    if tick:
        tick(1)
    try:
        data = tree.read(path)
        write_new(folder / new, data)
    except UnreadableFileError as error:
        return refuse(path, "unreadable", str(error))
    except (FileExistsError, NotADirectoryError) as error:
        raise DatatoolsError(
            f"{tree.root}/{path}: expected a name that no other file takes in this format. Got {new}: rename the image."
        ) from error
    return hashlib.sha256(data).hexdigest()


def _list_losses(losses: tuple[Loss, ...]) -> pd.DataFrame:
    rows = [(loss.field, loss.path, loss.annotation_id, loss.message) for loss in losses]
    return LOSSES.conform(pd.DataFrame(rows, columns=list(LOSSES.columns)))


def _save_report(file: Path, losses: pd.DataFrame, rejected: pd.DataFrame) -> None:
    unread = rejected.rename(columns={"reason": "field"})[
        ["field", "path", "annotation_id", "message", "source", "row"]
    ]
    if len(losses) or len(unread):
        save_csv(file, pd.concat([losses.assign(source=pd.NA, row=pd.NA), unread], ignore_index=True))
