from __future__ import annotations

import sqlite3
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datatools import cache
from datatools.cache import KeptValues, load_or_compute

VALUES = np.arange(6, dtype=np.float32).reshape(2, 3)


class Counter:
    """A computation that counts how often it ran."""

    def __init__(self) -> None:
        self.n_runs = 0

    def __call__(self) -> dict[str, np.ndarray]:
        self.n_runs += 1
        return {"values": VALUES, "more": np.array([0.1], dtype=np.float64)}


def test_the_second_call_reads_what_the_first_kept(tmp_path: Path):
    compute = Counter()
    for _ in range(2):
        found = load_or_compute(tmp_path / "cache", ("fold", 1, 0.5), compute)
        np.testing.assert_array_equal(found["values"], VALUES)
        assert {name: array.dtype for name, array in found.items()} == {"values": np.float32, "more": np.float64}
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
        np.testing.assert_array_equal(load_or_compute(tmp_path, ("x",), compute)["values"], VALUES)
    assert compute.n_runs == 2


def test_a_pickle_is_never_loaded(tmp_path: Path):
    compute = Counter()
    load_or_compute(tmp_path, ("x",), compute)
    [file] = tmp_path.iterdir()
    with file.open("wb") as opened:
        np.savez(opened, values=np.array([{"a": 1}], dtype=object))
    np.testing.assert_array_equal(load_or_compute(tmp_path, ("x",), compute)["values"], VALUES)
    assert compute.n_runs == 2


# ---- values by key

FACTS = {
    f"{number:064x}": {"width_px": number, "phash": "ab" * 16, "scores": [0.1 + 0.2, -0.0]} for number in range(40)
}


def test_values_come_back_as_they_went_whatever_kind_lies_beside_them(tmp_path: Path):
    kept = KeptValues(tmp_path / "state" / "x.sqlite", "facts 1")
    assert kept.load() == {}
    kept.add(FACTS)
    KeptValues(tmp_path / "state" / "x.sqlite", "facts 2").add({"k": "why not"})
    assert KeptValues(tmp_path / "state" / "x.sqlite", "facts 1").load() == FACTS
    assert KeptValues(tmp_path / "state" / "x.sqlite", "facts 2").load() == {"k": "why not"}
    assert [file.name for file in (tmp_path / "state").iterdir()] == ["x.sqlite"]


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
)


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")), JSON, max_size=4))
def test_any_json_comes_back(tmp_path_factory: pytest.TempPathFactory, values: dict):
    kept = KeptValues(tmp_path_factory.mktemp("kept") / "x.sqlite", "kind")
    kept.add(values)
    assert kept.load() == values


def test_a_value_that_comes_again_replaces_the_earlier_one(tmp_path: Path):
    kept = KeptValues(tmp_path / "x.sqlite", "kind")
    kept.add({"a": 1, "b": 1})
    kept.add({"a": 2})
    assert kept.load() == {"a": 2, "b": 1}


def test_nothing_to_keep_makes_no_file(tmp_path: Path):
    KeptValues(tmp_path / "state" / "x.sqlite", "kind").add({})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "damage",
    [
        lambda file: file.write_bytes(b""),
        lambda file: file.write_bytes(b"junk" * 999),
        lambda file: file.write_bytes(file.read_bytes()[:5000]),
        lambda file: sqlite3.connect(file).execute("drop table kept").connection.commit(),
        lambda file: sqlite3.connect(file).execute("alter table kept drop column crc").connection.commit(),
        lambda file: sqlite3.connect(file).execute("update kept set value = '{' where key < '1'").connection.commit(),
        lambda file: sqlite3.connect(file).execute("update kept set value = 5").connection.commit(),
        lambda file: sqlite3.connect(file).execute("update kept set value = x'ff'").connection.commit(),
    ],
    ids=["empty", "junk", "torn", "no table", "older table", "no JSON", "number", "bytes"],
)
@pytest.mark.parametrize("first", ["load", "add"])
def test_a_damaged_file_counts_as_none_and_is_mended(tmp_path: Path, damage, first: str):
    kept = KeptValues(tmp_path / "x.sqlite", "kind")
    kept.add(FACTS)
    damage(tmp_path / "x.sqlite")
    if first == "load":
        assert kept.load() == {}
    kept.add(FACTS)
    assert kept.load() == FACTS


def test_one_flipped_byte_anywhere_never_gives_another_value(tmp_path: Path):
    file = tmp_path / "x.sqlite"
    kept = KeptValues(file, "kind")
    kept.add(FACTS)
    whole = file.read_bytes()
    n_lost = 0
    for place in range(0, len(whole), 61):
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 0x21]) + whole[place + 1 :])
        found = kept.load()
        assert found.items() <= FACTS.items()
        n_lost += found != FACTS
    assert n_lost > 20


def test_what_a_killed_process_left_beside_a_damaged_file_goes_with_it(tmp_path: Path):
    file = tmp_path / "x.sqlite"
    KeptValues(file, "kind").add(FACTS)
    journal = tmp_path / "x.sqlite-journal"
    journal.write_bytes(b"junk")
    file.write_bytes(b"junk" * 500)
    assert KeptValues(file, "kind").load() == {}
    assert not journal.exists()


def _add_some(task: tuple[Path, int]) -> None:
    file, number = task
    for step in range(5):
        KeptValues(file, "kind").add({f"{number}/{step}/{item}": [number, step, item] for item in range(50)})


def test_processes_that_add_at_the_same_time_lose_nothing(tmp_path: Path):
    with ProcessPoolExecutor(4, mp_context=get_context("fork")) as pool:
        list(pool.map(_add_some, [(tmp_path / "x.sqlite", number) for number in range(4)]))
    found = KeptValues(tmp_path / "x.sqlite", "kind").load()
    assert len(found) == 4 * 5 * 50
    assert all(key == "/".join(map(str, value)) for key, value in found.items())


@pytest.mark.parametrize("n_values", [1, 7, 40, 41])
def test_values_come_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, n_values: int):
    monkeypatch.setattr(cache, "PART", n_values)
    kept = KeptValues(tmp_path / "x.sqlite", "kind")
    kept.add(FACTS)
    parts = list(kept.iter_parts())
    assert [len(keys) for keys, _ in parts] == [len(values) for _, values in parts]
    assert max(len(keys) for keys, _ in parts) == min(n_values, 40)
    assert {key: value for keys, values in parts for key, value in zip(keys, values, strict=True)} == FACTS


def test_a_damage_found_late_leaves_what_was_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(cache, "PART", 10)
    kept = KeptValues(tmp_path / "x.sqlite", "kind")
    kept.add(FACTS)
    last = max(FACTS)
    with sqlite3.connect(tmp_path / "x.sqlite") as connection:
        connection.execute("update kept set value = '{' where key = ?", (last,))
    assert kept.load() == dict(sorted(FACTS.items())[:30])
    assert not (tmp_path / "x.sqlite").exists()
