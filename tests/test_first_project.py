"""A stranger's path, as the README tells it: `datatools init` from a set in a common format, then `dvc repro`, no file edited."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np
import pandas as pd
import pytest

from datatools.images import encode_png
from tests.project import run

SHAPES = ("disc", "bar", "ring")
N_IMAGES = 45
SIDE_PX = 48


def draw(shape: str, seed: int) -> tuple[bytes, tuple[int, int, int, int]]:
    """PNG of one shape on noise, and the box around it: x0, y0, x1, y1, half-open."""
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 120, size=(SIDE_PX, SIDE_PX, 3))
    radius = int(rng.integers(8, 14))
    x, y = (int(value) for value in rng.integers(radius, SIDE_PX - radius, size=2))
    rows, columns = np.mgrid[:SIDE_PX, :SIDE_PX]
    distance = np.hypot(rows - y, columns - x)
    inside = {
        "disc": distance < radius,
        "ring": (distance < radius) & (distance > radius - 4),
        "bar": (abs(rows - y) < 3) & (abs(columns - x) < radius),
    }[shape]
    image[inside] = 230
    high, wide = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    return encode_png(image.astype(np.uint8)), (int(wide[0]), int(high[0]), int(wide[-1]) + 1, int(high[-1]) + 1)


def write_coco(root: Path) -> None:
    """images/ and annotations/instances.json."""
    images, annotations = [], []
    for number in range(N_IMAGES):
        data, (x0, y0, x1, y1) = draw(SHAPES[number % 3], number)
        write(root / "images" / f"{number:03d}.png", data)
        images.append({"id": number, "file_name": f"{number:03d}.png", "width": SIDE_PX, "height": SIDE_PX})
        box = [x0, y0, x1 - x0, y1 - y0]
        annotations.append(
            {"id": number, "image_id": number, "category_id": number % 3 + 1, "bbox": box, "iscrowd": 0, "area": 9}
        )
    categories = [{"id": index + 1, "name": name} for index, name in enumerate(SHAPES)]
    document = {"images": images, "annotations": annotations, "categories": categories}
    write(root / "annotations" / "instances.json", json.dumps(document).encode())


def write_voc(root: Path) -> None:
    """Annotations/, JPEGImages/ and ImageSets/Main."""
    for number in range(N_IMAGES):
        shape = SHAPES[number % 3]
        data, (x0, y0, x1, y1) = draw(shape, number)
        name = f"{number:03d}.png"
        write(root / "JPEGImages" / name, data)
        corners = f"<xmin>{x0 + 1}</xmin><ymin>{y0 + 1}</ymin><xmax>{x1}</xmax><ymax>{y1}</ymax>"
        text = (
            f"<annotation><folder>JPEGImages</folder><filename>{name}</filename><size><width>{SIDE_PX}</width>"
            f"<height>{SIDE_PX}</height><depth>3</depth></size><object><name>{escape(shape)}</name>"
            f"<bndbox>{corners}</bndbox></object></annotation>"
        )
        write(root / "Annotations" / f"{number:03d}.xml", text.encode())
    names = "".join(f"{number:03d}\n" for number in range(N_IMAGES))
    write(root / "ImageSets" / "Main" / "trainval.txt", names.encode())


def write_folders(root: Path) -> None:
    """A folder a class."""
    for number in range(N_IMAGES):
        shape = SHAPES[number % 3]
        write(root / shape / f"{number:03d}.png", draw(shape, number)[0])


def write(file: Path, data: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)


@pytest.mark.parametrize("write_set", [write_coco, write_voc, write_folders])
def test_init_and_repro_finish_without_editing_a_file(tmp_path: Path, write_set: Callable[[Path], None]):
    pytest.importorskip("torch", reason="the pipeline needs the extra 'train'")
    source = tmp_path / "shapes"
    write_set(source)
    before = {path: path.read_bytes() for path in source.rglob("*") if path.is_file()}
    said = run(tmp_path, "datatools", "init", "project", "--from", "shapes").stdout
    assert "45 new or changed images" in said and "next: cd project && dvc repro" in said
    project = tmp_path / "project"
    run(project, "dvc", "repro")
    images = pd.read_parquet(project / "data" / "dataset" / "images.parquet")
    annotations = pd.read_parquet(project / "data" / "dataset" / "annotations.parquet")
    facts = json.loads((project / "data" / "dataset" / "dataset.json").read_text())
    assert len(images) == N_IMAGES and sorted(facts["classes"]) == sorted(SHAPES)
    consensus = annotations[annotations["annotator"] == "consensus"].set_index("path")["label"]
    assert len(consensus) == N_IMAGES and set(consensus.value_counts()) == {15}
    assert pd.read_parquet(project / "data" / "dataset" / "rejected.parquet").empty
    assert "45 images" in run(project, "datatools", "summary").stdout
    assert {path: path.read_bytes() for path in source.rglob("*") if path.is_file()} == before
    assert not list((project / "data" / "raw").rglob("*.png")), "images travel packed"
    unchanged = run(project, "dvc", "repro").stdout
    assert unchanged.count("Running stage") == 1, "only the one that asks which library is installed"


def test_an_upgrade_reruns_the_stages_that_use_what_changed_and_says_so(tmp_path: Path):
    pytest.importorskip("torch", reason="the pipeline needs the extra 'train'")
    write_folders(tmp_path / "shapes")
    run(tmp_path, "datatools", "init", "project", "--from", "shapes")
    project = tmp_path / "project"
    run(project, "dvc", "repro", "split")
    run(project, "dvc", "repro", "library")
    library = project / "data" / "library.json"
    document = json.loads(library.read_text())
    document["datatools"], document["stages"]["split"] = "0.0.9", "another"
    library.write_text(json.dumps(document))  # as the version before would have written it
    run(project, "dvc", "commit", "-f", "-q", "library", "split")
    shutil.rmtree(project / ".dvc" / "cache" / "runs")  # else DVC takes the outputs of the run that it remembers
    said = run(project, "dvc", "repro", "split").stdout
    assert "datatools 0.0.9 -> " in said and ": split will run again" in said
    assert "Running stage 'split'" in said and "Stage 'ingest' didn't change" in said
