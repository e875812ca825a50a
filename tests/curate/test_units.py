from __future__ import annotations

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from datatools.curate.units import find_units
from datatools.schema import PAIRS, SPLIT

PATHS = tuple("abcdefgh")


def split_of(groups: str, paths=PATHS) -> pd.DataFrame:
    rows = [{"path": path, "split": "train", "group": group} for path, group in zip(paths, groups, strict=True)]
    return SPLIT.conform(rows)


def pairs_of(*pairs: str) -> pd.DataFrame:
    return PAIRS.conform([{"path": one, "other": other, "how": "hash"} for one, other in pairs])


def units_of(groups: str, *pairs: str) -> str:
    return "".join(find_units(split_of(groups), pairs_of(*pairs)))


def test_without_pairs_the_groups_of_the_split_are_the_units():
    assert units_of("wwxxyzzz") == "aaccefff"


def test_a_near_duplicate_joins_two_groups_and_links_chain():
    assert units_of("wwxxyzzz", "bc") == "aaaaefff"
    assert units_of("wwxxyzzz", "bc", "df") == "aaaaeaaa"


def test_a_quarantined_image_stays_with_what_it_copies():
    """It is a group of its own in the split, for it would link two sides."""
    assert units_of("wwxxyzzq", "bh", "ch") == "aaaaeffa"


def test_a_pair_with_an_image_that_is_not_there_links_nothing():
    assert units_of("wwxxyzzz", "bp", "cp") == "aaccefff"


@given(
    st.text("wxyz", min_size=8, max_size=8),
    st.sets(st.sampled_from([f"{a}{b}" for a in PATHS for b in PATHS if a < b])),
)
def test_no_group_and_no_pair_is_in_two_units(groups, pairs):
    units = find_units(split_of(groups), pairs_of(*pairs))
    assert list(units.index) == list(PATHS)
    assert all(units[one] == units[other] for one, other in pairs)
    assert all(units.groupby(list(groups)).nunique() == 1)
    assert all(units[unit] == unit and unit <= path for path, unit in units.items())
