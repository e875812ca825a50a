from __future__ import annotations

from itertools import permutations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datatools.agreement import alpha as module
from datatools.agreement.alpha import LEVELS, alpha_by_class, alpha_interval, krippendorff_alpha
from datatools.agreement.ratings import from_long, from_table
from datatools.errors import DatatoolsError
from tests.small_data import ratings

EXACT = {"rel": 0, "abs": 1e-12}
unhurried = settings(deadline=None, max_examples=120, database=None)
# Krippendorff (2011), section C: four observers, twelve units, some not rated
PAPER = {"a": "123321412---", "b": "1233224125-3", "c": "-3332342251-", "d": "12332441251-"}


def numbers(**given_labels):
    return ratings(**given_labels).astype("Float64")


def tables(letters="1234-"):
    n_items = st.integers(1, 15)
    rows = n_items.flatmap(lambda n: st.lists(st.text(letters, min_size=n, max_size=n), min_size=1, max_size=4))
    return rows.map(lambda rows: numbers(**{f"r{number}": row for number, row in enumerate(rows)}))


def by_hand(table, difference):
    """Alpha pair by pair, as the paper defines it."""
    units = [row.dropna().tolist() for _, row in table.iterrows()]
    units = [unit for unit in units if len(unit) >= 2]
    values = [value for unit in units for value in unit]
    if not values:
        return None
    observed = sum(sum(difference(*pair) for pair in permutations(unit, 2)) / (len(unit) - 1) for unit in units)
    expected = sum(difference(*pair) for pair in permutations(values, 2)) / (len(values) - 1)
    return 1.0 if expected == 0 else 1 - observed / expected


def ordinal_difference(table):
    rated = table[table.notna().sum(axis=1) >= 2]
    n_of = rated.stack().value_counts()

    def difference(one, other):
        low, high = sorted((one, other))
        return (sum(n for value, n in n_of.items() if low <= value <= high) - (n_of[low] + n_of[high]) / 2) ** 2

    return difference


@pytest.mark.parametrize(
    ("level", "published", "exact"),
    [
        ("nominal", 0.743, 113 / 152),
        ("ordinal", 0.815, 0.8153875037548814),
        ("interval", 0.849, 951 / 1120),
        ("ratio", 0.797, 0.7974027747116121),
    ],
)
def test_the_example_of_the_paper_with_missing_ratings(level, published, exact):
    found = krippendorff_alpha(numbers(**PAPER), level)
    assert found == pytest.approx(published, abs=0.0005)
    assert found == pytest.approx(exact, **EXACT)


@pytest.mark.parametrize(
    ("one", "other", "published"),
    [("0100000010", "1110010000", 0.095), ("aabbdcccedda", "babbbccceddd", 0.692)],
)
def test_the_examples_of_the_paper_with_two_observers(one, other, published):
    assert krippendorff_alpha(ratings(one=one, other=other)) == pytest.approx(published, abs=0.0005)


@unhurried
@given(tables())
def test_every_level_is_its_definition(table):
    differences = {
        "nominal": lambda one, other: float(one != other),
        "ordinal": ordinal_difference(table),
        "interval": lambda one, other: (one - other) ** 2,
        "ratio": lambda one, other: ((one - other) / (one + other)) ** 2,
    }
    for level in LEVELS:
        expected = by_hand(table, differences[level])
        found = krippendorff_alpha(table, level)
        assert found == (None if expected is None else pytest.approx(expected, **EXACT)), level


@unhurried
@given(tables())
def test_long_input_and_small_blocks_change_nothing(table):
    long = table.melt(ignore_index=False, var_name="annotator", value_name="label").reset_index()
    for level in LEVELS:
        whole = krippendorff_alpha(table, level)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, "BLOCK", 5)
            assert krippendorff_alpha(from_long(long, item="path"), level) == (
                whole if whole is None else pytest.approx(whole, **EXACT)
            )


@unhurried
@given(tables())
def test_weights_of_one_are_the_value_itself(table):
    for level in LEVELS:
        coded = from_table(table)
        counts, values = module.count_kinds(coded), module._values(coded, level, False)
        if len(counts.m):
            found = module._alpha(counts, level, values, counts.n_of_kind[None].astype(float))[0]
            assert found == pytest.approx(krippendorff_alpha(table, level), **EXACT)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize(
    ("given_labels", "expected"),
    [
        ({"anna": "12"}, None),
        ({"anna": "", "ben": ""}, None),
        ({"anna": "--", "ben": "--"}, None),
        ({"anna": "1-", "ben": "-2"}, None),
        ({"anna": "1", "ben": "1"}, 1.0),
        ({"anna": "11", "ben": "1-"}, 1.0),
        ({"anna": "12", "ben": "12"}, 1.0),
        ({"anna": "1", "ben": "2"}, 0.0),
    ],
)
def test_where_the_formula_is_at_its_end(given_labels, expected, level):
    table = numbers(**given_labels)
    assert krippendorff_alpha(table, level) == expected
    ends = alpha_interval(table, level)
    assert ends is None or (np.isfinite(ends).all() and expected is not None)


def test_ordinal_names_need_their_order():
    table = ratings(anna="hhlm", ben="hmlm")
    with pytest.raises(DatatoolsError, match="ordinal level without a class order needs labels that are numbers"):
        krippendorff_alpha(table, "ordinal")
    as_numbers = numbers(anna="3312", ben="3212")
    assert krippendorff_alpha(table, "ordinal", classes="lmh") == pytest.approx(
        krippendorff_alpha(as_numbers, "ordinal"), **EXACT
    )


def test_wrong_calls():
    with pytest.raises(DatatoolsError, match=r"level must be one of nominal, ordinal, interval, ratio\. Got 'rank'"):
        krippendorff_alpha(ratings(anna="a", ben="a"), "rank")
    with pytest.raises(DatatoolsError, match=r"ratio needs labels from 0\. Got -1"):
        krippendorff_alpha(pd.DataFrame({"a": [-1.0], "b": [2.0]}), "ratio")


def test_a_class_against_the_rest_is_alpha_of_yes_and_no():
    table = ratings(anna="aabbc-d", ben="abbba--", chloe="-abcc--")
    found = alpha_by_class(table)
    assert list(found["label"]) == ["a", "b", "c"]  # nobody shares an image with d
    for row in found.itertuples():
        binary = pd.DataFrame(
            {name: table[name].eq(row.label).astype("string").where(table[name].notna()) for name in table}
        )
        assert row.alpha == pytest.approx(krippendorff_alpha(binary), **EXACT)
        assert row.low <= row.alpha <= row.high


@pytest.mark.parametrize("level", LEVELS)
def test_the_interval_covers_the_truth_about_as_often_as_it_says(level):
    """100 small samples from one large population: the 90 % interval holds the population's alpha about 90 times."""
    rng = np.random.default_rng(5)
    truth = rng.integers(1, 5, 20_000)
    columns = {f"r{n}": np.where(rng.random(20_000) < 0.7, truth, rng.integers(1, 5, 20_000)) for n in range(3)}
    population = pd.DataFrame(columns).astype(float)
    whole = krippendorff_alpha(population, level)
    hits = 0
    for number in range(100):
        low, high = alpha_interval(
            population.iloc[number * 200 : number * 200 + 200], level, n_resamples=200, confidence=0.9
        )
        hits += low <= whole <= high
    assert 80 <= hits <= 98


def test_nothing_by_class():
    assert alpha_by_class(ratings(anna="a-", ben="-b")).empty
