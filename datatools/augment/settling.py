"""Objects after their image was augmented: clipped to it on purpose, ordered, dropped where too little of them is left."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from datatools.augment.moves import Floats
from datatools.augment.packing import CIRCLE, LINES, POINTS, Item, Row, UnmovableError, bounds_of, keypoints_of
from datatools.masks import Rle, dump_mask, from_array
from datatools.schema import BOX

N_CORNERS = 5  # of a closed box whose edges were not cut
SLACK_PX = 4  # pixels are moved to whole places in each step, corners are not
OUTSIDE = "mostly outside the image"
DECIMALS = 2  # of a coordinate in pixels
Bounds = tuple[float, ...]  # x0, y0, x1, y1


def settle_objects(
    items: Sequence[Item], points: Floats, masks: NDArray[np.int32] | None, size_wh: tuple[int, int], keep_min: float
) -> tuple[list[Row], list[str]]:
    """The rows of the objects that are left in an image of `size_wh`, and why each of the others is not.

    `points` and `masks` are those of `items` after the move. Polygons are clipped to the image; the box of a mask is its
    bounds, any other box the bounds of its moved corners, clipped. An object of which less than `keep_min` is inside
    (area; length of a line, number of points) is dropped. Keypoints outside are marked as not placed.
    """
    rows, reasons = [], []
    for item in items:
        try:
            rows.append(_settle(item, points, masks, size_wh, keep_min))
        except UnmovableError as error:
            reasons.append(str(error))
    return rows, reasons


def _settle(
    item: Item, points: Floats, masks: NDArray[np.int32] | None, size_wh: tuple[int, int], keep_min: float
) -> Row:
    row = {"parent_annotation_id": item.row["annotation_id"], **{name: item.row[name] for name in _SAME}}
    outlines = [points[place] for place in item.outlines]
    if item.row["kind"] == "shape":
        left = _settle_shape(item.form, outlines[0], size_wh, keep_min)
        shape = {"shape": item.form, "points": np.round(left, DECIMALS).tolist()}
        return {**row, **dict.fromkeys(BOX), "mask": None, "attributes": json.dumps(shape)}
    mask: str | None = None
    if item.form == "pixels":
        assert masks is not None, "a pipeline keeps the masks that it is given"
        mask, bounds = _settle_pixels(item, outlines[0], masks, keep_min)
    else:
        rings, bounds = _clip_rings(outlines, size_wh, keep_min, are_sound=item.form == "box")
        if item.form == "rings":
            mask = dump_mask([np.round(ring, DECIMALS).tolist() for ring in rings])
        bounds = tuple(np.round(bounds, DECIMALS).tolist())
    attributes = _settle_keypoints(item, points[item.keypoints], size_wh) if item.visible else "{}"
    return {**row, **dict(zip(BOX, bounds, strict=True)), "mask": mask, "attributes": attributes}


_SAME = ("label", "kind", "annotator")


def _clip_rings(
    rings: Sequence[Floats], size_wh: tuple[int, int], keep_min: float, are_sound: bool
) -> tuple[Sequence[Floats], Bounds]:
    """The closed rings of what is inside, and their bounds; `are_sound`: none of `rings` crosses itself.

    Raises UnmovableError if too little is left.
    """
    bounds = _bounds(rings)
    if _holds(size_wh, bounds) and (are_sound or all(shapely.Polygon(ring).is_valid for ring in rings)):
        return rings, bounds
    whole = [shapely.make_valid(shapely.Polygon(ring)) for ring in rings]
    parts = [part for shape in whole for part in _polygons(shapely.clip_by_rect(shape, 0, 0, *size_wh))]
    if not parts or shapely.area(parts).sum() < keep_min * shapely.area(whole).sum():
        raise UnmovableError(OUTSIDE)
    left = [shapely.get_coordinates(part.exterior) for part in parts]
    return left, _bounds(left)


def _bounds(rings: Sequence[Floats]) -> Bounds:
    places = rings[0] if len(rings) == 1 else np.concatenate([np.zeros((0, 2)), *rings])
    return *places.min(axis=0).tolist(), *places.max(axis=0).tolist()


def _holds(size_wh: tuple[int, int], bounds: Bounds) -> bool:
    x0, y0, x1, y1 = bounds
    return x0 >= 0 and y0 >= 0 and x1 <= size_wh[0] and y1 <= size_wh[1]


def _polygons(shape: Any) -> Iterator[Any]:
    for part in shapely.get_parts(shape):
        if hasattr(part, "geoms"):
            yield from _polygons(part)
        elif shapely.area(part) > 0:
            yield part


def _settle_pixels(item: Item, corners: Floats, masks: NDArray[np.int32], keep_min: float) -> tuple[str, Bounds]:
    """The run lengths of what is left of a mask, and their bounds.

    The whole mask would have grown as the area of its bounds has, exactly so under an affine map.
    """
    channel, number = item.bitmap
    left, top, right, bottom = _window(corners, masks.shape)
    bitmap = masks[top:bottom, left:right, channel] == number
    bounds = bounds_of(bitmap)
    growth = _area(corners) / item.area
    if bounds is None or np.count_nonzero(bitmap) < keep_min * item.n_pixels * growth:
        raise UnmovableError(OUTSIDE)
    x0, y0, x1, y1 = bounds
    whole = np.zeros((masks.shape[0], x1 - x0), dtype=bool)
    whole[top + y0 : top + y1] = bitmap[y0:y1, x0:x1]
    box = left + x0, top + y0, left + x1, top + y1
    return _encode(whole, box[0], masks.shape[1]), tuple(map(float, box))


def _window(corners: Floats, shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    """Where a mask can be whose bounds have moved to `corners`: all of the image where their edges were bent."""
    height, width = shape[:2]
    if len(corners) != N_CORNERS:
        return 0, 0, width, height
    (x0, y0), (x1, y1) = np.floor(corners.min(axis=0)).tolist(), np.ceil(corners.max(axis=0)).tolist()
    limits = ((x0 - SLACK_PX, width), (y0 - SLACK_PX, height), (x1 + SLACK_PX, width), (y1 + SLACK_PX, height))
    left, top, right, bottom = (int(min(max(value, 0), most)) for value, most in limits)
    return left, top, right, bottom


def _encode(columns: NDArray[np.bool_], x0: int, width: int) -> str:
    """Run lengths of a mask `width` wide that has something only in `columns`, from `x0` on: they run down the columns."""
    height, n_columns = columns.shape
    first, *counts = from_array(columns).counts
    after = (width - x0 - n_columns) * height
    if after and len(counts) % 2:
        counts.append(after)
    elif after:
        counts[-1] += after
    return Rle((height, width), (first + x0 * height, *counts)).to_json()


def _area(ring: Floats) -> float:
    """Shoelace formula."""
    x, y = ring.T
    return abs(float(x[:-1] @ y[1:] - x[1:] @ y[:-1])) / 2


def _settle_shape(form: str, places: Floats, size_wh: tuple[int, int], keep_min: float) -> Floats:
    """The points of a shape that are left; a circle is left whole or not at all."""
    if form in POINTS:
        left = places[_are_inside(places, size_wh)]
        share = len(left) / len(places)
    elif form in LINES:
        left, share = _clip_line(places, size_wh)
    else:
        assert form == CIRCLE, "no other shape was packed"
        radius = np.hypot(*(places[1] - places[0])) if len(places) > 1 else 0.0
        left, share = places, float(_is_inside(places[0] + [[-radius, -radius], [radius, radius]], size_wh))
    if not len(left) or not share or share < keep_min:
        raise UnmovableError(OUTSIDE)
    return left


def _clip_line(places: Floats, size_wh: tuple[int, int]) -> tuple[Floats, float]:
    """The longest piece of a line inside the image, and its share of the line."""
    if _is_inside(places, size_wh) or len(places) < 2:
        return places[_are_inside(places, size_wh)], 1.0
    line = shapely.linestrings(places)
    pieces = shapely.get_parts(shapely.clip_by_rect(line, 0, 0, *size_wh))
    if not len(pieces):
        return places[:0], 0.0
    longest = pieces[np.argmax(shapely.length(pieces))]
    return shapely.get_coordinates(longest), float(shapely.length(longest) / max(shapely.length(line), 1e-9))


def _settle_keypoints(item: Item, places: Floats, size_wh: tuple[int, int]) -> str:
    """The attribute `keypoints` in the form that the parent has it; what is not placed is 0, 0 as in COCO and YOLO."""
    given = json.loads(item.row["attributes"])["keypoints"]
    points = []
    for (x, y), seen, before in zip(
        np.round(places, DECIMALS).tolist(),
        _are_inside(places, size_wh) & np.array(item.visible),
        keypoints_of(given),
        strict=True,
    ):
        points.append([x, y, *before[2:]] if seen else [0.0, 0.0, *(0 for _ in before[2:])])
    nested = isinstance(given[0], list)
    return json.dumps({"keypoints": points if nested else [value for point in points for value in point]})


def _are_inside(places: Floats, size_wh: tuple[int, int]) -> NDArray[np.bool_]:
    return np.asarray(((places >= 0) & (places <= size_wh)).all(axis=1))


def _is_inside(places: Floats, size_wh: tuple[int, int]) -> bool:
    return bool(_are_inside(places, size_wh).all())
