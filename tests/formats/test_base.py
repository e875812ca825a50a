import json

import pytest

from datatools.formats.base import FEW, dump_attributes


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
