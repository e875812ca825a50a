from __future__ import annotations

import os
import pickle
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datatools import tree as module
from datatools.errors import DatatoolsError
from datatools.file_reading import read_below, read_regular
from datatools.schema import REJECTED
from datatools.tree import PEEK_BYTES, FolderTree, Limits, Tree, UnreadableFileError, open_tree
from tests.builders import lay_out
from tests.hostile import SECRET, lay_out_hostile, nest_folders, remove_nested


def reasons(tree: Tree) -> dict[str, str]:
    return {row["path"]: row["reason"] for row in tree.refused}


def messages(tree: Tree) -> dict[str, str]:
    return {row["path"]: row["message"] for row in tree.refused}


def test_files_are_listed_by_path_with_their_sizes_and_read(tmp_path: Path):
    tree = open_tree(lay_out(tmp_path, {"b.png": "22", "a/c.png": "1", "A.png": ""}))
    assert dict(tree.sizes) == {"A.png": 0, "a/c.png": 1, "b.png": 2}
    assert list(tree.sizes) == sorted(tree.sizes)
    assert tree.refused == ()
    assert (tree.read("b.png"), tree.read("a/c.png"), tree.read("A.png")) == (b"22", b"1", b"")
    assert "a/c.png" in tree
    assert "a" not in tree


def test_every_file_of_a_hostile_folder_gets_its_verdict(tmp_path: Path):
    kept, refused = lay_out_hostile(tmp_path / "root", tmp_path / "outside")
    tree = open_tree(tmp_path / "root")
    assert set(tree.sizes) == kept
    assert {(row["path"], row["reason"]) for row in tree.refused} == refused
    assert len(tree.refused) == len(refused)
    assert not any("\n" in row["path"] + row["message"] for row in tree.refused)
    assert SECRET not in b"".join(tree.read(path) for path in tree.sizes)


def test_what_is_refused_is_a_table_that_can_be_saved(tmp_path: Path):
    lay_out_hostile(tmp_path / "root", tmp_path / "outside")
    table = REJECTED.conform(list(open_tree(tmp_path / "root").refused))
    table.to_parquet(tmp_path / "rejected.parquet")
    assert table["row"].isna().all(), "a row number would count as an annotation"
    assert (table["source"] == table["path"]).all()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (".gitignore", "a hidden file or folder"),
        ("Thumbs.db", "left behind by the system, not part of the data"),
        ("new\nline", "its name has a control character: rename it"),
        ("back\\slash", "its name has a backslash: rename it"),
        ("latin-\udce9", "its name is not UTF-8: rename it"),
    ],
)
def test_the_message_says_what_is_wrong_with_a_name(tmp_path: Path, name: str, message: str):
    (tmp_path / name).write_bytes(b"x")
    assert list(messages(open_tree(tmp_path)).values()) == [message]


def test_links_are_not_followed_above_the_root_they_are(tmp_path: Path):
    lay_out(tmp_path, {"data/a.png": "1", "outside/b.png": SECRET})
    (tmp_path / "data/link").symlink_to(tmp_path / "outside")
    (tmp_path / "data/link.png").symlink_to(tmp_path / "outside/b.png")
    (tmp_path / "way").symlink_to(tmp_path)
    (tmp_path / "here").symlink_to(tmp_path / "way/data")
    for root in (tmp_path / "data", tmp_path / "way/data", tmp_path / "here"):
        tree = open_tree(root)
        assert messages(tree) == dict.fromkeys(("link", "link.png"), "a symbolic link: put the file itself here")
        assert {path: tree.read(path) for path in tree.sizes} == {"a.png": b"1"}


def test_pipes_and_sockets_are_not_opened(tmp_path: Path):
    os.mkfifo(tmp_path / "a.png")
    assert messages(open_tree(tmp_path)) == {"a.png": "a pipe, socket or device"}


@pytest.mark.parametrize("put", ["file link", "folder link", "pipe", "folder", "nothing"])
def test_what_takes_the_place_of_a_file_after_listing_is_not_read(tmp_path: Path, put: str):
    lay_out(tmp_path, {"root/sub/a.png": "1", "outside/a.png": SECRET})
    tree = open_tree(tmp_path / "root")
    (tmp_path / "root/sub/a.png").unlink()
    if put == "file link":
        (tmp_path / "root/sub/a.png").symlink_to(tmp_path / "outside/a.png")
    elif put == "folder link":
        (tmp_path / "root/sub").rmdir()
        (tmp_path / "root/sub").symlink_to(tmp_path / "outside")
    elif put == "pipe":
        os.mkfifo(tmp_path / "root/sub/a.png")
    elif put == "folder":
        (tmp_path / "root/sub/a.png").mkdir()
    said = {"file link": "symbolic links", "folder link": "Not a directory", "pipe": "not a regular file"}
    said |= {"folder": "not a regular file", "nothing": "No such file"}
    with pytest.raises(UnreadableFileError, match=said[put]):
        tree.read("sub/a.png")


def test_a_folder_that_becomes_a_link_while_it_is_listed_is_not_followed(tmp_path: Path, monkeypatch):
    lay_out(tmp_path, {"root/sub/a.png": "1", "outside/secret.png": SECRET})
    look = module._Walk._look

    def swap(walk, handle, prefix):
        found = look(walk, handle, prefix)
        if prefix == "":
            (tmp_path / "root/sub").rename(tmp_path / "elsewhere")
            (tmp_path / "root/sub").symlink_to(tmp_path / "outside")
        return found

    monkeypatch.setattr(module._Walk, "_look", swap)
    tree = open_tree(tmp_path / "root")
    assert dict(tree.sizes) == {}
    assert messages(tree) == {"sub": "Not a directory: nothing in it is read"}


@pytest.mark.parametrize(
    "path", ["../outside/a.png", "sub/../../outside/a.png", "/etc/passwd", "", "sub", "b.png", "a\0b"]
)
def test_only_files_of_the_tree_are_read(tmp_path: Path, path: str):
    tree = open_tree(lay_out(tmp_path / "root", {"sub/a.png": "1"}))
    lay_out(tmp_path, {"outside/a.png": SECRET, "root/b.png": "came later"})
    with pytest.raises(UnreadableFileError, match=r"^not a file of this tree$"):
        tree.read(path)


@pytest.mark.parametrize("path", ["../a.png", "/a.png", "sub//a.png", "sub/./a.png", "", "."])
def test_read_below_takes_plain_names_only(tmp_path: Path, path: str):
    lay_out(tmp_path, {"a.png": SECRET, "root/sub/a.png": "1"})
    assert read_below(tmp_path / "root", "sub/a.png") == b"1"
    with pytest.raises(UnreadableFileError, match=r"^not the name of a file below its folder$"):
        read_below(tmp_path / "root", path)


def test_a_name_with_a_zero_byte_is_unreadable_not_a_crash(tmp_path: Path):
    with pytest.raises(UnreadableFileError, match="null byte"):
        read_below(tmp_path, "a\0b")


def test_read_regular_follows_folders_but_not_the_file(tmp_path: Path):
    lay_out(tmp_path, {"real/a.png": "1"})
    (tmp_path / "way").symlink_to("real")
    (tmp_path / "real/link").symlink_to("a.png")
    assert read_regular(tmp_path / "way/a.png") == b"1"
    for name, message in {"link": "symbolic links", "none": "No such file", "../real": "not a regular file"}.items():
        with pytest.raises(UnreadableFileError, match=message):
            read_regular(tmp_path / "way" / name)
    with pytest.raises(UnreadableFileError, match="not a regular file"):
        read_regular(Path("/dev/zero"))


def test_a_file_above_the_limit_is_refused_and_never_read_whole(tmp_path: Path):
    limits = Limits(file_bytes=10)
    tree = open_tree(lay_out(tmp_path, {"a": "x" * 10, "b": "x" * 11}), limits)
    assert messages(tree) == {"b": "11 bytes are more than 10"}
    assert tree.read("a") == b"x" * 10
    (tmp_path / "a").write_bytes(b"x" * 11)
    with pytest.raises(UnreadableFileError, match=r"^it is larger than 10 bytes$"):
        tree.read("a")
    with pytest.raises(UnreadableFileError, match="larger than 10"):
        read_regular(tmp_path / "b", 10)


def test_a_file_that_grows_while_it_is_read_ends_at_the_limit(tmp_path: Path, monkeypatch):
    tree = open_tree(lay_out(tmp_path, {"a": "x" * 10}), Limits(file_bytes=3 << 20))
    real = os.fstat

    def grow(handle):
        status = real(handle)
        os.truncate(tmp_path / "a", 1 << 40)
        return status

    monkeypatch.setattr(module.os, "fstat", grow)
    with pytest.raises(UnreadableFileError, match=f"^it is larger than {3 << 20} bytes$"):
        tree.read("a")


def test_a_look_is_kept_for_the_read(tmp_path: Path):
    (tmp_path / "a.txt").write_text("first")
    (tmp_path / "large.txt").write_bytes(bytes(PEEK_BYTES + 1))
    tree = open_tree(tmp_path)
    assert (tree.peek("a.txt"), len(tree.peek("large.txt"))) == (b"first", PEEK_BYTES + 1)
    (tmp_path / "a.txt").write_text("second")
    (tmp_path / "large.txt").write_text("small now")
    assert [tree.peek("a.txt"), tree.read("a.txt"), tree.read("a.txt")] == [b"first", b"first", b"second"]
    assert tree.read("large.txt") == b"small now"
    with pytest.raises(UnreadableFileError, match="not a file of this tree"):
        tree.peek("b.txt")


def test_a_file_that_grew_or_shrank_is_read_as_it_is(tmp_path: Path):
    tree = open_tree(lay_out(tmp_path, {"a": "x" * 10, "b": "x" * 10}))
    lay_out(tmp_path, {"a": "y" * 3_000_000, "b": "y"})
    assert tree.read("a") == b"y" * 3_000_000
    assert tree.read("b") == b"y"


def test_folders_deeper_than_a_path_can_name_are_one_row(tmp_path: Path):
    nest_folders(tmp_path, 4096)
    tree = open_tree(tmp_path)
    assert messages(tree) == {"/".join(["d"] * 101): "it is more than 100 folders deep"}
    assert set(reasons(tree).values()) == {"too_deep"}
    deeper = open_tree(tmp_path, Limits(depth=3000))
    assert set(reasons(deeper).values()) == {"bad_name"}, "longer than any path"
    remove_nested(tmp_path, 4096)


def test_a_file_as_deep_as_the_limit_is_read(tmp_path: Path):
    lay_out(tmp_path, {"d/d/a": "1", "d/d/d/a": "2"})
    tree = open_tree(tmp_path, Limits(depth=2))
    assert tree.read("d/d/a") == b"1"
    assert messages(tree) == {"d/d/d": "it is more than 2 folders deep"}


def test_the_longest_names_are_read(tmp_path: Path):
    path = "/".join(["\u732b" * 85] * 3)
    tree = open_tree(lay_out(tmp_path, {path: "1"}))
    assert tree.read(path) == b"1"


def test_all_handles_are_closed(tmp_path: Path):
    lay_out(tmp_path, {"a/b/c.png": "1", "d/e.png": "2"})
    (tmp_path / "link").symlink_to("a")
    before = len(os.listdir("/proc/self/fd"))
    tree = open_tree(tmp_path)
    tree.read("a/b/c.png")
    (tmp_path / "a/b/c.png").unlink()
    with pytest.raises(UnreadableFileError):
        tree.read("a/b/c.png")
    for path in ("a/none/c.png", "a", "d/e.png/f"):
        with pytest.raises(UnreadableFileError):
            read_below(tmp_path, path)
    assert len(os.listdir("/proc/self/fd")) == before + 1  # the folder of the last file
    del tree
    assert len(os.listdir("/proc/self/fd")) == before


def test_the_files_of_a_folder_are_read_from_the_folder_that_was_listed(tmp_path: Path):
    lay_out(tmp_path, {"root/a/b.png": "1", "root/a/c.png": "2", "other/c.png": "3"})
    tree = open_tree(tmp_path / "root")
    assert tree.read("a/b.png") == b"1"
    (tmp_path / "root/a").rename(tmp_path / "moved")
    (tmp_path / "root/a").symlink_to(tmp_path / "other")
    assert tree.read("a/c.png") == b"2"
    with pytest.raises(UnreadableFileError):
        open_tree(tmp_path / "root").read("a/c.png")


def test_what_cannot_be_looked_at_is_a_row(tmp_path: Path, monkeypatch):
    lay_out(tmp_path, {"closed/a.png": "1", "open/b.png": "2"})
    real = os.open

    def closed(path, flags, mode=0o777, *, dir_fd=None):
        if path == "closed":
            raise PermissionError(13, "Permission denied")
        return real(path, flags, mode, dir_fd=dir_fd)

    monkeypatch.setattr(module.os, "open", closed)
    tree = open_tree(tmp_path)
    assert messages(tree) == {"closed": "Permission denied: nothing in it is read"}
    assert reasons(tree) == {"closed": "unreadable"}
    assert list(tree.sizes) == ["open/b.png"]


def test_an_unreadable_root_is_a_wrong_call(tmp_path: Path, monkeypatch):
    def closed(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(module.os, "open", closed)
    with pytest.raises(DatatoolsError, match=r"folder that can be read\. Got: Permission denied\. Change its"):
        open_tree(tmp_path)


def test_a_disk_that_fails_in_the_middle_of_a_folder_is_a_row(tmp_path: Path, monkeypatch):
    lay_out(tmp_path, {"sub/a.png": "1"})

    def broken(_):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(module.os, "scandir", broken)
    assert messages(open_tree(tmp_path)) == {".": "Input/output error: it is not listed to its end"}


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become somebody else")
def test_permissions_of_files_and_folders_as_another_user(tmp_path_factory: pytest.TempPathFactory):
    code = """
import os, sys
from pathlib import Path
from datatools.tree import open_tree, UnreadableFileError
os.setuid(65534)
tree = open_tree(Path(sys.argv[1]))
for row in sorted(tree.refused, key=lambda row: row["path"]): print(row["path"], row["reason"], row["message"])
for path in tree.sizes:
    try: print(path, tree.read(path))
    except UnreadableFileError as error: print(path, "unreadable", error)
"""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        root = lay_out(Path(folder), {"closed/a": "1", "no_search/b": "2", "c": "3", "d": "4"})
        for name, mode in {"closed": 0o700, "no_search": 0o744, "c": 0o600}.items():
            (root / name).chmod(mode)
        result = subprocess.run([sys.executable, "-c", code, str(root)], capture_output=True, text=True, check=True)
    assert result.stdout.splitlines() == [
        "closed unreadable Permission denied: nothing in it is read",
        "no_search/b unreadable Permission denied",
        "c unreadable Permission denied",
        "d b'4'",
    ]


def test_a_file_that_vanishes_while_the_folder_is_listed_is_not_of_the_tree(tmp_path: Path, monkeypatch):
    lay_out(tmp_path, {"a.png": "1", "b.png": "2"})
    judge = module.judge_name

    def vanish(path, depth):
        (tmp_path / "a.png").unlink(missing_ok=True)
        return judge(path, depth)

    monkeypatch.setattr(module, "judge_name", vanish)
    tree = open_tree(tmp_path)
    assert (list(tree.sizes), tree.refused) == (["b.png"], ())


@pytest.mark.parametrize("name", ["labels.csv", "annotations.json", "r.7z", "photos", "photos.tar.zst"])
def test_a_file_of_another_kind_is_told_from_none(tmp_path: Path, name: str):
    lay_out(tmp_path, {name: "x"})
    with pytest.raises(
        DatatoolsError, match=r"expected a folder or an archive \(\.zip, \.tar, .*\)\. Got a file of another"
    ):
        open_tree(tmp_path / name)


@pytest.mark.parametrize("name", ["none", "pipe.zip", "file.zip/x"])
def test_no_folder_and_no_archive_is_a_wrong_call(tmp_path: Path, name: str):
    lay_out(tmp_path, {"file.txt": "x", "file.zip": "x"})
    os.mkfifo(tmp_path / "pipe.zip")
    with pytest.raises(
        DatatoolsError, match=r"expected a folder or an archive \(\.zip, \.tar, .*\)\. Got no such thing: check"
    ):
        open_tree(tmp_path / name)


def test_a_copy_in_this_process_or_a_fork_is_the_tree_itself(tmp_path: Path):
    tree = open_tree(lay_out(tmp_path, {f"{n}.png": str(n) for n in range(500)}))
    pickled = pickle.dumps(tree)
    assert len(pickled) < 1000, "one goes with every task"
    assert pickle.loads(pickled) is tree


def test_a_copy_in_another_process_opens_the_root_again(tmp_path: Path):
    limits = Limits(file_bytes=5)
    tree = open_tree(lay_out(tmp_path / "root", {"a": "12345", "b": "123456"}), limits)
    (tmp_path / "tree.pickle").write_bytes(pickle.dumps(tree))
    code = """
import pickle, sys
data = open(sys.argv[1], "rb").read()
tree = pickle.loads(data)
assert pickle.loads(data) is tree
print(dict(tree.sizes), tree.limits.file_bytes, tree.read("a"))
"""
    run = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "tree.pickle")], capture_output=True, text=True, check=True
    )
    assert run.stdout == "{'a': 5} 5 b'12345'\n"


def test_a_tree_is_gone_when_nobody_has_it(tmp_path: Path):
    tree = open_tree(lay_out(tmp_path, {"a": "1"}))
    token = tree._token
    assert token in module._OPENED
    del tree
    assert token not in module._OPENED


def test_trees_of_the_same_files_are_equal(tmp_path: Path):
    lay_out(tmp_path, {"a": "1"})
    assert open_tree(tmp_path) == open_tree(tmp_path)
    assert open_tree(tmp_path) != FolderTree(tmp_path, {"b": 1})


def test_a_tree_by_itself_reads_nothing(tmp_path: Path):
    with pytest.raises(NotImplementedError):
        Tree(tmp_path, {"a": 1}).read("a")


NAMES = st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=12).filter(
    lambda name: name not in (".", "..") and len(name.encode()) <= 255
)


@given(names=st.lists(st.lists(NAMES, min_size=1, max_size=3), max_size=8))
def test_whatever_the_names_each_file_is_taken_in_or_refused(tmp_path_factory: pytest.TempPathFactory, names):
    root = tmp_path_factory.mktemp("names")
    files = set()
    for parts in names:
        path = root.joinpath(*parts)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"x")
            files.add("/".join(parts))
        except OSError:
            continue  # a file stands where a folder should be, or the other way round
    tree = open_tree(root)
    refused = {row["path"] for row in tree.refused}
    assert all(tree.read(path) == b"x" for path in tree.sizes)
    assert set(tree.sizes) <= files
    shown = [module.printable(path) for path in files - set(tree.sizes)]
    assert all(any(path == row or path.startswith(row + "/") for row in refused) for path in shown)
    folded = [unicodedata.normalize("NFC", path).lower() for path in tree.sizes]
    assert len(set(folded)) == len(folded)
