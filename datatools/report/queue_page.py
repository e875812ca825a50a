"""The review queue as one HTML page for people without FiftyOne: pictures, evidence, keys to decide, and a file to send back.

The page keeps what was decided in the browser and saves it as a file of fix records; `datatools fixes import` takes it in. It
needs no network and can load nothing: its script is named in the page's content security policy by its SHA-256.
"""

from __future__ import annotations

import base64
import hashlib
from importlib import resources
from pathlib import Path
from typing import Any

import pandas as pd
from markupsafe import Markup

from datatools.dataset import Dataset, label_id, load_dataset
from datatools.fixes.make import load_current
from datatools.fixes.records import SCHEMA
from datatools.project import Project
from datatools.report import words
from datatools.report.pages import render, to_data_uri
from datatools.report.thumbnails import draw_thumbnails
from datatools.schema import QUEUE
from datatools.store import load_table, save_text

Row = dict[str, Any]
MAX_IMAGES = 500  # of a page
SIDE_PX = 384  # of a photo: what a label is judged by; 500 of them are some 20 MB
SCRIPT = "queue_page.js"


def build_queue_page(dataset: Dataset, queue: pd.DataFrame, root: Path, name: str, n_max: int = MAX_IMAGES) -> str:
    """The page of the first `n_max` rows of `queue` (QUEUE), one an image; pictures come from below `root`.

    `dataset` has the labels as the next `dvc repro` will see them.
    """
    rows = queue.drop_duplicates("path").head(n_max)
    pictures = draw_thumbnails(dataset, rows["path"], root, SIDE_PX)
    document = {
        "key": hashlib.sha256(f"{name}\n{dataset.version}".encode()).hexdigest()[:16],
        "name": name,
        "base": dataset.version,
        "schema": SCHEMA,
        "classes": list(dataset.classes),
        "rows": list_rows(dataset, rows),
    }
    script = (resources.files("datatools.report") / SCRIPT).read_text(encoding="utf-8")
    uris = {path: to_data_uri(data) for path, data in pictures.items()}
    return render("queue_page.html", {}, {"queue": document, "pictures": uris, **_allowed(script)})


def save_queue_page(project: Project, file: Path, n_max: int = MAX_IMAGES) -> int:
    """Write the page of a project's queue to `file`; returns how many images it has. Raises DatatoolsError without a queue."""
    queue = load_table(project.queue, QUEUE)
    dataset = load_current(project, load_dataset(project.dataset))
    save_text(file, build_queue_page(dataset, queue, project.raw, project.root.resolve().name, n_max))
    return min(queue["path"].nunique(), n_max)


def list_rows(dataset: Dataset, queue: pd.DataFrame) -> list[Row]:
    """What the page must know of each image to show it and to write its records: null where there is nothing."""
    labels = dataset.annotations.loc[dataset.annotations["kind"] == "label"].set_index("annotation_id")["label"]
    objects = dict(iter(dataset.objects.groupby("path")))
    ratings = dataset.ratings
    rows = []
    for row in queue.astype(object).where(queue.notna(), None).to_dict("records"):
        path, label = str(row["path"]), labels.get(label_id(str(row["path"])))
        label = None if label is None or pd.isna(label) else str(label)
        same = objects.get(path, dataset.objects[:0])
        rows.append(
            {
                **{name: row[name] for name in ("path", "rank", "suggested", "score", "codes", "reason", "split")},
                "kind": row["kind"],
                "about": words.KINDS.get(str(row["kind"]), str(row["kind"])),
                "annotation_id": label_id(path),
                "label": label,
                "objects": same.loc[(same["label"] == label).fillna(False), "annotation_id"].tolist(),
                "said": _ratings_of(ratings, path),
            }
        )
    return rows


def _ratings_of(ratings: pd.DataFrame, path: str) -> list[list[str]]:
    if path not in ratings.index:
        return []
    given = ratings.loc[path].dropna()
    return [[str(annotator), str(label)] for annotator, label in given.items()]


def _allowed(script: str) -> dict[str, Markup]:
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
    return {"script": Markup(script), "script_hash": Markup(f"'sha256-{digest}'")}
