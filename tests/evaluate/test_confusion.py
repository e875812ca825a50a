from __future__ import annotations

from datatools.evaluate.confusion import confusion_table, to_confusion_rows, top_confusions

LABELS, PREDICTED, CLASSES = list("aabbbc"), list("abaacc"), ["c", "b", "a", "none"]


def test_rows_are_actual_and_columns_predicted_in_the_order_of_the_classes():
    table = confusion_table(LABELS, PREDICTED, CLASSES)
    assert list(table.index) == list(table.columns) == CLASSES
    assert (table.index.name, table.columns.name) == ("actual", "predicted")
    assert table.loc["b", "a"] == 2
    assert table.loc["a", "b"] == 1
    assert table.to_numpy().sum() == 6


def test_the_most_frequent_errors_come_first():
    top = top_confusions(confusion_table(LABELS, PREDICTED, CLASSES))
    assert top[["actual", "predicted", "count"]].values.tolist() == [["b", "a", 2], ["a", "b", 1], ["b", "c", 1]]
    assert top["share"].tolist() == [2 / 3, 1 / 2, 1 / 3]


def test_as_many_as_asked_for():
    assert len(top_confusions(confusion_table(LABELS, PREDICTED, CLASSES), n=1)) == 1


def test_no_errors_is_an_empty_table():
    top = top_confusions(confusion_table(["a"], ["a"], CLASSES))
    assert list(top.columns) == ["actual", "predicted", "count", "share"]
    assert top.empty


def test_dvc_gets_a_row_an_image():
    rows = to_confusion_rows(LABELS, PREDICTED)
    assert rows.to_dict("list") == {"actual": LABELS, "predicted": PREDICTED}
