"""The JSON schema of the document that `datatools diff --format json` writes."""

from __future__ import annotations

from typing import Any

from datatools.diff.changes import KINDS
from datatools.diff.document import FINDING, MEASURES, SCHEMA
from datatools.fixes.record_schema import DIALECT
from datatools.schema import QUARANTINE, SEVERITIES, SIDES

_TEXT = {"type": "string"}
_TEXT_OR_NULL = {"type": ["string", "null"]}
_COUNT = {"type": "integer", "minimum": 0}
_BOTH = {"before": _COUNT, "after": _COUNT}
_BOX = {"type": "array", "items": {"type": ["number", "null"]}, "minItems": 4, "maxItems": 4}
_BOX_OR_NULL = {"oneOf": [_BOX, {"type": "null"}]}
_VALUE = {"oneOf": [{"type": ["string", "object", "null"]}, _BOX]}
_RECORDS = {"type": "array", "items": {"type": "object", "required": ["id", "op", "who", "when", "why"]}}
_BY_KIND = {"type": "object", "propertyNames": {"enum": list(KINDS)}, "additionalProperties": {**_COUNT, "minimum": 1}}
_FINDING = {name: _TEXT if name in ("code", "severity", "message") else _TEXT_OR_NULL for name in FINDING}


def make_schema() -> dict[str, Any]:
    """The schema, JSON Schema 2020-12, of the document that `datatools diff --format json` writes.

    Fields may be added in the same version: a reader passes over those that it does not know.
    """
    schema: dict[str, Any] = {
        "$schema": DIALECT,
        "title": f"datatools diff, version {SCHEMA}",
        "description": "What differs between two versions of a data set. Fields may be added; pass over unknown ones.",
        **_object(
            schema={"const": SCHEMA},
            before=_version("The version that is compared."),
            after=_version("The version that it is compared with."),
            is_empty=_say("Whether nothing differs.", type="boolean"),
            n_changes=_say("Length of `changes`.", **_COUNT),
            n_from_source=_say("Changes that no fix record explains: they came with the data.", **_COUNT),
            by_kind=_say("Number of changes of each kind that there is.", **_BY_KIND),
            classes=_list(
                "Every class of either version: images that have it as their label, objects of it.",
                label=_TEXT,
                **dict.fromkeys(("images_before", "images_after", "objects_before", "objects_after"), _COUNT),
            ),
            sides=_list("Images on each side of the split.", name={"enum": [*SIDES, QUARANTINE]}, **_BOTH),
            annotators=_list("Annotations of each annotator.", name=_TEXT, **_BOTH),
            slices=_list(
                "Images of each value of a metadata column, where that differs.", column=_TEXT, name=_TEXT, **_BOTH
            ),
            findings=_list(
                "Findings of each code.",
                code=_TEXT,
                severity={"enum": list(SEVERITIES)},
                **_BOTH,
                new=_COUNT,
                gone=_COUNT,
            ),
            new_findings=_list("Findings that `before` has not.", **_FINDING),
            gone_findings=_list("Findings that `after` has not.", **_FINDING),
            agreement=_say(
                "Of the image labels: number of annotators and of images, shares and coefficients; null where not measured.",
                **_object(before=_MEASURES, after=_MEASURES),
            ),
            records=_say("The fix records behind changes (docs/fix-record.schema.json), by time.", **_RECORDS),
            changes=_changes(),
        ),
    }
    schema["required"].remove("changes")
    return schema


def _changes() -> dict[str, Any]:
    return _list(
        "What differs, one fact each, sorted by path, annotation and kind. Left out with --stat.",
        kind={"enum": list(KINDS)},
        path=_say("The image as it is called now, or was before it went.", **_TEXT),
        annotation_id=_say("Null for a change of an image.", **_TEXT_OR_NULL),
        before=_say("What it was; null for nothing. By kind, see docs/diff.md.", **_VALUE),
        after=_say("What it is; null for nothing.", **_VALUE),
        labels=_say("Classes that it concerns.", type="array", items=_TEXT),
        iou=_say("Of before and after, for moved and reshaped.", type=["number", "null"], minimum=0, maximum=1),
        fixes=_say("Ids of the fix records behind it; none: it came with the data.", type="array", items=_TEXT),
        annotator=_say("Who said it, as the data has it.", **_TEXT_OR_NULL),
        box=_say("x0, y0, x1, y1 in pixels: where the annotation is, or was.", **_BOX_OR_NULL),
    )


def _object(**fields: Any) -> dict[str, Any]:
    return {"type": "object", "properties": fields, "required": list(fields)}


def _say(words: str, **schema: Any) -> dict[str, Any]:
    return {"description": words, **schema}


def _list(words: str, **fields: Any) -> dict[str, Any]:
    return _say(words, type="array", items=_object(**fields))


def _version(words: str) -> dict[str, Any]:
    return _say(
        words,
        **_object(
            name=_say("As the user called it, or `workspace`.", **_TEXT),
            commit=_say("Null for the workspace.", **_TEXT_OR_NULL),
            data=_say("What dataset.json calls its content.", **_TEXT_OR_NULL),
            stale=_say("Why its results are not those of the data on disk; empty where they are.", **_TEXT),
            images=_COUNT,
            annotations=_COUNT,
        ),
    )


_MEASURES = {
    **_object(**{name: {"type": ["number", "null"]} for name in MEASURES}),
    "type": ["object", "null"],
}
