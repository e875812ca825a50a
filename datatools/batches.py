"""What was imported, batch after batch: `data/raw/batches/0001-NAME/` and on. A batch is written once and never again.

    images-0000.tar.gz ...   the image files that this import brought
    images.parquet           which file is where, with its SHA-256
    records.parquet          what the source says of whole images
    annotations.parquet      labels, boxes and masks, new or changed
    rejected.parquet         every file and row of the source that is not taken in, and why
    batch.json               source, format, what it takes away; all classes and what else the source says of itself

Later batches win: an image, a record or an annotation id that comes again replaces the earlier one. So a changed label is
a new batch of a few kilobytes, and what was pushed once is never pushed again. Of classes, rejected rows and extras the
last batch of a source has all. Where two sources speak of one image, their records are put together.
"""

from __future__ import annotations

import fcntl
import functools
import os
import re
import shutil
import tempfile
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd

from datatools.errors import DatatoolsError
from datatools.formats.base import Content
from datatools.formats.registry import merge_contents
from datatools.packed import FOLDER, VERSION, join_packed, list_batches, load_facts, load_packed, number_of, without
from datatools.schema import ANNOTATIONS, PACKED, RECORDS, REJECTED, Table
from datatools.shards import Member
from datatools.store import load_if_there, save_json, save_table

Rows = tuple[str, pd.DataFrame]  # name of a source, and rows that it brought


@dataclass(frozen=True)
class Batch:
    """One import: its content, its images, and what it takes away from earlier batches."""

    source: str  # the name that stands for what was imported; a later batch of the same name brings its next state
    format: str
    content: Content
    images: pd.DataFrame = field(default_factory=PACKED.empty)
    removed_paths: tuple[str, ...] = ()  # images
    removed_records: tuple[str, ...] = ()
    removed_ids: tuple[str, ...] = ()


@dataclass(frozen=True)
class Merged:
    """All batches as one: images (PACKED, with the folder of each shard in `batch`), content, and the source of each row."""

    images: pd.DataFrame
    content: Content
    _records: Sequence[Rows]
    _annotations: Sequence[Rows]
    _last: Mapping[str, Content]  # name of a source -> the content of its last batch
    _image_sources: pd.Series  # of each of `images`

    @property
    def paths(self) -> frozenset[str]:
        """Paths of the images."""
        return frozenset(self.images["path"].tolist())

    @functools.cached_property
    def said(self) -> dict[str, Content]:
        """Name of a source -> what it says, all its batches as one."""
        return {
            name: replace(
                content,
                records=_join([rows for who, rows in self._records if who == name], RECORDS),
                annotations=_join([rows for who, rows in self._annotations if who == name], ANNOTATIONS),
            )
            for name, content in self._last.items()
        }

    @functools.cached_property
    def source_of(self) -> dict[str, str]:
        """Annotation id -> name of the source that brought it."""
        return {key: who for who, rows in self._annotations for key in rows["annotation_id"].tolist()}

    @functools.cached_property
    def image_source(self) -> dict[str, str]:
        """Path -> name of the source that brought the image."""
        return dict(zip(self.images["path"].tolist(), self._image_sources.tolist(), strict=True))


def load_batch(folder: Path) -> Batch:
    """Read a batch; raises DatatoolsError for a missing or foreign file."""
    facts = load_facts(folder)
    content = Content(
        records=_load(folder, "records", RECORDS),
        annotations=_load(folder, "annotations", ANNOTATIONS),
        classes=tuple(facts["classes"]),
        rejected=_load(folder, "rejected", REJECTED),
        extras=facts["extras"],
    )
    removed = (tuple(facts["removed"][name]) for name in ("paths", "records", "ids"))
    return Batch(facts["source"], facts["format"], content, load_packed(folder), *removed)


def merge_batches(root: Path) -> Merged:
    """All batches below `root`, later ones over earlier ones. An empty folder gives an empty result."""
    records: list[Rows] = []
    annotations: list[Rows] = []
    last: dict[str, Content] = {}
    batches = [load_batch(folder) for folder in list_batches(root)]
    for batch in batches:
        records = _over(records, batch.source, batch.content.records, "path", batch.removed_records)
        annotations = _over(annotations, batch.source, batch.content.annotations, "annotation_id", batch.removed_ids)
        last[batch.source] = batch.content
    packed = join_packed((batch.source, batch.images, batch.removed_paths) for batch in batches)
    content = _merge_content(records, annotations, last)
    return Merged(packed.drop(columns="source"), content, records, annotations, last, packed["source"])


def _merge_content(records: list[Rows], annotations: list[Rows], last: Mapping[str, Content]) -> Content:
    each_once = _join([rows for _, rows in annotations], ANNOTATIONS, "annotation_id")
    return Content(
        RECORDS.conform(merge_contents([Content(records=rows) for _, rows in reversed(records)]).records),
        each_once,
        tuple(dict.fromkeys(name for content in last.values() for name in content.classes)),
        _join([content.rejected for content in last.values()], REJECTED),
        extras={key: value for content in last.values() for key, value in content.extras.items()},
    )


class BatchWriter:
    """A folder that becomes the next batch as a whole, or leaves nothing behind: `with BatchWriter(root, name) as w`."""

    def __init__(self, root: Path, source: str) -> None:
        self._folder = root / FOLDER
        self._source = source
        self.path: Path

    def __enter__(self) -> BatchWriter:
        """Make the temporary folder. Raises DatatoolsError while another import runs."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self._handle = os.open(self._folder, os.O_RDONLY)
        self._lock()
        for left in self._folder.glob(".new-*"):  # of a killed import
            shutil.rmtree(left, ignore_errors=True)
        self.path = Path(tempfile.mkdtemp(prefix=".new-", dir=self._folder))
        return self

    def __exit__(self, *error: object) -> None:
        """Drop it, unless `finish` has renamed it."""
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._handle)

    def finish(self, batch: Batch) -> Path:
        """Write the tables of `batch` beside the shards, and give the folder its name. Returns it."""
        content = batch.content
        _save(self.path, "images", batch.images, PACKED)
        _save(self.path, "records", content.records, RECORDS)
        _save(self.path, "annotations", content.annotations, ANNOTATIONS)
        _save(self.path, "rejected", content.rejected, REJECTED)
        facts = {
            "version": VERSION,
            "source": batch.source,
            "format": batch.format,
            "classes": list(content.classes),
            "removed": {
                "paths": list(batch.removed_paths),
                "records": list(batch.removed_records),
                "ids": list(batch.removed_ids),
            },
            "extras": content.extras,
        }
        save_json(self.path / "batch.json", facts)
        self.path.chmod(0o755)
        target = self._folder / f"{self._next_number():04d}-{_slug(self._source)}"
        os.rename(self.path, target)
        os.fsync(self._handle)
        return target

    def _lock(self) -> None:
        """The folder itself, so that no lock file gets into the data; until the handle is closed."""
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._handle)
            raise DatatoolsError(
                f"{self._folder}: expected one import at a time. Got another one at work: wait for its end."
            ) from error
        except OSError:
            pass  # a file system without locks on folders, as NFS

    def _next_number(self) -> int:
        return max(map(number_of, list_batches(self._folder.parent)), default=0) + 1


def to_packed(members: Iterable[Member]) -> pd.DataFrame:
    """The PACKED table of shard members."""
    rows = [(m.name, m.sha256, m.n_bytes, m.shard, m.block, m.offset) for m in members]
    return PACKED.conform(pd.DataFrame(rows, columns=list(PACKED.columns)))


def _over(earlier: list[Rows], source: str, new: pd.DataFrame, key: str, removed: Collection[str]) -> list[Rows]:
    """The rows of each batch without those of `source` that the new ones replace or that are removed, and the new ones."""
    left = [(who, without(rows, key, new[key], removed) if who == source else rows) for who, rows in earlier]
    return [(who, rows) for who, rows in [*left, (source, new)] if len(rows)]


def _join(frames: Sequence[pd.DataFrame], table: Table, key: str | None = None) -> pd.DataFrame:
    """One table of several; of rows with the same `key` the last one."""
    full = [frame for frame in frames if len(frame)]
    if len(full) < 2:
        return table.conform(full[0]) if full else table.empty()
    joined = pd.concat(full, ignore_index=True)
    return table.conform(joined.drop_duplicates(key, keep="last") if key else joined)


def _save(folder: Path, name: str, frame: pd.DataFrame, table: Table) -> None:
    if len(frame):
        save_table(folder / f"{name}.parquet", frame, table)


def _load(folder: Path, name: str, table: Table) -> pd.DataFrame:
    return load_if_there(folder / f"{name}.parquet", table)


def _slug(name: str) -> str:
    return re.sub(r"[^\w.-]+", "-", name, flags=re.ASCII).strip("-.")[:100] or "import"
