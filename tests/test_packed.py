from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from datatools.batches import Batch, BatchWriter, to_packed
from datatools.errors import DatatoolsError
from datatools.formats.base import Content
from datatools.packed import PackedImages, among, list_batches, load_facts, load_packed, merge_packed, without
from datatools.schema import PACKED
from datatools.shards import write_shards
from datatools.store import save_json, save_table
from datatools.tree import UnreadableFileError

FILES = {"a.png": b"first", "b/ä.png": b"second"}


def bring(root: Path, name: str, files: dict[str, bytes], removed: tuple[str, ...] = (), compress: bool = True) -> Path:
    """One more batch of images only."""
    with BatchWriter(root, name) as writer:
        images = to_packed(write_shards(writer.path, files.items(), compress))
        return writer.finish(Batch(name, "images", Content(), images, removed))


def change_table(folder: Path, **columns: Any) -> None:
    """Put other values into the first row of images.parquet."""
    images = pd.read_parquet(folder / "images.parquet")
    for name, value in columns.items():
        images.loc[0, name] = value
    images.to_parquet(folder / "images.parquet")


def change_facts(folder: Path, **facts: Any) -> None:
    document = json.loads((folder / "batch.json").read_text())
    save_json(folder / "batch.json", {name: value for name, value in {**document, **facts}.items() if value is not ...})


def read_all(root: Path) -> dict[str, bytes]:
    packed = PackedImages(root, merge_packed(root))
    return {path: packed.read(path) for path in packed}


def test_images_are_read_by_path_whatever_batch_they_are_in(tmp_path: Path):
    bring(tmp_path, "one", FILES)
    bring(tmp_path, "two", {"c.png": b"third"}, compress=False)
    assert read_all(tmp_path) == {**FILES, "c.png": b"third"}
    packed = PackedImages(tmp_path, merge_packed(tmp_path))
    assert list(packed) == ["a.png", "b/ä.png", "c.png"]
    assert "a.png" in packed
    assert "d.png" not in packed
    assert packed.sha256("a.png") == "a7937b64b8caa58f03721bb6bacf5c78cb235febe0e70b1b84cd99541461a08e"


def test_a_later_batch_has_the_word(tmp_path: Path):
    bring(tmp_path, "one", FILES)
    bring(tmp_path, "two", {"a.png": b"other"})
    assert read_all(tmp_path) == {**FILES, "a.png": b"other"}
    assert dict(zip(*(merge_packed(tmp_path)[name] for name in ("path", "source")))) == {
        "a.png": "two",
        "b/ä.png": "one",
    }


def test_what_a_batch_takes_away_is_gone_until_it_comes_again(tmp_path: Path):
    bring(tmp_path, "one", FILES)
    bring(tmp_path, "one", {"c.png": b"third"}, removed=("a.png",))
    assert read_all(tmp_path) == {"b/ä.png": b"second", "c.png": b"third"}
    bring(tmp_path, "one", {"a.png": b"again"})
    assert read_all(tmp_path)["a.png"] == b"again"


def test_nothing_imported_is_an_empty_table(tmp_path: Path):
    assert list(merge_packed(tmp_path).columns) == [*PACKED.columns, "batch", "source"]
    assert list_batches(tmp_path / "nowhere") == []


def test_batches_come_in_the_order_of_their_numbers_also_beyond_9999(tmp_path: Path):
    names = ["0002-a", "9999-a", "10000-a", "0001-b", "0001-a", ".new-abc", "notes", "12-a"]
    for name in names:
        (tmp_path / "batches" / name).mkdir(parents=True)
    assert [folder.name for folder in list_batches(tmp_path)] == ["0001-a", "0001-b", "0002-a", "9999-a", "10000-a"]


def test_a_batch_after_9999_others_is_the_latest(tmp_path: Path):
    (bring(tmp_path, "one", FILES)).rename(tmp_path / "batches" / "9999-one")
    assert bring(tmp_path, "one", {"a.png": b"other"}).name == "10000-one"
    assert read_all(tmp_path)["a.png"] == b"other"


def test_a_damaged_shard_is_an_error_that_names_it(tmp_path: Path):
    folder = bring(tmp_path, "one", FILES, compress=False)
    (folder / "images-0000.tar").unlink()
    with pytest.raises(UnreadableFileError, match=r"images-0000\.tar: No such file or directory"):
        read_all(tmp_path)


@pytest.mark.parametrize(
    ("column", "value", "why"),
    [
        ("shard", "../images-0000.tar", "expected shards of a batch. Got '../images-0000.tar'"),
        ("shard", "/etc/images-0000.tar", "expected shards of a batch. Got '/etc/images-0000.tar'"),
        ("shard", "images-0000.tar\n", "expected shards of a batch. Got 'images-0000.tar\\n'"),
        ("shard", "other.tar", "expected shards of a batch. Got 'other.tar'"),
        ("shard", None, "expected shards of a batch. Got <NA>"),
        ("path", "../a.png", "expected paths of a batch. Got '../a.png'"),
        ("path", "b/../../a.png", "expected paths of a batch. Got 'b/../../a.png'"),
        ("path", "/etc/passwd", "expected paths of a batch. Got '/etc/passwd'"),
        ("path", "b/", "expected paths of a batch. Got 'b/'"),
        ("path", "b//a.png", "expected paths of a batch. Got 'b//a.png'"),
        ("path", "./a.png", "expected paths of a batch. Got './a.png'"),
        ("path", "C:\\a.png", "expected paths of a batch. Got 'C:\\\\a.png'"),
        ("path", "a\0.png", "expected paths of a batch. Got 'a\\x00.png'"),
        ("path", "", "expected paths of a batch. Got ''"),
        ("path", None, "expected paths of a batch. Got <NA>"),
        ("path", "b/ä.png", "expected each path once. Got 'b/ä.png' again"),
        ("sha256", "A" * 64, f"expected sha256s of a batch. Got '{'A' * 64}'"),
        ("sha256", None, "expected sha256s of a batch. Got <NA>"),
        ("n_bytes", -1, "expected places in shards. Got (-1, 0, 512)"),
        ("n_bytes", 1 << 40, f"expected places in shards. Got ({1 << 40}, 0, 512)"),
        ("block", -5, "expected places in shards. Got (5, -5, 512)"),
        ("offset", -1, "expected places in shards. Got (5, 0, -1)"),
    ],
)
def test_a_table_of_images_that_leads_elsewhere_is_refused(tmp_path: Path, column: str, value: Any, why: str):
    folder = bring(tmp_path, "one", FILES)
    change_table(folder, **{column: value})
    with pytest.raises(DatatoolsError) as caught:
        merge_packed(tmp_path)
    assert str(caught.value) == f"{folder / 'images.parquet'}: {why}: pull again."


@pytest.mark.parametrize(
    "spoil",
    [
        lambda file: file.write_bytes(b"PAR1 no table"),
        lambda file: file.write_bytes(file.read_bytes()[:100]),
        lambda file: file.write_bytes(b""),
        lambda file: pd.read_parquet(file).assign(extra=1).to_parquet(file),
        lambda file: (
            pd.read_parquet(file).astype({"n_bytes": str}).replace({"n_bytes": {"5": "five"}}).to_parquet(file)
        ),
        lambda file: pd.read_parquet(file).drop(columns="offset").to_parquet(file),
    ],
    ids=["junk", "torn", "empty", "unknown column", "text for a number", "no offsets"],
)
def test_a_foreign_table_of_images_is_a_wrong_call_and_no_crash(tmp_path: Path, spoil: Any):
    folder = bring(tmp_path, "one", FILES)
    spoil(folder / "images.parquet")
    with pytest.raises(DatatoolsError) as caught:
        load_packed(folder)
    assert str(caught.value).startswith(f"{folder / 'images.parquet'}: expected the table packed as Parquet. Got: ")


def test_odd_but_honest_paths_are_taken(tmp_path: Path):
    files = {"..a.png": b"1", "a../b..c/x.png": b"2", "日本/猫 .png": b"3", "...": b"4"}
    bring(tmp_path, "one", files)
    assert read_all(tmp_path) == files


@pytest.mark.parametrize(
    "facts",
    [{"version": 2}, {"version": "1"}, {"version": ...}, {"version": None}],
    ids=["newer", "text", "none", "null"],
)
def test_a_batch_of_another_version_is_refused(tmp_path: Path, facts: dict[str, Any]):
    folder = bring(tmp_path, "one", FILES)
    change_facts(folder, **facts)
    with pytest.raises(DatatoolsError) as caught:
        load_facts(folder)
    assert str(caught.value) == (
        f"{folder / 'batch.json'}: expected a batch of version 1. Got another: update datatools."
    )


@pytest.mark.parametrize(
    "facts",
    [
        {"source": ...},
        {"source": 5},
        {"format": None},
        {"classes": ...},
        {"classes": "cat"},
        {"classes": [1]},
        {"extras": ...},
        {"extras": []},
        {"removed": ...},
        {"removed": []},
        {"removed": {}},
        {"removed": {"paths": [], "ids": []}},
        {"removed": {"paths": [], "records": [], "ids": [None]}},
        {"removed": {"paths": {}, "records": [], "ids": []}},
    ],
    ids=str,
)
def test_a_batch_whose_facts_are_incomplete_is_refused(tmp_path: Path, facts: dict[str, Any]):
    folder = bring(tmp_path, "one", FILES)
    change_facts(folder, **facts)
    with pytest.raises(DatatoolsError) as caught:
        merge_packed(tmp_path)
    assert str(caught.value) == (
        f"{folder / 'batch.json'}: expected source, format, classes, removed and extras. Got another document: pull again."
    )


@pytest.mark.parametrize("text", ["[]", "{", "", "\udcff"], ids=["list", "torn", "empty", "not UTF-8"])
def test_facts_that_are_no_object_are_refused(tmp_path: Path, text: str):
    folder = bring(tmp_path, "one", FILES)
    (folder / "batch.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(DatatoolsError, match=r"batch\.json: expected"):
        merge_packed(tmp_path)


def test_a_folder_without_facts_is_a_wrong_call(tmp_path: Path):
    (tmp_path / "batches" / "0001-torn").mkdir(parents=True)
    with pytest.raises(DatatoolsError, match=r"batch\.json: expected a JSON file"):
        merge_packed(tmp_path)


def test_a_batch_without_images_has_no_table_of_them(tmp_path: Path):
    folder = bring(tmp_path, "one", {})
    assert [file.name for file in folder.iterdir()] == ["batch.json"]
    assert len(load_packed(folder)) == 0


def test_among_is_isin():
    column = pd.Series(["a", "b", None, "a"], dtype="string")
    for names in ({"a"}, set(), {"b", "c"}, {"a": 1}, ["a", "a"], column[1:], {"a", "half \ud800"}, {1, "b"}):
        assert among(column, names).tolist() == [value in set(names) for value in column]
    assert among(column[:0], {"a"}).tolist() == []


def test_rows_without_some_names_are_the_rows_themselves_where_these_are_all():
    rows = pd.DataFrame({"path": pd.array(["a", "b", "c"], "string")})
    assert without(rows, "path", {"x"}, ()) is rows
    assert without(rows, "path", {"a"}, rows["path"][2:])["path"].tolist() == ["b"]


def test_hashes_of_many_images_are_those_of_each(tmp_path: Path):
    bring(tmp_path, "one", FILES)
    bring(tmp_path, "two", {"c.png": b"third"})
    packed = PackedImages(tmp_path, merge_packed(tmp_path))
    paths = ["c.png", "nowhere.png", "a.png", "b/ä.png"]
    assert packed.sha256_of(paths).to_pylist() == [packed.sha256(path) for path in paths]
    assert packed.sha256("nowhere.png") is None
    assert packed.paths == ["a.png", "b/ä.png", "c.png"]
    with pytest.raises(KeyError):
        packed.read("nowhere.png")


def test_a_table_of_another_program_is_read_by_columns_not_by_order(tmp_path: Path):
    folder = bring(tmp_path, "one", FILES)
    images = pd.read_parquet(folder / "images.parquet")
    images[images.columns[::-1]][::-1].to_parquet(folder / "images.parquet")
    assert read_all(tmp_path) == FILES
    save_table(folder / "images.parquet", images, PACKED)
    assert read_all(tmp_path) == FILES
