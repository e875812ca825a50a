"""data/sources.yaml, and the licence of every image."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from datatools.cards.sources import find_note, load_sources, name_licences, name_sources
from datatools.errors import DatatoolsError
from datatools.formats import AUTO
from datatools.import_data import import_data
from datatools.ingest import ingest
from datatools.params import IngestParams
from datatools.tree import open_tree
from tests.builders import lay_out, make_object, make_png
from tests.small_data import image_row, make_images

TEXT = """
coco-*:
  licence: CC-BY-4.0
  title: COCO
  url: https://cocodataset.org
  attribution: COCO Consortium
scans:
  license: CC-BY-NC-4.0
  images: a/*
"*":
  licence: unknown
  note: ask Ben
"""
LICENSES = [
    {"id": 1, "name": "Attribution", "url": "http://creativecommons.org/licenses/by/2.0/"},
    {"id": 2, "name": "No known copyright restrictions"},
    {"id": "x"},
]


def write(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "sources.yaml"
    file.write_text(text)
    return file


def coco(licenses: object = LICENSES) -> str:
    images = [{"id": n, "file_name": f"{n}.png", "width": 12, "height": 10, "license": n} for n in (1, 2, 3)]
    annotations = [make_object(id=n, image_id=n) for n in (1, 2, 3)]
    document = {
        "images": images,
        "annotations": annotations,
        "categories": [{"id": 3, "name": "cat"}],
        "licenses": licenses,
    }
    return json.dumps(document)


def test_entries(tmp_path: Path):
    notes = load_sources(write(tmp_path, TEXT))
    assert [(note.name, note.licence, note.images) for note in notes] == [
        ("coco-*", "CC-BY-4.0", "*"), ("scans", "CC-BY-NC-4.0", "a/*"), ("*", "unknown", "*"),
    ]  # fmt: skip
    assert (notes[0].attribution, notes[2].note) == ("COCO Consortium", "ask Ben")
    assert load_sources(tmp_path / "none.yaml") == ()
    assert load_sources(write(tmp_path, "# nothing yet\n")) == ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- a", r"expected the names of sources\. Got a list"),
        ("a: CC0", r"sources\.yaml: a: expected licence, title, url, \.\.\. Got 'CC0'"),
        ("a: {title: x}", r"a: expected a licence, such as CC-BY-4\.0 or unknown\. Got none"),
        ("a: {licence: x, by: y}", r"a: keys are licence, title, url, attribution, note, images\. Got 'by'"),
        ("a: {licence: 4.0}", r"a: licence must be a text\. Got 4\.0 instead"),
        ("a: {licence: x, images: [a]}", r"a: images must be a text"),
        ("a: [", r"expected sources as YAML\. Got: "),
    ],
)
def test_a_broken_file_is_one_line(tmp_path: Path, text: str, said: str):
    with pytest.raises(DatatoolsError, match=said) as caught:
        load_sources(write(tmp_path, text))
    assert "\n" not in str(caught.value)


def test_the_first_entry_that_fits(tmp_path: Path):
    notes = load_sources(write(tmp_path, TEXT))
    licences = [
        find_note(notes, *image).licence
        for image in (("coco-2017", "x.png"), ("scans", "a/x.png"), ("scans", "b/x.png"))
    ]  # type: ignore[union-attr]
    assert licences == ["CC-BY-4.0", "CC-BY-NC-4.0", "unknown"]
    assert find_note(notes[:2], "scans", "b/x.png") is None


def test_images_get_the_licence_of_their_source(tmp_path: Path):
    images = make_images(
        [image_row("a/1.png", source="scans"), image_row("b/1.png", source="scans"), image_row("c.png", source="mine")]
    )
    notes = load_sources(write(tmp_path, TEXT))
    found = name_licences(images, name_sources(images, tmp_path / "none"), notes, tmp_path / "none")
    assert {path: licence.id for path, licence in found.items()} == {
        "a/1.png": "CC-BY-NC-4.0", "b/1.png": "unknown", "c.png": "unknown",
    }  # fmt: skip
    assert {licence.id for licence in name_licences(images, name_sources(images, tmp_path), (), tmp_path).values()} == {
        "unknown"
    }


def test_a_licence_that_the_data_gives_goes_before_that_of_the_source(tmp_path: Path):
    rows = [
        image_row("1.png", attributes='{"license": "CC0-1.0"}'),
        image_row("2.png", attributes='{"licence": "http://creativecommons.org/licenses/by-sa/4.0/"}'),
        image_row("3.png", attributes='{"license": null}'),
        image_row("4.png", attributes='{"license": 7}'),
        image_row("5.png", attributes='{"driving_license": "x"}'),
    ]
    images = make_images(rows)
    notes = load_sources(write(tmp_path, '"*": {licence: MIT}'))
    found = name_licences(images, name_sources(images, tmp_path / "none"), notes, tmp_path / "none")
    assert [licence.id for licence in found.values()] == ["CC0-1.0", "CC-BY-SA-4.0", "MIT", "MIT", "MIT"]


def lay_out_coco(root: Path, licenses: object = LICENSES) -> Path:
    return lay_out(root, {"a.json": coco(licenses), **{f"{n}.png": make_png(n) for n in (1, 2, 3)}})


def test_numbers_of_coco(tmp_path: Path):
    raw = lay_out_coco(tmp_path / "raw")
    images = ingest(raw, IngestParams(), workers=1).dataset.images
    found = name_licences(images, name_sources(images, raw), (), raw)
    assert {path: licence.id for path, licence in found.items()} == {
        "1.png": "CC-BY-2.0", "2.png": "No known copyright restrictions", "3.png": "unknown",
    }  # fmt: skip


def test_numbers_of_coco_in_an_import(tmp_path: Path):
    raw = tmp_path / "data" / "raw"
    import_data(open_tree(lay_out_coco(tmp_path / "brought")), raw, "march", AUTO)
    images = ingest(raw, IngestParams(), workers=1).dataset.images
    names = name_sources(images, raw)
    assert set(names) == {"march"}, "the name of the import, not of its file"
    assert name_licences(images, names, (), raw)["1.png"].id == "CC-BY-2.0"


@pytest.mark.parametrize("licenses", [None, "x", [1, None], {}])
def test_a_list_of_licences_that_is_none(tmp_path: Path, licenses: object):
    raw = lay_out_coco(tmp_path / "raw", licenses)
    images = ingest(raw, IngestParams(), workers=1).dataset.images
    assert {licence.id for licence in name_licences(images, name_sources(images, raw), (), raw).values()} == {"unknown"}
