"""The changelog: newest first, once a version, nothing else touched."""

from __future__ import annotations

from pathlib import Path

import pytest

from datatools.errors import DatatoolsError
from datatools.release.changelog import add_entry, changelog_path


def test_entries_are_added_on_top(tmp_path: Path):
    file = changelog_path(tmp_path, "data")
    assert file.name == "CHANGELOG.data.md"
    add_entry(file, "data", "## 1.0.0 (2026-01-01)\n\nfirst\n")
    add_entry(file, "data", "## 1.1.0 (2026-01-02)\n\nsecond\n")
    assert file.read_text() == (
        "# Releases of the data\n\n## 1.1.0 (2026-01-02)\n\nsecond\n\n## 1.0.0 (2026-01-01)\n\nfirst\n"
    )


def test_words_that_a_person_wrote_stay(tmp_path: Path):
    file = tmp_path / "CHANGELOG.data.md"
    file.write_text("# Our data\n\nHello.\n\n## 1.0.0 (2026-01-01)\n\nby hand\n")
    add_entry(file, "data", "## 1.0.1 (2026-01-02)\n\nnew\n")
    assert file.read_text() == (
        "# Our data\n\nHello.\n\n## 1.0.1 (2026-01-02)\n\nnew\n\n## 1.0.0 (2026-01-01)\n\nby hand\n"
    )


def test_an_entry_of_a_release_that_was_broken_off_is_replaced(tmp_path: Path):
    file = tmp_path / "CHANGELOG.model.md"
    add_entry(file, "model", "## 1.0.0 (2026-01-01)\n\nfirst\n")
    add_entry(file, "model", "## 1.0.10 (2026-01-02)\n\nkept\n")
    add_entry(file, "model", "## 1.0.1 (2026-01-02)\n\nold\n")
    add_entry(file, "model", "## 1.0.1 (2026-01-03)\n\nnew\n")
    text = file.read_text()
    assert text.count("## 1.0.1 ") == 1
    assert "old" not in text
    assert "kept" in text
    assert "first" in text


def test_what_is_no_text_is_left_alone(tmp_path: Path):
    file = tmp_path / "CHANGELOG.data.md"
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(DatatoolsError, match=r"CHANGELOG\.data\.md: expected a changelog as UTF-8 text"):
        add_entry(file, "data", "## 1.0.0\n")
    assert file.read_bytes() == b"\xff\xfe"
