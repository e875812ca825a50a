from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from datatools import provenance
from datatools.provenance import (
    CHANGING,
    FEW,
    describe_fixes,
    describe_origin,
    hash_ids,
    hash_params,
    hash_sources,
    list_changing,
    package_versions,
)
from datatools.schema import FIX_STATUS
from tests.small_data import fix_rows


def test_versions_of_what_is_installed():
    assert re.match(r"\d+\.\d+", package_versions(["numpy", "no-such-package"]).pop("numpy"))
    assert package_versions(["no-such-package"]) == {}


def test_the_hash_of_sources_follows_names_and_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    shutil.copytree(provenance.HERE / "formats", tmp_path / "formats")
    real = hash_sources("formats")
    monkeypatch.setattr(provenance, "HERE", tmp_path)
    assert hash_sources("formats") == real
    (tmp_path / "formats" / "notes.txt").write_text("no code")
    assert hash_sources("formats") == real
    (tmp_path / "formats" / "tables.py").rename(tmp_path / "formats" / "sheets.py")
    renamed = hash_sources("formats")
    (tmp_path / "formats" / "sheets.py").write_text("x = 1\n")
    assert len({real, renamed, hash_sources("formats")}) == 3


def test_the_fixes_that_made_the_data():
    rows = fix_rows(
        {"id": "b"},
        {"id": "a", "op": "exclude"},
        {"id": "c", "status": "conflict"},
        {"id": "d", "status": "reverted"},
        {"id": "e", "op": "confirm"},  # changes nothing: the same data has the same origin with and without it
        {"id": "f", "op": None},  # a line that is no record
    )
    assert list_changing(rows) == ["a", "b"]
    assert describe_fixes(rows) == {"n": 2, "sha256": hash_ids(["b", "a"]), "ids": ["a", "b"]}
    assert describe_fixes(rows.iloc[::-1]) == describe_fixes(rows)
    assert describe_fixes(FIX_STATUS.empty()) == {"n": 0, "sha256": hash_ids([]), "ids": []}


def test_many_fixes_are_named_by_their_hash():
    rows = fix_rows(*({} for _ in range(FEW + 1)))
    assert describe_fixes(rows.iloc[1:])["ids"] is not None
    many = describe_fixes(rows)
    assert (many["n"], many["ids"]) == (FEW + 1, None)
    assert many["sha256"] != describe_fixes(rows.iloc[1:])["sha256"]


def test_the_operations_that_change_tables_are_all_but_those_that_do_not():
    from datatools.fixes.records import OPS

    assert set(OPS) - set(CHANGING) == {"confirm", "ask", "set_split", "revert"}


def test_parameters_are_named_by_their_values():
    assert hash_params({"a": 1, "b": (1, 2)}) == hash_params({"b": [1, 2], "a": 1})
    assert len({hash_params({}), hash_params({"a": 1}), hash_params({"a": 1.5}), hash_params({"a": "1"})}) == 4


def test_an_origin_has_no_clock():
    fixes = describe_fixes(FIX_STATUS.empty())
    origin = describe_origin("abc", fixes, {"epochs": 2}, "0123")
    assert origin == describe_origin("abc", fixes, {"epochs": 2}, "0123")
    assert set(origin) == {"data_version", "code_commit", "datatools", "params", "params_hash", "fixes"}
    assert describe_origin("abc", None, {}, None)["fixes"] is None
