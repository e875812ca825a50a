from __future__ import annotations

import pytest

from datatools.schema import SIDES
from datatools.split.declared import side_of


@pytest.mark.parametrize(
    ("name", "side"),
    [
        ("train", "train"), ("Training", "train"), ("train2017", "train"), ("valid", "val"), ("VALIDATION", "val"),
        ("dev", "val"), ("val_2017", "val"), (" test ", "test"), ("testing", "test"), ("trainval", None),
        ("train,val", None), ("unlabeled", None), ("test-dev", None), ("", None), ("2017", None),
    ],
)  # fmt: skip
def test_names_of_sides(name, side):
    assert side_of(name) == (-1 if side is None else SIDES.index(side))
