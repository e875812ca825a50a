import json

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datatools.errors import DatatoolsError
from datatools.formats.base import FEW, Content, Rows, dump_attributes, from_tuples
from datatools.schema import ANNOTATIONS, RECORDS, REJECTED


def test_equal_values_of_other_types_keep_their_text():
    assert [dump_attributes({"a": value}) for value in (1, True, 1.0, 1)] == [
        '{"a":1}',
        '{"a":true}',
        '{"a":1.0}',
        '{"a":1}',
    ]
    assert [dump_attributes({"a": value}) for value in (False, 0)] == ['{"a":false}', '{"a":0}']


@pytest.mark.parametrize(
    "attributes", [{}, {"b": "é", "a": 1}, {"a": [1, {"b": None}]}, {str(number): number for number in range(FEW + 1)}]
)
def test_attributes_come_back(attributes):
    text = dump_attributes(attributes)
    assert json.loads(text) == attributes
    assert text == json.dumps(attributes, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def test_not_finite_is_no_json():
    with pytest.raises(ValueError, match="not JSON compliant"):
        dump_attributes({"a": float("nan")})


TEXTS = st.sampled_from(["a", "b", "a#10", "a#9", "\u00e9", "\U0001f600", ""])
ANNOTATION = st.fixed_dictionaries(
    {"annotation_id": TEXTS, "path": TEXTS},
    optional={"label": TEXTS | st.none(), "x0_px": st.floats(0, 9) | st.none(), "mask": st.none(), "source": TEXTS},
)
RECORD = st.fixed_dictionaries(
    {"path": TEXTS | st.none()}, optional={"width_px": st.integers(0, 9) | st.none(), "subset": TEXTS}
)


@given(
    st.lists(ANNOTATION, max_size=6, unique_by=lambda row: row["annotation_id"]),
    st.lists(RECORD, max_size=4),
    st.lists(st.fixed_dictionaries({"source": TEXTS | st.none(), "row": st.integers(1, 9) | st.none()}), max_size=4),
)
def test_rows_become_the_tables_that_the_schema_says(annotations, records, rejected):
    content = Content.from_rows(records, annotations, rejected=rejected)
    pd.testing.assert_frame_equal(content.annotations, ANNOTATIONS.conform(annotations))
    pd.testing.assert_frame_equal(content.records, RECORDS.conform(records))
    pd.testing.assert_frame_equal(content.rejected, REJECTED.conform(rejected))


@pytest.mark.parametrize("part", [1, 2, 3, 100])
def test_of_a_repeated_id_the_first_row_stays_however_many_become_columns_together(part, monkeypatch):
    monkeypatch.setattr("datatools.formats.base.PART", part)
    ids = ["b", "a", "b", "c", "a", "b"]
    rows = [{"annotation_id": name, "path": f"{number}.png", "source": "x"} for number, name in enumerate(ids)]
    content = Content.from_rows(annotations=iter(rows))
    assert content.annotations[["annotation_id", "path"]].to_numpy().tolist() == [
        ["a", "1.png"],
        ["b", "0.png"],
        ["c", "3.png"],
    ]
    assert content.rejected["path"].tolist() == ["2.png", "4.png", "5.png"]
    assert set(content.rejected["reason"]) == {"repeated_id"}


@pytest.mark.parametrize("part", [1, 2, 100])
def test_rows_are_the_same_table_however_many_become_columns_together(part, monkeypatch):
    monkeypatch.setattr("datatools.formats.base.PART", part)
    records = [{"path": name, "width_px": 3 if name == "c" else None} for name in ("c", "a", None, "b", "a")]
    pd.testing.assert_frame_equal(Rows(RECORDS, records).to_frame(), RECORDS.conform(records))


@given(st.lists(ANNOTATION, max_size=6, unique_by=lambda row: row["annotation_id"]))
def test_tuples_become_the_same_table_and_are_used_up(annotations):
    rows = [tuple(row.get(name) for name in ANNOTATIONS.columns) for row in annotations]
    pd.testing.assert_frame_equal(from_tuples(rows, ANNOTATIONS), ANNOTATIONS.conform(annotations))
    assert rows == []


def test_a_field_that_no_column_is_for_is_an_error():
    with pytest.raises(DatatoolsError, match="Got 'colour' instead"):
        Content.from_rows([{"path": "a.png", "colour": "red"}])
