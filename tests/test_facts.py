from __future__ import annotations

from pathlib import Path

import pytest

from datatools import cache, facts
from datatools.facts import COLUMNS, Facts, collect_facts
from datatools.images import compute_facts
from datatools.raw import RawImages, open_raw
from datatools.tree import UnreadableFileError
from tests.builders import lay_out, make_png
from tests.test_packed import bring

PICTURES = {f"{number}.png": make_png(number) for number in range(7)}
CUT = make_png(8)[:150]


def collect(root: Path, paths: list[str], state: Path | None = None) -> Facts:
    return collect_facts(open_raw(root), paths, workers=1, cache=state)


def expected(*datas: bytes) -> list[dict]:
    return [compute_facts(data)._asdict() for data in datas]


@pytest.fixture(params=[1, 2, 3, 4096])
def part(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """How many images make a part of the columns."""
    monkeypatch.setattr(facts, "PART", request.param)
    monkeypatch.setattr(cache, "PART", request.param)
    return request.param


@pytest.mark.parametrize("packed", [True, False])
def test_facts_are_in_the_order_of_the_paths_kept_or_new(tmp_path: Path, part: int, packed: bool):
    root, state = tmp_path / "raw", tmp_path / "state"
    if packed:
        bring(root, "one", PICTURES)
    else:
        lay_out(root, PICTURES)
    for paths in (["5.png", "0.png"], sorted(PICTURES), sorted(PICTURES, reverse=True)):
        found = collect(root, paths, state)
        assert (list(found.paths), found.faults) == (paths, {})
        assert found.table.to_pylist() == expected(*(PICTURES[path] for path in paths))
        assert found.table.schema == COLUMNS


def test_what_is_kept_is_not_decoded_and_what_is_packed_not_even_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    root, state = lay_out(tmp_path / "raw", {"own.png": make_png(9)}), tmp_path / "state"
    bring(root, "one", {**PICTURES, "cut.png": CUT})
    paths = sorted([*PICTURES, "cut.png", "own.png"])
    first = collect(root, paths, state)
    read: list[str] = []
    real = RawImages.read
    monkeypatch.setattr(RawImages, "read", lambda raw, path: read.append(path) or real(raw, path))
    monkeypatch.setattr(facts, "compute_facts_of", lambda datas: [pytest.fail("decoded") for _ in datas])
    again = collect(root, paths, state)
    assert read == ["own.png"]
    assert (again.paths, again.faults) == (first.paths, first.faults)
    assert again.table.equals(first.table)


def test_the_same_bytes_under_two_names_have_the_same_facts(tmp_path: Path, part: int):
    root = lay_out(tmp_path / "raw", {"a.png": make_png(1), "b.png": make_png(1), "c.png": make_png(2)})
    for _ in range(2):
        found = collect(root, ["a.png", "b.png", "c.png"], tmp_path / "state")
        assert found.table.to_pylist() == expected(make_png(1), make_png(1), make_png(2))


def test_images_without_facts_say_why_now_and_when_it_is_known(
    tmp_path: Path, part: int, monkeypatch: pytest.MonkeyPatch
):
    root = lay_out(tmp_path / "raw", {"a.png": make_png(1), "b.png": CUT, "c.png": make_png(2), "d.png": make_png(3)})
    real = RawImages.read

    def refuse(raw: RawImages, path: str) -> bytes:
        if path == "c.png":
            raise UnreadableFileError("Permission denied")
        return real(raw, path)

    monkeypatch.setattr(RawImages, "read", refuse)
    for _ in range(2):
        found = collect(root, ["a.png", "b.png", "c.png", "d.png"], tmp_path / "state")
        assert list(found.paths) == ["a.png", "d.png"]
        assert found.table.to_pylist() == expected(make_png(1), make_png(3))
        assert {path: fault["reason"] for path, fault in found.faults.items()} == {"b.png": "IMG004", "c.png": "IMG001"}
        assert found.faults["c.png"]["message"] == "Permission denied"


def test_what_was_measured_before_a_crash_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(facts, "PART", 2)
    monkeypatch.setattr(facts, "TOGETHER", 1)
    root, state = lay_out(tmp_path / "raw", PICTURES), tmp_path / "state"
    real = RawImages.read

    def crash(raw: RawImages, path: str) -> bytes:
        if path == "5.png":
            raise KeyboardInterrupt
        return real(raw, path)

    with monkeypatch.context() as patch:
        patch.setattr(RawImages, "read", crash)
        with pytest.raises(KeyboardInterrupt):
            collect(root, sorted(PICTURES), state)
    decoded: list[int] = []
    measure = facts.compute_facts_of
    monkeypatch.setattr(facts, "compute_facts_of", lambda datas: [decoded.append(1) or f for f in measure(datas)])
    assert collect(root, sorted(PICTURES), state).table.to_pylist() == expected(*PICTURES.values())
    assert len(decoded) == 3  # of seven; four were kept, two by two


def test_no_images_give_an_empty_table(tmp_path: Path):
    found = collect(lay_out(tmp_path / "raw", {"x.txt": "x"}), [], tmp_path / "state")
    assert (list(found.paths), len(found.table), found.table.schema) == ([], 0, COLUMNS)
