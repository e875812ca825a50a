from __future__ import annotations

import pytest

from datatools.checks.fix_conflict import find_fix_conflicts
from tests.small_data import fix_rows


@pytest.mark.parametrize("status", ["applied", "reverted"])
def test_other_records_are_fine(status):
    assert list(find_fix_conflicts(fix_rows({"status": status, "path": "a.png"}))) == []


def test_a_conflict_names_its_record_and_why():
    row = {
        "status": "conflict",
        "id": "ab12",
        "path": "a.png",
        "annotation_id": "label/a.png",
        "message": "label is '3'",
    }
    (finding,) = find_fix_conflicts(fix_rows(row, {}))
    assert finding.message == "fix record ab12 is not applied: label is '3'"
    assert (finding.path, finding.annotation_id, finding.score) == ("a.png", "label/a.png", 0.0)


def test_a_broken_line_has_no_path():
    (finding,) = find_fix_conflicts(
        fix_rows({"status": "conflict", "id": "x.jsonl:3", "message": "not a record: torn"})
    )
    assert finding.path is None
    assert finding.annotation_id is None
