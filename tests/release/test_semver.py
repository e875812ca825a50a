"""Semantic versions: what is one, their order, and the next one."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datatools.errors import DatatoolsError
from datatools.release.semver import KINDS, Semver, bump, parse_semver

ORDERED = (  # semver.org, section 11
    *(
        "0.0.1",
        "0.1.0",
        "1.0.0-alpha",
        "1.0.0-alpha.1",
        "1.0.0-alpha.beta",
        "1.0.0-beta",
        "1.0.0-beta.2",
        "1.0.0-beta.11",
    ),
    *("1.0.0-rc.1", "1.0.0", "1.0.1", "1.2.0", "1.10.0", "2.0.0", "2.1.0", "2.1.1"),
)
VERSIONS = st.builds(Semver, *[st.integers(0, 30)] * 3, st.sampled_from(["", "rc.1", "alpha", "1", "a.b.c"]))


def test_the_order_of_the_standard():
    versions = [parse_semver(text) for text in ORDERED]
    assert sorted(versions) == versions
    for one, other in itertools.combinations(versions, 2):
        assert one < other
        assert one != other


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1",
        "1.2",
        "1.2.3.4",
        "01.2.3",
        "1.02.3",
        "1.2.3-",
        "1.2.3-01",
        "1.2.3-a..b",
        "1.2.3+5",
        "1.2.x",
        "a",
        "-1.2.3",
        "1.2.٣",
    ],
)
def test_what_is_no_version(text: str):
    with pytest.raises(DatatoolsError, match=r"expected a semantic version such as 1\.2\.0"):
        parse_semver(text)


@given(VERSIONS)
def test_what_is_written_is_read(version: Semver):
    assert parse_semver(str(version)) == parse_semver(f"v{version}") == version


@pytest.mark.parametrize(
    ("version", "kind", "expected"),
    [
        ("1.2.3", "none", "1.2.3"),
        ("1.2.3", "patch", "1.2.4"),
        ("1.2.3", "minor", "1.3.0"),
        ("1.2.3", "major", "2.0.0"),
        ("0.2.3", "major", "0.3.0"),  # section 4: before 1.0.0 anything may change
        ("0.2.3", "minor", "0.3.0"),
        ("2.0.0-rc.1", "major", "2.0.0"),
        ("1.3.0-rc.1", "minor", "1.3.0"),
        ("1.3.0-rc.1", "patch", "1.3.0"),
        ("1.3.0-rc.1", "major", "2.0.0"),
        ("1.3.1-rc.1", "minor", "1.4.0"),
    ],
)
def test_the_next_version(version: str, kind: str, expected: str):
    assert str(bump(parse_semver(version), kind)) == expected


@given(VERSIONS, st.sampled_from(KINDS[1:]))
def test_the_next_version_comes_after(version: Semver, kind: str):
    assert bump(version, kind) > version
    assert not bump(version, kind).pre
