"""Augmented copies of training images with imgaug: image, boxes and polygons go together. Only this file imports imgaug.

The maintained distribution of the imgaug module is `imaug`. Every augmenter of a copy is seeded from the content of
the parent and the copy's number, so the result does not depend on workers, order or the other images.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from shapely import MultiPolygon, Polygon, box, make_valid

from datatools.checks.runner import run_checks
from datatools.dataset import Dataset
from datatools.engine import map_ordered
from datatools.errors import MissingExtraError
from datatools.images import RGB, decode_image, draw_shapes, encode_png, resize_image
from datatools.kept_copies import Copies, KeptCopies
from datatools.masks import rings_of
from datatools.params import AugmentParams, ValidateParams
from datatools.provenance import decoder_version, hash_module, package_versions
from datatools.raw import RawImages, open_raw
from datatools.schema import AUGMENTED, BOX, CONSENSUS

Row = dict[str, Any]
SIZE_MISMATCH = "IMG002"
PACKAGES = ("imaug", "numpy", "opencv-python-headless")


@dataclass(frozen=True)
class Augmented:
    """Copies as (name, PNG bytes), their AUGMENTED table, and a summary with every dropped object by reason.

    `copies` has the same by key, for KeptCopies.
    """

    members: Sequence[tuple[str, bytes]]
    table: pd.DataFrame
    summary: Mapping[str, Any]
    copies: Mapping[str, Copies] = dataclasses.field(default_factory=dict)


@dataclass(frozen=True)
class _Job:
    path: str
    sha256: str
    label: str
    objects: tuple[Row, ...]


def augment_dataset(
    dataset: Dataset,
    split: pd.DataFrame,
    findings: pd.DataFrame,
    root: Path,
    params: AugmentParams,
    workers: int | None = None,
    tick: Callable[[int], None] | None = None,
    kept: KeptCopies | None = None,
) -> Augmented:
    """Make `params.factor` copies of every labelled image on the train side.

    Objects that a check of severity error speaks of are not copied. After each call boxes are clipped to the image,
    objects of which less than `params.keep_min` is left are dropped, and the geometry checks run on the result.
    Raises MissingExtraError without imgaug.
    """
    import_imgaug()
    broken = find_broken(dataset, findings)
    jobs = _jobs(dataset, set(split.loc[split["split"] == "train", "path"]), broken)
    copies = _make_copies(jobs if params.factor else [], open_raw(root), params, workers, tick, kept)
    results = list(copies.values())
    members = [member for copies in results for member in copies.members]
    dropped = Counter(reason for copies in results for reason in copies.reasons)
    dropped["broken in the parent"] += _count_broken(dataset, jobs, broken) * params.factor
    table, n_bad = _check_output(results, dataset.classes)
    dropped["broken by augmentation"] += n_bad
    summary = {
        "images": len(members),
        "parents": len(jobs) if params.factor else 0,
        "objects": int((table["kind"] != "label").sum()),
        "dropped": {reason: n for reason, n in sorted(dropped.items()) if n},
        "params": dataclasses.asdict(params),
        "packages": package_versions(PACKAGES),
    }
    return Augmented(members, table, summary, copies)


def _make_copies(
    jobs: Sequence[_Job],
    raw: RawImages,
    params: AugmentParams,
    workers: int | None,
    tick: Callable[[int], None] | None,
    kept: KeptCopies | None,
) -> dict[str, Copies]:
    """The copies of every job by its key, in the order of the jobs; only those that were not kept are made."""
    made_by = dataclasses.astuple(params), decoder_version(), hash_module("augment"), package_versions(PACKAGES)
    keys = [_key_of(job, made_by) for job in jobs]
    found = {key: copies for key in keys if kept and (copies := kept.find(key))}
    todo = [job for key, job in zip(keys, jobs, strict=True) if key not in found]
    made = map_ordered(functools.partial(_augment_job, raw, params), todo, workers, tick)
    found |= zip((key for key in keys if key not in found), made, strict=True)
    return {key: found[key] for key in keys}


def _key_of(job: _Job, made_by: tuple[Any, ...]) -> str:
    """Names all that the copies of a parent depend on: its content, its objects, the parameters, the code."""
    return hashlib.sha256(repr((job, made_by)).encode()).hexdigest()


def find_broken(dataset: Dataset, findings: pd.DataFrame) -> set[str]:
    """Ids of the objects that must not be copied: an error names them, or their image has another size than theirs."""
    errors = findings[findings["severity"] == "error"]
    misplaced = dataset.objects["path"].isin(errors.loc[errors["code"] == SIZE_MISMATCH, "path"])
    return set(errors["annotation_id"].dropna()) | set(dataset.objects.loc[misplaced, "annotation_id"])


def import_imgaug() -> Any:
    """The imgaug module; raises MissingExtraError that says how to install it."""
    try:
        import imgaug
        import imgaug.augmenters
    except ImportError as error:
        raise MissingExtraError("augment", "imaug", "augment") from error
    return imgaug


def make_seed(run_seed: int, sha256: str, copy: int) -> int:
    """The seed of one copy, in [0, 2**31): a function of the run's seed, the parent's content and the copy's number."""
    text = f"{run_seed}/{sha256}/{copy}".encode()
    return int.from_bytes(hashlib.sha256(text).digest()[:4], "big") >> 1


def build_augmenter(params: AugmentParams, seed: int) -> Any:
    """The imgaug pipeline of `params`, itself and every child seeded (`Sequential(seed=...)` seeds no child)."""
    iaa = import_imgaug().augmenters
    augmenter = iaa.Sequential(
        [
            iaa.Fliplr(params.flip),
            iaa.Affine(
                rotate=(-params.rotate_deg, params.rotate_deg),
                scale=(1 - params.scale, 1 + params.scale),
                shear=(-params.shear_deg, params.shear_deg),
                translate_percent=(-params.translate, params.translate),
                mode="edge",
            ),
            iaa.Multiply((1 - params.brightness, 1 + params.brightness)),
            iaa.GaussianBlur((0.0, params.blur)),
            iaa.AdditiveGaussianNoise(scale=(0.0, params.noise)),
        ]
    )
    augmenter.seed_(seed)
    return augmenter


def draw_contact_sheet(augmented: Augmented, root: Path, n_pairs: int = 16, side_px: int = 128) -> bytes:
    """PNG of the first parents above their copies, eight a row, with boxes and polygons drawn on the copies."""
    pairs = []
    raw = open_raw(root)
    parents = augmented.table.drop_duplicates("path").set_index("path")["parent_path"]
    for name, data in augmented.members[:n_pairs]:
        objects = augmented.table[(augmented.table["path"] == name) & (augmented.table["kind"] != "label")]
        copy = decode_image(data)
        scale = max(1, round(side_px / max(copy.shape[:2])))
        polygons = [ring for mask in objects["mask"].dropna() for ring in rings_of(mask)]
        drawn = draw_shapes(copy, objects[BOX].to_numpy(), polygons, scale)
        parent = resize_image(raw.decode(parents.get(name, name)), side_px)
        pairs.append(np.concatenate([parent, resize_image(drawn, side_px)]))
    blank = np.full((2 * side_px, side_px, 3), 255, dtype=np.uint8)
    pairs += [blank] * (-len(pairs) % 8 or (8 if not pairs else 0))
    return encode_png(np.concatenate([np.concatenate(pairs[i : i + 8], axis=1) for i in range(0, len(pairs), 8)]))


def _jobs(dataset: Dataset, train: set[str], broken: set[str]) -> list[_Job]:
    labels = dataset.labels
    sha256 = dataset.images.set_index("path")["sha256"]
    objects = dataset.objects
    sound = objects[~objects["annotation_id"].isin(broken) & (objects["kind"] != "shape")]
    by_path: dict[str, list[Row]] = {}
    for row in sound.to_dict("records"):
        by_path.setdefault(row["path"], []).append(row)
    paths = [path for path in labels.index if path in train]
    return [_Job(path, sha256[path], labels[path], tuple(by_path.get(path, ()))) for path in paths]


def _count_broken(dataset: Dataset, jobs: Sequence[_Job], broken: set[str]) -> int:
    objects = dataset.objects
    return int((objects["annotation_id"].isin(broken) & objects["path"].isin([job.path for job in jobs])).sum())


def _augment_job(raw: RawImages, params: AugmentParams, job: _Job) -> Copies:
    image = raw.decode(job.path)
    height, width = image.shape[:2]
    copies = Copies()
    for copy in range(params.factor):
        seed = make_seed(params.seed, job.sha256, copy)
        pixels, objects, dropped = augment_image(image, job.objects, params, seed)
        path = f"{job.path}.aug{copy}.png"  # with the parent's suffix: a.png and a.jpg are two parents
        origin = {"path": path, "parent_path": job.path, "seed": seed, "source": "augment", "attributes": "{}"}
        label = {"annotation_id": f"label/{path}", "parent_annotation_id": f"label/{job.path}", "kind": "label"}
        copies.members.append((path, encode_png(pixels)))
        copies.sizes.append({"path": path, "width_px": width, "height_px": height})
        copies.rows.append({**label, "label": job.label, "annotator": CONSENSUS, **origin})
        copies.rows += [
            {**item, "annotation_id": f"{item['parent_annotation_id']}/aug{copy}", **origin} for item in objects
        ]
        copies.reasons += dropped
    return copies


def augment_image(
    image: RGB, objects: Sequence[Row], params: AugmentParams, seed: int
) -> tuple[RGB, list[Row], list[str]]:
    """Return one augmented copy `(height, width, 3)`, the objects that are left in it, and why others were dropped.

    Polygons are clipped to the image; a box that came with a polygon is the polygon's bounds, any other is the bounds of
    its four moved corners, clipped.
    """
    augmenter = build_augmenter(params, seed).to_deterministic()
    pixels = augmenter.augment_image(image)
    height, width = image.shape[:2]
    frame = box(0, 0, width, height)
    kept, reasons = [], []
    for item in objects:
        before = [_to_shape(points) for points in _polygons_of(item)]
        moved = [_to_shape(_move(augmenter, np.asarray(shape.exterior.coords), image.shape)) for shape in before]
        inside = [part for shape in moved for part in _parts(make_valid(shape).intersection(frame))]
        whole = sum(shape.area for shape in moved)
        if not inside or sum(part.area for part in inside) < params.keep_min * whole:
            reasons.append("mostly outside the image")
            continue
        kept.append(_to_row(item, inside))
    return pixels, kept, reasons


def _polygons_of(item: Row) -> list[list[list[float]]]:
    if item["mask"] is not None and not pd.isna(item["mask"]):
        return rings_of(item["mask"])
    x0, y0, x1, y1 = (float(item[name]) for name in BOX)
    return [[[x0, y0], [x1, y0], [x1, y1], [x0, y1]]]


def _move(augmenter: Any, points: Any, shape: tuple[int, ...]) -> Any:
    imgaug = import_imgaug()
    keypoints = imgaug.KeypointsOnImage.from_xy_array(points, shape=shape)
    return augmenter.augment_keypoints(keypoints).to_xy_array()


def _to_shape(points: Any) -> Polygon:
    return Polygon(np.asarray(points, dtype=float).reshape(-1, 2))


def _parts(shape: Any) -> list[Polygon]:
    if isinstance(shape, Polygon):
        return [shape] if shape.area > 0 else []
    if isinstance(shape, MultiPolygon) or hasattr(shape, "geoms"):
        return [part for piece in shape.geoms for part in _parts(piece)]
    return []


def _to_row(item: Row, parts: Sequence[Polygon]) -> Row:
    bounds = np.array([part.bounds for part in parts])
    x0, y0 = bounds[:, :2].min(axis=0)
    x1, y1 = bounds[:, 2:].max(axis=0)
    row = {name: round(float(value), 2) for name, value in zip(BOX, (x0, y0, x1, y1), strict=True)}
    rings = [[[round(x, 2), round(y, 2)] for x, y in part.exterior.coords] for part in parts]
    mask = json.dumps(rings, separators=(",", ":")) if item["kind"] == "mask" else None
    about = {"parent_annotation_id": item["annotation_id"], "label": item["label"]}
    return {**about, **row, "kind": item["kind"], "annotator": item["annotator"], "mask": mask}


def _check_output(results: Sequence[Copies], classes: Sequence[str]) -> tuple[pd.DataFrame, int]:
    """The table of all copies without the rows that the geometry and label checks call an error, and their number."""
    table = AUGMENTED.conform([row for copies in results for row in copies.rows])
    images = pd.DataFrame(
        [size for copies in results for size in copies.sizes], columns=["path", "width_px", "height_px"]
    )
    inputs = {"annotations": table, "images": images, "classes": classes, "params": ValidateParams()}
    findings, _ = run_checks(inputs, only_with=frozenset({"annotations"}))
    bad = set(findings.loc[findings["severity"] == "error", "annotation_id"].dropna())
    return table[~table["annotation_id"].isin(bad)].reset_index(drop=True), len(bad)
