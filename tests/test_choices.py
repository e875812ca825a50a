from __future__ import annotations

from datatools.choices import chosen_names


def test_flags_tags_choices_and_labels():
    assert chosen_names({"choices": ["cat", "dog", "cat"]}) == ("cat", "dog")
    assert chosen_names({"choices": [["animal", ["cat"]], ["mood", ["happy", "cat"]]]}) == ("cat", "happy")
    assert chosen_names({"labels": ["a", "b"]}) == ("a", "b")
    assert chosen_names({"labels": "missing"}) == chosen_names({}) == chosen_names({"choices": [1, [2, 3]]}) == ()
