"""Label Studio JSON: a list of tasks, each an image with the annotations of several people and the predictions of models.

**Layout.** `tasks.json` (any name), and `label_config.xml` beside it or at the root: its labels and choices are the classes.
`data.image` (else the one text in `data` that ends like an image) names the image: a path, `/data/local-files/?d=...`,
`/data/upload/...` (with eight hex digits before the name) or a URL. Nothing is ever fetched: the image is looked for by that
path, then by its base name. Exports as JSON_MIN leave out whose work it is and are refused.

**Pixel convention.** Label Studio keeps percent of `original_width` and `original_height`. They are multiplied out and rounded to
9 decimals, half-open, from the top left corner, after EXIF orientation; a file that is written and read again gives
the identical numbers (where percent cannot, the exact ones are in `meta.datatools`, and count while the percent ones agree).

| Label Studio | here |
|---|---|
| rectanglelabels, rectangle | box; rotated: shape `rotated_box_about_corner` (turned clockwise about its top left corner) |
| polygonlabels, polygon | mask, one ring |
| brushlabels, brush (`"format": "rle"`) | mask, run lengths of the pixels whose alpha is not 0 |
| ellipselabels, ellipse; keypointlabels, keypoint | shape `ellipse` (`cx`, `cy`, `rx`, `ry`, `rotation`), shape `point` |
| choices | the annotator's label of the image; several: label null, `attributes.choices` |
| several labels of a region | label null, `attributes.labels` |
| `completed_by` | annotator: its email, else `user<ID>`; `model:<model_version>` for a prediction; without any, null and for labels `given` |
| an annotation without a result | who looked and found nothing: the image's `attributes.annotators` lists all who annotated it |
| `from_name`, `to_name`, `origin`, `score`, `meta`, `parentID`, ... | attributes; what `value` has beside the geometry is `attributes.value` |
| other results (text, ratings, relations) | with their annotation, see below; those of a region: its `attributes.results` |
| `lead_time`, `created_at`, `ground_truth`, ... of an annotation | `attributes.annotations` or `.predictions` of the image's record |
| other fields of a task | attributes of the record |

Results of a skipped annotation (`was_cancelled`) are rows of `rejected` with the reason `cancelled`: its author withdrew them.
A result id that comes up again (an annotation made from a prediction keeps its ids) gets `@<annotator>` behind it.

**Writing.** `tasks.json` with an annotation for each annotator, and `label_config.xml` to set the project up with. Images are named
`/data/local-files/?d=<path>`: serve the folder with LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT. Annotators that are no email or
`user<ID>` stay in `meta.datatools` of their results, since Label Studio refuses unknown ones; so do our ids and attributes.
A mask of several rings becomes several polygons. What cannot be drawn (geometry in an image of unknown size, lines, ...) is
in the task's `meta.datatools`: our reader restores it, Label Studio does not show it, and the loss report says so.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from datatools.formats.base import Content, Format, Loss, Saved, write_new
from datatools.formats.carried import lose_extras, rows_by_image
from datatools.formats.documents import BrokenFileError, parse_json
from datatools.formats.label_studio_config import CONFIG, load_classes, to_config
from datatools.formats.label_studio_names import LISTS
from datatools.formats.label_studio_reading import Reader, fresh_id
from datatools.formats.label_studio_tasks import check_tasks, locate_image
from datatools.formats.label_studio_writing import to_task
from datatools.formats.locate import ImageIndex
from datatools.formats.rows import broken_file, broken_row
from datatools.tree import Tree, UnreadableFileError

Row = dict[str, Any]


def find_label_studio(tree: Tree) -> list[str]:
    """The Label Studio files of `tree`: JSON lists of tasks."""
    return [path for path in tree.sizes if path.lower().endswith(".json") and _is_label_studio(tree, path)]


def load_label_studio(tree: Tree, files: Sequence[str]) -> Content:
    """Read Label Studio files; a file that is none is one row of `rejected`."""
    index = ImageIndex(tree.sizes)
    records: dict[str, Row] = {}
    rows: list[Row] = []
    rejected: list[Row] = []
    seen: set[str] = set()
    for file in files:
        try:
            tasks = check_tasks(parse_json(tree.read(file), allow_nan=True))
        except (BrokenFileError, UnreadableFileError) as error:
            rejected.append(broken_file(file, str(error)))
            continue
        found, annotations, bad = from_label_studio(
            tasks, file, functools.partial(locate_image, index=index, file=file)
        )
        for row in annotations:
            row["annotation_id"] = fresh_id(row, seen)
            seen.add(row["annotation_id"])
        rows += annotations
        rejected += bad
        for record in found:
            if record["path"] in records:
                rejected.append(
                    broken_row(
                        file, None, record["path"], "another task has this image too: the fields of the first stay"
                    )
                )
            records.setdefault(record["path"], record)
    classes, configs, extras = load_classes(tree, files, rows)
    return Content.from_rows(records.values(), rows, classes, rejected, [*files, *configs], extras)


def from_label_studio(
    tasks: Sequence[Any], source: str, image_of: Callable[[str], str | None]
) -> tuple[list[Row], list[Row], list[Row]]:
    """Convert tasks to records, annotations and rejected rows. `image_of(name)` is an image's path in the tree, or None.

    Results are numbered from 1 through the document; rows that datatools keeps in a task follow its results.
    """
    reader = Reader(source, image_of)
    for task in tasks:
        reader.read_task(task)
    return reader.records, reader.rows, reader.rejected


def save_label_studio(content: Content, folder: Path) -> Saved:
    """Write `tasks.json` and `label_config.xml`; nothing moves."""
    tasks, losses = to_label_studio(content)
    config, kept = to_config(content, tasks)
    losses += (
        []
        if kept
        else [Loss("extras.label_studio", "", message="label_config.xml is written from the classes instead")]
    )
    write_new(folder / "tasks.json", json.dumps(tasks, ensure_ascii=False, indent=1, allow_nan=False).encode())
    write_new(folder / CONFIG, config.encode())
    return Saved(tuple(sorted(losses)))


def to_label_studio(content: Content) -> tuple[list[Row], list[Loss]]:
    """The tasks, and what they cannot hold."""
    records, rows, lost = rows_by_image(content)
    losses = [*lose_extras(content, "label_studio"), *lost]
    if set(content.annotations["label"].dropna()) - set(content.classes):
        losses.append(Loss("classes", "", message="labels that are no classes become classes"))
    tasks = []
    for path in sorted(rows):
        task, lost = to_task(path, records.get(path), rows[path])
        tasks.append(task)
        losses += lost
    return tasks, losses


def _is_label_studio(tree: Tree, path: str) -> bool:
    try:
        data = tree.peek(path)
    except UnreadableFileError:
        return False
    if data.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] != b"[":
        return False
    is_tasks = b'"data"' in data and any(f'"{name}"'.encode() in data for name in LISTS)
    return is_tasks or all(name in data for name in (b'"annotation_id"', b'"annotator"', b'"lead_time"'))


FORMAT = Format("label_studio", "Label Studio JSON", find_label_studio, load_label_studio, save_label_studio)
