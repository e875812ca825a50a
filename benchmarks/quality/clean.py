"""The real data sets, read by datatools from their files, without the faults that were found and looked at in them."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from datatools.ingest import Ingested, ingest
from datatools.masks import parse_rle
from datatools.params import IngestParams
from datatools.schema import CONSENSUS
from quality import pylidc
from quality.board import Clean, numbered

Row = dict[str, Any]

# Faults of the data themselves. Each was drawn and looked at; what they are about is left out of the clean remainder.
# By path of an image or id of an annotation.
TWICE = "one cell with two boxes, a pixel or two apart"
DOT = "a box of 1 x 1 px on the background, a click"
NUCLEUS = "f6863b83d75e5927b30e2e326405b588293283c25aaef2251b30c343296b9cb1"
REAL_FAULTS: dict[str, dict[str, str]] = {
    "bccd": {
        **{
            f"voc/BCCD/JPEGImages/BloodImage_{number}": TWICE
            for number in ("00020.jpg#15", "00100.jpg#3", "00104.jpg#14", "00251.jpg#8", "00284.jpg#2", "00331.jpg#3",
                           "00403.jpg#4")
        },
        **{f"voc/BCCD/JPEGImages/BloodImage_{number}": DOT for number in ("00338.jpg#13", "00343.jpg#4")},
    },
    "nuclei": {
        f"object_masks/{NUCLEUS}/images/{NUCLEUS}.png#39": "two slivers of 11 and 19 px on one faint nucleus at the edge"
    },
    "labelme": {
        "labelme/2011_000006.jpg#1": "its outline crosses itself at (117.8, 222.9): a leg",
        "labelme/2011_000006.jpg#2": "its outline crosses itself at (244.7, 254.6): two points in the wrong order",
        "labelme/2011_000006.jpg#4": "a point lies 0.77 px below the lower edge of the image",
    },
    "clothing": {
        "images/6075b4a5-5b1a-4ce0-aea0-9dbfbca7c35c.jpg": "the same photo of black shorts as 637a56e4, labelled Shorts",
        "images/637a56e4-7fa6-4f75-8859-0f8902461554.jpg": "the same photo of black shorts as 6075b4a5, labelled Skirt",
    },
    pylidc.NAME: {},  # by rule, see `list_faults`
}  # fmt: skip


def list_faults(name: str, root: Path) -> dict[str, str]:
    """The real faults of the set that lies in `root`."""
    return pylidc.list_faults(root) if name == pylidc.NAME else REAL_FAULTS[name]


def load_clean(name: str, shared: Path, work: Path) -> Clean:
    """Unpack the set below `work` once, read it, leave out the real faults."""
    root = unpack(name, shared, work)
    found = [(folder, ingest(folder, IngestParams(), cache=work / "cache")) for folder in FOLDERS[name](root)]
    return to_clean(name, found, list_faults(name, root))


def unpack(name: str, shared: Path, work: Path) -> Path:
    """The folder of `data/<name>.zip`, unpacked; pylidc's is written before."""
    root = set_folder(name, work)
    if not root.exists():
        with zipfile.ZipFile(shared / f"data/{name}.zip") as archive:
            archive.extractall(root.with_suffix(".part"))
        root.with_suffix(".part").rename(root)
    return root


def set_folder(name: str, work: Path) -> Path:
    """Where a set lies when it is unpacked."""
    return work / "sets" / name


def _labelme_folders(root: Path) -> list[Path]:
    """The drawings of each example, without the exports of the same images beside them."""
    return [*sorted(root.glob("*/data_annotated")), root / "primitives"]


FOLDERS: dict[str, Callable[[Path], list[Path]]] = {
    "bccd": lambda root: [root],
    "nuclei": lambda root: [root],
    "labelme": _labelme_folders,
    "clothing": lambda root: [root],
    pylidc.NAME: lambda root: [root],
}


def to_clean(name: str, found: list[tuple[Path, Ingested]], faults: dict[str, str]) -> Clean:
    """One COCO document of all that was read; whole images and single annotations in `faults` are left out.

    An image of which nothing would be left is left out too: that it is empty is not its fault.
    """
    labels = sorted({label for _, read in found for label in read.dataset.annotations["label"].dropna()})
    categories = numbered(labels or [name])
    ids = {row["name"]: row["id"] for row in categories}
    document: Row = {"images": [], "annotations": [], "categories": categories}
    files: dict[str, Path] = {}
    for folder, read in found:
        numbers: dict[str, int] = {}
        marked = read.dataset.annotations[read.dataset.annotations["kind"] != "label"]
        spared = marked[~marked["annotation_id"].isin(faults)]
        emptied = set(marked["path"]) - set(spared["path"])
        for row in read.dataset.images.to_dict("records"):
            if row["path"] in faults or row["path"] in emptied:
                continue
            number = numbers[row["path"]] = len(files) + 1
            file_name = f"{number:04d}{Path(row['path']).suffix}"
            files[file_name] = folder / row["path"]
            size = {"width": row["width_px"], "height": row["height_px"]}
            document["images"].append({"id": number, "file_name": file_name, **size})
        for row in read.dataset.annotations.to_dict("records"):
            if (row["annotator"] is not None and row["annotator"] == CONSENSUS) or row["kind"] == "shape":
                continue
            if row["path"] in numbers and row["annotation_id"] not in faults:
                number = len(document["annotations"]) + 1
                document["annotations"].append(_annotation(row, number, numbers[row["path"]], ids.get(row["label"], 1)))
    return Clean(name, files, document)


def _annotation(row: Row, number: int, image_id: int, category_id: int) -> Row:
    item: Row = {"id": number, "image_id": image_id, "category_id": category_id, "iscrowd": 0}
    if row["x0_px"] == row["x0_px"] and row["x0_px"] is not None:
        x0, y0, x1, y1 = (float(row[name]) for name in ("x0_px", "y0_px", "x1_px", "y1_px"))
        item["bbox"] = [x0, y0, x1 - x0, y1 - y0]
        item["area"] = (x1 - x0) * (y1 - y0)
    if row["kind"] in ("box", "mask") and isinstance(row["annotator"], str):
        item["annotator"] = row["annotator"]
    if isinstance(row["mask"], str):
        mask = json.loads(row["mask"])
        if "bbox" not in item:
            item["bbox"], item["area"] = _bounds(mask)
        item["segmentation"] = mask if isinstance(mask, dict) else [[v for xy in ring for v in xy] for ring in mask]
    return item


def _bounds(mask: Any) -> tuple[list[float], float]:
    """Box as x, y, width, height, and area in square pixels (of the box, for polygons)."""
    if isinstance(mask, dict):
        rle = parse_rle(mask)
        x0, y0, x1, y1 = rle.bounds() or (0.0, 0.0, 0.0, 0.0)
        return [x0, y0, x1 - x0, y1 - y0], float(rle.n_pixels)
    xs, ys = [x for ring in mask for x, _ in ring], [y for ring in mask for _, y in ring]
    width, height = max(xs) - min(xs), max(ys) - min(ys)
    return [min(xs), min(ys), width, height], width * height
