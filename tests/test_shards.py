from __future__ import annotations

import gzip
import hashlib
import io
import os
import subprocess
import tarfile
import tracemalloc
import zlib
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from shutil import which

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datatools import shards
from datatools.shards import Member, ShardReader, iter_shard, save_shard, write_shards
from datatools.tree import UnreadableFileError

NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="/\0"), min_size=1, max_size=12).filter(
    lambda name: name not in (".", "..")
)
LONG_NAMES = [
    "x" * 99,
    "x" * 100,
    "x" * 101,
    f"{'f' * 90}/{'g' * 90}/{'h' * 200}.png",
    "ä" * 50,
    "ä" * 51,
    "日本/猫 1.png",
    "e\u0301.png",
]
COMPRESS = pytest.mark.parametrize("compress", [False, True], ids=["tar", "tar.gz"])


@pytest.fixture
def small_shards(monkeypatch: pytest.MonkeyPatch):
    """Cuts after some 20 members of 100 bytes, blocks of 4 KiB."""
    sizes = {"TARGET": 2000, "LEAST": 500, "MOST": 8000, "BLOCK": 4096}
    for name, value in sizes.items():
        monkeypatch.setattr(shards, name, value)
    monkeypatch.setattr(shards.os, "fsync", lambda handle: None)  # hundreds of shards


def make_files(n: int, seed: int = 0) -> list[tuple[str, bytes]]:
    noise = np.random.default_rng(seed)
    return [(f"images/{number:05d}.png", noise.bytes(int(noise.integers(0, 200)))) for number in range(n)]


def read_all(folder: Path) -> list[tuple[str, bytes]]:
    """All members of all shards, as Python's tarfile sees them."""
    return [member for file in sorted(folder.iterdir()) for member in iter_shard(file)]


def hashes(folder: Path) -> dict[str, str]:
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(folder.iterdir())}


@given(st.dictionaries(NAMES, st.binary(max_size=700), max_size=4))
def test_a_shard_comes_back_as_it_went(tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes]):
    path = tmp_path_factory.getbasetemp() / "round.tar"
    members = save_shard(path, files.items())
    assert [(member.name, ShardReader(path.parent).read(member)) for member in members] == list(files.items())
    assert list(iter_shard(path)) == list(files.items())


def test_equal_members_give_equal_bytes_and_the_order_is_kept(tmp_path: Path):
    members = [("b.png", b"1"), ("a.png", b"")]
    for name in ("1.tar", "2.tar"):
        save_shard(tmp_path / name, iter(members))
    assert (tmp_path / "1.tar").read_bytes() == (tmp_path / "2.tar").read_bytes()
    assert list(iter_shard(tmp_path / "1.tar")) == members
    with tarfile.open(tmp_path / "1.tar") as tar:
        assert {(info.mtime, info.uid, info.uname) for info in tar} == {(0, 0, "")}


@pytest.mark.parametrize("name", LONG_NAMES)
def test_names_may_be_longer_than_the_old_tar_header_and_of_any_script(tmp_path: Path, name: str):
    save_shard(tmp_path / "x.tar", [(name, b"1")])
    assert list(iter_shard(tmp_path / "x.tar")) == [(name, b"1")]


def test_a_member_that_fails_leaves_the_old_shard(tmp_path: Path):
    def members():
        yield "a.png", b"new"
        raise RuntimeError

    path = tmp_path / "x.tar"
    save_shard(path, [("a.png", b"old")])
    with pytest.raises(RuntimeError):
        save_shard(path, members())
    assert list(iter_shard(path)) == [("a.png", b"old")]
    assert [file.name for file in tmp_path.iterdir()] == ["x.tar"]


@COMPRESS
def test_every_member_is_read_back_by_us_and_by_tarfile_in_order(tmp_path: Path, small_shards: None, compress: bool):
    files = make_files(500)
    members = write_shards(tmp_path, iter(files), compress)
    reader = ShardReader(tmp_path)
    assert [(member.name, reader.read(member)) for member in members] == files
    assert [(member.name, reader.read(member)) for member in reversed(members)] == files[::-1]
    assert read_all(tmp_path) == files
    assert len(list(tmp_path.iterdir())) > 10
    for (name, data), member in zip(files, members, strict=True):
        assert (member.name, member.sha256, member.n_bytes) == (name, hashlib.sha256(data).hexdigest(), len(data))


@COMPRESS
@given(files=st.dictionaries(NAMES, st.binary(max_size=3000), max_size=6))
def test_any_files_come_back(tmp_path_factory: pytest.TempPathFactory, compress: bool, files: dict[str, bytes]):
    folder = tmp_path_factory.mktemp("shards")
    members = write_shards(folder, files.items(), compress)
    reader = ShardReader(folder)
    assert [(member.name, reader.read(member)) for member in members] == list(files.items())
    assert read_all(folder) == list(files.items())


@COMPRESS
def test_no_files_are_no_shards(tmp_path: Path, compress: bool):
    assert write_shards(tmp_path / "new", [], compress) == []
    assert list((tmp_path / "new").iterdir()) == []


@COMPRESS
def test_equal_files_give_equal_shards(tmp_path: Path, small_shards: None, compress: bool):
    for name in ("one", "two"):
        write_shards(tmp_path / name, iter(make_files(200)), compress)
    assert hashes(tmp_path / "one") == hashes(tmp_path / "two")


@COMPRESS
def test_gnu_tar_opens_the_shards(tmp_path: Path, small_shards: None, compress: bool):
    tar = which("tar")
    if tar is None or "GNU" not in subprocess.run([tar, "--version"], capture_output=True, text=True).stdout:
        pytest.skip("GNU tar is not installed")
    files = [(name, name.encode()) for name in LONG_NAMES] + make_files(200)
    write_shards(tmp_path / "shards", files, compress)
    out = tmp_path / "out"
    out.mkdir()
    for shard in sorted((tmp_path / "shards").iterdir()):
        environment = {**os.environ, "LC_ALL": "C.UTF-8"}
        done = subprocess.run([tar, "-xvf", shard, "-C", out], capture_output=True, text=True, env=environment)
        assert (done.returncode, done.stderr) == (0, "")
    assert {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*") if path.is_file()} == dict(
        files
    )


def test_a_compressed_shard_is_one_gzip_stream(tmp_path: Path, small_shards: None):
    write_shards(tmp_path, make_files(30), compress=True)
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress((tmp_path / "images-0000.tar.gz").read_bytes()))) as tar:
        assert len(tar.getnames()) > 5


@COMPRESS
def test_forked_processes_read_the_same_bytes(tmp_path: Path, small_shards: None, compress: bool):
    files = make_files(300)
    members = write_shards(tmp_path, files, compress)
    reader = ShardReader(tmp_path)
    reader.read(members[0])  # a position that was shared would be moved here
    with ProcessPoolExecutor(2, mp_context=get_context("fork")) as pool:
        assert list(pool.map(reader.read, members, chunksize=7)) == [data for _, data in files]


@pytest.mark.parametrize("n_bytes", [8**11 - 1, 8**11, 8**11 + 12345], ids=["below", "at", "above"])
def test_the_header_of_a_file_of_8_gib_is_one_that_tarfile_reads(n_bytes: int):
    info = tarfile.TarInfo.frombuf(shards.tar_header("a.png", n_bytes)[-512:], "utf-8", "strict")
    with tarfile.open(fileobj=io.BytesIO(shards.tar_header("a.png", n_bytes))) as tar:
        member = tar.next()
    assert member is not None
    assert (member.name, member.size) == ("a.png", n_bytes)
    assert info.size == (n_bytes if n_bytes < 8**11 else 0)


@given(NAMES, st.integers(0, 8**11 - 1))
def test_the_quick_header_is_tarfiles_own(name: str, n_bytes: int):
    info = tarfile.TarInfo(name)
    info.size = n_bytes
    assert shards.tar_header(name, n_bytes) == info.tobuf(tarfile.PAX_FORMAT)


@pytest.mark.parametrize("compress", [False, True])
def test_a_large_member_among_small_ones_is_read_back(tmp_path: Path, small_shards: None, compress: bool):
    files = [
        *make_files(5),
        ("large.png", bytes(300_000)),
        ("noise.png", np.random.default_rng(0).bytes(100_000)),
        *make_files(3, 1),
    ]
    members = write_shards(tmp_path, files, compress)
    assert [(member.name, ShardReader(tmp_path).read(member)) for member in members] == files


# ---- cut by content


def changed_shards(tmp_path: Path, before: list[tuple[str, bytes]], after: list[tuple[str, bytes]]) -> tuple[int, int]:
    """How many shards of `after` are not there in `before`, and how many there are."""
    counts = []
    for name, files in (("before", before), ("after", after)):
        write_shards(tmp_path / name, files, compress=True)
        counts.append(set(hashes(tmp_path / name).values()))
    return len(counts[1] - counts[0]), len(counts[1])


@pytest.mark.parametrize("place", [0, 777, 4999])
@pytest.mark.parametrize("change", ["insert", "remove", "change"])
def test_one_of_5000_members_touches_a_few_shards(tmp_path: Path, small_shards: None, place: int, change: str):
    before = make_files(5000)
    after = list(before)
    if change == "insert":
        after.insert(place, ("images/new.png", b"new" * 30))
    elif change == "remove":
        del after[place]
    else:
        after[place] = (after[place][0], b"other" * 20)
    n_changed, n_all = changed_shards(tmp_path, before, after)
    assert n_all > 150
    assert n_changed <= 6


def test_two_members_that_go_touch_twice_a_few_shards(tmp_path: Path, small_shards: None):
    before = make_files(5000)
    n_changed, n_all = changed_shards(
        tmp_path, before, [file for n, file in enumerate(before) if n != 1000 and n != 4000]
    )
    assert n_changed <= 12 < n_all / 10


def test_shards_have_about_the_size_asked_for(tmp_path: Path, small_shards: None):
    members = write_shards(tmp_path, make_files(5000), compress=False)
    sizes: dict[str, int] = {}
    for member in members:
        sizes[member.shard] = sizes.get(member.shard, 0) + member.n_bytes
    full = list(sizes.values())[:-1]
    assert min(full) >= shards.LEAST
    assert max(full) < shards.MOST + 200
    assert shards.TARGET / 2 < sum(full) / len(full) < shards.TARGET * 2


def test_members_without_bytes_are_no_reason_to_cut(tmp_path: Path, small_shards: None):
    members = write_shards(tmp_path, [(f"{n}.png", b"") for n in range(100)], compress=False)
    assert {member.shard for member in members} == {"images-0000.tar"}


# ---- damaged and hostile


@pytest.fixture
def pair(tmp_path: Path, request: pytest.FixtureRequest) -> tuple[Path, list[Member], list[tuple[str, bytes]]]:
    files = [("a.png", b"first" * 99), ("b.png", b"second" * 99)]
    return tmp_path, write_shards(tmp_path, files, request.param), files


BOTH = pytest.mark.parametrize("pair", [False, True], indirect=True, ids=["tar", "tar.gz"])


@BOTH
def test_a_flipped_byte_anywhere_is_an_error_or_without_effect_and_never_other_bytes(pair):
    folder, members, files = pair
    [shard] = folder.iterdir()
    whole = shard.read_bytes()
    n_found = 0
    for place in range(0, len(whole), 7):
        shards._read_block.cache_clear()
        shard.write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :])
        for member, (_, data) in zip(members, files, strict=True):
            try:
                assert ShardReader(folder).read(member) == data
            except UnreadableFileError as error:
                n_found += 1
                assert str(error).startswith(f"{shard.name} is damaged")
    assert n_found > 5


@BOTH
def test_a_truncated_shard_is_an_error_and_never_other_bytes(pair):
    folder, members, files = pair
    [shard] = folder.iterdir()
    whole = shard.read_bytes()
    for length in range(0, len(whole), 11):
        shards._read_block.cache_clear()
        shard.write_bytes(whole[:length])
        for member, (_, data) in zip(members, files, strict=True):
            try:
                assert ShardReader(folder).read(member) == data
            except UnreadableFileError as error:
                assert "damaged" in str(error)
    shard.write_bytes(b"")
    shards._read_block.cache_clear()
    with pytest.raises(UnreadableFileError, match="damaged: its bytes are not those that were imported"):
        ShardReader(folder).read(members[0])


@BOTH
def test_a_missing_shard_is_an_error_that_names_it(pair):
    folder, members, _ = pair
    [shard] = folder.iterdir()
    shard.unlink()
    shards._read_block.cache_clear()
    with pytest.raises(UnreadableFileError) as caught:
        ShardReader(folder).read(members[0])
    assert str(caught.value) == f"{shard.name}: No such file or directory"


@BOTH
@pytest.mark.parametrize("kind", ["folder", "pipe"])
def test_a_shard_that_is_no_file_is_an_error_and_not_waited_for(pair, kind: str):
    folder, members, _ = pair
    [shard] = folder.iterdir()
    shard.unlink()
    shard.mkdir() if kind == "folder" else os.mkfifo(shard)
    shards._read_block.cache_clear()
    with pytest.raises(UnreadableFileError, match=r"Is a directory|Illegal seek"):
        ShardReader(folder).read(members[0])


@BOTH
@pytest.mark.parametrize(
    "places",
    [{"offset": -1}, {"block": -1}, {"n_bytes": -1}, {"n_bytes": 1 << 62}, {"offset": 1 << 62}, {"block": 1 << 63}],
    ids=str,
)
def test_a_place_that_no_shard_has_is_an_error(pair, places: dict[str, int]):
    folder, members, _ = pair
    with pytest.raises(UnreadableFileError) as caught:
        ShardReader(folder).read(members[0]._replace(**places))
    assert str(caught.value) == f"{members[0].shard}: there is no such place in a shard"


def test_a_place_beyond_a_block_is_an_error_without_unpacking_on_the_way(tmp_path: Path):
    members = write_shards(tmp_path, [("a.png", b"1")], compress=True)
    with pytest.raises(UnreadableFileError, match="there is no such place"):
        ShardReader(tmp_path).read(members[0]._replace(offset=3 << 20))


@BOTH
def test_a_place_in_the_middle_of_another_file_is_damage(pair):
    folder, members, _ = pair
    with pytest.raises(UnreadableFileError, match="damaged: its bytes are not those that were imported"):
        ShardReader(folder).read(members[0]._replace(offset=members[0].offset + 1))


def test_a_bomb_in_a_block_is_unpacked_no_further_than_the_member_needs(tmp_path: Path):
    packer = zlib.compressobj(level=9, wbits=31)
    bomb = b"".join(packer.compress(bytes(1 << 20)) for _ in range(200)) + packer.flush()
    (tmp_path / "images-0000.tar.gz").write_bytes(bomb)
    member = Member("a.png", "0" * 64, 1000, "images-0000.tar.gz", 0, 512)
    tracemalloc.start()
    with pytest.raises(UnreadableFileError, match="damaged"):
        ShardReader(tmp_path).read(member)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20 << 20


def test_one_block_is_unpacked_once_for_its_members(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    members = write_shards(tmp_path, make_files(1000), compress=True)
    calls = []
    monkeypatch.setattr(shards.zlib, "decompressobj", partial(_counting, calls, zlib.decompressobj))
    for member in members:
        ShardReader(tmp_path).read(member)
    assert len(calls) == 1


def _counting(calls, function, *args, **kwargs):
    calls.append(args)
    return function(*args, **kwargs)
