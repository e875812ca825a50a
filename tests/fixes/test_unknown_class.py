from __future__ import annotations

from datatools.fixes.unknown_class import refuse_label

MANY = [f"class {number}" for number in range(60)]
NEW = "a new class comes with `ingest.classes` in params.yaml, which lists all, and `dvc repro`."


def test_few_classes_are_all_named():
    assert refuse_label("cow", ["cat", "dog"]) == f"label must be one of cat, dog. Got 'cow' instead: {NEW}"


def test_of_many_those_most_like_it_are_named():
    assert refuse_label("clas 17", MANY).startswith("label must be one of class 17, ")
    assert " or 57 more. Got 'clas 17' instead" in refuse_label("clas 17", MANY)


def test_of_many_the_first_are_named_where_none_is_like_it():
    assert refuse_label("x", MANY).startswith("label must be one of class 0, class 1, class 2")
    assert "class 11 or 48 more. Got 'x' instead" in refuse_label("x", MANY)


def test_a_name_cannot_turn_the_line_round():
    assert refuse_label("x", ["\u202eevil"]).startswith("label must be one of '\\u202eevil'. Got 'x'")
