"""params.yaml as frozen dataclasses: one section a stage, every key a field, ranges checked on load."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

import yaml

from datatools.errors import DatatoolsError
from datatools.formats import AUTO, NAMES
from datatools.policy.steps import PRESETS, Step, choose_policy, parse_policy

T = TypeVar("T")
MAX_SEED = 2**32 - 1  # the largest that scikit-learn takes


def param(
    default: Any,
    doc: str,
    *,
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] = (),
    parse: Callable[[Any, str], Any] | None = None,
) -> Any:
    """A field with its meaning and its range (`low` and `high` inclusive) or its allowed words.

    `parse(value, where)` raises DatatoolsError for a nested value that is wrong inside.
    """
    metadata = {"doc": doc, "low": low, "high": high, "choices": choices, "parse": parse}
    if isinstance(default, (list, dict)):
        return dataclasses.field(default_factory=lambda: type(default)(default), metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


@dataclass(frozen=True)
class IngestParams:
    """How what a team brings becomes tables."""

    format: str = param(
        AUTO, "Format of the annotation files in data/raw; auto recognises them.", choices=(AUTO, *NAMES)
    )
    classes: list[str] = param(
        [], "Class list. Empty: classes.txt, else the classes that the format lists, else the labels found."
    )
    group_column: str = param("", "Column of metadata.csv whose rows stay on one side of the split (writer, patient).")
    consensus: str = param(
        "majority",
        "One label from several annotators. dawid_skene weighs each by the errors that all ratings together show.",
        choices=("majority", "dawid_skene"),
    )


@dataclass(frozen=True)
class NeighborsParams:
    """Which images are alike: near-duplicates, and the neighbour graph."""

    model: str = param(
        "efficientnet_lite0",
        "Network whose features place the images (ImageNet weights from a package). none: hashes alone.",
        choices=("efficientnet_lite0", "none"),
    )
    image_size_px: int = param(64, "Images are scaled to this side for the network; in steps of 32.", low=32, high=512)
    k: int = param(16, "Neighbours of each image in the graph.", low=1, high=1000)
    hash_bits: int = param(
        16, "Images whose 256-bit perceptual hashes differ in at most so many bits are near-duplicates.", low=0, high=64
    )
    similarity_min: float = param(
        0.65, "Pairs whose embeddings have at least this cosine are compared by their pixels.", low=0, high=1
    )
    correlation_min: float = param(
        0.98,
        "Compared pairs whose aligned pixels correlate at least so much are near-duplicates; crops by a quarter less error.",
        low=0.5,
        high=1,
    )
    candidates_max: int = param(
        64, "At most so many nearest images are compared with each image by their pixels.", low=1, high=10000
    )
    device: str = param("auto", "auto takes CUDA where there is a GPU.", choices=("auto", "cpu", "cuda"))

    def check(self, where: str) -> None:
        """Refuse a side that the network cannot take. Raises DatatoolsError."""
        if self.image_size_px % 32:
            raise DatatoolsError(
                f"{where}.image_size_px must be a multiple of 32. Got {self.image_size_px} instead: "
                f"set {max(32, self.image_size_px // 32 * 32)}."
            )


@dataclass(frozen=True)
class ValidateParams:
    """When a check speaks."""

    kappa_min: float = param(0.8, "Agreement bar for kappa and alpha.", low=-1, high=1)
    confusion_min: float = param(
        0.1, "Name an annotator who gives at least this share of a class another label than the rest.", low=0, high=1
    )
    tolerance_px: float = param(0.5, "How far a box or polygon may stand over the image's edge.", low=0)
    polygon_closure: str = param(
        "auto",
        "explicit: the last point must repeat the first. implicit: never. auto: as most polygons do.",
        choices=("auto", "explicit", "implicit"),
    )
    min_side_px: int = param(16, "An image with a shorter side is too small.", low=1)
    dark_max: float = param(
        0.32, "Dark: 99 % of the pixels are not brighter than this (0 black, 1 white).", low=0, high=1
    )
    light_min: float = param(
        0.95, "Light: 95 % of the pixels are brighter than this (0 black, 1 white).", low=0, high=1
    )
    information_min_bits: float = param(3.0, "An image with less entropy shows little.", low=0, high=10)
    blur_max: float = param(0.31, "Blurry: the sharpest edges take less of 4 pixels' step within one.", low=0, high=1)
    aspect_ratio_min: float = param(0.35, "An odd shape: short side divided by long side is below this.", low=0, high=1)
    box_min_px: float = param(2.0, "A box with a shorter side is tiny.", low=0)
    box_cover_max: float = param(
        0.98, "A box that covers more of its image than this covers everything.", low=0, high=1
    )
    box_shape_limit: float = param(
        0.0, "Boxes further from their class's usual shape than so many robust standard deviations; 0: off.", low=0
    )
    duplicate_iou: float = param(
        0.9, "Two boxes of one class that overlap by this IoU are one object twice.", low=0, high=1
    )
    overlap_max: float = param(0.5, "Two masks may share at most this part of the smaller one.", low=0, high=1)
    mask_box_px: float = param(1.5, "How far the box of a mask may be from the mask's own bounds.", low=0)
    holes: str = param(
        "auto", "Masks with holes. auto: odd in a class that hardly ever has them.", choices=("auto", "odd", "allowed")
    )
    parts: str = param(
        "auto",
        "Masks of several parts. auto: odd in a class that hardly ever has them.",
        choices=("auto", "odd", "allowed"),
    )
    labels_per_image: str = param(
        "auto",
        "Labels that one annotator may give an image. auto: one if 9 in 10 images have one.",
        choices=("auto", "one", "many"),
    )
    class_min: int = param(10, "A class with fewer images is rare.", low=0)
    planned: dict[str, int] = param(
        {}, "Images that were planned, by class (`cat: 500`) or slice (`background=lab: 100`)."
    )
    iou_min: float = param(0.5, "Two annotators' boxes or masks mean one object from this IoU on.", low=0.01, high=1)


@dataclass(frozen=True)
class SplitParams:
    """Shares of the three sides; groups and near-duplicates never cross. What was assigned once stays (docs/split.md)."""

    train: float = param(0.7, "Share of the images to learn from.", low=0, high=1)
    val: float = param(0.2, "Share to stop training on.", low=0, high=1)
    test: float = param(0.1, "Share to measure on.", low=0, high=1)
    seed: int = param(0, "Another seed, another split of what the ledger does not have yet.", low=0)
    group_by: list[str] = param(
        [], "Columns of metadata.csv, beside ingest.group_column, whose rows stay on one side (patient, recording)."
    )
    source: str = param(
        "auto",
        "predefined: images that the data puts on a side stay there. own: we assign all. "
        "auto: predefined if the data names images for every side.",
        choices=("auto", "predefined", "own"),
    )
    folds: int = param(0, "Cut train and val together into so many folds of whole groups; 0: none.", low=0, high=100)

    def check(self, where: str) -> None:
        """Refuse shares that do not add up to 1, and a single fold. Raises DatatoolsError."""
        total = self.train + self.val + self.test
        if not math.isclose(total, 1.0, rel_tol=1e-5):
            raise DatatoolsError(f"{where}.train + val + test must be 1. Got {total:g} instead: correct one of them.")
        if self.folds == 1:
            raise DatatoolsError(f"{where}.folds must be 0 (none) or at least 2. Got 1 instead: correct it.")


@dataclass(frozen=True)
class AugmentParams:
    """What is done to the training images, how often, and where; boxes, polygons, masks and points follow."""

    mode: str = param(
        "offline",
        "offline: copies are written before training. online: the training loop changes images as it reads them.",
        choices=("offline", "online"),
    )
    preset: str = param(
        "digits", "Policy for a kind of data (docs/augmentation.md). digits is safe elsewhere too.", choices=(*PRESETS,)
    )
    policy: list[Any] = param(
        [],
        "Augmenters with their ranges, in order, instead of the preset's (docs/augmentation.md).",
        parse=parse_policy,
    )
    factor: int = param(1, "Offline: copies per training image; 0, or no augmenter: none.", low=0, high=100)
    factor_per_class: dict[str, int] = param({}, "Other numbers of copies: {cat: 3}.")
    balance: float = param(
        0.0, "More copies for rare classes: 0 none, 1 until all classes have equally many images.", low=0, high=1
    )
    copies_max: int = param(10, "No image gets more copies than this by balance.", low=0, high=100)
    mixup: float = param(0.0, "Online: alpha of mixup; 0: off, 0.2 is usual.", low=0)
    cutmix: float = param(0.0, "Online: alpha of cutmix; 0: off, 1.0 is usual.", low=0)
    keep_min: float = param(0.5, "Drop an object if less than this share of it is left in the image.", low=0, high=1)
    seed: int = param(0, "Another seed, other copies.", low=0)

    @property
    def steps(self) -> tuple[Step, ...]:
        """The policy: `policy`, or where that is empty the preset's."""
        return choose_policy(self.preset, self.policy)

    def check(self, where: str) -> None:
        """Refuse what only the training loop can do in offline mode. Raises DatatoolsError."""
        for name, value in (("mixup", self.mixup), ("cutmix", self.cutmix)):
            if value and self.mode == "offline":
                raise DatatoolsError(
                    f"{where}.{name} must be 0 while {where.rpartition(': ')[2]}.mode is offline, for it mixes the images "
                    f"of a batch in training. Got {value!r} instead: set mode: online."
                )


@dataclass(frozen=True)
class TrainParams:
    """The classifier and how long it learns."""

    model: str = param("resnet8", "resnet8 (made for small images), resnet10 or any torchvision classification model.")
    image_size_px: int = param(64, "Images are scaled to this side.", low=16, high=1024)
    epochs: int = param(12, "At most so many passes over the training images.", low=1)
    patience: int = param(4, "Stop after so many epochs without a lower validation loss.", low=1)
    batch_size: int = param(128, "Images a step.", low=1)
    learning_rate: float = param(0.2, "Peak of the one-cycle schedule (SGD with Nesterov momentum).", low=0)
    weight_decay: float = param(0.0005, "L2 penalty.", low=0)
    device: str = param("auto", "auto takes CUDA where there is a GPU.", choices=("auto", "cpu", "cuda"))
    precision: str = param("auto", "auto takes bf16 where the hardware has it.", choices=("auto", "bf16", "fp32"))
    seed: int = param(0, "Initial weights and the order of the images.", low=0, high=MAX_SEED)


@dataclass(frozen=True)
class EvaluateParams:
    """What is measured on the test split."""

    confidence: float = param(0.95, "Level of the intervals.", low=0.5, high=0.9999)
    tsne: str = param(
        "both",
        "t-SNE of all data by the neighbour graph, of the test side as the model sees it, or both.",
        choices=("data", "model", "both"),
    )
    tsne_max: int = param(
        2000,
        "Each t-SNE shows at most so many images: of all data a sample that stays, of the test side the misclassified first; "
        "30,000 cost about 10 CPU seconds.",
        low=10,
    )


@dataclass(frozen=True)
class CurateParams:
    """What is put before a person, and how much of it."""

    folds: int = param(5, "Cross-fitting folds: every image is judged by a model that never saw it.", low=2, high=20)
    epochs: int = param(8, "Passes over the images in each fold.", low=1)
    slice_columns: list[str] = param([], "Columns of metadata.csv to look for under-represented slices in.")
    share_min: float = param(
        0.25, "A class or slice with less than this share of its even part is rare.", low=0, high=1
    )
    queue_max: int = param(1000, "Longest review queue.", low=1)
    label_error_max: float = param(0.01, "Accuracy bar: the share of labels that may be wrong.", low=0, high=1)
    spread_min: float = param(
        0.25, "A class that spreads less in feature space than this share of the usual class is narrow.", low=0, high=1
    )
    seed: int = param(0, "Folds and initial weights.", low=0, high=MAX_SEED)


@dataclass(frozen=True)
class LiftParams:
    """What the fixes bought: accuracy with and without them, on one and the same corrected test set."""

    seeds: int = param(
        0,
        "Trainings each with and without the fixes, on other seeds; 0: not measured. Each seed takes twice as long as the "
        "stage train; 3 is a start.",
        low=0,
        high=100,
    )
    before: str = param(
        "", "Git commit or tag whose fix records count as given; empty: none. DVC does not see a branch move."
    )


@dataclass(frozen=True)
class ReportParams:
    """What the report shows."""

    title: str = param("", "Headline. Empty: the name of the folder above data/.")
    thumbnails: int = param(24, "How many queue rows are drawn.", low=0, high=500)


SECTIONS: dict[str, type] = {
    "ingest": IngestParams,
    "neighbors": NeighborsParams,
    "validate": ValidateParams,
    "split": SplitParams,
    "augment": AugmentParams,
    "train": TrainParams,
    "evaluate": EvaluateParams,
    "curate": CurateParams,
    "lift": LiftParams,
    "report": ReportParams,
}


def load_params(path: Path, kind: type[T]) -> T:
    """Read the section of `path` that belongs to `kind` and check every key.

    Raises DatatoolsError for a missing file, broken YAML, an unknown section or key, a wrong type or a value out of
    range; the message names file, section and key.
    """
    section = next(name for name, known in SECTIONS.items() if known is kind)
    document = _read_yaml(path)
    unknown = [name for name in document if name not in SECTIONS]
    if unknown:
        raise DatatoolsError(
            f"{path}: sections are {', '.join(SECTIONS)}. Got {unknown[0]!r} instead: rename or remove it."
        )
    values = document.get(section)
    return from_mapping(kind, {} if values is None else values, where=f"{path}: {section}")


def from_mapping(kind: type[T], values: Any, where: str) -> T:
    """Build `kind` from a mapping of its fields; `where` starts every error. Raises DatatoolsError."""
    fields = {field.name: field for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    if not isinstance(values, dict):
        raise DatatoolsError(f"{where} must be a mapping of {', '.join(fields)}. Got {values!r} instead.")
    for name in values:
        if name not in fields:
            raise DatatoolsError(
                f"{where} has the keys {', '.join(fields)}. Got {name!r} instead: rename or remove it."
            )
    hints = get_type_hints(kind)
    checked = {
        name: _check(value, hints[name], fields[name].metadata, f"{where}.{name}") for name, value in values.items()
    }
    made = kind(**checked)
    if hasattr(made, "check"):  # what no field shows alone
        made.check(where)
    return made


def _check(value: Any, hint: Any, rule: Any, where: str) -> Any:
    if rule["parse"]:
        rule["parse"](value, where)
        return value
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    allowed = get_args(hint) if get_origin(hint) in (Union, UnionType) else (get_origin(hint) or hint,)
    wrong_type = not isinstance(value, allowed) or (isinstance(value, bool) and bool not in allowed)
    if get_origin(hint) is list and not wrong_type:
        wrong_type = not all(isinstance(item, get_args(hint)) for item in value)
    if get_origin(hint) is dict and not wrong_type:
        wrong_type = not all(_is_count(name, count) for name, count in value.items())
    low, high, choices = rule["low"], rule["high"], rule["choices"]
    out_of_range = not wrong_type and (
        (isinstance(value, float) and not math.isfinite(value))
        or (low is not None and not value >= low)
        or (high is not None and not value <= high)
        or (choices and value not in choices)
    )
    if wrong_type or out_of_range:
        hint_yaml = ": write exponents as 1.0e-3, without quotes." if hint is float and isinstance(value, str) else "."
        raise DatatoolsError(f"{where} must be {_describe(hint, low, high, choices)}. Got {value!r} instead{hint_yaml}")
    return value


def _is_count(name: Any, count: Any) -> bool:
    return isinstance(name, str) and type(count) is int and count >= 0


def _describe(hint: Any, low: float | None, high: float | None, choices: tuple[str, ...]) -> str:
    if choices:
        return "one of " + ", ".join(choices)
    if get_origin(hint) is list:
        return "a list of strings (quote numbers)"
    if get_origin(hint) is dict:
        return "a mapping of names (quote numbers) to counts from 0"
    name = {"int": "an int", "float": "a number", "str": "a string"}[hint.__name__]
    if low is None and high is None:
        return name
    return f"{name} in [{low if low is not None else '-inf'}, {f'{high}]' if high is not None else 'inf)'}"


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DatatoolsError(
            f"{path}: expected a params file. Got no such file: run from the project's folder."
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        line = " ".join(str(error).split())
        raise DatatoolsError(f"{path}: expected YAML. Got: {line}. Mend that place.") from error
    if not isinstance(document, dict):
        raise DatatoolsError(
            f"{path}: expected one section a stage ({', '.join(SECTIONS)}). "
            f"Got {'an empty file' if document is None else type(document).__name__} instead."
        )
    return document
