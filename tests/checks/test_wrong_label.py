from __future__ import annotations

from datatools.checks.wrong_label import find_wrong_labels
from tests.small_data import suspect_table


def test_only_what_cleanlab_doubts():
    table = suspect_table(
        ("a.png", "3", "8", 0.1, True), ("b.png", "3", "8", 0.2, False), ("c.png", "1", "1", 1.0, False)
    )
    (finding,) = find_wrong_labels(table)
    assert finding.message == "labelled '3', looks like '8' to a model that never saw it"
    assert (finding.path, finding.annotation_id, finding.score) == ("a.png", "label/a.png", 0.1)
