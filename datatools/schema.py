"""The columns of every table, in their order on disk, and the key each table is sorted by."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from datatools.errors import DatatoolsError

KINDS = ("label", "box", "mask", "shape")
BOX = ["x0_px", "y0_px", "x1_px", "y1_px"]
CONSENSUS = "consensus"  # the annotator of the one label per image that training uses
BY_OBJECTS = "objects"  # the source of such a label where it says what the image's objects are
SEVERITIES = ("info", "warning", "error")
SIDES = ("train", "val", "test")  # of two that claim an image, the later one wins
SIDE_NAMES = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
}
_WITH_YEAR = re.compile(r"([a-z]+)[-_ ]?(?:\d{4})?")  # as in COCO
QUARANTINE = "quarantine"  # in the place of a side: on none


@dataclass(frozen=True)
class Table:
    """A tidy table: name, column -> pandas dtype, and the columns that identify and order its rows."""

    name: str
    columns: Mapping[str, str]
    key: tuple[str, ...]

    def empty(self) -> pd.DataFrame:
        """A table without rows that has all columns."""
        return self.conform([])

    def conform(self, rows: pd.DataFrame | Sequence[Mapping[str, Any]]) -> pd.DataFrame:
        """Return `rows` with exactly the columns of this table, typed, sorted by key, index 0..n-1.

        The same rows in any order give the same table. A missing column is null. Raises DatatoolsError for a column
        the table does not have.
        """
        frame = rows if isinstance(rows, pd.DataFrame) else pd.DataFrame(list(rows))
        unknown = sorted(set(frame.columns) - set(self.columns))
        if unknown:
            raise DatatoolsError(f"{self.name}: columns are {', '.join(self.columns)}. Got {unknown[0]!r} instead.")
        frame = frame.reindex(columns=list(self.columns))
        dtypes = {name: pd.api.types.pandas_dtype(dtype) for name, dtype in self.columns.items()}
        other = {name: dtype for name, dtype in dtypes.items() if frame[name].dtype != dtype}
        cast = frame[list(other)].astype(other)  # of all columns it would take apart what lies together in memory
        frame = frame.assign(**{name: cast[name] for name in other})
        order = list(self.key)
        if _is_increasing(frame[order[0]]):  # as it is on disk
            return frame.reset_index(drop=True)
        ordered = frame.sort_values(order, kind="stable", ignore_index=True)
        if _has_equal_neighbours(ordered[order]):
            order += [name for name in self.columns if name not in self.key]
            return frame.sort_values(order, kind="stable", ignore_index=True)
        return ordered

    def join(self, frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
        """What `conform` makes of tables of this kind, one below the other; a column at a time, to hold few rows twice."""
        keys = pd.concat([frame[self.key[0]] for frame in frames], ignore_index=True)
        order = keys.array.argsort(kind="stable")
        if len(self.key) > 1 or keys.hasnans or has_repeats(keys.take(order)).any():
            return self.conform(pd.concat(frames, ignore_index=True))
        columns = {
            name: pd.concat([frame[name] for frame in frames], ignore_index=True).array.take(order)
            for name in self.columns
        }
        return pd.DataFrame(columns, copy=False)


def side_called(subset: str) -> str | None:
    """The side that the name of a subset means: `Validation`, `train2017`; None for any other name."""
    match = _WITH_YEAR.fullmatch(subset.strip().casefold())
    return SIDE_NAMES.get(match[1]) if match else None


def _is_increasing(column: pd.Series) -> bool:
    """Whether each text is greater than the one before; False for columns that are no texts, or have a null."""
    if not isinstance(column.dtype, pd.StringDtype) or column.isna().any():
        return False
    texts = column.array
    return bool((texts[1:] > texts[:-1]).all())


def has_repeats(column: pd.Series) -> NDArray[np.bool_]:
    """For each value of a sorted column of texts but the first: whether it is the one before; a null never is."""
    texts = column.array
    return np.asarray((texts[1:] == texts[:-1]).fillna(False), dtype=bool)


def _has_equal_neighbours(keys: pd.DataFrame) -> bool:
    """Whether two rows of a sorted table are the same; a null is equal to a null."""
    same = np.ones(max(len(keys) - 1, 0), dtype=bool)
    for name in keys:
        column = keys[name].array
        one, other = column[1:], column[:-1]
        equal = pd.isna(one) & pd.isna(other)
        both = ~(pd.isna(one) | pd.isna(other))
        equal[both] = np.asarray(one[both] == other[both], dtype=bool)
        same &= equal
        if not same.any():
            return False
    return bool(same.any())


IMAGES = Table(
    "images",
    {
        "path": "string",  # relative to the data root, POSIX; identity
        "sha256": "string",  # content
        "n_bytes": "int64",
        "width_px": "int64",
        "height_px": "int64",
        "channels": "int64",
        "n_frames": "int64",  # pictures in the file (pages, animation); the first is the image
        "format": "string",  # of the content, whatever the name says: JPEG, PNG, BMP, TIFF, WEBP
        "mode": "string",  # Pillow's name of what a pixel is: RGB, L, P, RGBA, CMYK, I;16, 1, ...
        "exif_orientation": "Int64",  # 1 .. 8 as the file says; widths and heights here are after it was applied
        "is_grey": "boolean",
        "brightness_p5": "float64",  # 0 black .. 1 white: 5th percentile of the pixels; high: too light
        "brightness_p99": "float64",  # 99th percentile; low: too dark
        "entropy_bits": "float64",  # of the distribution of values; low: it shows little
        "sharpness": "float64",  # grey levels: standard deviation of the edges; low: blurred
        "grey_histogram_std": "float64",  # pixels: standard deviation of the 256 grey-level counts
        "edge_step": "float64",  # 0.25 blurred .. 1 sharp: how much of a step over 4 pixels is taken within one
        "phash": "string",  # 256-bit perceptual hash, 64 hex digits
        "declared_width_px": "Int64",  # what the annotation file says; null where it says nothing
        "declared_height_px": "Int64",
        "group": "string",  # never on two sides of the split; null where unknown
        "subset": "string",  # train, val, test or whatever the source calls it; null where it says nothing
        "metadata": "string",  # JSON object: the other columns of metadata.csv
        "attributes": "string",  # JSON object: every field of the image's record that has no column
        "source": "string",
    },
    ("path",),
)
PACKED = Table(
    "packed",
    {
        "path": "string",
        "sha256": "string",
        "n_bytes": "int64",
        "shard": "string",  # file name in the batch's folder
        "block": "int64",  # where in a .tar.gz its gzip member starts; 0 in a .tar
        "offset": "int64",  # of the file's bytes in that member, or in the .tar
    },
    ("path",),
)
RECORDS = Table(
    "records",
    {
        "path": "string",  # the image that an annotation file speaks of
        "width_px": "Int64",  # as the file says; null where it says nothing
        "height_px": "Int64",
        "subset": "string",  # train, val, test or whatever the source calls it; null where it says nothing
        "metadata": "string",  # JSON object: columns of metadata.csv
        "attributes": "string",  # JSON object: every field of the image's record that has no column
        "source": "string",
    },
    ("path",),
)
ANNOTATIONS = Table(
    "annotations",
    {
        "annotation_id": "string",
        "path": "string",
        "label": "string",
        "kind": "string",  # one of KINDS; a shape is a point, line, circle, ...: its geometry is in attributes
        "x0_px": "float64",  # half-open box, null where there is none
        "y0_px": "float64",
        "x1_px": "float64",
        "y1_px": "float64",
        "mask": "string",  # polygons or run lengths (datatools/masks.py); null where there is none
        "annotator": "string",
        "source": "string",
        "attributes": "string",  # JSON object: every field of the source that has no column
    },
    ("annotation_id",),
)
REJECTED = Table(
    "rejected",
    {
        "source": "string",  # file the row came from
        "row": "Int64",  # 1-based line or list position there; null for a whole file
        "path": "string",
        "annotation_id": "string",
        "reason": "string",  # a finding code where a check speaks of it, else a word
        "message": "string",
    },
    ("source", "row", "path", "annotation_id"),
)
LOSSES = Table(
    "losses",
    {
        "field": "string",  # what the target format cannot hold
        "path": "string",
        "annotation_id": "string",
        "message": "string",
    },
    ("field", "path", "annotation_id"),
)
FINDINGS = Table(
    "findings",
    {
        "code": "string",
        "version": "int64",
        "severity": "string",
        "path": "string",
        "annotation_id": "string",
        "subject": "string",  # what it is about where path and annotation do not say it: a class, two annotators
        "score": "float64",  # 0 worst, 1 fine
        "message": "string",
        "marks": "string",  # JSON: what to draw on the image to show the fault; null for nothing
        "offer": "string",  # JSON: the fix record that would repair it for certain; null where a person must decide
    },
    ("code", "path", "annotation_id", "subject", "message"),
)
PAIRS = Table(
    "pairs",
    {
        "path": "string",  # the smaller of the two paths
        "other": "string",
        "how": "string",  # identical | hash | embedding | both
        "hash_bits": "Int64",  # bits in which the perceptual hashes differ; null where there is none
        "similarity": "float64",  # cosine of the embeddings; null where there are none
        "correlation": "float64",  # of the aligned pixels' detail; null where pixels were not compared
        "view": "string",  # how pixels were aligned: same | mirrored | cropped | mirrored and cropped; null as above
    },
    ("path", "other"),
)
SPLIT = Table(
    "split",
    {
        "path": "string",
        "split": "string",  # train | val | test, or quarantine: on no side, because it would link two
        "group": "string",  # the unit that stays together, named by its smallest path
        "fold": "Int64",  # 0 .. folds - 1, whole groups; null without folds
    },
    ("path",),
)
LEDGER = Table(
    "ledger",
    {
        "path": "string",
        "sha256": "string",  # path and content: the sample
        "split": "string",  # one of SIDES, for ever
    },
    ("path", "sha256"),
)
PREDICTIONS = Table(
    "predictions",
    {
        "path": "string",
        "label": "string",  # the one it had when the model was measured
        "predicted": "string",
        "confidence": "float64",  # 0 .. 1, of `predicted`; null where it was not recorded
    },
    ("path",),
)
AUGMENTED = Table(
    "augmented",
    {
        **ANNOTATIONS.columns,
        "parent_path": "string",
        "parent_annotation_id": "string",
        "seed": "int64",  # of the copy: what the policy drew for it follows from this number
        "policy": "string",  # 12 hex digits that name the steps; augmented.json has them, and the versions
    },
    ("annotation_id",),
)
QUEUE = Table(
    "queue",
    {
        "rank": "int64",  # 1 = look at this first
        "path": "string",
        "annotation_id": "string",  # the image's label
        "kind": "string",  # expert | label | disagreement | duplicate | rare
        "label": "string",
        "suggested": "string",
        "score": "float64",  # 0 worst, 1 fine
        "split": "string",
        "codes": "string",  # finding codes, comma-separated
        "reason": "string",  # in words
    },
    ("rank",),
)
FIX_STATUS = Table(
    "fixes",
    {
        "id": "string",
        "status": "string",  # applied | reverted | conflict | disputed | settled
        "op": "string",
        "path": "string",
        "annotation_id": "string",
        "before": "string",
        "after": "string",
        "why": "string",
        "who": "string",
        "when": "string",
        "message": "string",
        "queue": "string",  # what the queue showed the image for, comma-separated; null where it did not
    },
    ("when", "id"),
)
