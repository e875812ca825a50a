from __future__ import annotations

import pytest

from datatools.checks.unportable_name import find_unportable_names
from tests.small_data import make_images


def find(*paths: str) -> list[tuple[str | None, str]]:
    return [(finding.path, finding.message) for finding in find_unportable_names(make_images(paths))]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("images/CON", "Windows cannot hold the name 'CON': it stands for a device"),
        ("aux.png", "Windows cannot hold the name 'aux.png': it stands for a device"),
        ("com1.tar.png", "Windows cannot hold the name 'com1.tar.png': it stands for a device"),
        ("LPT¹.png", "Windows cannot hold the name 'LPT¹.png': it stands for a device"),
        ("nul .png", "Windows cannot hold the name 'nul .png': it stands for a device"),
        ("prn/a.png", "Windows cannot hold the name 'prn': it stands for a device"),
        ("images./a.png", "Windows cannot hold the name 'images.': it ends with a dot or space"),
        ("a.png ", "Windows cannot hold the name 'a.png ': it ends with a dot or space"),
        ("12:30.png", "Windows cannot hold the name '12:30.png': it has the character :"),
        ("what?.png", "Windows cannot hold the name 'what?.png': it has the character ?"),
        ("a*b.png", "Windows cannot hold the name 'a*b.png': it has the character *"),
        ("a<b.png", "Windows cannot hold the name 'a<b.png': it has the character <"),
        ("a>b.png", "Windows cannot hold the name 'a>b.png': it has the character >"),
        ("a|b.png", "Windows cannot hold the name 'a|b.png': it has the character |"),
        ('a"b.png', "Windows cannot hold the name 'a\"b.png': it has the character \""),
    ],
)
def test_each_kind_of_name_is_told_apart(path, message):
    assert find(path) == [(path, message)]


@pytest.mark.parametrize(
    "path", ["console.png", "com.png", "com10.png", "auxiliary/a.png", "a..png", " a.png", "naïve/猫.png", "a b/c.png"]
)
def test_names_that_windows_holds_are_left_alone(path):
    assert find(path) == []


def test_one_finding_a_file_however_many_parts_are_wrong():
    assert [path for path, _ in find("aux/con/what?.png", "b.png")] == ["aux/con/what?.png"]


def test_it_is_no_error_where_the_name_works():
    (finding,) = find_unportable_names(make_images(["aux.png"]))
    assert finding.score == 0.5
