from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datatools.split.ledger import UNKNOWN
from datatools.split.links import find_links
from datatools.split.settling import settle
from tests.split.builders import make, make_pairs

LETTERS = {"?": UNKNOWN, "r": 0, "v": 1, "t": 2}
unhurried = settings(deadline=None, max_examples=60, database=None)


def links_of(n, pairs):
    return find_links(make("a" * n).images, make_pairs(*pairs), {})


def outcome(known, *pairs, fixed=""):
    """`outcome("r?t", (0, 1), (1, 2))`: letters for images (r train, v val, t test, ? new); q is quarantined."""
    numbers = np.array([LETTERS[letter] for letter in known], dtype=np.int8)
    is_fixed = np.array([letter == "x" for letter in fixed.ljust(len(known))])
    found = settle(links_of(len(known), pairs), numbers, is_fixed)
    words = {number: letter for letter, number in LETTERS.items()}
    return "".join(
        "q" if quarantined else words[side]
        for side, quarantined in zip(found.sides.tolist(), found.quarantined, strict=True)
    )


@pytest.mark.parametrize(
    ("known", "pairs", "expected"),
    [
        ("??", [(0, 1)], "??"),  # free: placed later, as one unit
        ("r?", [(0, 1)], "rr"),
        ("r???", [(0, 1), (1, 2), (2, 3)], "rrrr"),
        ("r?t", [(0, 1), (1, 2)], "rqt"),  # a new image that links two sides
        ("r?v", [(0, 1), (1, 2)], "rqv"),
        ("r??t", [(0, 1), (1, 2), (2, 3)], "rqtt"),  # between them the test set wins
        ("r???t", [(0, 1), (1, 2), (2, 3), (3, 4)], "rrqtt"),
        ("r?t?", [(0, 1), (1, 2), (1, 3)], "rqtq"),  # linked only with quarantine
        ("rt", [(0, 1)], "qt"),  # two old ones: the test set wins
        ("rv", [(0, 1)], "qv"),
        ("vt", [(0, 1)], "qt"),
        ("rvt", [(0, 1), (1, 2)], "rqt"),  # what is quarantined beats nobody
        ("rt?", [(0, 1), (1, 2)], "qtt"),
        ("rt?", [(0, 1), (0, 2)], "qtq"),
        ("rr?tt", [(0, 2), (1, 2), (2, 3)], "rrqtt"),
        ("r?", [], "r?"),
    ],
)
def test_table_of_cases(known, pairs, expected):
    assert outcome(known, *pairs) == expected


def test_what_the_data_itself_put_there_is_never_quarantined():
    assert outcome("rt", (0, 1), fixed="xx") == "rt"
    assert outcome("rt?", (0, 1), (0, 2), (1, 2), fixed="xx") == "rtq"
    assert outcome("rrt", (0, 2), (1, 2), fixed="x") == "rqt"


@st.composite
def cases(draw):
    n = draw(st.integers(2, 14))
    known = draw(st.lists(st.sampled_from([UNKNOWN, UNKNOWN, 0, 1, 2]), min_size=n, max_size=n))
    numbers = st.integers(0, n - 1)
    pairs = draw(st.lists(st.tuples(numbers, numbers).filter(lambda pair: pair[0] != pair[1]), max_size=2 * n))
    return np.array(known, dtype=np.int8), pairs


@unhurried
@given(cases())
def test_nobody_moves_no_link_crosses_and_it_is_a_fixed_point(case):
    known, pairs = case
    links, nothing = links_of(len(known), pairs), np.zeros(len(known), dtype=bool)
    found = settle(links, known, nothing)
    old = known != UNKNOWN
    assert (found.sides[old] == known[old]).all()
    assert not found.quarantined[known == 2].any(), "the test set is never touched"
    for one, other in pairs:
        if not found.quarantined[[one, other]].any():
            assert found.sides[one] == found.sides[other]
    with_old = {unit for unit, is_old in zip(found.units, old, strict=True) if is_old}
    free = (found.sides == UNKNOWN) & ~found.quarantined
    assert free.tolist() == [unit not in with_old for unit in found.units], "free units are whole and touch nothing old"
    again = settle(links, found.sides, nothing)
    assert again.sides.tolist() == found.sides.tolist()
    assert again.quarantined.tolist() == found.quarantined.tolist()
