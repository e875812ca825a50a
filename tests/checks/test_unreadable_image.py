from __future__ import annotations

from datatools.checks.unreadable_image import find_unreadable
from datatools.schema import REJECTED


def test_only_files_that_could_not_be_decoded():
    rows = [
        {"source": "b.png", "path": "b.png", "reason": "IMG001", "message": "image file is truncated"},
        {"source": "n.txt", "path": "n.txt", "reason": "not_an_image", "message": "not an image file"},
        {"source": "anna.csv", "path": "b.png", "annotation_id": "label/b.png@anna", "reason": "no_image"},
    ]
    (finding,) = find_unreadable(REJECTED.conform(rows))
    assert (finding.path, finding.message) == ("b.png", "cannot be decoded: image file is truncated")
    assert list(find_unreadable(REJECTED.empty())) == []
