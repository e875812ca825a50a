from __future__ import annotations

from datatools.checks.truncated_image import find_truncated
from datatools.schema import REJECTED


def test_only_files_that_were_cut_off():
    rows = [
        {"source": "b.png", "path": "b.png", "reason": "IMG004", "message": "it has only 12 bytes"},
        {"source": "c.png", "path": "c.png", "reason": "IMG001", "message": "not one of PNG"},
    ]
    (finding,) = find_truncated(REJECTED.conform(rows))
    assert (finding.path, finding.message) == ("b.png", "cut off: it has only 12 bytes")
