"""Where Pascal VOC keeps its files: roots, names, lists, and places for images (datatools/formats/voc.py is the user's page)."""

from __future__ import annotations

import functools
import posixpath
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from datatools.formats import voc_masks
from datatools.formats.placing import is_safe_name, place, safe_path, without_suffix

IMAGE_FOLDERS = ("JPEGImages", "images", "Images", "image", "img", "imgs")
XML_FOLDERS = ("annotations", "annotation", "xml", "xmls", "labels")
CLASS_FOLDERS = ("SegmentationClass", "SegmentationClassPNG")  # the second as LabelMe once wrote it
OBJECT_FOLDERS = ("SegmentationObject", "SegmentationObjectPNG")
VISUALIZATIONS = ("AnnotationsVisualization", "SegmentationClassVisualization", "SegmentationObjectVisualization")
LABEL_MAPS = ("labelmap.txt", "class_names.txt", "classes.txt")
TASKS = ("Main", "Segmentation", "Layout", "Action")
SUBSETS = ("train", "val", "test")
PATH_SUBSETS = ("train", "val", "valid", "validation", "test")
LIST = re.compile(r"(?:(.*)/)?ImageSets/([^/]+)/([^/]+)\.txt")


@dataclass(frozen=True)
class Target:
    """Where an image and its files go."""

    path: str
    root: str
    name: str

    def file(self, folder: str, suffix: str) -> str:
        """The path of its file in one of VOC's folders."""
        return posixpath.join(self.root, folder, f"{self.name}{suffix}")


def subset_of(sets: Iterable[str]) -> str | None:
    """The subset of an image that is in these lists (`Main/train`), class lists left out; see the module's page."""
    ranks = []
    for name in sets:
        task, _, subset = name.partition("/")
        order = SUBSETS.index(subset) if subset in SUBSETS else 4 if subset == "trainval" else 3
        ranks.append((TASKS.index(task) if task in TASKS else len(TASKS), order, subset))
    return min(ranks)[2] if ranks else None


@functools.lru_cache(maxsize=1 << 14)  # a file is asked about more than once
def place_of(source: str) -> tuple[str, str]:
    """Root of a data set, and name below it without suffix, of an XML file or PNG."""
    parts = source.split("/")
    stem = without_suffix(parts[-1])
    folders = [*CLASS_FOLDERS, *OBJECT_FOLDERS] if mask_folder(source) else ["Annotations"]
    at = next((n for n, part in enumerate(parts[:-1]) if part in folders), None)
    if at is None:
        at = next((n for n in range(len(parts) - 2, -1, -1) if parts[n].lower() in XML_FOLDERS), None)
    if at is None:
        return "/".join(parts[:-1]), stem
    return "/".join(parts[:at]), "/".join([*parts[at + 1 : -1], stem])


def mask_folder(path: str) -> str:
    """SegmentationClass or SegmentationObject for a PNG in such a folder, else nothing."""
    folders = set(path.split("/")[:-1])
    if not path.lower().endswith(".png"):
        return ""
    if folders & set(CLASS_FOLDERS):
        return voc_masks.FOLDERS[0]
    return voc_masks.FOLDERS[1] if folders & set(OBJECT_FOLDERS) else ""


def is_visualization(path: str, roots: set[str]) -> bool:
    """Whether a picture was painted by LabelMe's exporter to show the annotations."""
    folder, _, name = posixpath.dirname(path).rpartition("/")
    return folder in roots and name in VISUALIZATIONS


def path_subset(source: str) -> str | None:
    """The folder of an XML file that is called like a subset; None below Annotations, where lists say it."""
    folders = source.split("/")[:-1]
    return next((name for name in folders if name in PATH_SUBSETS), None) if "Annotations" not in folders else None


def are_sets(sets: Any) -> bool:
    """Whether an image's attribute `sets` can be written: list (`Main/train`) -> flag, or nothing."""
    return isinstance(sets, Mapping) and all(
        name.count("/") == 1 and all(map(is_safe_name, name.split("/"))) and flag in ("", "-1", "0", "1")
        for name, flag in sets.items()
    )


def place_images(paths: Sequence[str]) -> dict[str, Target]:
    """A place below some JPEGImages for every image, its own where it has one, and a name for its files.

    No two are alike on a system that does not tell capitals. Where two images share a stem, or one's stem is another's
    name, a file is called after the whole name: `a.png.xml`.
    """
    places = place(paths, _target, str.casefold)
    split = {path: _split(new) or ("", new) for path, new in places.items()}
    taken = {"/".join(parts).casefold() for parts in split.values()}
    targets = {}
    for path, (root, rest) in split.items():
        stem = without_suffix(rest)
        name = rest if f"{root}/{stem}".casefold() in taken else stem
        taken.add(f"{root}/{name}".casefold())
        targets[path] = Target(places[path], root, name)
    return targets


def _target(path: str) -> str:
    safe = safe_path(path, avoid=(*CLASS_FOLDERS, *OBJECT_FOLDERS))
    return safe if safe == path and _split(path) else posixpath.join(IMAGE_FOLDERS[0], safe.removeprefix("images/"))


def _split(path: str) -> tuple[str, str] | None:
    """Root and rest of a path below JPEGImages, if files of such an image are found again."""
    parts = path.split("/")
    if IMAGE_FOLDERS[0] not in parts[:-1]:
        return None
    at = parts.index(IMAGE_FOLDERS[0])
    root, rest = "/".join(parts[:at]), "/".join(parts[at + 1 :])
    stem = without_suffix(rest)
    return (root, rest) if place_of(posixpath.join(root, "Annotations", f"{stem}.xml")) == (root, stem) else None
