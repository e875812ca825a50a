"""Sending the queue, or what one check found, to a tool where people draw: images, annotations and a manifest in a folder."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from datatools.checks.runner import get_check
from datatools.dataset import Dataset, load_dataset
from datatools.errors import DatatoolsError
from datatools.file_reading import UnreadableFileError
from datatools.fixes.history import PENDING, load_decided
from datatools.fixes.make import load_current
from datatools.fixes.records import now
from datatools.fixes.sent import KINDS, MANIFEST, TOOLS, Item, Sent, save_sent, sent_id, sent_name
from datatools.formats.base import Content, write_new
from datatools.formats.carried import GIVEN, compress
from datatools.formats.cvat_names import OWN_NAMES
from datatools.formats.registry import load_format
from datatools.formats.xml_writing import ILLEGAL
from datatools.gate import load_findings
from datatools.git import find_commit
from datatools.masks import MaskError, dump_mask, parse_mask
from datatools.packed import among
from datatools.project import Project
from datatools.provenance import CHANGING, describe_fixes, describe_origin
from datatools.raw import RawImages, open_raw
from datatools.schema import BOX, CONSENSUS, FIX_STATUS, QUEUE
from datatools.store import load_table, save_json, save_text

LABELS = "cvat_labels.json"


@dataclass(frozen=True)
class Exported:
    """What was sent, and how many annotations of its images were not: (why, how many)."""

    sent: Sent
    left_out: tuple[tuple[str, int], ...]


def export_queue(
    project: Project,
    folder: Path,
    tool: str,
    code: str | None = None,
    n_max: int | None = None,
    tick: Callable[[int], None] | None = None,
) -> Exported:
    """Write the images of the queue, or those with a finding of `code`, for `tool` (a key of TOOLS) to the new `folder`.

    It holds the images as ordinary files, the tool's annotation file and the manifest that `import_edits` needs; it appears whole
    or not at all. Values are those that the next `dvc repro` will see. Raises DatatoolsError for an unknown tool or code,
    a folder that is there, no image to send, and an image that cannot be read.
    """
    if tool not in TOOLS:
        raise DatatoolsError(f"--to must be one of {', '.join(TOOLS)}. Got {tool!r} instead.")
    if os.path.lexists(folder):
        raise DatatoolsError(f"{folder}: expected a folder that is not there yet. Got an existing one: name another.")
    seen = load_dataset(project.dataset)
    dataset = load_current(project, seen)
    paths = _choose_images(project, dataset, code, n_max)
    folder.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        exported = write_export(
            dataset, paths, part, tool, (code or "queue").upper() if code else "queue", seen.version
        )
        _copy_images(open_raw(project.raw), exported.sent.images, part, tick)
        origin = _describe(project, seen, exported.sent)
        save_json(part / MANIFEST, {**exported.sent.to_document(), "origin": origin})
        part.chmod(0o755)
        os.rename(part, folder)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    return exported


def _describe(project: Project, seen: Dataset, sent: Sent) -> dict[str, Any]:
    """What the export was made of: data version, code commit, fix records in it and, apart, those since the last run."""
    decided = load_decided(project)[0]
    pending = [item.record.id for item in decided if item.status == PENDING and item.record.op in CHANGING]
    status = load_table(project.dataset / "fixes.parquet", FIX_STATUS)
    params = {"tool": sent.tool, "about": sent.about}
    origin = describe_origin(seen.version, describe_fixes(status), params, find_commit(project.root))
    return {**origin, "pending_fixes": pending}


def write_export(dataset: Dataset, paths: Sequence[str], folder: Path, tool: str, about: str, base: str) -> Exported:
    """Write the annotations of `paths` for `tool` and the manifest into `folder`; images are not copied."""
    rows = dataset.annotations[among(dataset.annotations["path"], frozenset(paths))]
    is_sent = rows["kind"].isin(KINDS) & ((rows["kind"] != "label") | (rows["annotator"] == CONSENSUS).fillna(False))
    n_shapes = int((~rows["kind"].isin(KINDS)).sum())
    rows = rows[is_sent]
    nameless = rows["label"].isna() if tool == "cvat" else pd.Series(False, rows.index)
    images = {path: sent_name(path) for path in paths}
    content = _make_content(dataset, rows[~nameless], images)
    writer = load_format(tool)
    assert writer.save is not None, "both tools have a writer"
    saved = writer.save(content, folder)
    if tool == "cvat":
        save_text(folder / LABELS, _cvat_labels(content.classes))
    hidden = {loss.annotation_id for loss in saved.losses if loss.field == "kind"}
    items = [Item.from_row(row) for row in rows.to_dict("records")]
    unnamed = frozenset(rows.loc[nameless, "annotation_id"])
    shown = frozenset(i.annotation_id for i in items if sent_id(i.annotation_id) not in hidden) - unnamed
    sent = Sent(tool, base, about, now(), images, items, shown)
    save_sent(folder, sent)
    left = (
        ("lines, points and other shapes that no fix record can move", n_shapes),
        (f"without a class, which {TOOLS[tool]} does not take", len(unnamed)),
        (f"that {TOOLS[tool]} cannot draw", len(items) - len(shown) - len(unnamed)),
    )
    return Exported(sent, tuple((why, n) for why, n in left if n))


def to_export_lines(exported: Exported, folder: str) -> list[str]:
    """What to tell the user: what was written, what was left out, and what to do with it."""
    sent = exported.sent
    lines = [f"{len(sent.images)} images with {len(sent.shown)} annotations in {folder}, for {sent.title}"]
    lines += [f"left out: {n} annotations {why}" for why, n in exported.left_out]
    if sent.tool == "cvat":
        lines.append(f"create a task with the labels of {LABELS} and these images, then upload annotations.xml to it")
    else:
        lines.append("set a project up with label_config.xml, serve the folder as local files, then import tasks.json")
    return [
        *lines,
        f"keep {MANIFEST}: `datatools queue import FILE --export {folder}` compares the tool's export with it",
    ]


def _choose_images(project: Project, dataset: Dataset, code: str | None, n_max: int | None) -> list[str]:
    if code is None:
        found, where = load_table(project.queue, QUEUE)["path"], "the queue"
    else:
        check = get_check(code)
        table = load_findings(project).table
        table = table[(table["code"] == check.code) & table["path"].notna()]
        found, where = table.sort_values(["score", "path"], kind="stable")["path"], f"the findings of {check.code}"
    known = set(dataset.images["path"])
    paths = [str(path) for path in dict.fromkeys(found) if path in known][:n_max]
    if not paths:
        raise DatatoolsError(f"{where}: expected images to send. Got none: there is nothing to draw.")
    return paths


def _make_content(dataset: Dataset, rows: pd.DataFrame, images: Mapping[str, str]) -> Content:
    """What is sent: names and ids as the tool gives them back, nobody's name, and no attributes, of which no record tells."""
    sizes = dataset.images.loc[among(dataset.images["path"], images), ["path", "width_px", "height_px"]]
    records = [{**row, "path": images[row["path"]], "attributes": "{}"} for row in sizes.to_dict("records")]
    names = ["annotation_id", "path", "label", "kind", "mask", *BOX]
    sent = [
        {
            **row,
            "annotation_id": sent_id(row["annotation_id"]),
            "path": images[row["path"]],
            "mask": _as_read(row["mask"]),
            "annotator": GIVEN if row["kind"] == "label" else None,
            "attributes": "{}",
        }
        for row in rows[names].to_dict("records")
    ]
    return Content.from_rows(records, sent, dataset.classes)


def _as_read(mask: Any) -> Any:
    """A mask as writers compare it with what they read: every coordinate a float, run lengths compressed."""
    try:
        shape = parse_mask(mask) if isinstance(mask, str) else None
    except MaskError:
        return mask
    return dump_mask(shape) if isinstance(shape, list) else compress(mask)


def _cvat_labels(classes: Sequence[str]) -> str:
    """The labels as CVAT's raw constructor takes them, with the attributes that carry our ids."""
    own: list[dict[str, Any]] = [
        {"name": name, "mutable": False, "input_type": "text", "default_value": "", "values": [""]}
        for name in OWN_NAMES
    ]
    labels = [{"name": name, "attributes": own} for name in classes if not ILLEGAL.search(name)]
    return json.dumps(labels, indent=1, ensure_ascii=False) + "\n"


def _copy_images(raw: RawImages, images: Mapping[str, str], folder: Path, tick: Callable[[int], None] | None) -> None:
    for path, name in images.items():
        try:
            write_new(folder / name, raw.read(path))
        except UnreadableFileError as error:
            raise DatatoolsError(f"{path}: expected an image to send. Got: {error}. Run `dvc repro`.") from error
        except (FileExistsError, NotADirectoryError) as error:
            raise DatatoolsError(
                f"{path}: expected a name that no other image takes. Got a taken one: rename it."
            ) from error
        if tick:
            tick(1)
