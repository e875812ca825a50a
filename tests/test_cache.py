from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from datatools.cache import load_or_compute

VALUES = np.arange(6, dtype=np.float32).reshape(2, 3)


class Counter:
    """A computation that counts how often it ran."""

    def __init__(self) -> None:
        self.n_runs = 0

    def __call__(self) -> np.ndarray:
        self.n_runs += 1
        return VALUES


def test_the_second_call_reads_what_the_first_kept(tmp_path: Path):
    compute = Counter()
    for _ in range(2):
        found = load_or_compute(tmp_path / "cache", ("fold", 1, 0.5), compute)
        np.testing.assert_array_equal(found, VALUES)
        assert found.dtype == np.float32
    assert compute.n_runs == 1


def test_another_dependency_is_another_array(tmp_path: Path):
    compute = Counter()
    for depends_on in [("fold", 1), ("fold", 2), ("fold", "1"), ("fold", (1,))]:
        load_or_compute(tmp_path, depends_on, compute)
    assert compute.n_runs == 4
    assert len(list(tmp_path.iterdir())) == 4


@pytest.mark.parametrize("damage", [b"", b"junk", None], ids=["empty", "junk", "torn"])
def test_a_damaged_file_is_computed_again_and_mended(tmp_path: Path, damage: bytes | None):
    compute = Counter()
    load_or_compute(tmp_path, ("x",), compute)
    [file] = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:-5] if damage is None else damage)
    for _ in range(2):
        np.testing.assert_array_equal(load_or_compute(tmp_path, ("x",), compute), VALUES)
    assert compute.n_runs == 2


def test_a_pickle_is_never_loaded(tmp_path: Path):
    compute = Counter()
    load_or_compute(tmp_path, ("x",), compute)
    [file] = tmp_path.iterdir()
    np.save(file, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    np.testing.assert_array_equal(load_or_compute(tmp_path, ("x",), compute), VALUES)
    assert compute.n_runs == 2
