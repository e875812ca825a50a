"""The set of radiologists' outlines in benchmarks/validation_quality.py: read from a database, its real faults found by rule."""

from __future__ import annotations

import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))

from quality import pylidc  # noqa: E402
from quality.clean import load_clean, set_folder  # noqa: E402
from quality.false_alarms import measure_clean  # noqa: E402
from quality.measure import measure  # noqa: E402
from quality.seed import SEEDS  # noqa: E402

N_SCANS = 10
SQUARE = [(0, 0), (4, 0), (4, 4), (0, 4), (0, 0)]
FAULTS = {
    "a side left out": (SQUARE[:-1], pylidc.OPEN),
    "two points": ([(0, 0), (4, 0), (0, 0)], pylidc.FEW),
    "spur up": ([(0, 0), (4, 0), (4, 4), (2, 4), (2, 6), (2, 4), (0, 4), (0, 0)], pylidc.BACK),
    "spur aslant": ([(0, 0), (4, 0), (4, 4), (5, 5), (4, 4), (0, 4), (0, 0)], pylidc.BACK),
    "start overshot": ([(2, 0), (4, 0), (4, 4), (0, 4), (0, 0), (3, 0), (2, 0)], pylidc.BACK),
    "bow tie": ([(0, 0), (4, 3), (4, 0), (0, 3), (0, 0)], pylidc.CROSSING),
    "bow tie, knot on a point": ([(0, 0), (4, 4), (4, 0), (0, 4), (0, 0)], pylidc.CROSSING),
    "square": (SQUARE, ""),
    "a point twice in a row": ([*SQUARE[:2], *SQUARE[1:]], ""),
    "touches itself in a point": ([(0, 0), (8, 0), (4, 4), (8, 8), (0, 8), (4, 4), (0, 0)], ""),
}


def disc(x: int, y: int, radius: int = 9) -> list[tuple[int, int]]:
    """A chain of points around (x, y)."""
    side = [(radius - at, at) for at in range(radius)]
    quarters = [side, [(-b, a) for a, b in side], [(-a, -b) for a, b in side], [(b, -a) for a, b in side]]
    ring = [(x + a, y + b) for quarter in quarters for a, b in quarter]
    return [*ring, ring[0]]


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """Ten scans; on each slice two readers draw the same nodule. One outline of scan 1 is open, one has a cavity."""
    path = tmp_path / "peers/lib/python3.11/site-packages/pylidc/pylidc.sqlite"
    path.parent.mkdir(parents=True)
    contours = []
    for scan in range(1, N_SCANS + 1):
        for z in range(3):
            for reader in range(2):
                contours.append((scan * 10 + reader, z, disc(100 + reader, 90 + z)))
    contours.append((10, 0, disc(100, 90, 2)))
    contours[2] = (10, 1, disc(100, 91)[:-1])
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE annotations (id INTEGER, scan_id INTEGER)")
        connection.execute(
            "CREATE TABLE contours (id INTEGER, annotation_id INTEGER, image_z_position REAL, coords TEXT)"
        )
        connection.executemany(
            "INSERT INTO annotations VALUES (?, ?)", {(reading, reading // 10) for reading, *_ in contours}
        )
        rows = [
            (number, reading, z, "\n".join(f"{x},{y}" for x, y in ring))
            for number, (reading, z, ring) in enumerate(contours, start=1)
        ]
        connection.executemany("INSERT INTO contours VALUES (?, ?, ?, ?)", rows)
        connection.commit()
    return path


def test_the_database_is_found_beside_a_python(database: Path, tmp_path: Path) -> None:
    assert pylidc.find_database(tmp_path / "peers/bin/python") == database
    assert pylidc.find_database(tmp_path / "others/bin/python") is None


def test_a_mask_is_a_reading_of_a_nodule_on_a_slice(database: Path) -> None:
    document = pylidc.to_document(pylidc.read_contours(database))
    masks = document["annotations"]
    assert len(document["images"]) == 3 * N_SCANS and len(masks) == 6 * N_SCANS
    assert [len(mask["segmentation"]) for mask in masks if mask["annotator"] == "reading 10"] == [2, 1, 1]
    assert masks[0]["bbox"] == [91, 81, 18, 18] and masks[0]["segmentation"][0][:4] == [109, 90, 108, 91]


def test_whole_scans_are_drawn_and_each_time_the_same(database: Path) -> None:
    contours = pylidc.read_contours(database)
    drawn = pylidc.draw(contours, 20)
    assert 20 <= len(drawn) < len(contours) and drawn == pylidc.draw(contours, 20)
    scans = {contour[2] for contour in drawn}
    assert drawn == [contour for contour in contours if contour[2] in scans]


@pytest.mark.parametrize("name", FAULTS)
def test_faults_are_found_by_rule(name: str) -> None:
    ring, fault = FAULTS[name]
    assert pylidc.fault_of(ring) == fault
    if fault not in (pylidc.OPEN, pylidc.FEW):
        turned = [*ring[2:-1], *ring[:3]]
        assert pylidc.fault_of(turned) == fault and pylidc.fault_of(ring[::-1]) == fault


def test_the_clean_remainder_is_without_faults_and_opinions_are_no_alarms(database: Path, tmp_path: Path) -> None:
    pylidc.write_set(database, set_folder(pylidc.NAME, tmp_path))
    clean = load_clean(pylidc.NAME, tmp_path, tmp_path)
    assert clean.n_annotations == 6 * N_SCANS - 1
    assert len({row["annotator"] for row in clean.document["annotations"]}) == 2 * N_SCANS
    score = measure_clean(pylidc.NAME, clean, tmp_path, tmp_path)
    assert score.faults == {pylidc.OPEN: 1} and score.known == {"MSK001": 1}
    assert set(score.alarms) <= {"MSK005"}  # the one cavity, where a hole is rare


@pytest.mark.parametrize("code", ["MSK001", "MSK002", "MSK003", "MSK004", "MSK005", "MSK006", "MSK010"])
def test_what_is_planted_in_outlines_is_found(database: Path, tmp_path: Path, code: str) -> None:
    pylidc.write_set(database, set_folder(pylidc.NAME, tmp_path))
    clean = load_clean(pylidc.NAME, tmp_path, tmp_path)
    seed = next(seed for seed in SEEDS if seed.code == code and seed.set == pylidc.NAME)
    score = measure(seed, clean, tmp_path, n_planted=1)
    assert (score.planted, score.found) == (1, 1)
