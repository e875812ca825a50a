from __future__ import annotations

from pathlib import Path

import pytest

from datatools.errors import DatatoolsError
from datatools.formats import AUTO, NAMES
from datatools.formats.base import Content
from datatools.formats.registry import describe_format, detect_formats, load_content, load_format, merge_contents
from datatools.tree import open_tree
from tests.builders import coco_text, lay_out, make_object, make_png

TWO = {"a.png": make_png(1), "b.png": make_png(2)}
LABELS = {"labels/anna.csv": "path,label\na.png,cat\nb.png,dog\n"}
COCO = {"annotations.json": coco_text(make_object())}


@pytest.mark.parametrize("name", NAMES)
def test_every_format_has_its_name_a_title_and_a_page_that_states_its_pixels(name: str):
    found = load_format(name)
    assert found.name == name and found.title
    page = describe_format(name)
    assert len(page) > 400
    assert "pixel" in page.lower()


@pytest.mark.parametrize("name", NAMES)
def test_an_empty_folder_and_one_of_bare_images_hold_no_format(name: str, tmp_path: Path):
    assert load_format(name).find(open_tree(tmp_path)) == []
    assert load_format(name).find(open_tree(lay_out(tmp_path, TWO))) == []


def test_an_unknown_format_lists_the_known_ones(tmp_path: Path):
    with pytest.raises(DatatoolsError, match=r"expected a format: tables, coco, voc, .*Got 'coko'"):
        load_format("coko")


def test_several_formats_of_one_folder_are_read_together(tmp_path: Path):
    tree = open_tree(lay_out(tmp_path, {**TWO, **LABELS, **COCO}))
    content, found = load_content(tree, AUTO)
    assert found == {"tables": ["labels/anna.csv"], "coco": ["annotations.json"]} == detect_formats(tree)
    assert sorted(content.annotations["kind"]) == ["box", "label", "label"]
    assert content.files == {"labels/anna.csv", "annotations.json"}


def test_a_named_format_reads_that_one_and_the_tables_beside_it(tmp_path: Path):
    tree = open_tree(lay_out(tmp_path, {**TWO, **LABELS, **COCO}))
    assert list(load_content(tree, "tables")[1]) == ["tables"]
    assert list(load_content(tree, "coco")[1]) == ["tables", "coco"]
    with pytest.raises(DatatoolsError, match=r"expected files of the format 'voc'. Got none"):
        load_content(tree, "voc")


def test_folders_are_classes_only_where_nothing_else_says_what_is_in_an_image(tmp_path: Path):
    folders = {"cat/a.png": make_png(1), "dog/b.png": make_png(2)}
    tree = open_tree(lay_out(tmp_path / "plain", folders))
    assert list(load_content(tree)[1]) == ["image_folder"]
    labelled = {**folders, "labels/anna.csv": "path,label\ncat/a.png,x\n"}
    assert list(load_content(open_tree(lay_out(tmp_path / "labelled", labelled)))[1]) == ["tables"]
    described = {**folders, "metadata.csv": "path,site\ncat/a.png,x\n"}
    content, found = load_content(open_tree(lay_out(tmp_path / "described", described)))
    assert list(found) == ["tables", "image_folder"]
    assert sorted(content.annotations["label"]) == ["cat", "dog"]


def test_a_class_list_in_a_file_has_the_word(tmp_path: Path):
    tree = open_tree(lay_out(tmp_path, {**TWO, **COCO, "classes.txt": "dog\ncat\nbird\n"}))
    assert load_content(tree)[0].classes == ("dog", "cat", "bird")


def test_what_two_files_say_of_one_image_is_put_together_and_a_second_id_is_rejected():
    first = Content.from_rows(
        records=[{"path": "a.png", "width_px": 4, "attributes": '{"x":1}', "source": "one"}],
        annotations=[{"annotation_id": "1", "path": "a.png", "label": "cat", "source": "one"}],
        classes=("cat",),
    )
    second = Content.from_rows(
        records=[{"path": "a.png", "height_px": 5, "width_px": 9, "attributes": '{"x":2,"y":3}', "source": "two"}],
        annotations=[{"annotation_id": "1", "path": "a.png", "label": "dog", "source": "two"}],
        classes=("dog", "cat"),
    )
    merged = merge_contents([first, second])
    [record] = merged.records.to_dict("records")
    assert (record["width_px"], record["height_px"], record["attributes"]) == (4, 5, '{"x":1,"y":3}')
    assert list(merged.annotations["label"]) == ["cat"] and merged.classes == ("cat", "dog")
    assert merged.rejected[["source", "annotation_id", "reason"]].to_numpy().tolist() == [["two", "1", "repeated_id"]]
