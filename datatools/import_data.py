"""Bringing data into a project: packed, append-only, and only what is new or changed."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from datatools.batches import Batch, BatchWriter, Merged, merge_batches, to_packed
from datatools.dataset import label_id
from datatools.errors import DatatoolsError
from datatools.formats import AUTO
from datatools.formats.base import Content, Row, load_attributes
from datatools.formats.table_columns import LABELS
from datatools.packed import INSIDE, among
from datatools.schema import ANNOTATIONS, RECORDS, REJECTED, Table
from datatools.seen_files import SeenFiles, Stamp, stamp_of
from datatools.shards import SMALL, Member, write_shards
from datatools.source import Source, check_source, read_source
from datatools.tree import Tree, UnreadableFileError, refuse

Tick = Callable[[int], None]
OF_AN_ID = ("annotation_id", "path", "kind", "annotator")


@dataclass(frozen=True)
class Imported:
    """What an import added: the batch's folder (None where nothing was new) and counts."""

    batch: Path | None
    formats: tuple[str, ...]
    n_images: int  # new or changed
    n_images_known: int
    n_annotations: int  # new or changed
    n_removed: int  # images and annotations that the source no longer has
    rejected: pd.DataFrame
    replaced: tuple[str, ...] = ()  # paths of images that had other bytes
    n_staying: int = 0  # images that the source brought before, does not have now, and that stay
    label_column: str = ""  # of metadata.csv, where nothing says a label


def import_data(
    tree: Tree,
    root: Path,
    name: str,
    format: str = AUTO,
    into: str = "",
    mirror: bool = False,
    tick: Tick | None = None,
    cache: Path | None = None,
) -> Imported:
    """Bring everything in `tree` to the data root as one more batch; `tree` itself is left as it is.

    `name` stands for the source. A later import of the same name adds and replaces: for every image that it speaks of, its
    annotations take the place of those that this name brought before. With `mirror`, images and annotations that the source
    no longer has are taken away, too. `into` puts all paths below a folder. Below the folder `cache` it is kept what the file
    system says of each image, so that the next import of the same folder reads only those that changed. Raises
    DatatoolsError when there is nothing to import and when an image of another source has the same path and other bytes.
    """
    if into and not INSIDE.fullmatch(into):
        raise DatatoolsError(
            f"expected a folder below the data root to import into. Got {into!r}: name one, as in a/b."
        )
    source = _below(read_source(tree, format), into)
    check_source(tree.root, source.images, source.content, source.refused)
    with BatchWriter(root, name) as writer:
        before = merge_batches(root)
        seen = SeenFiles(cache and cache / "sources" / f"{hashlib.sha256(name.encode()).hexdigest()[:16]}")
        new = _NewFiles(source, into, before, name, seen)
        images = to_packed(new.note(write_shards(writer.path, new.read(tick), _mean_bytes(source, into) < SMALL)))
        rejected = REJECTED.conform(
            pd.concat([source.content.rejected, REJECTED.conform([*source.refused, *new.unread])], ignore_index=True)
        )
        batch = _new_batch(source, images, rejected, before, name, mirror)
        return Imported(
            writer.finish(batch) if _is_new(batch, before) else None,
            tuple(source.formats),
            len(images),
            len(source.images) - len(images) - len(new.unread),
            len(batch.content.annotations),
            len(batch.removed_paths) + len(batch.removed_ids),
            rejected,
            replaced=tuple(sorted(before.paths.intersection(images["path"].tolist()))),
            n_staying=0 if mirror else len(_gone(source, before, name)),
            label_column=_find_label_column(source.content),
        )


def _find_label_column(content: Content) -> str:
    """A column of metadata that is called as one of labels, where there is no annotation at all; empty where there is none."""
    if len(content.annotations) or content.records.empty:
        return ""
    names = load_attributes(content.records["metadata"].iloc[0])
    return next((name for name in names if name.casefold() in LABELS), "")


def _below(source: Source, into: str) -> Source:
    """The source with all paths below the folder `into`; the names of its own files stay as they are."""
    if not into:
        return source
    tables = {name: getattr(source.content, name) for name in ("records", "annotations", "rejected")}
    moved = {name: table.assign(path=f"{into}/" + table["path"]) for name, table in tables.items()}
    refused = tuple({**row, "path": f"{into}/{row['path']}"} for row in source.refused)
    images = tuple(f"{into}/{path}" for path in source.images)
    return replace(source, images=images, content=replace(source.content, **moved), refused=refused)


class _NewFiles:
    """The images of a source that are not there yet, or are there with other bytes."""

    def __init__(self, source: Source, into: str, before: Merged, name: str, seen: SeenFiles) -> None:
        self.unread: list[Row] = []
        self._source, self._name, self._seen = source, name, seen
        self._above = len(into) + 1 if into else 0
        self._by = before.image_source
        self._known = dict(zip(before.images["path"].tolist(), before.images["sha256"].tolist(), strict=True))
        self._stamps: dict[str, Stamp] = {}  # of the files that `read` gave away

    def read(self, tick: Tick | None) -> Iterator[tuple[str, bytes]]:
        """(path, bytes) of each; one that cannot be read goes to `unread`."""
        for path in self._source.images:
            own = path[self._above :]
            try:
                data = self._read_unless_known(path, own)
            except UnreadableFileError as error:
                self.unread.append({**refuse(own, "unreadable", str(error)), "path": path})
                continue
            finally:
                if tick:
                    tick(1)
            if data is not None:
                yield path, data

    def note(self, members: list[Member]) -> list[Member]:
        """Remember what was packed; returns `members`."""
        for member in members:
            if member.name in self._stamps:
                self._seen.add(self._stamps[member.name], bytes.fromhex(member.sha256))
        self._seen.save()
        return members

    def _read_unless_known(self, path: str, own: str) -> bytes | None:
        status = self._source.tree.status(own)
        stamp = stamp_of(status) if status else None
        known = self._known.get(path)
        kept = self._seen.find(stamp) if stamp and known else None
        if kept is not None and kept.hex() == known:
            return None
        data = self._source.tree.read(own)
        if known is None:
            if stamp:
                self._stamps[path] = stamp
            return data
        digest = hashlib.sha256(data)
        if stamp:
            self._seen.add(stamp, digest.digest())
        if digest.hexdigest() == known:
            return None
        self._refuse_foreign(path)
        return data

    def _refuse_foreign(self, path: str) -> None:
        if (by := self._by[path]) != self._name:
            raise DatatoolsError(
                f"{path}: expected an image that is new, or that {self._name!r} brought. Got other bytes than those from "
                f"{by!r}: add --into FOLDER, or --name {by} to replace it."
            )


def _mean_bytes(source: Source, into: str) -> float:
    sizes = [source.tree.sizes[path[len(into) + 1 :] if into else path] for path in source.images]
    return sum(sizes) / max(1, len(sizes))


def _new_batch(
    source: Source, images: pd.DataFrame, rejected: pd.DataFrame, before: Merged, name: str, mirror: bool
) -> Batch:
    """What is new or changed against what this source said before, and with `mirror` all that it no longer says."""
    old = before.said.get(name, Content())
    paths = set(source.content.records["path"].tolist())
    spoken_of = paths.union(source.images, source.content.annotations["path"].tolist())
    stays = ~among(old.annotations["path"], spoken_of) & (not mirror)
    content = _with_own_ids(source.content, before, name, old.annotations.loc[stays, "annotation_id"].tolist())
    ids = set(content.annotations["annotation_id"].tolist())
    gone = old.annotations[~(stays | among(old.annotations["annotation_id"], ids))]
    changes = replace(
        content,
        annotations=_changed(content.annotations, old.annotations, "annotation_id", ANNOTATIONS),
        records=_changed(content.records, old.records, "path", RECORDS),
        classes=content.classes if mirror else tuple(dict.fromkeys((*old.classes, *content.classes))),
        extras=_as_saved(content.extras if mirror else {**old.extras, **content.extras}),
        rejected=rejected if mirror else _with_older(rejected, old.rejected, source),
    )
    return Batch(
        name,
        "+".join(source.formats) or "images",
        changes,
        images,
        removed_paths=_gone(source, before, name) if mirror else (),
        removed_records=tuple(sorted(set(old.records["path"].tolist()).difference(paths))) if mirror else (),
        removed_ids=tuple(sorted(gone["annotation_id"].tolist())),
    )


def _with_own_ids(content: Content, before: Merged, name: str, staying: Collection[str]) -> Content:
    """Ids that stand for something else already get this source's name in front, then and in all its later imports.

    Something else is an annotation of another source, or one of this source that is `staying` as its image is not spoken
    of: exports of two months may both count from 1. Annotators of whole-image labels get the name as well where another
    source has the id: two sources that label one image are two raters.
    """
    rows = content.annotations
    own = before.said.get(name, Content()).annotations["annotation_id"]
    is_named = own.str.startswith(f"{name}:").any()
    if not (set(before.said) - {name} or is_named or among(rows["annotation_id"], staying).any()):
        return content
    ids = _OwnIds(name, set(rows["annotation_id"].tolist()), before, staying)
    chosen = [ids.choose(*row) for row in zip(*(rows[column].tolist() for column in OF_AN_ID), strict=True)]
    keys, annotators = [key for key, _ in chosen], [annotator for _, annotator in chosen]
    return replace(content, annotations=ANNOTATIONS.conform(rows.assign(annotation_id=keys, annotator=annotators)))


class _OwnIds:
    """The id that each annotation of a source gets; `given` are the ids that the source has for them."""

    def __init__(self, name: str, given: set[str], before: Merged, staying: Collection[str]) -> None:
        self._name, self._given, self._owner, self._staying = name, given, before.source_of, frozenset(staying)
        old = before.said.get(name, Content()).annotations
        columns = (old[column].tolist() for column in ("annotation_id", "path", "annotator"))
        self._old = {key: (path, str(annotator)) for key, path, annotator in zip(*columns, strict=True)}

    def choose(self, key: str, path: str, kind: str, annotator: Any) -> tuple[str, Any]:
        """Id and annotator: the id that this annotation had, else one that this source used, else the first that is free."""
        rater = f"{self._name}:{annotator}" if kind == "label" and isinstance(annotator, str) else annotator
        is_derived = rater is not annotator and key == label_id(path, annotator)
        can_be = self._list_possible(key, label_id(path, rater) if is_derived else f"{self._name}:{key}")
        used = [name for name in can_be if name in self._old]
        chosen = next((name for name in used if self._old[name][0] == path), (used or can_be)[0])
        if chosen == key:
            return key, annotator
        self._given.add(chosen)
        is_foreign = self._owner.get(key, self._name) != self._name
        return chosen, rater if is_foreign or self._old.get(chosen) == (path, str(rater)) else annotator

    def _list_possible(self, key: str, named: str) -> list[str]:
        """Ids that stand for nothing else, in order, up to the first with a name in front that is new."""
        possible = []
        for n in itertools.count():
            name = (key, named)[n] if n < 2 else f"{self._name}:{n}:{key}"
            is_taken = n > 0 and name in self._given
            if is_taken or name in self._staying or self._owner.get(name, self._name) != self._name:
                continue
            possible.append(name)
            if n > 0 and name not in self._old:
                break
        return possible


def _with_older(rejected: pd.DataFrame, older: pd.DataFrame, source: Source) -> pd.DataFrame:
    """Also what was rejected of files that the source does not have this time."""
    seen = {*source.tree.sizes, *(row["source"] for row in source.refused)}
    return REJECTED.conform(pd.concat([older[~among(older["source"], seen)], rejected]).drop_duplicates())


def _changed(new: pd.DataFrame, old: pd.DataFrame, key: str, table: Table) -> pd.DataFrame:
    """Rows of `new` that `old` does not have in this very form."""
    if not len(old):
        return new
    before = old.set_index(key).reindex(new[key]).reset_index()[list(table.columns)]
    same = (new.eq(before) | (new.isna() & before.isna())).fillna(False).all(axis=1)
    is_there = among(new[key], set(old[key].tolist()))
    return new[~(same.to_numpy(bool) & is_there)].reset_index(drop=True)


def _gone(source: Source, before: Merged, name: str) -> tuple[str, ...]:
    """The images that this source brought and has no more; one that another source speaks of stays with what that says."""
    own = {path for path, brought_by in before.image_source.items() if brought_by == name}
    others = [said for who, said in before.said.items() if who != name]
    needed = (table["path"].tolist() for said in others for table in (said.records, said.annotations))
    return tuple(sorted(own.difference(source.images, *needed)))


def _as_saved(extras: Mapping[str, Any]) -> dict[str, Any]:
    """As batch.json will give it back: lists for tuples, texts for keys."""
    return json.loads(json.dumps(extras))


def _is_new(batch: Batch, before: Merged) -> bool:
    """Whether the batch changes anything."""
    old, new = before.said.get(batch.source, Content()), batch.content
    parts = (batch.images, new.records, new.annotations, batch.removed_paths, batch.removed_records, batch.removed_ids)
    return (
        any(map(len, parts))
        or (old.classes, old.extras) != (new.classes, new.extras)
        or not old.rejected.equals(new.rejected)
    )
