"""Pascal VOC: one XML file an image, lists in ImageSets, segmentation PNGs.

Layout: `Annotations/<id>.xml`, `JPEGImages/<id>.jpg`, `ImageSets/<task>/<list>.txt`, `SegmentationClass/<id>.png`,
`SegmentationObject/<id>.png`, and CVAT's `labelmap.txt` or LabelMe's `class_names.txt`. Several such roots in one tree
are read together. XML files beside their images, or in any folder, are read too, with train, val or test of their path
as subset. The image of a file is the one with its stem, in the usual places, else the one it names: stale file names
are common, stale stems are not.

Pixel convention. The devkit counts pixels from 1 and boxes include their last pixel: `x0 = xmin - 1, x1 = xmax`. Many
tools count from 0: a data set in which some xmin or ymin is from 0 to below 1 cannot be 1-based, so there
`x0 = xmin, x1 = xmax`. The decision holds for the whole data set, is kept as `base` in `extras["voc"]` and is what is
written again; where the numbers alone would say otherwise, our files say it. Decimals are shifted exactly. Boxes of
parts stay in `attributes` as the file has them. Polygons and masks are in pixels from the top left corner, never
shifted. Everything refers to the image after EXIF orientation.

What is kept where. `object`: name is the label, bndbox the box, `<polygon><x1/><y1/>...` (as Roboflow writes it) the
mask; every other element, and the `<attributes>` list, in `attributes` by its name. The image: size in its columns; folder
and file name where they are not those of the image, and the rest, in `attributes`. Lists: `subset` is the first of
train, val, test, any other name, trainval that has the image, in Main before Segmentation, Layout and Action; every
list with its class flag is in the image's attribute `sets` and is written back. An image that is only named in lists was
not annotated: it has the attribute `"labels": "missing"`, as in YOLO. Class lists (`cat_train.txt`) give no labels:
they repeat what the objects say. Segmentation: one mask row for each number in SegmentationObject (`instance`) and for
pixels of a class without one (`class_index`); they are not merged with the boxes, as nothing says which is which. 255
is void: its run lengths are the image's attribute `void`. Without a list of classes the pixel values are VOC's twenty, or,
where labels are others, their own names.

What is written. Boxes and masks as objects (a mask without box gets the bounds of its mask, marked so that it is not
read as a box), masks into the PNGs too, so far as they do not overlap, and pose, truncated and difficult, marked, where there
is nothing to say. What standard elements cannot hold (ids, annotators, overlapping masks, labels of whole images, other shapes,
types of attributes, characters that XML forbids) is JSON in elements `<datatools>`, which other readers pass over.
Images go to JPEGImages. Lost are only the `extras` of other formats and numbers that are not finite.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence
from pathlib import Path

from datatools.formats.base import Content, Format, Saved, write_new
from datatools.formats.locate import ImageIndex
from datatools.formats.voc_layout import IMAGE_FOLDERS, mask_folder, place_of
from datatools.formats.voc_reading import Reader
from datatools.formats.voc_writing import Writer
from datatools.tree import Tree, UnreadableFileError

ROOT = re.compile(rb"<annotation[\s>]")


def find_voc(tree: Tree) -> list[str]:
    """XML files with the root `annotation` and boxes, or nothing but a file name; segmentation PNGs of images."""
    index = ImageIndex(tree.sizes)
    return [path for path in tree.sizes if _is_xml(tree, path) or _is_segmentation(tree, path, index)]


def load_voc(tree: Tree, files: Sequence[str]) -> Content:
    """Read XML files and segmentation PNGs, and the lists and label maps of their roots."""
    reader = Reader(tree, files)
    reader.find_label_maps()
    reader.find_documents()
    reader.find_lists()
    reader.find_pngs()
    return reader.read()


def save_voc(content: Content, folder: Path) -> Saved:
    """Write `to_voc` below `folder`."""
    documents, saved = to_voc(content)
    for name, data in documents.items():
        write_new(folder / name, data)
    return saved


def to_voc(content: Content) -> tuple[dict[str, bytes], Saved]:
    """The files of a VOC data set by path, the losses, and where images must be."""
    return Writer(content).files()


def _is_segmentation(tree: Tree, path: str, index: ImageIndex) -> bool:
    if not mask_folder(path):
        return False
    root, name = place_of(path)
    places = [posixpath.join(root, folder, name) for folder in IMAGE_FOLDERS]
    return posixpath.join(root, "Annotations", f"{name}.xml") in tree or any(map(index.with_stem, places))


def _is_xml(tree: Tree, path: str) -> bool:
    if not path.lower().endswith(".xml"):
        return False
    try:
        data = tree.peek(path)
    except UnreadableFileError:
        return False
    if not ROOT.search(data) or b"<annotations" in data or b"<sourceImage" in data or b"<deleted>" in data:
        return False  # CVAT; the LabelMe web tool
    return b"<bndbox" in data or b"<polygon" in data or (b"<filename" in data and b"<object" not in data)


FORMAT = Format("voc", "Pascal VOC", find_voc, load_voc, save_voc)
