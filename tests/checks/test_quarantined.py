from __future__ import annotations

from datatools.checks.quarantined import find_quarantined
from datatools.schema import SPLIT


def make(**sides: str):
    """`make(a="g train")`: image a of unit g on this side."""
    rows = [(path, *said.split()) for path, said in sides.items()]
    return SPLIT.conform([{"path": path, "group": group, "split": side} for path, group, side in rows])


def test_nothing_in_quarantine():
    assert list(find_quarantined(make(a="g train", b="h test"))) == []


def test_it_names_an_image_of_each_side_of_its_unit():
    found = list(find_quarantined(make(a="g train", b="g quarantine", c="g test", d="g train", e="h val")))
    assert [(finding.path, finding.message) for finding in found] == [
        ("b", "is on no side: it belongs with a (train), c (test)")
    ]


def test_a_unit_that_is_wholly_in_quarantine():
    (one, other) = find_quarantined(make(a="g quarantine", b="g quarantine", c="h test"))
    assert one.message == other.message == "is on no side: it belongs with images in quarantine"
