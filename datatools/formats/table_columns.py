"""What the columns of a table mean: which names the image, its class, its annotators, a box."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from datatools.schema import BOX

PATHS = (
    *("path", "filepath", "file_path", "image_path", "img_path", "file_name", "filename", "image_name", "image"),
    *("img", "file", "image_id", "imageid", "img_id"),
)
LABELS = ("label", "class", "category", "label_name", "class_name", "category_name", "choice")
ANNOTATORS = ("annotator", "rater", "labeler", "labeller")
SUBSET_COLUMNS = ("subset", "split")
CORNERS = (("x0", "y0", "x1", "y1"), tuple(BOX), ("xmin", "ymin", "xmax", "ymax"), ("x1", "y1", "x2", "y2"))
EXTENTS = (("x", "y", "w", "h"), ("x0", "y0", "w", "h"), ("x1", "y1", "w", "h"))
RATER = re.compile(r"(annotator|rater|labell?er|coder|worker|expert|reader)[ _-]?[^ _-].*", re.IGNORECASE)
FOREIGN = frozenset({"bbox", "bboxes", "box", "boxes", "segmentation", "polygon", "rle", "encodedpixels", "mask"})


@dataclass(frozen=True)
class Columns:
    """Which column of a table means what; `raters` is not empty where there is one column an annotator."""

    path: str
    label: str | None = None
    annotator: str | None = None
    subset: str | None = None
    annotation_id: str | None = None
    box: tuple[str, ...] = ()
    is_extent: bool = False  # the last two of `box` are width and height
    size: tuple[str, ...] = ()  # width and height of the image
    raters: tuple[str, ...] = ()
    others: tuple[str, ...] = ()

    @property
    def describes_images(self) -> bool:
        """Whether the other columns speak of the image, not of one annotation of it."""
        return not self.box and self.annotator is None


def read_columns(header: Iterable[str]) -> Columns | None:
    """What the columns of a table mean; None where it does not name images and their classes or annotators."""
    names = {name.casefold(): name for name in reversed(list(header))}

    def pick(choices: Iterable[str]) -> str | None:
        """The first of the names that the table has."""
        return next((names[name] for name in choices if name in names), None)

    def pick_all(choices: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
        """The first group of names that the table has as a whole."""
        return next((tuple(names[n] for n in group) for group in choices if set(group) <= set(names)), ())

    path, label = pick(PATHS), pick(LABELS)
    raters = tuple(name for name in header if RATER.fullmatch(name)) if label is None else ()
    if path is None or (label is None and not raters) or FOREIGN & set(names):
        return None
    corners, extent = pick_all(CORNERS), pick_all(EXTENTS)
    box = () if raters else corners or extent
    size = pick_all([("width", "height"), ("width_px", "height_px")]) if box else ()
    subset, annotation_id = pick(SUBSET_COLUMNS), pick(["annotation_id"])
    annotator = pick(ANNOTATORS) if not raters else None
    used = {path, label, annotator, subset, annotation_id, *box, *size, *raters}
    others = tuple(name for name in header if name not in used)
    return Columns(path, label, annotator, subset, annotation_id, box, not corners, size, raters, others)


def missing_columns(header: Iterable[str]) -> str:
    """What keeps a table from being read; nothing where it can be."""
    names = [name.casefold() for name in header]
    foreign = [name for name in names if name in FOREIGN]
    if foreign:
        return (
            f"boxes and masks in one cell, as in the column {foreign[0]}, are not: give each corner of a box a column"
        )
    if not set(PATHS) & set(names):
        return "expected a column that names the image, such as filename"
    known = set(LABELS) & set(names) or any(map(RATER.fullmatch, names))
    return "" if known else "expected a column with the class of the image, such as label, one class a row"
