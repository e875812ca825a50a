"""The JSON schema of a fix record, for programs that write or read records beside datatools."""

from __future__ import annotations

from typing import Any

from datatools.fixes.records import NEEDS, SCHEMA

DIALECT = "https://json-schema.org/draft/2020-12/schema"
MEANING = {
    "id": "Unique; 16 hexadecimal digits as datatools writes it.",
    "schema": "Version of this schema.",
    "op": "What was decided.",
    "who": "Who decided.",
    "when": "UTC, ISO 8601 with microseconds: 2026-07-01T12:00:00.000000Z.",
    "why": "The reason, in words.",
    "path": "The image, relative to the data root.",
    "annotation_id": "The annotation.",
    "before": "The value that the person saw; a record whose before no longer holds is a conflict.",
    "after": "The new value.",
    "column": "Column of metadata.csv.",
    "reverts": "Id of the record that no longer holds.",
    "settles": "Ids of the records that this one overrules, where people disagreed.",
    "base": "Version of the data that the person saw.",
    "evidence": "What the queue, a finding or a model said of it.",
}


def make_schema() -> dict[str, Any]:
    """The schema, JSON Schema 2020-12, of one line of data/fixes/*.jsonl as this version writes it."""
    text: dict[str, Any] = {"type": "string"}
    kinds: dict[str, Any] = {
        "schema": {"const": SCHEMA},
        "op": {"enum": list(NEEDS)},
        "who": {"type": "string", "pattern": r"\S"},
        "settles": {"type": "array", "items": text},
        "evidence": {"type": "object"},
    }
    return {
        "$schema": DIALECT,
        "title": f"datatools fix record, version {SCHEMA}",
        "type": "object",
        "properties": {name: {**kinds.get(name, text), "description": words} for name, words in MEANING.items()},
        "required": ["id", "op", "schema", "when", "who", "why"],
        "additionalProperties": False,
        "allOf": [
            {"if": {"properties": {"op": {"const": op}}}, "then": {"required": list(names)}}
            for op, names in NEEDS.items()
        ],
    }
