import dataclasses
import json
from pathlib import Path

import pytest
from hypothesis import given

from datatools.fixes.record_schema import make_schema
from datatools.fixes.records import NEEDS, FixRecord, to_line
from tests.builders import make_record
from tests.fixes.test_records import fix_records

jsonschema = pytest.importorskip("jsonschema")
PUBLISHED = Path(__file__).resolve().parents[2] / "docs" / "fix-record.schema.json"


def is_valid(line: str) -> bool:
    return bool(jsonschema.Draft202012Validator(make_schema()).is_valid(json.loads(line)))


def test_the_schema_is_itself_valid_and_names_every_field():
    jsonschema.Draft202012Validator.check_schema(make_schema())
    assert set(make_schema()["properties"]) == {item.name for item in dataclasses.fields(FixRecord)}


@given(fix_records())
def test_what_is_written_fits_the_schema(record: FixRecord):
    assert is_valid(to_line(record)) == bool(record.who.strip())


@pytest.mark.parametrize("name", ["id", "who", "when", "why", "op", "schema", "annotation_id", "after"])
def test_a_record_without_a_field_it_needs_does_not_fit(name: str):
    values = json.loads(to_line(make_record("relabel", before="cat", after="dog")))
    assert is_valid(json.dumps(values))
    del values[name]
    assert not is_valid(json.dumps(values))


def test_an_unknown_field_does_not_fit():
    values = json.loads(to_line(make_record("exclude")))
    assert not is_valid(json.dumps({**values, "more": "x"}))
    assert set(NEEDS) == set(make_schema()["properties"]["op"]["enum"])


def test_the_published_file_is_this_schema():
    assert json.loads(PUBLISHED.read_text()) == make_schema(), (
        "run datatools fixes schema > docs/fix-record.schema.json"
    )
