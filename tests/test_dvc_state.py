"""What datatools says of a pipeline beside what DVC itself says of it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import voluptuous
import yaml

from datatools import dvc_hashes, seen_files
from datatools.dvc_hashes import Hashes
from datatools.dvc_state import find_changed_stages, is_lock_broken, list_outputs, load_lock
from datatools.revisions import OnDisk, find_stale, parse_stages
from datatools.seen_files import SeenFiles
from tests.builders import lay_out

PIPELINE = {
    "stages": {
        "copy": {
            "cmd": "cp -r data/raw data/copied",
            "deps": ["data/raw"],
            "params": ["copy.how", {"other.json": ["a"]}],
            "outs": ["data/copied", {"data/note.txt": {"cache": False}}],
        },
        "count": {
            "cmd": ["ls data/copied   | wc -l > data/count.txt", "cat data/count.txt"],
            "deps": ["data/copied"],
            "params": ["count"],
            "outs": [{"data/count.txt": {"push": False}}],
        },
    }
}
FILES = {
    "data/raw/b/\u00e9\u732b.txt": "1",
    "data/raw/b/c/Z.txt": "2",
    "data/raw/a-b.txt": "3",
    "data/raw/a/x.txt": "4",
    "data/raw/a.txt": "5",
    "data/raw/__pycache__/a.pyc": "no data",
    "params.yaml": "copy: {how: fast, 1: one}\ncount: {least: 1.0, names: [a, b]}\n",
    "other.json": '{"a": {"b": 1}}',
    ".dvcignore": "__pycache__/\n/data/raw/left-*\n",
}


def dvc(root: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", "dvc", *arguments]
    return subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout


def said_by_dvc(root: Path) -> set[str]:
    """Stages that DVC finds changed."""
    return set(json.loads(dvc(root, "status", "--json"))) - {"data/raw.dvc"}


def hashes_of(root: Path) -> Hashes:
    return Hashes(root, SeenFiles(None))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of two stages that ran."""
    root = tmp_path_factory.mktemp("finished")
    lay_out(root, FILES)
    pipeline = json.loads(json.dumps(PIPELINE))
    pipeline["stages"]["copy"]["cmd"] += " && echo done > data/note.txt"
    (root / "dvc.yaml").write_text(yaml.safe_dump(pipeline))
    dvc(root, "init", "--no-scm", "-q")
    dvc(root, "config", "core.analytics", "false")
    dvc(root, "add", "-q", "data/raw")
    dvc(root, "repro", "-q")
    return root


@pytest.fixture
def project(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "project", symlinks=True))


def test_folders_and_files_have_the_hash_that_dvc_gives_them(project: Path):
    hashes = hashes_of(project)
    assert hashes.find("data/raw") == OnDisk(project).read_pointer(project / "data/raw")
    entries = [entry for stage in load_lock(OnDisk(project)).values() for entry in (*stage["deps"], *stage["outs"])]
    assert len(entries) == 5
    assert {entry["path"]: hashes.find(entry["path"]) for entry in entries} == {e["path"]: e["md5"] for e in entries}
    sizes = [file.n_bytes for file in hashes.list_files("data/raw").values()]
    assert (len(sizes), sum(sizes)) == (5, 5)
    assert hashes.find("data/none") is None


def edit(root: Path, name: str, old: str, new: str) -> None:
    text = (root / name).read_text()
    assert old in text
    (root / name).write_text(text.replace(old, new))


CHANGES: dict[str, tuple[Callable[[Path], object], dict[str, list[str]]]] = {
    "nothing": (lambda root: None, {}),
    "a file of a folder": (lambda root: (root / "data/raw/a.txt").write_text("6"), {"copy": ["data/raw"]}),
    "a new file": (lambda root: (root / "data/raw/b/new.txt").write_text("6"), {"copy": ["data/raw"]}),
    "an ignored file": (lambda root: (root / "data/raw/left-1").write_text("6"), {}),
    "a file less": (lambda root: (root / "data/raw/a.txt").unlink(), {"copy": ["data/raw"]}),
    "a renamed file": (lambda root: (root / "data/raw/a.txt").rename(root / "data/raw/z"), {"copy": ["data/raw"]}),
    "an output less": (lambda root: (root / "data/count.txt").unlink(), {"count": ["data/count.txt"]}),
    "an output written to": (
        lambda root: (root / "data/copied/a.txt").write_text("6"),
        {"copy": ["data/copied"], "count": ["data/copied"]},
    ),
    "a parameter": (lambda root: edit(root, "params.yaml", "fast", "slow"), {"copy": ["params.yaml:copy.how"]}),
    "a parameter nobody asked for": (lambda root: edit(root, "params.yaml", "one", "two"), {}),
    "a section": (lambda root: edit(root, "params.yaml", "1.0", "2.0"), {"count": ["params.yaml:count"]}),
    "another parameter file": (lambda root: edit(root, "other.json", "1", "2"), {"copy": ["other.json:a"]}),
    "a command": (lambda root: edit(root, "dvc.yaml", "cp -r", "cp -ar"), {"copy": ["cmd"]}),
    "a stage that never ran": (
        lambda root: edit(root, "dvc.yaml", "stages:\n", "stages:\n  more:\n    cmd: 'true'\n"),
        {"more": ["dvc.lock"]},
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_stages_are_out_of_date_where_dvc_says_so(project: Path, name: str):
    change, expected = CHANGES[name]
    change(project)
    assert find_changed_stages(OnDisk(project)) == expected
    assert said_by_dvc(project) == set(expected)


def test_a_file_is_hashed_again_only_if_it_changed(project: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(seen_files, "SETTLED_NS", -(10**18))
    kept = project / "kept"

    def read_by(look: Callable[[Hashes], object]) -> list[str]:
        read: list[str] = []

        def spying(file: str, *mode: str):
            read.append(Path(file).name)
            return open(file, *mode)

        with monkeypatch.context() as patch:
            patch.setattr(dvc_hashes, "open", spying, raising=False)
            hashes = Hashes(project, SeenFiles(kept))
            look(hashes)
            hashes.save()
        return sorted(read)

    assert len(read_by(lambda hashes: hashes.find("data/raw"))) == 5
    assert read_by(lambda hashes: hashes.find("data/raw")) == []
    (project / "data/raw/a.txt").write_text("6")
    assert read_by(lambda hashes: hashes.find("data/raw")) == ["a.txt"]


def test_outputs_are_those_that_dvc_pushes(project: Path):
    assert {output.path for output in list_outputs(OnDisk(project))} == {"data/copied", "data/raw"}


def test_a_lock_cut_off_anywhere_is_no_crash_and_broken_where_dvc_says_so(project: Path):
    from dvc.schema import COMPILED_LOCKFILE_SCHEMA

    lock = project / "dvc.lock"
    whole = lock.read_text()
    n_broken = 0
    for end in range(len(whole)):
        lock.write_text(whole[:end])
        disk = OnDisk(project)
        find_changed_stages(disk)
        list_outputs(disk)
        stages = parse_stages(whole[:end]) or {}
        find_stale(project, stages, tuple(stages), disk)
        try:
            COMPILED_LOCKFILE_SCHEMA(yaml.safe_load(whole[:end]))
            dvc_reads_it = True
        except (yaml.YAMLError, voluptuous.Invalid):
            dvc_reads_it = False
        if re.search("md5: .?.?$|\n *- ?$", whole[:end]):
            continue  # DVC refuses a hash of one or two digits, which is but another hash, and reads a command that is null
        assert is_lock_broken(disk) is not dvc_reads_it, whole[:end][-60:]
        n_broken += not dvc_reads_it
    assert 100 < n_broken < len(whole)


@pytest.mark.parametrize("text", ["", "[]", "a: [", "- 1", "\x00"])
def test_a_broken_document_is_empty(tmp_path: Path, text: str):
    (tmp_path / "dvc.lock").write_text(text)
    assert load_lock(OnDisk(tmp_path)) == {}
    assert find_changed_stages(OnDisk(tmp_path)) == {}
