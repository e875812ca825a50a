from __future__ import annotations

from datatools.checks.mask_value import find_mask_values
from datatools.schema import REJECTED


def test_one_finding_a_file():
    rows = [
        {"source": "masks/a.png", "row": 7, "path": "a.png", "reason": "MSK009", "message": "the pixel value 7 (3 px) is no class"},
        {"source": "masks/b.png", "row": 7, "path": "b.png", "reason": "broken_row", "message": "other"},
    ]  # fmt: skip
    (finding,) = find_mask_values(REJECTED.conform(rows))
    assert finding.message == "the pixel value 7 (3 px) is no class (masks/a.png)"
    assert (finding.path, finding.subject) == ("a.png", "masks/a.png")
