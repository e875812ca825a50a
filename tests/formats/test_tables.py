from __future__ import annotations

import csv
import io
import os
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datatools.errors import DatatoolsError
from datatools.formats.base import Content, dump_attributes, load_attributes
from datatools.formats.locate import clean_path
from datatools.formats.own_tables import IMAGE_COLUMNS, OBJECT_COLUMNS, to_tables
from datatools.formats.table_columns import read_columns
from datatools.formats.table_files import parse_csv
from datatools.formats.tables import TableFile, find_tables, from_table, load_csv, load_tables, save_tables
from datatools.schema import ANNOTATIONS, BOX
from datatools.tree import FolderTree, open_tree
from tests.builders import lay_out
from tests.formats.contents import HOSTILE_TEXT, PLAIN_TEXT, contents, reason_of

SHARED = Path(os.environ.get("DATATOOLS_SHARED", Path(__file__).parents[3] / "shared"))
NAME = st.text("abc/. ", max_size=4)
LABEL = st.text('xy ",\n', max_size=3)


def load(folder: Path, files: Mapping[str, bytes | str]) -> Content:
    tree = open_tree(lay_out(folder, files))
    return load_tables(tree, find_tables(tree))


def parquet(rows: list[dict[str, Any]]) -> bytes:
    file = io.BytesIO()
    pd.DataFrame(rows).to_parquet(file, index=False)
    return file.getvalue()


def labels_of(content: Content) -> list[tuple[str, str, str]]:
    rows = content.annotations.to_dict("records")
    return [(row["path"], row["label"], row["annotator"]) for row in rows]


def metadata_of(content: Content) -> dict[str, dict[str, str]]:
    return {row["path"]: load_attributes(row["metadata"]) for row in content.records.to_dict("records")}


def rejected_of(content: Content) -> list[tuple[Any, ...]]:
    columns = ["source", "row", "path", "reason", "message"]
    rows = content.rejected.to_dict("records")
    return [tuple(None if pd.isna(row[name]) else row[name] for name in columns) for row in rows]


# ---- labels/<annotator>.csv ----


def test_a_label_table_becomes_rows_of_its_annotator(tmp_path: Path):
    content = load(tmp_path, {"labels/anna.csv": "path,label\n./a.png, cat \n"})
    [row] = content.annotations.to_dict("records")
    assert {name: row[name] for name in row if name not in (*BOX, "mask")} == {
        "annotation_id": "label/a.png@anna",
        "path": "a.png",
        "label": "cat",
        "kind": "label",
        "annotator": "anna",
        "source": "labels/anna.csv",
        "attributes": "{}",
    }
    assert (len(content.rejected), len(content.records)) == (0, 0)
    assert content.files == {"labels/anna.csv"}


@pytest.mark.parametrize(
    "text",
    [
        "\ufeffpath,label\na.png,cat\nb.png,dog\n",
        "path,label\r\na.png,cat\r\nb.png,dog\r\n",
        "label,path\ncat,a.png\ndog,b.png",
        'path,label\n"a.png","cat"\n\nb.png,dog\n',
        " Path , LABEL \na.png,cat\nb.png,dog\n",
    ],
    ids=["byte order mark", "CRLF", "another order", "quotes and a blank line", "blanks and capitals"],
)
def test_tables_are_read_however_they_were_saved(tmp_path: Path, text: str):
    content = load(tmp_path, {"labels/anna.csv": text})
    assert labels_of(content) == [("a.png", "cat", "anna"), ("b.png", "dog", "anna")]


def test_other_columns_of_an_annotator_are_attributes_of_the_label(tmp_path: Path):
    content = load(tmp_path, {"labels/anna.csv": "path,label,sure,note\na.png,cat,yes,\n"})
    assert content.annotations.loc[0, "attributes"] == '{"sure":"yes"}'
    assert len(content.records) == 0


def test_paths_in_labels_are_those_from_the_root(tmp_path: Path):
    content = load(tmp_path, {"images/a.png": b"", "labels/anna.csv": "path,label\na.png,cat\n"})
    assert content.annotations["path"].tolist() == ["a.png"]


@pytest.mark.parametrize(
    ("line", "reason", "message", "path"),
    [
        ("b.png,", "broken_row", "path or label is empty", "b.png"),
        ("b.png,  ", "broken_row", "path or label is empty", "b.png"),
        (",cat", "broken_row", "path or label is empty", None),
        ("a.png,cat", "repeated_row", "anna labels this image twice", "a.png"),
        ("./a.png,cat", "repeated_row", "anna labels this image twice", "a.png"),
        ("./a.png,dog", "LBL006", "anna labels this image twice: 'cat', which stays, and 'dog'", "a.png"),
        ("b.png", "broken_row", "expected 2 values, one a column, got 1", None),
        ("b.png,c,d", "broken_row", "expected 2 values, one a column, got 3", None),
    ],
)
def test_a_bad_row_is_rejected_with_its_line(tmp_path: Path, line: str, reason: str, message: str, path: str | None):
    content = load(tmp_path, {"labels/anna.csv": f"path,label\na.png,cat\n{line}\nc.png,cow\n"})
    assert content.annotations["label"].tolist() == ["cat", "cow"]
    assert rejected_of(content) == [("labels/anna.csv", 3, path, reason, message)]


def test_line_numbers_are_those_of_an_editor(tmp_path: Path):
    content = load(tmp_path, {"labels/anna.csv": 'path,label\n"a\nb",x\n\nc,\n'})
    assert [row[1] for row in rejected_of(content)] == [5]


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("labels/anna.csv", "path\na.png\n", "expected the columns path, label, got path"),
        ("labels/anna.csv", "path|label\na|b\n", "expected the columns path, label, got path|label"),
        ("labels/anna.csv", "", "expected a line of column names, got none"),
        ("labels/anna.csv", "path,label,label\n", "expected each column once, got path, label, label"),
        ("labels/anna.csv", 'path,label\nx,y\n"a"b,c\n', "not CSV: line 3: ',' expected after '\"'"),
        ("labels/anna.csv", 'path,label\n"a,c\n', "not CSV: line 2: unexpected end of data"),
        ("labels/anna.csv", b"path,label\n\xe4,b\n", "not UTF-8: 'utf-8' codec can't decode"),
        (
            "labels/consensus.csv",
            "path,label\na.png,cat\n",
            "expected an annotator's name, got 'consensus', which stands for the vote: rename it",
        ),
        ("metadata.csv", "writer\nw1\n", "expected a column 'path', got writer"),
        ("classes.txt", b"\xff", "expected a class a line in UTF-8: "),
        ("labels/anna.csv", b"PAR1" + b"\0" * 9 + b"PAR1", "not Parquet: "),
    ],
)
def test_a_broken_file_is_one_rejected_row_and_the_others_are_read(
    tmp_path: Path, name: str, data: bytes | str, message: str
):
    content = load(tmp_path, {name: data, "labels/bob.csv": "path,label\na.png,cat\n"})
    [row] = rejected_of(content)
    assert row[:4] == (name, None, None, "broken_file")
    assert row[4].startswith(message)
    assert labels_of(content) == [("a.png", "cat", "bob")]


@given(st.lists(st.tuples(NAME, LABEL), max_size=8))
def test_rows_in_are_rows_kept_and_rows_rejected(tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]]):
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([("path", "label"), *rows])
    content = load(tmp_path_factory.mktemp("rows"), {"labels/anna.csv": text.getvalue()})
    assert len(content.annotations) + int(content.rejected["row"].notna().sum()) == len(rows)
    assert content.annotations["path"].is_unique


# ---- metadata.csv, classes.txt ----


def test_metadata_is_every_other_column_by_path(tmp_path: Path):
    content = load(tmp_path, {"metadata.csv": "writer,path,label\nw1,./a.png,x\n,b.png,1.0\n"})
    assert metadata_of(content) == {"a.png": {"writer": "w1", "label": "x"}, "b.png": {"writer": "", "label": "1.0"}}
    assert len(content.annotations) == 0


@pytest.mark.parametrize(
    ("line", "reason", "message", "path"),
    [
        ("./a.png,2", "repeated_row", "this image has a row already", "a.png"),
        (",2", "broken_row", "path is empty", None),
        ("b.png", "broken_row", "expected 2 values, one a column, got 1", None),
    ],
)
def test_a_bad_row_of_metadata_is_rejected(tmp_path: Path, line: str, reason: str, message: str, path: str | None):
    content = load(tmp_path, {"metadata.csv": f"path,w\na.png,1\n{line}\n"})
    assert metadata_of(content) == {"a.png": {"w": "1"}}
    assert rejected_of(content) == [("metadata.csv", 3, path, reason, message)]


def test_classes_keep_their_order_and_are_there_once(tmp_path: Path):
    content = load(tmp_path, {"classes.txt": "\ufeffdog\r\n\n cat \ndog\n"})
    assert content.classes == ("dog", "cat")
    assert rejected_of(content) == [("classes.txt", 4, None, "broken_row", "the class 'dog' is there twice")]


# ---- tables in the root ----


@pytest.mark.parametrize(
    "column", ["path", "filepath", "file_name", "filename", "image", "image_name", "image_id", "file", "FileName"]
)
@pytest.mark.parametrize("label", ["label", "class", "category", "label_name", "choice", "Class"])
def test_the_image_and_its_class_may_be_called_several_things(column: str, label: str):
    sheet = parse_csv(f"{column},{label}\na.png,cat\n".encode())
    assert labels_of(from_table(TableFile("t.csv", sheet), str)) == [("a.png", "cat", "given")]


@pytest.mark.parametrize(
    "header",
    [
        "path",
        "label",
        "path,name",
        "filename,dog,cat",
        "path,label_0,label_1",
        "image_name,label_name,bbox",
        "image,class,segmentation",
        "path,annotator_",
        "path,clean,worst",
        "date,class",
        "label,youtube_id,split",
        "",
    ],
)
def test_other_tables_are_not_claimed(tmp_path: Path, header: str):
    assert find_tables(open_tree(lay_out(tmp_path, {"a.csv": f"{header}\n"}))) == []
    assert read_columns(header.split(",")) is None


@pytest.mark.parametrize("name", ["deep/t.csv", "t.txt", "labels/deep/t.csv", "t.tab"])
def test_tables_elsewhere_are_not_claimed(tmp_path: Path, name: str):
    assert find_tables(open_tree(lay_out(tmp_path, {name: "path,label\n", "a.png": b""}))) == []


@pytest.mark.parametrize("name", ["t.csv", "labels/ann.csv", "t.TSV", "labels/ann.tsv", "metadata.csv"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("separator", [",", "\t", ";"], ids=["commas", "tabs", "semicolons"])
def test_a_table_may_come_from_a_spreadsheet(tmp_path: Path, name: str, encoding: str, separator: str):
    rows = [["path", "label", "said"], ["a.png", "cat", '"a; b, c\td"'], ["b.png", "dog"]]
    text = "\r\n".join(separator.join(row) for row in rows).encode(encoding)
    content = load(tmp_path, {name: text, "a.png": b"", "b.png": b""})
    assert content.rejected["row"].tolist() == [3]
    if name == "metadata.csv":
        assert load_attributes(content.records["metadata"][0]) == {"label": "cat", "said": "a; b, c\td"}
    else:
        assert content.annotations[["path", "label"]].to_numpy().tolist() == [["a.png", "cat"]]


def test_utf_16_that_is_cut_off_says_so(tmp_path: Path):
    content = load(tmp_path, {"labels/ann.csv": "path,label\na.png,cat\n".encode("utf-16")[:-1], "a.png": b""})
    [message] = content.rejected["message"]
    assert message.startswith("not UTF-16: ")


@pytest.mark.parametrize("path", ["images/a.png", "top/images/a.png"])
@pytest.mark.parametrize("name", ["labels/ann.csv", "t.csv", "metadata.csv", "annotations.csv", "images.csv"])
def test_one_folder_around_all_counts_as_the_root(tmp_path: Path, name: str, path: str):
    cells = {"path": path, "kind": "label", "annotation_id": "x", "label": "cat", "annotator": "ann"}
    columns = {"annotations.csv": OBJECT_COLUMNS, "images.csv": IMAGE_COLUMNS}.get(name, ["path", "label"])
    text = f"{','.join(columns)}\n{','.join(cells.get(column, '') for column in columns)}\n"
    content = load(tmp_path, {f"top/{name}": text, "top/images/a.png": b"", "top/classes.txt": "dog\ncat\n"})
    assert {*content.records["path"], *content.annotations["path"]} == {"top/images/a.png"}
    assert content.rejected.empty
    assert content.classes == ("dog", "cat")
    assert content.files == {f"top/{name}", "top/classes.txt"}
    if name == "labels/ann.csv":
        assert content.annotations["annotation_id"].tolist() == ["label/top/images/a.png@ann"]


@pytest.mark.parametrize(
    "files",
    [
        {"top/t.csv": "path,label\n", "readme.txt": "x"},
        {"top/in/t.csv": "path,label\n"},
        {"labels/deep/t.csv": "path,label\n"},
        {"top/classes.txt": "a\n", "top/a.png": b""},
    ],
    ids=["not around all", "two folders", "labels", "no table"],
)
def test_no_other_folder_counts_as_the_root(tmp_path: Path, files: dict[str, str | bytes]):
    assert find_tables(open_tree(lay_out(tmp_path, files))) == []


def test_tables_in_the_folders_of_the_subsets_name_the_images_beside_them(tmp_path: Path):
    header = "filename,width,height,class,xmin,ymin,xmax,ymax\n"
    folders = {"train": "train", "valid": "val", "test": "test"}
    files = {f"{folder}/a.jpg": b"" for folder in folders}
    tables = {f"{folder}/_annotations.csv": f"{header}a.jpg,9,8,{folder},1,2,3,4\n" for folder in folders}
    content = load(tmp_path, {**files, **tables, "test/b.png": b"", "test/labels.csv": "image_id,label\nb,cat\n"})
    assert content.records[["path", "subset"]].to_numpy().tolist() == [
        ["test/a.jpg", "test"],
        ["test/b.png", "test"],
        ["train/a.jpg", "train"],
        ["valid/a.jpg", "val"],
    ]
    boxes = content.annotations[content.annotations["kind"] == "box"]
    assert boxes[["path", "label"]].to_numpy().tolist() == [[f"{name}/a.jpg", name] for name in sorted(folders)]
    assert boxes["annotation_id"].iloc[0] == "tables/test/_annotations/test/a.jpg#1"
    assert content.rejected.empty


def test_json_in_place_of_a_class_is_rejected(tmp_path: Path):
    text = 'image,label\na.png,"[{""x"":10,""rectanglelabels"":[""cat""]}]"\nb.png,[cat]\n'
    content = load(tmp_path, {"a.png": b"", "b.png": b"", "t.csv": text})
    assert labels_of(content) == [("b.png", "[cat]", "given")]
    [(source, row, path, reason, message)] = rejected_of(content)
    assert (source, row, path, reason) == ("t.csv", 2, "a.png", "broken_row")
    assert message.startswith("expected the name of a class, got JSON, ")


def test_one_row_an_image_describes_the_image(tmp_path: Path):
    content = load(tmp_path, {"labels.csv": "path,label,sender_id,kids\na.png,Dress,310,False\nb.png,Hat,,True\n"})
    assert labels_of(content) == [("a.png", "Dress", "given"), ("b.png", "Hat", "given")]
    assert metadata_of(content)["b.png"] == {"sender_id": "", "kids": "True"}
    assert content.annotations["attributes"].tolist() == ["{}", "{}"]


def test_several_rows_an_image_of_named_annotators_have_attributes(tmp_path: Path):
    text = "path,label,annotator,seconds\na.png,cat,ann,3\na.png,dog,bob,\na.png,cow,,5\n"
    content = load(tmp_path, {"ratings.csv": text})
    assert labels_of(content) == [("a.png", "cat", "ann"), ("a.png", "dog", "bob"), ("a.png", "cow", "given")]
    assert content.annotations["attributes"].tolist() == ['{"seconds":"3"}', "{}", '{"seconds":"5"}']
    assert len(content.records) == 0


def test_the_vote_is_no_annotator(tmp_path: Path):
    content = load(tmp_path, {"r.csv": "path,label,annotator\na.png,cat,consensus\n"})
    message = "'consensus' stands for the vote and is no annotator"
    assert rejected_of(content) == [("r.csv", 2, "a.png", "broken_row", message)]


def test_one_column_an_annotator_is_a_wide_table(tmp_path: Path):
    text = "row,path,clean,annotator_1,rater b,worst\n0,a.png,frog,frog,deer,x\n1,b.png,cat,,cat,\n"
    content = load(tmp_path, {"labels.csv": text})
    assert labels_of(content) == [
        ("a.png", "frog", "annotator_1"),
        ("a.png", "deer", "rater b"),
        ("b.png", "cat", "rater b"),
    ]
    assert metadata_of(content)["b.png"] == {"row": "1", "clean": "cat", "worst": ""}


def test_a_second_row_of_a_wide_table_is_rejected(tmp_path: Path):
    content = load(tmp_path, {"labels.csv": "path,annotator_1\na.png,frog\na.png,deer\n"})
    message = "this image has a row already"
    assert rejected_of(content) == [("labels.csv", 3, "a.png", "repeated_row", message)]


@pytest.mark.parametrize(
    ("header", "cells", "box"),
    [
        ("x0,y0,x1,y1", "1,2,3.5,4", [1.0, 2.0, 3.5, 4.0]),
        ("xmin,ymin,xmax,ymax", "5,4,1,2", [5.0, 4.0, 1.0, 2.0]),
        ("ymax,xmax,ymin,xmin", "4,3,2,1", [1.0, 2.0, 3.0, 4.0]),
        ("x1,y1,x2,y2", "-1,2,3,4e2", [-1.0, 2.0, 3.0, 400.0]),
        ("x,y,w,h", "1,2,3,4", [1.0, 2.0, 4.0, 6.0]),
        ("x1,y1,w,h", "1,2,3,4", [1.0, 2.0, 4.0, 6.0]),
        ("x0_px,y0_px,x1_px,y1_px", " 1 ,2,3,4", [1.0, 2.0, 3.0, 4.0]),
    ],
)
def test_boxes_are_taken_exactly_as_given(tmp_path: Path, header: str, cells: str, box: list[float]):
    content = load(tmp_path, {"t.csv": f"image,label,{header},truncated\na.png,cat,{cells},1\n"})
    [row] = content.annotations.to_dict("records")
    assert [row[name] for name in BOX] == box
    assert (row["kind"], row["annotation_id"], row["attributes"]) == ("box", "tables/a.png#1", '{"truncated":"1"}')
    assert pd.isna(row["annotator"])
    assert len(content.records) == 0


def test_a_row_without_box_among_boxes_is_a_label_and_a_box_may_have_no_label(tmp_path: Path):
    content = load(tmp_path, {"t.csv": "image,label,xmin,ymin,xmax,ymax\na.png,cat,,,,\na.png,,1,2,3,4\n"})
    rows = content.annotations.set_index("kind")
    assert rows.loc["label", "label"] == "cat"
    assert pd.isna(rows.loc["box", "label"])


@pytest.mark.parametrize("cell", ["x", "nan", "inf", "1e15", "", "1_0"])
def test_a_box_that_is_no_four_numbers_is_rejected(tmp_path: Path, cell: str):
    content = load(tmp_path, {"t.csv": f"image,label,xmin,ymin,xmax,ymax\na.png,cat,1,2,{cell},4\n"})
    message = f"xmax must be a finite number, got {cell!r}"
    assert rejected_of(content) == [("t.csv", 2, "a.png", "BOX004", message)]


def test_boxes_of_several_tables_have_ids_of_their_own(tmp_path: Path):
    text = "image,label,xmin,ymin,xmax,ymax\na.png,cat,1,2,3,4\n"
    content = load(tmp_path, {"one.csv": text, "two.csv": text, "c.csv": "path,label\na.png,cat\n"})
    assert content.annotations["annotation_id"].tolist() == [
        "label/a.png@given",
        "tables/one/a.png#1",
        "tables/two/a.png#1",
    ]


def test_ids_of_the_table_are_kept_and_used_once(tmp_path: Path):
    text = "annotation_id,image,label,xmin,ymin,xmax,ymax\nk1,a.png,cat,1,2,3,4\nk1,b.png,cat,1,2,3,4\n"
    content = load(tmp_path, {"t.csv": text})
    assert content.annotations["annotation_id"].tolist() == ["k1"]
    assert content.rejected["reason"].tolist() == ["repeated_id"]


def test_the_size_of_an_image_may_stand_beside_its_boxes(tmp_path: Path):
    text = "filename,width,height,class,xmin,ymin,xmax,ymax\na.png,20,10,cat,1,2,3,4\na.png,20,11,dog,1,2,3,4\n"
    content = load(tmp_path, {"t.csv": text})
    assert content.records[["width_px", "height_px"]].to_numpy().tolist() == [[20, 10]]
    assert len(content.annotations) == 2
    message = "line 3 says height_px 11, but 10 was said before"
    assert rejected_of(content) == [("t.csv", None, "a.png", "broken_row", message)]


@pytest.mark.parametrize("cell", ["1.5", "x"])
def test_a_size_that_is_no_whole_number_is_rejected(tmp_path: Path, cell: str):
    text = f"filename,width,height,class,xmin,ymin,xmax,ymax\na.png,{cell},10,cat,1,2,3,4\n"
    content = load(tmp_path, {"t.csv": text})
    kind = "whole pixels" if cell == "1.5" else "a finite number"
    assert rejected_of(content) == [("t.csv", 2, "a.png", "broken_row", f"width must be {kind}, got {cell!r}")]


def test_the_subset_is_a_column_or_the_name_of_the_file(tmp_path: Path):
    files = {
        "Train.csv": "filepath,label\na.png,1\n",
        "valid.csv": "filepath,label\nb.png,1\n",
        "rest.csv": "path,label,split\nc.png,1,test\nd.png,1,\n",
    }
    subsets = load(tmp_path, files).records.set_index("path")["subset"].to_dict()
    assert subsets == {"a.png": "train", "b.png": "val", "c.png": "test"}


def test_an_image_may_be_named_without_its_folder_or_suffix(tmp_path: Path):
    images = dict.fromkeys(["images/1.jpg", "images/2.jpg", "x/3.png", "y/4.png", "z/4.png", "s/5.png"], b"")
    text = "image_name,label\n1.jpg,a\n2,b\n3.png,c\n4.png,d\nother/5.png,e\n../x/3.png,f\n"
    content = load(tmp_path, {**images, "ann.csv": text})
    assert [path for path, _, _ in labels_of(content)] == [
        "../x/3.png",
        "4.png",
        "images/1.jpg",
        "images/2.jpg",
        "other/5.png",
        "x/3.png",
    ]


@pytest.mark.parametrize(
    ("name", "image"),
    [
        ("/home/x/images/1.png", "images/1.png"),
        (r"C:\data\1.png", "images/1.png"),
        ("/home/x/val/2.png", "val/2.png"),
        ("/home/x/2.png", None),
        ("/home/x/gone.png", None),
        ("images/1.PNG", "images/1.png"),
        ("1.PNG", "images/1.png"),
        ("/home/x/IMAGES/1.PNG", "images/1.png"),
        ("IMG_3.jpg", None),
        ("Img_3.jpg", "Img_3.jpg"),
        ("other/1.png", None),
    ],
)
@pytest.mark.parametrize("top", ["", "top/"])
def test_a_path_of_another_machine_and_other_capitals_find_the_image_where_it_is_the_only_one(
    tmp_path: Path, name: str, image: str | None, top: str
):
    images = ["images/1.png", "train/2.png", "val/2.png", "Img_3.jpg", "img_3.jpg"]
    tree = FolderTree(tmp_path, {f"{top}{path}": 0 for path in [*images, "t.csv"]})
    lay_out(tmp_path, {f"{top}t.csv": f"path,label\n{name},cat\n"})
    [path] = load_tables(tree, [f"{top}t.csv"]).annotations["path"]
    assert path == (f"{top}{image}" if image else clean_path(name))


def test_paths_in_labels_and_metadata_are_never_searched_for(tmp_path: Path):
    files = {"labels/ann.csv": "path,label\n/x/a.png,cat\nA.png,cat\n", "metadata.csv": "path,who\n/x/a.png,me\n"}
    content = load(tmp_path, {**files, "a.png": b""})
    assert content.annotations["path"].tolist() == ["A.png", "x/a.png"]
    assert content.records["path"].tolist() == ["x/a.png"]


def test_tables_that_contradict_each_other_are_told(tmp_path: Path):
    files = {"metadata.csv": "path,w\na.png,1\n", "labels.csv": "path,label,w\na.png,cat,2\n"}
    content = load(tmp_path, files)
    assert len(content.annotations) == 1
    assert len(content.rejected) == 1
    assert re.fullmatch(r"line 2 says w '.', but '.' was said before", rejected_of(content)[0][4])


def test_parquet_is_read_like_csv_and_keeps_numbers(tmp_path: Path):
    rows = [
        {"path": "a.png", "label": "cat", "xmin": 1, "ymin": 2.5, "xmax": 3, "ymax": 4, "n": 7, "f": 0.5, "ok": True},
        {
            "path": "b.png",
            "label": None,
            "xmin": 1,
            "ymin": 2.5,
            "xmax": 3,
            "ymax": None,
            "n": 7,
            "f": None,
            "ok": False,
        },
    ]
    content = load(tmp_path, {"t.parquet": parquet(rows)})
    assert content.annotations[BOX].to_numpy().tolist() == [[1.0, 2.5, 3.0, 4.0]]
    assert load_attributes(content.annotations.loc[0, "attributes"]) == {"n": 7, "f": 0.5, "ok": True}
    message = "ymax must be a finite number, got ''"
    assert rejected_of(content) == [("t.parquet", 2, "b.png", "BOX004", message)]


@given(st.binary(max_size=60))
def test_noise_in_a_parquet_file_is_one_rejected_file(tmp_path_factory: pytest.TempPathFactory, noise: bytes):
    content = load(tmp_path_factory.mktemp("noise"), {"labels/anna.csv": b"PAR1" + noise})
    assert content.rejected["reason"].tolist() == ["broken_file"]


# ---- our own tables ----


def own(line: str, name: str = "annotations.csv") -> dict[str, str]:
    return {name: ",".join(OBJECT_COLUMNS if name == "annotations.csv" else IMAGE_COLUMNS) + "\n" + line + "\n"}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (",a.png,cat,box,1,2,3,4,,,{}", "annotation_id is empty"),
        ("k,,cat,box,1,2,3,4,,,{}", "path is empty"),
        ("k,a.png,cat,,1,2,3,4,,,{}", "kind is empty"),
        ("k,a.png,cat,blob,1,2,3,4,,,{}", "kind must be one of label, box, mask, shape, got 'blob'"),
        ("k,a.png,cat,box,x,2,3,4,,,{}", "x0_px must be a finite number, got 'x'"),
        ("k,a.png,cat,box,nan,2,3,4,,,{}", "x0_px must be a finite number, got 'nan'"),
        ("k,a.png,cat,box,1,2,3,4,,,[]", "attributes must be a JSON object, got '[]'"),
        ("k,a.png,cat,box,1,2,3,4,,,{x", "attributes must be a JSON object: not JSON"),
        ("k,a.png,cat,mask,1,2,3,4,[1],,{}", "a mask must be a list of polygons"),
        ("k,a.png,cat,mask,1,2,3,4,x,,{}", "a mask must be JSON"),
        ('k,a.png,"""cat",box,1,2,3,4,,,{}', "label begins with a quotation mark and is no JSON string: '\"cat'"),
        ("k,a.png", "expected 11 values, one a column, got 2"),
    ],
)
def test_a_bad_row_of_our_own_table_is_rejected(tmp_path: Path, line: str, message: str):
    content = load(tmp_path, own(line))
    [row] = rejected_of(content)
    assert (row[0], row[1], row[3]) == ("annotations.csv", 2, reason_of(message))
    assert row[4].startswith(message)
    assert len(content.annotations) == 0


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (",1,2,,,{}", "path is empty"),
        ("b.png,1.5,2,,,{}", "width_px must be a whole number, got '1.5'"),
        ("b.png,1,2,,7,{}", "metadata must be a JSON object, got '7'"),
        ("a.png,1,2,,,{}", "this image has a row already"),
    ],
)
def test_a_bad_row_of_our_own_images_is_rejected(tmp_path: Path, line: str, message: str):
    content = load(tmp_path, own(f"a.png,1,2,train,,{{}}\n{line}", "images.csv"))
    [row] = rejected_of(content)
    assert (row[0], row[1], row[3], row[4]) == ("images.csv", 3, "broken_row", message)
    assert content.records["path"].tolist() == ["a.png"]


@pytest.mark.parametrize(
    "text", ['{"classes":1,"extras":{}}', '{"classes":[],"extras":[]}', '{"classes":[1],"extras":{}}']
)
def test_a_broken_document_is_one_rejected_file(tmp_path: Path, text: str):
    content = load(tmp_path, {"tables.json": text})
    message = "expected an object with the list 'classes' and the object 'extras'"
    assert rejected_of(content) == [("tables.json", None, None, "broken_file", message)]


def test_the_tables_that_programs_keep_are_read_too(tmp_path: Path):
    row = {"annotation_id": "k", "path": "a.png", "kind": "box", "x0_px": 1.5, "attributes": "{}", "source": "x"}
    frame = ANNOTATIONS.conform([row])
    file = io.BytesIO()
    frame.to_parquet(file, index=False)
    content = load(tmp_path, {"annotations.parquet": file.getvalue()})
    assert content.annotations.drop(columns="source").equals(frame.drop(columns="source"))


def test_labels_alone_are_written_the_simple_way(tmp_path: Path):
    text = {"path": "a.png", "label": "cat", "kind": "label", "attributes": "{}"}
    rows = [{**text, "annotator": who, "annotation_id": f"label/a.png@{who}"} for who in ("ann", "bob")]
    records = [{"path": "a.png", "metadata": '{"writer":"w1"}', "attributes": "{}"}]
    content = Content.from_rows(records, rows, ["dog", "cat"])
    assert save_tables(content, tmp_path).losses == ()
    written = {path.relative_to(tmp_path).as_posix(): path.read_text() for path in tmp_path.rglob("*.*")}
    assert written == {
        "labels/ann.csv": "path,label\na.png,cat\n",
        "labels/bob.csv": "path,label\na.png,cat\n",
        "metadata.csv": "path,writer\na.png,w1\n",
        "classes.txt": "dog\ncat\n",
    }
    with pytest.raises(FileExistsError):
        save_tables(content, tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "box"},
        {"label": " cat"},
        {"label": ""},
        {"label": None},
        {"label": "a\nb"},
        {"annotator": "../up"},
        {"annotator": "consensus"},
        {"annotator": ".x"},
        {"annotator": None},
        {"annotation_id": "k"},
        {"attributes": '{"a":1}'},
        {"attributes": None},
        {"path": "./a.png"},
        {"x0_px": 1.0},
        {"mask": "[]"},
    ],
)
def test_anything_more_is_written_as_a_table_with_every_column(tmp_path: Path, change: dict[str, Any]):
    row = {"path": "a.png", "label": "cat", "kind": "label", "attributes": "{}", "annotator": "ann"}
    content = Content.from_rows([], [{**row, "annotation_id": "label/a.png@ann", **change}])
    assert list(to_tables(content)) == ["annotations.csv"]
    save_tables(content, tmp_path)
    assert load(tmp_path, {}).same_as(content)


def test_null_and_empty_text_and_text_in_quotes_are_three_things(tmp_path: Path):
    row = {"path": "a.png", "kind": "box", "attributes": "{}"}
    labels = [None, "", '"', '""', "null", "nan", "NA", " ", "\r", "\x00", "a\r\nb", "\ufeff", "\u2028"]
    rows = [{**row, "annotation_id": f"k{n:02}", "label": label} for n, label in enumerate(labels)]
    content = Content.from_rows([], rows)
    save_tables(content, tmp_path)
    back = load(tmp_path, {}).annotations["label"]
    assert [None if pd.isna(label) else label for label in back] == labels


@given(contents(subsets=(None, "train", "", "a\nb"), extras={"coco": {"info": [1, None, "x"]}}))
def test_any_content_comes_back_exactly(tmp_path_factory: pytest.TempPathFactory, content: Content):
    _comes_back_exactly(content, tmp_path_factory)


@given(
    contents(
        ("label",),
        attributes=False,
        sizes=False,
        null_labels=False,
        text=PLAIN_TEXT | HOSTILE_TEXT,
    )
)
def test_labels_come_back_exactly(tmp_path_factory: pytest.TempPathFactory, content: Content):
    _comes_back_exactly(content, tmp_path_factory)


@given(
    st.lists(
        st.dictionaries(st.sampled_from(["a", "path", "label", " b", ""]), HOSTILE_TEXT | st.just("")), max_size=3
    ),
    st.booleans(),
)
def test_metadata_comes_back_exactly(
    tmp_path_factory: pytest.TempPathFactory, metadata: list[dict[str, str]], is_null: bool
):
    records = [
        {"path": f"{n}.png", "metadata": None if is_null and not row else dump_attributes(row), "attributes": "{}"}
        for n, row in enumerate(metadata)
    ]
    _comes_back_exactly(Content.from_rows(records), tmp_path_factory)


@given(st.lists(HOSTILE_TEXT | st.just(""), max_size=4, unique=True))
def test_classes_come_back_exactly(tmp_path_factory: pytest.TempPathFactory, classes: list[str]):
    _comes_back_exactly(Content(classes=tuple(classes)), tmp_path_factory)


def test_a_mask_longer_than_csv_allows_comes_back(tmp_path: Path):
    ring = [[float(n), n / 7] for n in range(20_000)]
    row = {"annotation_id": "k", "path": "a.png", "kind": "mask", "mask": str([ring]), "attributes": "{}"}
    content = Content.from_rows([], [row])
    save_tables(content, tmp_path)
    assert load(tmp_path, {}).same_as(content)


# ---- CSV of our own ----


def test_line_and_row_are_told_of_a_csv_of_our_own(tmp_path: Path):
    path = lay_out(tmp_path, {"x.csv": 'path,label\n"a\nb",x\n\nc,y\n'}) / "x.csv"
    assert load_csv(path, ["path"], None) == [(3, {"path": "a\nb", "label": "x"}), (5, {"path": "c", "label": "y"})]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path\na.png\n", ":1: expected the columns path, label. Got path: add 'label'."),
        ("path,label,who\n", ":1: expected the columns path, label. Got path, label, who: remove or rename 'who'."),
        ("path,label\na,b\nc\n", ":3: expected 2 values, one a column, got 1. Mend the row."),
        ("", ": expected a UTF-8 CSV file. Got: expected a line of column names, got none. Save it as CSV UTF-8."),
    ],
)
def test_a_broken_csv_of_our_own_is_an_error(tmp_path: Path, text: str, message: str):
    path = lay_out(tmp_path, {"x.csv": text}) / "x.csv"
    with pytest.raises(DatatoolsError) as caught:
        load_csv(path, ["path", "label"], ["path", "label"])
    assert str(caught.value) == f"{path}{message}"


# ---- real sets ----


@pytest.mark.parametrize(
    ("name", "n_labels", "n_records", "annotators"),
    [
        ("cifar10n", 90_000, 30_000, {"annotator_1", "annotator_2", "annotator_3"}),
        ("clothing", 3_781, 3_781, {"given"}),
        ("mnist-png", 70_000, 70_000, {"given"}),
    ],
)
def test_real_tables_are_read_as_they_are(
    tmp_path: Path, name: str, n_labels: int, n_records: int, annotators: set[str]
):
    content = _load_real(name, lambda member: member.endswith(".csv"), tmp_path)
    assert (len(content.annotations), len(content.records), len(content.rejected)) == (n_labels, n_records, 0)
    assert set(content.annotations["annotator"]) == annotators
    keys = {"cifar10n": {"row", "clean", "aggregate", "worst"}, "clothing": {"sender_id", "kids"}, "mnist-png": set()}
    assert set(load_attributes(content.records.loc[0, "metadata"])) == keys[name]


def test_boxes_of_the_wild_have_the_counts_that_datumaro_finds(tmp_path: Path):
    part = "/vott_csv_dataset/dataset/"
    content = _load_real("format-samples", lambda member: part in member, tmp_path, f"tests/assets{part}")
    assert content.annotations.groupby("label").size().to_dict() == {"helmet": 3, "person": 2}
    assert (len(content.rejected), content.annotations["path"].nunique()) == (0, 4)


def _load_real(name: str, wanted: Any, folder: Path, below: str = "") -> Content:
    archive = SHARED / f"data/{name}.zip"
    if not archive.exists():
        pytest.skip(f"{archive.name} is not there: set DATATOOLS_SHARED to the folder that has data/{archive.name}")
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(folder, [member for member in opened.namelist() if wanted(member)])
    tree = open_tree(folder / below)
    return load_tables(tree, find_tables(tree))


def _comes_back_exactly(content: Content, factory: pytest.TempPathFactory) -> None:
    before = [frame.copy() for frame in (content.records, content.annotations)]
    first, second = factory.mktemp("first"), factory.mktemp("second")
    assert save_tables(content, first).losses == ()
    back = load(first, {})
    assert len(back.rejected) == 0
    assert back.same_as(content)
    assert [frame.equals(old) for frame, old in zip((content.records, content.annotations), before)] == [True, True]
    save_tables(back, second)
    texts = [{p.relative_to(root): p.read_bytes() for p in root.rglob("*") if p.is_file()} for root in (first, second)]
    assert texts[0] == texts[1]
