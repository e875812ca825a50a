"""What people decide about sides goes before the ledger, and is told."""

from __future__ import annotations

import numpy as np
import pytest

from datatools.params import SplitParams
from datatools.schema import LEDGER, QUARANTINE
from datatools.split.decided import read_decided
from datatools.split.ledger import find_moved
from datatools.split.promises import list_promises
from datatools.split.run import split_dataset
from tests.small_data import fix_rows
from tests.split.builders import make, make_pairs, name_of, sides_of

DATA = make("aaaaaaaaaabbbbbbbbbb")


def decide(side: str, number: int = 0, **fields):
    return fix_rows({"op": "set_split", "path": name_of(number), "after": side, **fields})


def split(fixes=None, ledger=None, dataset=DATA, pairs=None):
    pairs = make_pairs() if pairs is None else pairs
    return split_dataset(dataset, pairs, LEDGER.empty() if ledger is None else ledger, SplitParams(), fixes=fixes)


@pytest.mark.parametrize("side", ["train", "val", "test"])
def test_an_image_goes_where_a_person_puts_it_and_nothing_else_moves(side: str):
    before = split()
    after = split(decide(side), before.ledger)
    changed = {path for path, where in sides_of(after).items() if where != sides_of(before)[path]}
    assert sides_of(after)[name_of(0)] == side
    assert changed <= {name_of(0)}
    assert find_moved(before.ledger, after.ledger).empty
    assert after.certificate["ledger"]["moved"] == 0 and after.certificate["holds"]
    assert after.certificate["decided"] == [{"path": name_of(0), "side": side, "ledger": sides_of(before)[name_of(0)]}]
    told = {promise.name: promise.text for promise in list_promises(after.certificate)}["no sample moves"]
    assert ("1 on another side by a person's decision" in told) == bool(changed)


def test_without_the_record_it_is_where_it_was():
    before = split()
    assert sides_of(split(None, split(decide("test"), before.ledger).ledger)) == sides_of(before)


@pytest.mark.parametrize("status", ["reverted", "disputed", "conflict"])
def test_only_records_in_force_count(status: str):
    assert (read_decided(decide("test", status=status), DATA.images) == -1).all()


def test_the_last_record_counts_and_others_say_nothing_of_sides():
    rows = [{"path": name_of(0), "op": "set_split", "after": side} for side in ("test", "val")]
    found = read_decided(fix_rows(*rows, {"path": name_of(1), "op": "relabel", "after": "b"}), DATA.images)
    assert found.tolist() == [1] + [-1] * (len(DATA.images) - 1)


def test_a_near_duplicate_on_the_other_side_is_quarantined_not_leaked():
    pairs = make_pairs((0, 1))
    before = split(pairs=pairs)
    other = "train" if sides_of(before)[name_of(1)] == "test" else "test"
    after = sides_of(split(decide(other), before.ledger, pairs=pairs))
    assert QUARANTINE in (after[name_of(0)], after[name_of(1)])
    assert len({after[name_of(0)], after[name_of(1)]} - {QUARANTINE}) == 1


def test_new_images_fill_up_as_if_it_had_always_been_there():
    first = split(decide("test"))
    assert sides_of(first)[name_of(0)] == "test"
    assert np.isclose(sum(first.certificate["sizes"].values()), len(DATA.images))
