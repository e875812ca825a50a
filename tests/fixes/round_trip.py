"""A project with a few images to send to a drawing tool, and edits of the sent file as the tool would write them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from datatools.dataset import Dataset, label_id, load_dataset, save_dataset
from datatools.fixes.apply import Applied, apply_fixes
from datatools.fixes.records import load_records
from datatools.project import Project
from datatools.schema import ANNOTATIONS, FIX_STATUS, QUEUE
from datatools.store import save_table
from tests.builders import lay_out, make_png
from tests.small_data import image_row, label_rows, make_images

Row = dict[str, Any]
SIDE_PX = 100
CLASSES = ("cat", "dog", "a <b> & c")


def make_dataset(objects: list[Row], labels: dict[str, str]) -> Dataset:
    """A data set of square images: their labels by two people and the vote, and `objects`."""
    images = [image_row(path, width_px=SIDE_PX, height_px=SIDE_PX) for path in labels]
    rows = [row for path, label in labels.items() for row in label_rows(path, {"ann": label}, label)]
    return Dataset(make_images(images), ANNOTATIONS.conform([*rows, *objects]), CLASSES)


def make_project(folder: Path, dataset: Dataset) -> Project:
    """A project that ran: tables, image files and a queue of all images in the order of their paths."""
    project = Project(folder)
    shutil.rmtree(project.fixes, ignore_errors=True)
    save_dataset(project.dataset, dataset)
    save_table(project.dataset / "fixes.parquet", FIX_STATUS.empty(), FIX_STATUS)
    paths = dataset.images["path"].tolist()
    lay_out(project.raw, {path: make_png(n, SIDE_PX, SIDE_PX) for n, path in enumerate(paths)})
    queue = [
        {"rank": n, "path": path, "annotation_id": label_id(path), "kind": "label"} for n, path in enumerate(paths, 1)
    ]
    save_table(project.queue, QUEUE.conform(queue), QUEUE)
    return project


def fold(project: Project) -> Applied:
    """The annotations with all records of the project."""
    return apply_fixes(load_dataset(project.dataset).annotations, load_records(project.fixes)[0])


def shift(points: list[list[float]], by: float) -> list[list[float]]:
    """The points moved to the right and down."""
    return [[x + by, y + by] for x, y in points]


class CvatFile:
    """annotations.xml as CVAT exports it: two decimals, no meta of ours; `keeps_ids` where the labels declare the attributes."""

    def __init__(self, file: Path, keeps_ids: bool = True) -> None:
        self.file, self.root = file, ElementTree.parse(file).getroot()
        meta = self.root.find("meta")
        assert meta is not None
        meta.remove(meta.find("datatools"))  # type: ignore[arg-type]
        for element in self.root.iterfind("image/*"):
            for attribute in [] if keeps_ids else element.findall("attribute"):
                element.remove(attribute)

    def elements(self) -> list[tuple[str, ElementTree.Element]]:
        """Shapes and tags with the name of their image, in the order of the file."""
        return [(str(image.get("name")), element) for image in self.root.iterfind("image") for element in image]

    def images(self) -> list[str]:
        return [str(image.get("name")) for image in self.root.iterfind("image")]

    def annotations(self) -> list[tuple[str, str, list[ElementTree.Element]]]:
        """What each annotation is (label, runs, shape), its class and its elements: the rings of a mask share a group."""
        groups: dict[Any, list[ElementTree.Element]] = {}
        for image, element in self.elements():
            groups.setdefault((image, element.get("group_id") or id(element)), []).append(element)
        kinds = {"tag": "label", "mask": "runs"}
        return [(kinds.get(e[0].tag, "shape"), e[0].attrib["label"], e) for e in groups.values()]

    def relabel(self, element: ElementTree.Element, label: str) -> None:
        """Another label has other attributes: CVAT starts them afresh."""
        element.set("label", label)
        for attribute in element.iterfind("attribute"):
            attribute.text = None

    def move(self, element: ElementTree.Element, by: float) -> None:
        """Move the corners or points; of a mask its place."""
        if element.tag == "box":
            for name in ("xtl", "ytl", "xbr", "ybr"):
                element.set(name, str(float(element.attrib[name]) + by))
        elif element.tag == "mask":
            element.set("left", str(int(element.attrib["left"]) + int(by)))
        else:
            pairs = [[float(number) for number in pair.split(",")] for pair in element.attrib["points"].split(";")]
            element.set("points", ";".join(f"{x},{y}" for x, y in shift(pairs, by)))

    def delete(self, element: ElementTree.Element) -> None:
        next(image for image in self.root.iterfind("image") if element in list(image)).remove(element)

    def add(self, image: str, label: str, xyxy: tuple[float, ...]) -> None:
        found = next(item for item in self.root.iterfind("image") if item.get("name") == image)
        corners = dict(zip(("xtl", "ytl", "xbr", "ybr"), map(str, xyxy), strict=True))
        ElementTree.SubElement(
            found, "box", {"label": label, "source": "manual", "occluded": "0", "z_order": "0", **corners}
        )

    def save(self) -> Path:
        for _, element in self.elements():
            for name in ("xtl", "ytl", "xbr", "ybr"):
                if element.tag == "box":
                    element.set(name, f"{float(element.attrib[name]):.2f}")
            if "points" in element.attrib:
                pairs = [pair.split(",") for pair in element.attrib["points"].split(";")]
                element.set("points", ";".join(f"{float(x):.2f},{float(y):.2f}" for x, y in pairs))
        self.file.write_bytes(ElementTree.tostring(self.root, "utf-8", xml_declaration=True))
        return self.file


class LabelStudioFile:
    """tasks.json as Label Studio exports it; `keeps_ids` where it keeps the meta of a region. Ids of regions end at #."""

    def __init__(self, file: Path, keeps_ids: bool = True) -> None:
        self.file, self.tasks = file, json.loads(file.read_text(encoding="utf-8"))
        self.groups: dict[str, list[Row]] = {}
        for number, task in enumerate(self.tasks, start=1):
            task |= {"id": number, "predictions": [], "drafts": [], "total_annotations": 1}
            task["annotations"] = task["annotations"] or [{"result": []}]
            task["annotations"][0] |= {"id": number, "completed_by": 1, "lead_time": 3.2, "was_cancelled": False}
            for item in task["annotations"][0]["result"]:
                item["id"] = item["id"].split("#")[0]
                own = item["meta"]["datatools"]
                self.groups.setdefault(own["id"], []).append(item)
                if not keeps_ids:
                    del item["meta"]

    def elements(self) -> list[tuple[str, Row]]:
        return [(task["data"]["image"], item) for task in self.tasks for item in task["annotations"][0]["result"]]

    def images(self) -> list[str]:
        return [task["data"]["image"] for task in self.tasks]

    def annotations(self) -> list[tuple[str, str, list[Row]]]:
        """As CvatFile.annotations; a mask of several rings has a result for each."""
        kinds = {"choices": "label", "brushlabels": "runs"}
        found = []
        for items in self.groups.values():
            kind, value = items[0]["type"], items[0]["value"]
            found.append((kinds.get(kind, "shape"), value[kind][0], items))
        return found

    def relabel(self, item: Row, label: str) -> None:
        item["value"]["choices" if item["type"] == "choices" else item["type"]] = [label]

    def move(self, item: Row, by: float) -> None:
        value, share = item["value"], by * 100 / SIDE_PX
        if "points" in value:
            value["points"] = shift(value["points"], share)
        else:
            value |= {"x": value["x"] + share, "y": value["y"] + share}

    def delete(self, item: Row) -> None:
        for task in self.tasks:
            task["annotations"][0]["result"] = [
                other for other in task["annotations"][0]["result"] if other is not item
            ]

    def add(self, image: str, label: str, xyxy: tuple[float, ...]) -> None:
        x0, y0, x1, y1 = (side * 100 / SIDE_PX for side in xyxy)
        task = next(task for task in self.tasks if task["data"]["image"] == image)
        value = {"x": x0, "y": y0, "width": x1 - x0, "height": y1 - y0, "rotation": 0, "rectanglelabels": [label]}
        task["annotations"][0]["result"].append(
            {"id": "Xk3_pQ9", "type": "rectanglelabels", "from_name": "rectanglelabels", "to_name": "image", "value": value,
             "origin": "manual", "original_width": SIDE_PX, "original_height": SIDE_PX, "image_rotation": 0}
        )  # fmt: skip

    def save(self) -> Path:
        self.file.write_text(json.dumps(self.tasks), encoding="utf-8")
        return self.file


TOOLS = {"cvat": (CvatFile, "annotations.xml"), "label_studio": (LabelStudioFile, "tasks.json")}
