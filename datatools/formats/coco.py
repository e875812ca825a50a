"""COCO JSON: boxes, polygons, run-length masks, keypoints, captions and whole-image labels.

**Pixel convention.** `bbox` is `[x, y, width, height]` in pixels from the top left corner of the image, half-open and
continuous: it becomes `x0, y0, x + width, y + height`, not rounded, not clipped. `segmentation` polygons are flat
lists of x and y in the same pixels. Coordinates refer to the image after its EXIF orientation is applied.

**Files.** Every JSON object with a list `images` and a list `annotations` (or `categories`), anywhere in the tree;
several files are read as one. The subset is read from names such as `instances_train.json`, `train.json` or
`train/_annotations.coco.json`. An image is looked for from the root, beside the JSON file, and in folders such as
`images/`, `train/`, `images/train/` and `train2017/`; last, by its bare name where that is there only once. Where there is
no `file_name`, as in LVIS, the last folder and the name of `coco_url` stand for it. URLs are never fetched.

**What an annotation becomes.** With a `segmentation`: a mask, and its box where there is a `bbox`. With a `bbox`: a
box. With `keypoints` and neither: a shape. With none of `bbox`, `segmentation`, `keypoints`, `area`, `iscrowd`: a
label of the whole image, which is how captions and classes are exchanged; without an `annotator` it is of the
annotator `given`. With `area` or `iscrowd` alone, or an empty `bbox`: a box without corners, for the checks to speak
of.

**Ids** are `coco/<id>`, and where the tree has several COCO files `coco/<stem>/<id>` (`coco/instances_val/17`; the
path where two stems are alike). A text `annotation_id` in an annotation goes before that: the writer puts it there
when it had to give another number.

**What is kept where.** Unknown keys of an annotation (`iscrowd`, `area`, `score`, `keypoints`, `caption`,
`attributes`, ...) in its attributes; a `category_id` that is not in `categories`, or is the second of one name, too.
Unknown keys of an image, and its `id`, in the attributes of its record. `info`, `licenses`, every other key of the
file and the categories with their ids, supercategories and skeletons in `extras["coco"][file]`.

**What is written.** One file: `annotations.json`; one a subset where there are any:
`annotations/instances_<subset>.json`; the files it was read from where it was read from COCO. `file_name` is the
image's path from the root. Ids of images, annotations and categories stay what they were. Objects get an `area`,
`iscrowd` and, for masks, a `bbox` where they have none, because other programs need them; a label or shape in a file
with objects gets an empty `bbox` and `iscrowd` 1, which they leave out of account. What COCO has no field for is in an
object `datatools` (of the file, an image or an annotation), which other programs pass over: with it everything is read
back exactly as it was. Not held: numbers that are not finite, a mask that is none, an annotation of no image.

**What is not read.** An annotation with NaN or Infinity, which Python writes into JSON though JSON has no such number:
it is a rejected row; elsewhere in the file it is a rejected file. `segments_info` of panoptic files, whose masks are in
PNG files: each is a rejected row, and its PNG file is no image of the data set. A list of detection results, which does
not say what images it is about. Files with one `image` each, as of Segment Anything.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from datatools.formats.base import Content, Format, Loss, Saved, write_new
from datatools.formats.coco_names import DOCUMENT_KEYS, NAME, Row
from datatools.formats.coco_reading import CocoReader
from datatools.formats.coco_writing import CocoWriter
from datatools.formats.documents import BrokenFileError, parse_json
from datatools.formats.locate import ImageIndex
from datatools.tree import Tree, UnreadableFileError

IMAGES_LIST = re.compile(rb'"images"\s*:\s*\[')
OTHER_LIST = re.compile(rb'"(?:annotations|categories)"\s*:\s*\[')


def find_coco(tree: Tree) -> list[str]:
    """The JSON files that have COCO's lists."""
    return [path for path in tree.sizes if path.lower().endswith(".json") and _looks_like_coco(tree, path)]


def load_coco(tree: Tree, files: Sequence[str]) -> Content:
    """Read the COCO `files` of `tree` as one; a file that is none is a row of `rejected`."""
    reader = CocoReader(ImageIndex(tree.sizes), files)
    for path in files:
        try:
            reader.add(path, parse_json(tree.read(path), allow_nan=True), use_up=True)
        except (BrokenFileError, UnreadableFileError) as error:
            reader.reject(path, "broken_file", str(error))
    return reader.to_content()


def from_coco(documents: Mapping[str, object], images: Iterable[str] = ()) -> Content:
    """Convert COCO documents (path -> parsed JSON) about the image paths `images`.

    Every annotation becomes one row, or one row of `rejected` with its 1-based position in its file.
    """
    reader = CocoReader(ImageIndex(images), list(documents))
    for path, document in documents.items():
        reader.add(path, document)
    return reader.to_content()


def save_coco(content: Content, folder: Path) -> Saved:
    """Write `content` below `folder`; every image stays where it is. Raises FileExistsError where a file is there."""
    documents, losses = to_coco(content)
    for path, document in documents.items():
        write_new(folder / path, _to_json(document))
    return Saved(losses)


def to_coco(content: Content) -> tuple[dict[str, Row], tuple[Loss, ...]]:
    """COCO documents by path, and what they cannot hold (masks that are none, annotations of no image)."""
    writer = CocoWriter(content)
    return writer.to_documents(), tuple(sorted(writer.losses))


def _looks_like_coco(tree: Tree, path: str) -> bool:
    try:
        data = tree.peek(path)
    except UnreadableFileError:
        return False
    is_object = data[:64].removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{")
    return is_object and bool(IMAGES_LIST.search(data)) and bool(OTHER_LIST.search(data))


def _to_json(document: Row) -> bytes:
    """One image, category or annotation a line, so that a text diff shows what changed."""
    encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode
    parts = []
    for key, value in document.items():
        lines = ",\n".join(map(encode, value)) if key in DOCUMENT_KEYS and isinstance(value, list) else None
        parts.append(f"{encode(key)}:{encode(value)}" if lines is None else f"{encode(key)}:[\n{lines}\n]")
    return ("{" + ",\n".join(parts) + "}\n").encode()


FORMAT = Format(NAME, "COCO JSON", find_coco, load_coco, save_coco)
