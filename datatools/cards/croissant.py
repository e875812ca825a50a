"""Croissant metadata (mlcommons.org/croissant, format 1.0): JSON-LD that names every file with its SHA-256 and every field.

The JSON-LD context is written out in the file, so that reading it needs no network.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from datatools.cards.facts import CardFacts, count_sides
from datatools.schema import BOX

Node = dict[str, Any]
CONFORMS_TO = "http://mlcommons.org/croissant/1.0"
PARQUET = "application/x-parquet"
TERMS = (
    "citeAs column conformsTo equivalentProperty extract field fileProperty fileObject fileSet format includes isLiveDataset "
    "jsonPath key md5 parentField path recordSet references regex repeated replace samplingRate separator source subField transform"
)
CONTEXT: Node = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "dct": "http://purl.org/dc/terms/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "sc": "https://schema.org/",
    **{term: f"cr:{term}" for term in TERMS.split()},
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
}
TYPES = {"string": "sc:Text", "int64": "sc:Integer", "float64": "sc:Float"}
DESCRIPTIONS = {
    "path": "Path of the image, relative to the data root: its identity.",
    "sha256": "SHA-256 of the image file: its content.",
    "split": "Side of the split.",
    "label": "Class of the image or object.",
    "licence": "SPDX id of the licence, unknown, or as the source calls it.",
    "kind": "label, box, mask or shape.",
    "mask": "Polygons (a JSON list of rings of x, y in pixels) or COCO run lengths; null where there is none.",
    **dict.fromkeys(BOX, "Box corner in pixels; half-open, so that x1 - x0 is the width."),
}


def to_croissant(
    facts: CardFacts, files: Mapping[str, bytes], digests: Mapping[str, str], columns: Mapping[str, Mapping[str, str]]
) -> Node:
    """The document. `files` are the tables beside it by file name, `digests` their SHA-256, `columns` name -> type of each table."""
    document: Node = {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "name": facts.name,
        "description": _describe(facts),
        "conformsTo": CONFORMS_TO,
        "license": [licence.url or licence.id for licence in facts.distinct],
        "url": facts.url,
        "version": facts.version or "0.0.0",
        "datePublished": facts.committed,
        "isLiveDataset": False,
        "distribution": [_file(name, len(data), digests[name]) for name, data in files.items()],
        "recordSet": [_splits(facts), _classes(facts), *(_table(name, names) for name, names in columns.items())],
    }
    return {key: value for key, value in document.items() if value is not None}


def _describe(facts: CardFacts) -> str:
    dataset = facts.dataset
    counts = f"{len(dataset.images)} images, {len(dataset.annotations)} annotations, {len(dataset.classes)} classes"
    return f"{facts.name}: {counts}. Data version {dataset.version}, commit {facts.commit or 'unknown'}."


def _file(name: str, n_bytes: int, sha256: str) -> Node:
    return {
        "@type": "cr:FileObject",
        "@id": name,
        "name": name,
        "contentUrl": name,
        "contentSize": f"{n_bytes} B",
        "encodingFormat": PARQUET,
        "sha256": sha256,
    }


def _splits(facts: CardFacts) -> Node:
    urls = {"train": "cr:TrainingSplit", "val": "cr:ValidationSplit", "test": "cr:TestSplit"}
    rows = [{"splits/name": side, "splits/url": urls.get(side, "")} for side in count_sides(facts.split)]
    fields = [_field("splits/name", "sc:Text"), _field("splits/url", "sc:URL")]
    return _inline("splits", ["cr:Split", "sc:Enumeration"], fields, rows)


def _classes(facts: CardFacts) -> Node:
    rows = [
        {"classes/name": row["class"], "classes/n_images": row["n"], "classes/n_objects": row["objects"]}
        for row in facts.classes
    ]
    fields = [
        _field("classes/name", "sc:Text"),
        _field("classes/n_images", "sc:Integer"),
        _field("classes/n_objects", "sc:Integer"),
    ]
    return _inline("classes", ["sc:Enumeration"], fields, rows)


def _inline(name: str, types: Sequence[str], fields: Sequence[Node], rows: Sequence[Node]) -> Node:
    base = {"@type": "cr:RecordSet", "@id": name, "name": name, "dataType": list(types)}
    return {**base, "key": {"@id": f"{name}/name"}, "field": list(fields), "data": list(rows)}


def _table(name: str, columns: Mapping[str, str]) -> Node:
    key = "path" if name == "images" else "annotation_id"
    fields = [
        {
            **_field(f"{name}/{column}", TYPES[dtype]),
            "description": DESCRIPTIONS.get(column, column.replace("_", " ")),
            "source": {"fileObject": {"@id": f"{name}.parquet"}, "extract": {"column": column}},
            **_reference(name, column),
        }
        for column, dtype in columns.items()
    ]
    return {"@type": "cr:RecordSet", "@id": name, "name": name, "key": {"@id": f"{name}/{key}"}, "field": fields}


def _reference(name: str, column: str) -> Node:
    """Which column of another table, or which field, a column points at.

    mlcroissant 1.1 joins a table with a file and not with a record set that it makes of one.
    """
    targets: dict[tuple[str, str], Node] = {
        ("images", "split"): {"field": {"@id": "splits/name"}},
        ("annotations", "path"): {"fileObject": {"@id": "images.parquet"}, "extract": {"column": "path"}},
    }
    target = targets.get((name, column))
    return {"references": target} if target else {}


def _field(name: str, data_type: str) -> Node:
    return {"@type": "cr:Field", "@id": name, "name": name, "dataType": data_type}
