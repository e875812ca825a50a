"""Which paths a checkout may write."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datatools.remotes.names import find_symlinks, judge_path

GOOD = [
    "a",
    "a.png",
    "data/raw/b c.png",
    "-rf",
    "con-1.png",
    "console.txt",
    "auxiliary/x",
    "..a/b..",
    "...",
    "ä/日本.png",
    ".gitkeep",
    "x.git",
]
BAD = {
    "": "empty",
    "/a": "absolute",
    "//server/share/a": "absolute",
    "\\\\server\\share": "backslash",
    "..": "'..'",
    "a/../../b": "'..'",
    "a/./b": "'.'",
    "a//b": "''",
    "a/": "''",
    "C:a": "drive letter",
    "z:/a": "drive letter",
    "a\\..\\b": "backslash",
    "a\x00b": "control character",
    "a\nb": "control character",
    "a\u2028b": "control character",
    "a\udcffb": "not UTF-8",
    ".git/config": "Git or DVC",
    "a/.GIT/hooks/x": "Git or DVC",
    "a/.git. ./x": "Git or DVC",
    "a/.g\u200cit/x": "Git or DVC",
    "GIT~1/x": "Git or DVC",
    ".dvc/config": "Git or DVC",
    "CON": "device",
    "a/nul.txt": "device",
    "a/Aux .png": "device",
    "com1": "device",
    "LPT\u00b9.x": "device",
    "a" * 300: "255 bytes",
}


@pytest.mark.parametrize("path", GOOD)
def test_good_paths(path: str) -> None:
    assert judge_path(path) == ""


@pytest.mark.parametrize("path", BAD)
def test_bad_paths(path: str) -> None:
    assert BAD[path] in judge_path(path)


@given(st.lists(st.sampled_from(["..", ".", "a", "b.png", "", ".git", "C:", "c"]), min_size=1, max_size=6))
def test_a_path_that_passes_stays_below_the_project(parts: list[str]) -> None:
    path = "/".join(parts)
    if judge_path(path) == "":
        root = Path("/top/project")
        target = (root / path).resolve()
        assert target != root
        assert target.is_relative_to(root)
        assert ".git" not in target.relative_to(root).parts


def test_links_are_found_above_and_not_at_the_place_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "real" / "deep").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (tmp_path / "real" / "file").symlink_to("/etc/passwd")
    (tmp_path / "plain").write_text("")
    paths = ["link/deep/a.png", "link/b.png", "real/file", "real/deep/a.png", "plain/a.png", "none/a.png", "link/"]
    assert find_symlinks(tmp_path, paths) == {"link": "link/deep/a.png"}
    assert find_symlinks(tmp_path, ["link/"]) == {"link": "link/"}, "the folder of a listing is one above"
