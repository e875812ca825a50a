from __future__ import annotations

from datatools.left_out import find_left_out
from datatools.schema import REJECTED


def test_a_row_with_the_code_says_where_it_was():
    rows = [
        {"source": "a.csv", "row": 3, "path": "a.png", "reason": "BOX004", "message": "no number"},
        {"source": "a.json", "annotation_id": "coco/1", "reason": "BOX004", "message": "no number"},
        {"source": "a.csv", "row": 4, "path": "a.png", "reason": "broken_row", "message": "no row"},
    ]
    found = {finding.message: finding for finding in find_left_out(REJECTED.conform(rows), "BOX004")}
    first, second = found["no number (left out: a.csv, row 3)"], found["no number (left out: a.json)"]
    assert (first.path, first.annotation_id, first.subject) == ("a.png", None, "a.csv, row 3")
    assert (second.path, second.annotation_id, second.subject) == (None, "coco/1", None)
    assert len(found) == 2
    assert list(find_left_out(REJECTED.empty(), "BOX004")) == []
