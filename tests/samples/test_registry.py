from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from datatools.errors import DatatoolsError
from datatools.samples import registry
from datatools.samples.registry import SAMPLES, make_sample


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """Put a maker of one file in the place of the real one; returns its calls."""
    calls: list[tuple[Any, ...]] = []

    def make(root: Path, key: Path, seed: int, n_images: int, tick: Any) -> int:
        calls.append((seed, n_images, tick))
        root.mkdir(parents=True)
        (root / "a.png").write_bytes(b"a")
        if seed == 13:
            raise RuntimeError("in the middle")
        key.write_text("key")
        return 1

    monkeypatch.setitem(SAMPLES, "digits", dataclasses.replace(SAMPLES["digits"], make=make))
    return calls


@pytest.mark.parametrize("prepare", [lambda root: None, Path.mkdir], ids=["missing", "empty"])
def test_a_sample_is_laid_out_in_a_missing_or_empty_folder(tmp_path: Path, prepare: Any):
    prepare(tmp_path / "raw")
    assert make_sample("digits", tmp_path / "raw", tmp_path / "key.csv") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["key.csv", "raw"]
    assert [path.name for path in (tmp_path / "raw").iterdir()] == ["a.png"]


@pytest.mark.parametrize(("asked", "made"), [(None, 5000), (50, 50), (5000, 5000)])
def test_the_maker_gets_seed_and_number(tmp_path: Path, tiny: list[Any], asked: int | None, made: int):
    make_sample("digits", tmp_path / "raw", tmp_path / "key.csv", 7, asked, print)
    assert tiny == [(7, made, print)]


def test_a_maker_that_fails_leaves_no_folder_and_the_next_run_starts_afresh(tmp_path: Path):
    with pytest.raises(RuntimeError):
        make_sample("digits", tmp_path / "raw", tmp_path / "key.csv", seed=13)
    assert not (tmp_path / "raw").exists()
    make_sample("digits", tmp_path / "raw", tmp_path / "key.csv")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["key.csv", "raw"]


@pytest.mark.parametrize("n_images", [-1, 0, 49, 5001])
def test_a_number_that_the_sample_does_not_have_is_an_error(tmp_path: Path, n_images: int):
    with pytest.raises(DatatoolsError) as caught:
        make_sample("digits", tmp_path / "raw", tmp_path / "key.csv", n_images=n_images)
    assert str(caught.value) == f"sample digits: images must be in [50, 5000]. Got {n_images} instead."


def test_an_unknown_sample_lists_the_known_ones(tmp_path: Path):
    with pytest.raises(DatatoolsError) as caught:
        make_sample("letters", tmp_path / "raw", tmp_path / "key.csv")
    assert str(caught.value) == "sample must be one of digits. Got 'letters' instead."


def test_nothing_is_overwritten(tmp_path: Path):
    (tmp_path / "mine.png").write_bytes(b"mine")
    with pytest.raises(DatatoolsError) as caught:
        make_sample("digits", tmp_path, tmp_path / "key.csv")
    assert str(caught.value) == (
        f"{tmp_path}: expected an empty or missing folder. Got one with files in it: move them away first."
    )
    assert [path.name for path in tmp_path.iterdir()] == ["mine.png"]


def test_the_smallest_sample_is_the_one_that_the_command_line_offers():
    assert registry.FEWEST == 50
