"""The document, its published schema, and the table in a terminal."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

from datatools.diff.changes import KINDS, Change, Diff, FindingCount, VersionName
from datatools.diff.compare import compare_versions
from datatools.diff.document import to_document, to_plain_change, write_json, write_lines
from datatools.diff.document_schema import make_schema
from datatools.diff.terminal import describe, describe_change, to_text
from datatools.diff.versions import Version
from datatools.findings import Finding
from tests.builders import make_record
from tests.diff.planting import plant
from tests.diff.test_planted import make_version
from tests.finished_runs import found

ROOT = Path(__file__).parents[2]
HOSTILE = "a\x1b[31m\u202e\n/x.png"


@pytest.fixture(scope="module")
def planted() -> Diff:
    before = dataclasses.replace(
        make_version(), findings=found("BOX001", Finding("old", "000.png")), agreement={"fleiss": 0.5}
    )
    after, _ = plant(before, 80, 0)
    new = found("BOX002", Finding("new", "001.png"))
    return compare_versions(
        before, dataclasses.replace(after, findings=new, agreement={"fleiss": float("nan"), "alpha": 0.25})
    )


def test_the_published_schema_is_the_one_of_the_code() -> None:
    text = (ROOT / "docs" / "diff.schema.json").read_text(encoding="utf-8")
    assert text == json.dumps(make_schema(), indent=2) + "\n", "run: datatools diff --schema > docs/diff.schema.json"


def test_documents_are_as_the_schema_says(planted: Diff) -> None:
    jsonschema.Draft202012Validator.check_schema(make_schema())
    empty = compare_versions(make_version(3), make_version(3))
    for diff in (planted, empty):
        document = to_document(diff)
        jsonschema.validate(document, make_schema())
        assert json.loads("".join(write_json(diff))) == document
    assert {change["kind"] for change in to_document(planted)["changes"]} == set(KINDS)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda document: document.pop("by_kind"),
        lambda document: document["changes"][0].update(kind="vanished"),
        lambda document: document["changes"][0].update(box=[1, 2]),
        lambda document: document["before"].update(images=-1),
        lambda document: document.update(schema=2),
        lambda document: document["records"][0].pop("who"),
    ],
)
def test_the_schema_refuses_what_is_no_document(planted: Diff, spoil: Any) -> None:
    document = to_document(planted)
    spoil(document)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, make_schema())


def test_lines_are_the_changes(planted: Diff) -> None:
    lines = list(write_lines(planted))
    assert [json.loads(line) for line in lines] == to_document(planted)["changes"]
    assert all(line.count("\n") == 1 for line in lines)


def test_counts_alone_have_no_changes(planted: Diff) -> None:
    document = json.loads("".join(write_json(planted, with_changes=False)))
    assert "changes" not in document and document["n_changes"] == len(planted.changes)
    jsonschema.validate(document, make_schema())


def test_what_json_has_no_number_for_is_null(planted: Diff) -> None:
    agreement = to_document(planted)["agreement"]
    assert agreement["before"]["fleiss"] == 0.5
    assert agreement["after"] == {"annotators": None, "n": None, "percent": None, "fleiss": None, "alpha": 0.25}
    change = Change("attributes changed", "a", "b", {"x": float("inf")}, {"x": (1, np.nan)})
    assert to_plain_change(change)["before"] == {"x": None}


# in a terminal


def test_the_table_has_verdict_counts_and_changes(planted: Diff) -> None:
    text = to_text(planted, 5)
    lines = text.splitlines()
    assert lines[0].startswith("before 00000000") or lines[0].startswith("before")
    n_fixed = len(planted.changes) - planted.n_from_source
    assert f"{n_fixed} by fix records (ann), {planted.n_from_source} from the source" in lines[1] + lines[2]
    for kind, n in planted.by_kind.items():
        assert any(line.split()[:1] == [str(n)] and kind in line for line in lines), kind
    assert "BOX001  error         1 gone" in text and "BOX002  error  1 new" in text
    assert f"and {len(planted.changes) - 5} more changes: --limit N, or --format json" in text
    assert "Krippendorff's alpha" in text


def test_counts_alone_in_a_table(planted: Diff) -> None:
    text = to_text(planted, None)
    assert "Changes" not in text and "Classes" in text


def test_a_record_says_who_and_why() -> None:
    record = make_record("relabel", id="cafe", who="Rita", why="blurred 7", after="square")
    change = Change("relabelled", "a.png", "box/1", "circle", "square", fixes=("cafe",))
    text = to_text(Diff(VersionName("v1", None, None), VersionName("v2", None, None), (change,), records=(record,)), 20)
    assert "circle -> square" in text and "Rita: blurred 7 (cafe)" in text and "box/1" in text


def test_hostile_names_cannot_act_on_the_screen() -> None:
    record = make_record("relabel", id="cafe", who=HOSTILE, why=HOSTILE)
    change = Change("relabelled", HOSTILE, HOSTILE, HOSTILE, HOSTILE, (HOSTILE,), fixes=("cafe",), annotator=HOSTILE)
    value = {"label": HOSTILE, "kind": "box", "box": None, "mask": None, "annotator": HOSTILE}
    more = Change("annotation added", HOSTILE, HOSTILE, None, value, annotator=HOSTILE)
    name = VersionName(HOSTILE, None, HOSTILE, stale=HOSTILE)
    text = to_text(Diff(name, name, (change, more), records=(record,)), 20)
    assert not {"\x1b", "\u202e"} & set(text)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (Change("moved", "a", "b", (0.0, 0.0, 10.0, 10.0), (None, 0.0, 10.0, 8.5), iou=None), "[0, 0, 10, 10] -> [-, 0, 10, 8.5], IoU none: no area"),
        (Change("moved", "a", "b", (0.0, 0.0, 10.0, 10.0), (0.0, 0.0, 10.0, 8.0), iou=0.8), "[0, 0, 10, 10] -> [0, 0, 10, 8], IoU 0.800"),
        (Change("reshaped", "a", "b", "[[...]]", "[[...]]", iou=0.5), "IoU 0.500"),
        (Change("annotator changed", "a", "b", None, "ben"), "(none) -> ben"),
        (Change("metadata changed", "a", None, {}, {"lab": "x"}), "- -> lab: x"),
        (Change("split moved", "a", None, "train", "quarantine"), "train -> quarantine"),
    ],
)  # fmt: skip
def test_a_change_in_words(change: Change, words: str) -> None:
    assert describe_change(change) == words


def test_the_verdict() -> None:
    names = VersionName("v1", None, None), VersionName("v2", None, None)
    assert describe(Diff(*names, ())) == "No difference."
    new = FindingCount("BOX001", "error", 0, 2, 2, 0)
    assert describe(Diff(*names, (), findings=(new,))) == "The data is the same; 2 findings new."
    change = Change("split moved", "a", None, "train", "val")
    assert describe(Diff(*names, (change,), findings=(new,))) == "1 change on 1 image; 2 findings new."


def test_a_version_says_why_it_is_out_of_date() -> None:
    version = make_version(2)
    stale = Version(
        "workspace", None, version.dataset, version.split, stale="data/raw changed since the stage ingest ran"
    )
    text = to_text(compare_versions(version, stale), 5)
    assert "workspace is out of date: data/raw changed since the stage ingest ran; run `dvc repro`" in text
