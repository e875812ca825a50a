"""Hypothesis strategies for Content, and the way through a folder that every format test takes."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st

from datatools.dataset import label_id
from datatools.formats.base import Content, Format, dump_attributes
from datatools.masks import dump_mask, from_array
from datatools.schema import BOX, KINDS
from datatools.tree import open_tree
from tests.builders import lay_out, make_png

Row = dict[str, Any]
SIZE_WH = (12, 10)  # of an image whose record declares no size

ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=6)
PLAIN_TEXT = st.text("abcxyzäXYZ019-_", min_size=1, max_size=6)
ODD_TEXT = (
    *(
        " ",
        " a ",
        "a\nb",
        "a\tb",
        'a"b',
        "a'b",
        "a<b>&c",
        "]]>",
        "../a",
        "/a",
        "a/b",
        "a\\b",
        ".",
        "..",
        "\x00",
        "\x1b",
    ),
    *(
        "null",
        "true",
        "1",
        "1.0",
        "nan",
        "-",
        "#a",
        "a: b",
        "a,b",
        "a;b",
        "=1+1",
        "\u202eab",
        "\ufeff",
        "\u2028",
        "日本",
    ),
)
HOSTILE_TEXT = ANY_TEXT | st.sampled_from(ODD_TEXT)
SCALAR = st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False, allow_infinity=False)
TAKEN_NAMES = [
    "id",
    "bbox",
    "label",
    "points",
    "shape",
    "attributes",
    "name",
    "occluded",
    "difficult",
    "group_id",
    "text",
]


def json_values(text: st.SearchStrategy[str] = HOSTILE_TEXT) -> st.SearchStrategy[Any]:
    """Anything that JSON holds, at most a few levels deep."""
    return st.recursive(
        SCALAR | text,
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(text, inner, max_size=2),
        max_leaves=4,
    )


def json_objects(text: st.SearchStrategy[str] = HOSTILE_TEXT) -> st.SearchStrategy[Row]:
    """What an `attributes` cell holds: names that formats use themselves come up too."""
    return st.dictionaries(text | st.sampled_from(TAKEN_NAMES), json_values(text), max_size=3)


@st.composite
def contents(
    draw: Callable[..., Any],
    kinds: tuple[str, ...] = KINDS,
    *,
    annotators: bool = True,
    attributes: bool | st.SearchStrategy[Row] = True,
    image_attributes: bool | st.SearchStrategy[Row] | None = None,
    subsets: tuple[str | None, ...] = (None,),
    sizes: bool | None = None,
    extras: Mapping[str, Any] | None = None,
    text: st.SearchStrategy[str] = HOSTILE_TEXT,
    stems: st.SearchStrategy[str] = PLAIN_TEXT,
    suffixes: tuple[str, ...] = (".png", ".jpg"),
    folders: tuple[str, ...] = ("", "x", "x/y"),
    coordinates: str = "any",
    polygons: bool = True,
    rles: bool = True,
    mask_boxes: bool | None = None,
    null_labels: bool = True,
    ids: str | None = None,
    max_images: int = 3,
    max_objects: int = 4,
) -> Content:
    """A Content whose every annotation is of an image that has a record.

    `annotators`: boxes, masks and shapes may name one, and an image may have labels of several; without it the
    annotator of a label is `given`. `attributes` of annotations and `image_attributes` of records (None: the same):
    False for none, or a strategy of objects. `subsets` to choose each record's from; `sizes` declared always, never or
    (None) for some. `text` for class names, annotators and attributes (HOSTILE_TEXT or PLAIN_TEXT), `stems` for file
    names. `coordinates`: "any" finite below 1e6, "inside" the image with at most 3 digits, "whole" pixels inside.
    `mask_boxes`: masks have a box always, never or (None) some. `ids`: None for ids of any look, else the prefix of
    `<ids>/<image path>#<n>`, n from 1 on in each image.
    """
    any_object = _objects(attributes, text)
    image_attributes = attributes if image_attributes is None else image_attributes
    any_image_object = _objects(image_attributes, text)
    classes = draw(st.lists(text, unique=True, max_size=4))
    names = st.tuples(st.sampled_from(folders), stems, st.sampled_from(suffixes))
    parts = draw(st.lists(names, unique_by=lambda name: name[:2], max_size=max_images))
    records: list[Row] = []
    rows: list[Row] = []
    for folder, stem, suffix in parts:
        path = f"{folder}/{stem}{suffix}".lstrip("/")
        size_wh = draw(st.tuples(st.integers(3, 40), st.integers(3, 40)))
        declared = draw(st.booleans()) if sizes is None else sizes
        width, height = size_wh if declared else (None, None)
        size_wh = size_wh if declared else SIZE_WH
        record = {"path": path, "width_px": width, "height_px": height, "subset": draw(st.sampled_from(subsets))}
        records.append({**record, "attributes": dump_attributes(draw(any_image_object)), "source": "made"})
        labels = st.sampled_from(classes) if classes else st.none()
        if null_labels:
            labels = st.none() | labels
        row = {"path": path, "source": "made"}
        if "label" in kinds and (classes or null_labels):
            for who in draw(
                st.lists(text.filter(_is_rater), unique=True, max_size=2) if annotators else st.just(["given"])
            ):
                label = {"annotation_id": label_id(path, who), "label": draw(labels), "kind": "label", "annotator": who}
                rows.append({**row, **label, "attributes": dump_attributes(draw(any_object))})
        drawable = [kind for kind in kinds if kind != "label"] if classes or null_labels else []
        for number in range(1, draw(st.integers(0, max_objects)) + 1 if drawable else 1):
            kind = draw(st.sampled_from(drawable))
            values = draw(any_object)
            item = {**row, "annotation_id": f"{ids}/{path}#{number}", "label": draw(labels), "kind": kind}
            if ids is None:
                item["annotation_id"] = draw(_any_id(len(rows), text))
            item["annotator"] = draw(st.none() | text) if annotators else None
            has_box = kind == "box" or (kind == "mask" and (draw(st.booleans()) if mask_boxes is None else mask_boxes))
            if has_box:
                item.update(zip(BOX, draw(boxes(size_wh, coordinates)), strict=True))
            if kind == "mask":
                item["mask"] = draw(masks(size_wh, coordinates, polygons, rles))
            if kind == "shape":
                values = {**values, **draw(shapes(size_wh, coordinates))}
            rows.append({**item, "attributes": dump_attributes(values)})
    return Content.from_rows(records, rows, classes, extras=extras)


def points(size_wh: tuple[int, int], coordinates: str) -> st.SearchStrategy[list[float]]:
    """One `[x, y]` in pixels."""
    if coordinates == "any":
        number = st.floats(-1e6, 1e6, allow_nan=False, allow_infinity=False)
        return st.tuples(number, number).map(list)
    scale = 1 if coordinates == "whole" else 1000
    sides = [st.integers(0, side * scale).map(lambda value: value / scale) for side in size_wh]
    return st.tuples(*sides).map(list)


def boxes(size_wh: tuple[int, int], coordinates: str) -> st.SearchStrategy[tuple[float, ...]]:
    """`(x0, y0, x1, y1)`; "any" ones may be empty or upside down, the others have an area."""
    corners = st.tuples(points(size_wh, coordinates), points(size_wh, coordinates))
    if coordinates == "any":
        return corners.map(lambda pair: (*pair[0], *pair[1]))
    ordered = corners.map(lambda pair: (*map(min, *pair), *map(max, *pair)))
    return ordered.filter(lambda box: box[0] < box[2] and box[1] < box[3])


@st.composite
def masks(
    draw: Callable[..., Any], size_wh: tuple[int, int], coordinates: str, polygons: bool = True, rles: bool = True
) -> str:
    """A `mask` cell: one or two rings of three to five points, or the run lengths of noise as large as the image."""
    if rles and (not polygons or draw(st.booleans())):
        noise = np.random.default_rng(draw(st.integers(0, 99))).integers(0, 2, size=(size_wh[1], size_wh[0]))
        return from_array(noise).to_json()
    ring = st.lists(points(size_wh, coordinates), min_size=3, max_size=5)
    return dump_mask(draw(st.lists(ring, min_size=1, max_size=2)))


def shapes(size_wh: tuple[int, int], coordinates: str) -> st.SearchStrategy[Row]:
    """The attributes that hold a shape's geometry."""
    two = st.lists(points(size_wh, coordinates), min_size=2, max_size=2)
    more = st.lists(points(size_wh, coordinates), min_size=2, max_size=4)
    return st.one_of(
        points(size_wh, coordinates).map(lambda point: {"shape": "point", "points": [point]}),
        more.map(lambda several: {"shape": "points", "points": several}),
        more.map(lambda several: {"shape": "polyline", "points": several}),
        two.map(lambda pair: {"shape": "line", "points": pair}),
        two.map(lambda pair: {"shape": "circle", "points": pair}),
    )


def lay_out_content(folder: Path, content: Content, moved: Mapping[str, str] | None = None) -> Path:
    """Write a small picture for every image of `content`, of its declared size (else SIZE_WH), where a writer moved it."""
    sizes = {row.path: (row.width_px, row.height_px) for row in content.records.itertuples()}
    paths = sorted({*sizes, *content.annotations["path"].dropna()})
    return lay_out(folder, {(moved or {}).get(path, path): _picture(*_known(sizes.get(path))) for path in paths})


def round_trip(fmt: Format, content: Content, folder: Path | None = None) -> Content:
    """Save `content` to `folder` (None: a temporary one), lay its images out, and load what is there.

    The paths are those of the folder: compare with `content.renamed(moved)` where the writer moves images.
    """
    if folder is None:
        with tempfile.TemporaryDirectory() as name:
            return round_trip(fmt, content, Path(name))
    assert fmt.save is not None
    saved = fmt.save(content, folder)
    lay_out_content(folder, content, saved.moved)
    tree = open_tree(folder)
    return fmt.load(tree, fmt.find(tree))


def annotation_bytes(folder: Path, files: list[str]) -> dict[str, bytes]:
    """The bytes of `files` below `folder`, to compare what was written twice."""
    return {name: (folder / name).read_bytes() for name in files}


def _objects(choice: bool | st.SearchStrategy[Row], text: st.SearchStrategy[str]) -> st.SearchStrategy[Row]:
    if isinstance(choice, bool):
        return json_objects(text) if choice else st.just({})
    return choice


def _is_rater(name: str) -> bool:
    return name != "consensus"


def _any_id(number: int, text: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    native = st.sampled_from(
        [f"coco/{number}", f"coco/instances_val/{number}", f"cvat/{number}", f"voc/a.png#{number}"]
    )
    return native | text.map(lambda name: f"{name}-{number}")


def _known(size: tuple[Any, Any] | None) -> tuple[int, int]:
    return SIZE_WH if size is None or not isinstance(size[0], int) else (int(size[0]), int(size[1]))


@cache
def _picture(width_px: int, height_px: int) -> bytes:
    return make_png(0, width_px, height_px)


CODES = {  # what a message speaks of -> the code of the check that repeats it
    "finite number": "BOX004",
    "rotation must be": "BOX004",
    "bndbox": "BOX004",
    "a rectangle needs": "BOX004",
    "datatools note has '1' as x0_px": "BOX004",
    "got 3 behind": "BOX004",
    "got 0 behind": "BOX004",
    "is not a number": "BOX004",
    "too large a number": "BOX004",
    "class must be": "LBL001",
    "RLE": "MSK008",
    "larger than 100000000": "MSK008",
    "an image of 100000 x": "MSK008",
    "not JSON serializable": "MSK008",
    "rle": "MSK008",
    "hangs over": "MSK008",
    "is not in images": "LBL005",
}


def reason_of(message: str) -> str:
    """The reason that a rejected row with this message must have."""
    return next((code for text, code in CODES.items() if text in message), "broken_row")


def check_round_trip(fmt: Format, content: Content) -> None:
    """What `fmt` saves of `content` it loads again, whole."""
    again = round_trip(fmt, content)
    assert again.records.drop(columns="source").equals(content.records.drop(columns="source"))
    assert again.annotations.drop(columns="source").equals(content.annotations.drop(columns="source"))
    assert again.same_as(content)
    assert again.rejected.empty


def check_saving_twice(fmt: Format, content: Content) -> None:
    """What was saved and loaded is saved as the same files again, and `content` stays as it is."""
    assert fmt.save is not None
    before = copy.deepcopy(content)
    with tempfile.TemporaryDirectory() as name:
        first, second = Path(name, "first"), Path(name, "second")
        fmt.save(content, first)
        fmt.save(round_trip(fmt, content), second)
        assert _files(first) == _files(second)
    assert content.same_as(before)


def _files(folder: Path) -> dict[Path, bytes]:
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
