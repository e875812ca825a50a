from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datatools.errors import DatatoolsError
from datatools.schema import LEDGER, SIDES
from datatools.split.ledger import (
    add_to_ledger,
    find_disputes,
    find_moved,
    load_ledger,
    look_up,
    parse_ledger,
    save_ledger,
)

HEAD = "path,sha256,split\n"
lines = st.lists(
    st.tuples(st.text("ab,\"' é#", min_size=1, max_size=6), st.sampled_from("123"), st.sampled_from(SIDES))
)


def table(*rows):
    return LEDGER.conform(pd.DataFrame(rows, columns=["path", "sha256", "split"]))


def images(*rows):
    return pd.DataFrame(rows, columns=["path", "sha256"], dtype="string")


def found(ledger, *rows):
    return [None if side < 0 else SIDES[side] for side in look_up(ledger, images(*rows))]


@settings(deadline=None, max_examples=50, database=None)
@given(lines)
def test_what_is_saved_is_read_again(tmp_path_factory, rows):
    file = tmp_path_factory.mktemp("ledger") / "ledger.csv"
    ledger = table(*dict.fromkeys(rows))
    save_ledger(file, ledger)
    first = file.read_bytes()
    pd.testing.assert_frame_equal(load_ledger(file), ledger)
    save_ledger(file, ledger.sample(frac=1, random_state=1))
    assert file.read_bytes() == first and first.count(b"\n") == len(ledger) + 1


def test_no_file_is_an_empty_ledger(tmp_path):
    assert load_ledger(tmp_path / "ledger.csv").empty


def test_what_a_merge_leaves_behind_is_read():
    text = f"{HEAD}a.png,1,train\r\n\n{HEAD}b.png,2,test\na.png,1,train\n"
    assert parse_ledger(text, "x").to_numpy().tolist() == [["a.png", "1", "train"], ["b.png", "2", "test"]]


@pytest.mark.parametrize(
    ("line", "got"),
    [
        ("<<<<<<< HEAD", "'<<<<<<< HEAD'"),
        (f"a.png,{'1' * 64},quarantine", "the split 'quarantine'"),
        ("a.png,1", "'a.png,1'"),
        ("a.png,1,train,more", "'a.png,1,train,more'"),
    ],
)
def test_a_broken_line_is_named(line, got):
    message = rf"^ledger: line 3: expected path,sha256,split with split one of train, val, test\. Got {got} instead"
    with pytest.raises(DatatoolsError, match=message):
        parse_ledger(f"{HEAD}b.png,2,test\n{line}\n", "ledger")


def test_a_file_that_is_no_text_is_named(tmp_path):
    (tmp_path / "ledger.csv").write_bytes(b"\xff\xfe")
    with pytest.raises(DatatoolsError, match=r"ledger.csv: expected a ledger as UTF-8"):
        load_ledger(tmp_path / "ledger.csv")


def test_a_sample_is_found_by_itself_then_by_content_then_by_path():
    ledger = table(("a", "1", "train"), ("b", "2", "test"))
    assert found(ledger, ("a", "1"), ("b", "2"), ("c", "3")) == ["train", "test", None]
    assert found(ledger, ("new name", "2")) == ["test"], "renamed"
    assert found(ledger, ("b", "9")) == ["test"], "edited in place"
    assert found(ledger, ("a", "2"), ("b", "1")) == ["test", "train"], "swapped names: the content counts"


def test_a_line_that_is_an_images_own_speaks_of_no_other():
    ledger = table(("a", "1", "train"))
    assert found(ledger, ("a", "1"), ("copy", "1")) == ["train", None], "a link keeps the copy with it, not the ledger"
    assert found(ledger, ("a", "9"), ("moved", "1")) == [None, "train"], "new content under the old name is new"


def test_of_two_lines_the_test_set_wins():
    ledger = table(("a", "1", "train"), ("a", "1", "test"), ("b", "2", "val"), ("b", "2", "train"), ("c", "3", "val"))
    assert found(ledger, ("a", "1"), ("b", "2"), ("c", "3")) == ["test", "val", "val"]
    disputes = find_disputes(ledger)
    rows = [(row.path, row.sha256, list(row.splits)) for row in disputes.itertuples()]
    assert rows == [("a", "1", ["train", "test"]), ("b", "2", ["train", "val"])]


def test_lines_are_only_added():
    ledger = table(("a", "1", "train"), ("a", "1", "test"), ("gone", "7", "val"))
    sides = look_up(ledger, images(("a", "1"))).tolist()
    grown = add_to_ledger(
        ledger, images(("a", "1"), ("b", "2"), ("c", "3")), pd.Series([*sides, 0, -1]).to_numpy("int8")
    )
    assert grown.to_numpy().tolist() == [
        ["a", "1", "test"], ["a", "1", "train"], ["b", "2", "train"], ["gone", "7", "val"],
    ]  # fmt: skip
    pd.testing.assert_frame_equal(add_to_ledger(ledger, images(("c", "3")), pd.Series([-1]).to_numpy("int8")), ledger)


def test_moved_samples_are_those_that_are_elsewhere_or_gone():
    before = table(("a", "1", "train"), ("b", "2", "val"), ("c", "3", "test"))
    after = table(("a", "1", "train"), ("b", "2", "test"), ("b", "2", "val"), ("d", "4", "train"))
    assert find_moved(before, after).fillna("-").to_numpy().tolist() == [
        ["b", "2", "val", "test"],
        ["c", "3", "test", "-"],
    ]
    assert find_moved(before, before).empty
