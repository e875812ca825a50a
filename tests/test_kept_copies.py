from __future__ import annotations

import hashlib
import io
import itertools
import multiprocessing
import tarfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datatools.augment.copies import Copy, CopyMaker
from datatools.augment.dataset import augment_dataset
from datatools.dataset import Dataset
from datatools.images import encode_png
from datatools.kept_copies import COPIES, PIECE, Copies, KeptCopies, Ranges, Spool, _join_neighbours, no_copies, to_part
from datatools.params import AugmentParams
from datatools.policy.steps import PRESETS
from datatools.schema import ANNOTATIONS, AUGMENTED, FINDINGS, SPLIT
from datatools.shards import iter_shard, save_shard
from datatools.store import load_table, save_table
from tests.builders import lay_out
from tests.small_data import box_row, image_row, label_rows, mask_row

MADE = [
    ("key of a", 0, "a.png.aug0.png", b"first"),
    ("key of a", 1, "a.png.aug1.png", b"second" * 200_000),
    ("key of b", 0, "b.png.aug0.png", b"third"),
]
MEMBERS = [(name, data) for _, _, name, data in MADE]
WANTED = {"key of a": 2, "key of b": 1}


def spool(made: Sequence[tuple[str, int, str, bytes]]) -> Copies:
    """Copies whose bytes lie in a spool, last one first."""
    file = Spool()
    rows = []
    for key, copy, name, data in reversed(made):
        part = to_part(name, data)
        facts = {"seed": 2**62 + copy, "width_px": 3, "height_px": 4, "objects": '[["x", 0.1]]', "dropped": None}
        place = {"n_bytes": len(part), "sha256": hashlib.sha256(part).hexdigest(), "offset": file.append(part)}
        rows.append({"key": key, "copy": copy, **facts, **place})
    return Copies(COPIES.conform(rows).iloc[::-1].reset_index(drop=True).assign(file=0), [file])


def open_kept(folder: Path) -> KeptCopies:
    return KeptCopies(folder / "state" / "index.parquet", folder / "out" / "images.tar")


def keep(folder: Path, made: Sequence[tuple[str, int, str, bytes]] = MADE) -> Path:
    """Write tar and index of one run."""
    open_kept(folder).replace(spool(made))
    return folder / "out" / "images.tar"


def members_of(copies: Copies) -> list[tuple[str, bytes]]:
    return [copies.read(number) for number in range(len(copies.rows))]


def found_in(folder: Path) -> list[str]:
    """The keys of what is kept, a copy each."""
    return open_kept(folder).find(WANTED).rows["key"].tolist()


def test_the_tar_is_the_one_that_save_shard_writes(tmp_path: Path):
    save_shard(tmp_path / "expected.tar", MEMBERS)
    assert keep(tmp_path).read_bytes() == (tmp_path / "expected.tar").read_bytes()
    keep(tmp_path, [])
    assert list(iter_shard(tmp_path / "out" / "images.tar")) == []


def test_copies_come_back_as_they_went(tmp_path: Path):
    keep(tmp_path)
    found = open_kept(tmp_path).find(WANTED)
    assert members_of(found) == MEMBERS
    went = spool(MADE).rows.drop(columns=["offset", "file"])
    pd.testing.assert_frame_equal(found.rows.drop(columns=["offset", "file"]), went)


def test_what_was_taken_over_is_kept_again_with_what_is_new(tmp_path: Path):
    keep(tmp_path)
    found = open_kept(tmp_path).find({"key of b": 1})
    new = spool([("key of c", 0, "c.png.aug0.png", b"fourth")])
    rows = pd.concat([new.rows.assign(file=1), found.rows], ignore_index=True)
    open_kept(tmp_path).replace(Copies(rows, [*found.files, *new.files]))
    assert list(iter_shard(tmp_path / "out" / "images.tar")) == [("c.png.aug0.png", b"fourth"), MEMBERS[2]]
    assert members_of(open_kept(tmp_path).find({"key of b": 1, "key of c": 1})) == [
        ("c.png.aug0.png", b"fourth"),
        MEMBERS[2],
    ]
    assert members_of(found) == [MEMBERS[2]], "the old tar can be read while somebody has it"


def test_another_key_and_an_earlier_run_without_index_have_no_copies(tmp_path: Path):
    assert found_in(tmp_path) == []
    keep(tmp_path)
    assert open_kept(tmp_path).find({"key of c": 1}).rows.empty
    assert open_kept(tmp_path).find({}).rows.empty


def test_a_parent_that_is_to_have_another_number_of_copies_has_none(tmp_path: Path):
    keep(tmp_path)
    assert open_kept(tmp_path).find({"key of a": 1, "key of b": 1}).rows["key"].tolist() == ["key of b"]
    assert open_kept(tmp_path).find({"key of a": 3}).rows.empty


def test_what_a_run_no_longer_makes_is_forgotten(tmp_path: Path):
    keep(tmp_path)
    keep(tmp_path, MADE[2:])
    assert found_in(tmp_path) == ["key of b"]


@pytest.mark.parametrize(("old", "new"), [(b"second", b"seKond"), (b"a.png.aug1.png", b"a.png.aug7.png")])
def test_a_changed_byte_of_the_tar_is_found_and_only_that_parent_made_again(tmp_path: Path, old: bytes, new: bytes):
    shard = keep(tmp_path)
    shard.write_bytes(shard.read_bytes().replace(old, new, 1))
    assert found_in(tmp_path) == ["key of b"]


def test_of_a_tar_that_was_cut_short_the_rest_is_kept(tmp_path: Path):
    shard = keep(tmp_path)
    shard.write_bytes(shard.read_bytes()[:-2000])
    assert found_in(tmp_path) == ["key of a", "key of a"]


@pytest.mark.parametrize(
    "spoil",
    [Path.unlink, lambda tar: tar.write_bytes(b""), lambda tar: save_shard(tar, [("a.png.aug0.png", b"other")])],
    ids=["gone", "empty", "replaced"],
)
def test_a_tar_that_is_gone_or_another_one_has_no_copies(tmp_path: Path, spoil: Any):
    spoil(keep(tmp_path))
    assert found_in(tmp_path) == []


@pytest.mark.parametrize("document", ["", "[]", b"PAR1\xff\xffPAR1", None], ids=str)
def test_a_damaged_index_has_no_copies(tmp_path: Path, document: str | bytes | None):
    keep(tmp_path)
    index = tmp_path / "state" / "index.parquet"
    data = index.read_bytes()
    lay_out(tmp_path, {"state/index.parquet": data[: len(data) // 2] if document is None else document})
    assert found_in(tmp_path) == []


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("offset", 512),
        ("offset", -5),
        ("offset", 2**62),
        ("n_bytes", 1),
        ("n_bytes", -1),
        ("n_bytes", 2**62),
        ("sha256", "0" * 64),
    ],
)
def test_an_index_of_other_places_is_not_believed(tmp_path: Path, column: str, value: Any):
    keep(tmp_path)
    index = tmp_path / "state" / "index.parquet"
    rows = load_table(index, COPIES)
    save_table(index, rows.assign(**{column: rows[column].mask(rows["copy"] == 1, value)}), COPIES)
    assert found_in(tmp_path) == ["key of b"]


def test_a_write_that_fails_leaves_tar_and_index_as_they_were(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    shard = keep(tmp_path)
    before = shard.read_bytes()

    def fail(*_: Any) -> bytes:
        raise OSError("no space left")

    new = spool([("key of c", 0, "c.png.aug0.png", b"fourth")])
    monkeypatch.setattr(Ranges, "read", fail)
    with pytest.raises(OSError, match="no space left"):
        open_kept(tmp_path).replace(new)
    monkeypatch.undo()
    assert shard.read_bytes() == before
    assert [path.name for path in shard.parent.iterdir()] == ["images.tar"]
    assert found_in(tmp_path) == ["key of a", "key of a", "key of b"]


# ---- where bytes lie


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 40), st.integers(1, 9)), max_size=12))
def test_joined_ranges_hold_the_same_bytes_in_the_same_order(places: list[tuple[int, int, int]]):
    columns = (np.array(column, dtype=np.int64) for column in (zip(*places) if places else ([], [], [])))
    joined = list(_join_neighbours(*columns))

    def spell(ranges: Any) -> list[tuple[int, int]]:
        return [(file, byte) for file, start, n in ranges for byte in range(start, start + n)]

    assert spell(joined) == spell(places)
    for (file, start, n), (next_file, next_start, _) in itertools.pairwise(joined):
        assert (file, start + n) != (next_file, next_start), "what lies one behind the other is one"


def test_no_copies_are_an_empty_tar():
    with tarfile.open(fileobj=io.BytesIO(b"".join(no_copies().pieces()))) as tar:
        assert tar.getmembers() == []


def test_long_ranges_are_read_a_piece_at_a_time(tmp_path: Path):
    file = Spool(tmp_path)
    data = bytes(range(256)) * (PIECE // 100)
    start = [file.append(b"before"), file.append(data), file.append(b"after")][1]
    pieces = list(file.pieces(start, len(data)))
    assert b"".join(pieces) == data
    assert max(map(len, pieces)) == PIECE
    assert list(tmp_path.iterdir()) == [], "it has no name, and so goes with the process"


def _append(file: Spool, number: int, places: Any) -> None:
    places.put([(number, file.append(bytes([number]) * size)) for size in range(1, 200)])


def test_processes_append_to_one_spool_without_mixing():
    context = multiprocessing.get_context("fork")
    file, queue = Spool(), context.SimpleQueue()
    processes = [context.Process(target=_append, args=(file, number, queue)) for number in (1, 2, 3)]
    for process in processes:
        process.start()
    places = [queue.get() for _ in processes]
    for process in processes:
        process.join()
    for one in places:
        for size, (number, start) in enumerate(one, 1):
            assert file.read(start, size) == bytes([number]) * size


# ---- in the stage

PARAMS = AugmentParams(factor=2)
NAMES = [f"{number}.png" for number in range(5)]


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    noise = np.random.default_rng(0).integers(0, 256, size=(5, 24, 32, 3)).astype(np.uint8)
    return lay_out(tmp_path_factory.mktemp("raw"), {name: encode_png(noise[n]) for n, name in enumerate(NAMES)})


def make_dataset(**labels: str) -> Dataset:
    """Five images with a box of an unnamed annotator and a mask each; `labels`: of the image of that number."""
    rows = []
    for name in NAMES:
        label = labels.get(f"_{name[0]}", "circle")
        rows += label_rows(name, {"anna": label}, label)
        rows.append(box_row(f"coco/b{name}", (4, 4, 20.25, 18), name))
        rows.append(mask_row(f"coco/m{name}", [[2, 2], [30, 2], [30, 20], [2, 20]], path=name))
    images = pd.DataFrame([image_row(name, width_px=32, height_px=24) for name in NAMES])
    return Dataset(images, ANNOTATIONS.conform(rows), ("circle", "square"))


class Stage:
    """The augment stage, without DVC; counts the parents that it makes copies of."""

    def __init__(self, raw: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.raw, self.folder = raw, folder
        self.made: list[str] = []
        real = CopyMaker.__call__

        def make(maker: CopyMaker, jobs: Any) -> list[list[Copy]]:
            self.made += [job.path for job in jobs]
            return real(maker, jobs)

        monkeypatch.setattr(CopyMaker, "__call__", make)

    def run(self, dataset: Dataset, folder: Path | None = None, params: AugmentParams = PARAMS) -> dict[str, bytes]:
        """The bytes of its outputs; a `folder` of its own makes a cold run."""
        folder = folder or self.folder
        self.made.clear()
        kept = open_kept(folder)
        split = SPLIT.conform(pd.DataFrame({"path": NAMES, "split": "train", "group": "g"}))
        done = augment_dataset(dataset, split, FINDINGS.empty(), self.raw, params, workers=1, kept=kept)
        kept.replace(done.copies)
        save_table(folder / "out" / "annotations.parquet", done.table, AUGMENTED)
        return {path.name: path.read_bytes() for path in (folder / "out").iterdir()} | {
            "summary": repr(done.summary).encode()
        }


@pytest.fixture
def stage(raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    pytest.importorskip("imgaug", reason="augmentation needs the extra 'augment'")
    return Stage(raw, tmp_path / "warm", monkeypatch)


def test_a_second_run_makes_nothing_and_gives_the_same_bytes(stage: Stage):
    first = stage.run(make_dataset())
    assert stage.made == NAMES
    assert stage.run(make_dataset()) == first
    assert stage.made == []


def test_a_changed_label_makes_nothing_again_and_the_outputs_equal_a_cold_run(stage: Stage, tmp_path: Path):
    first = stage.run(make_dataset())
    warm = stage.run(make_dataset(_3="square"))
    assert stage.made == [], "no pixel depends on the name of a class"
    assert warm["images.tar"] == first["images.tar"]
    assert warm["annotations.parquet"] != first["annotations.parquet"]
    assert warm == stage.run(make_dataset(_3="square"), tmp_path / "cold")
    assert stage.made == NAMES


def test_a_removed_and_a_moved_box_touch_their_parents_only(stage: Stage, tmp_path: Path):
    dataset = make_dataset()
    stage.run(dataset)
    rows = dataset.annotations[dataset.annotations["annotation_id"] != "coco/b1.png"]
    rows = rows.assign(x0_px=rows["x0_px"].mask(rows["annotation_id"] == "coco/b2.png", 5.0)).reset_index(drop=True)
    warm = stage.run(replace(dataset, annotations=rows))
    assert stage.made == ["1.png", "2.png"]
    assert warm == stage.run(replace(dataset, annotations=rows), tmp_path / "cold")


def test_an_object_of_another_class_makes_nothing_again_and_the_outputs_equal_a_cold_run(stage: Stage, tmp_path: Path):
    dataset = make_dataset()
    stage.run(dataset)
    rows = dataset.annotations
    changed = rows["annotation_id"] == "coco/m1.png"
    other = replace(dataset, annotations=rows.assign(label=rows["label"].mask(changed, "square"), annotator="bob"))
    warm = stage.run(other)
    assert stage.made == []
    assert warm == stage.run(other, tmp_path / "cold")


def test_a_label_that_asks_for_more_copies_makes_its_parent_again(stage: Stage, tmp_path: Path):
    params = replace(PARAMS, factor_per_class={"square": 3})
    stage.run(make_dataset(), params=params)
    warm = stage.run(make_dataset(_3="square"), params=params)
    assert stage.made == ["3.png"]
    assert warm == stage.run(make_dataset(_3="square"), tmp_path / "cold", params)


def test_another_image_is_made_again_alone(stage: Stage, tmp_path: Path):
    dataset = make_dataset()
    stage.run(dataset)
    images = dataset.images
    other = replace(dataset, images=images.assign(sha256=images["sha256"].mask(images["path"] == "2.png", "0" * 64)))
    warm = stage.run(other)
    assert stage.made == ["2.png"]
    assert warm == stage.run(other, tmp_path / "cold")


def test_other_parameters_make_all_again(stage: Stage, tmp_path: Path):
    stage.run(make_dataset())
    warm = stage.run(make_dataset(), params=replace(PARAMS, seed=1))
    assert stage.made == NAMES
    assert warm == stage.run(make_dataset(), tmp_path / "cold", replace(PARAMS, seed=1))


@pytest.mark.parametrize(
    "changes",
    [
        {"preset": "natural"},
        {"policy": ["blur"]},
        {"keep_min": 0.1},
        {"factor": 1},
        {"factor_per_class": {"circle": 3}},
    ],
    ids=str,
)
def test_another_policy_or_number_makes_all_again(stage: Stage, tmp_path: Path, changes: Any):
    stage.run(make_dataset())
    warm = stage.run(make_dataset(), params=replace(PARAMS, **changes))
    assert stage.made == NAMES
    assert warm == stage.run(make_dataset(), tmp_path / "cold", replace(PARAMS, **changes))


def test_the_same_policy_written_out_makes_nothing_again(stage: Stage):
    stage.run(make_dataset())
    stage.run(make_dataset(), params=replace(PARAMS, policy=PRESETS[PARAMS.preset]))
    assert stage.made == []


def test_other_packages_make_all_again(stage: Stage, monkeypatch: pytest.MonkeyPatch):
    stage.run(make_dataset())
    monkeypatch.setattr("datatools.augment.making.package_versions", lambda names: dict.fromkeys(names, "9.9"))
    stage.run(make_dataset())
    assert stage.made == NAMES


def test_a_tampered_tar_is_not_trusted(stage: Stage):
    first = stage.run(make_dataset())
    tar = stage.folder / "out" / "images.tar"
    data = bytearray(tar.read_bytes())
    data[data.index(b"IDAT") + 20] ^= 1
    tar.write_bytes(data)
    assert stage.run(make_dataset()) == first
    assert stage.made == ["0.png"]
