from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datatools.errors import DatatoolsError
from datatools.formats.tables import load_csv, load_labels, load_metadata

NAME = st.text("abc/. ", max_size=4)
LABEL = st.text('xy ",\n', max_size=3)


def write(folder: Path, content: str | bytes, name: str = "anna.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_a_label_table_becomes_rows_of_its_annotator(tmp_path: Path):
    content = load_labels(write(tmp_path, "path,label\n./a.png, cat \n"))
    assert content.annotations == [
        {
            "annotation_id": "label/a.png@anna",
            "path": "a.png",
            "label": "cat",
            "kind": "label",
            "annotator": "anna",
            "source": "labels/anna.csv",
            "attributes": "{}",
        }
    ]
    assert (content.rejected, content.n_rows) == ([], 1)


@pytest.mark.parametrize(
    "text",
    [
        "\ufeffpath,label\na.png,cat\nb.png,dog\n",
        "path,label\r\na.png,cat\r\nb.png,dog\r\n",
        "label,path\ncat,a.png\ndog,b.png",
        'path,label\n"a.png","cat"\n\nb.png,dog\n',
    ],
    ids=["byte order mark", "CRLF", "another order", "quotes and a blank line"],
)
def test_tables_are_read_however_they_were_saved(tmp_path: Path, text: str):
    content = load_labels(write(tmp_path, text))
    assert [(row["path"], row["label"]) for row in content.annotations] == [("a.png", "cat"), ("b.png", "dog")]
    assert content.n_rows == 2


@pytest.mark.parametrize(
    ("line", "reason", "message", "path"),
    [
        ("b.png,", "broken_row", "path or label is empty", "b.png"),
        ("b.png,  ", "broken_row", "path or label is empty", "b.png"),
        (",cat", "broken_row", "path or label is empty", "."),
        ("a.png,cat", "repeated_row", "anna labels this image twice", "a.png"),
        ("./a.png,dog", "repeated_row", "anna labels this image twice", "a.png"),
    ],
)
def test_a_bad_row_is_rejected_with_its_line(tmp_path: Path, line: str, reason: str, message: str, path: str):
    content = load_labels(write(tmp_path, f"path,label\na.png,cat\n{line}\n"))
    assert [row["label"] for row in content.annotations] == ["cat"]
    assert content.rejected == [
        {"source": "labels/anna.csv", "row": 3, "path": path, "reason": reason, "message": message}
    ]
    assert content.n_rows == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path\na.png\n", ":1: expected the columns path, label. Got path: add 'label'."),
        ("path;label\na;b\n", ":1: expected the columns path, label. Got path;label: add 'path'."),
        ("", ":1: expected the columns path, label. Got none: add 'path'."),
        ("path,label,who\n", ":1: expected the columns path, label. Got 'who' too: remove or rename it."),
        ("path,label,label\n", ":1: expected each column once. Got path, label, label: remove the second one."),
        ("path,label\na,b\nc\n", ":3: expected as many values as there are columns. Got more or fewer: mend the row."),
        ("path,label\na,b,c\n", ":2: expected as many values as there are columns. Got more or fewer: mend the row."),
        ('path,label\n"a"b,c\n', ": expected a UTF-8 CSV file. Got: ',' expected after '\"'. Save it as CSV UTF-8."),
        ('path,label\n"a,c\n', ": expected a UTF-8 CSV file. Got: unexpected end of data. Save it as CSV UTF-8."),
    ],
)
def test_a_broken_table_is_named_with_line_and_column(tmp_path: Path, text: str, message: str):
    path = write(tmp_path, text)
    with pytest.raises(DatatoolsError) as caught:
        load_labels(path)
    assert str(caught.value) == f"{path}{message}"


def test_a_table_that_is_not_utf8_is_an_error(tmp_path: Path):
    path = write(tmp_path, "path,label\na,b\n".encode("utf-16"))
    with pytest.raises(DatatoolsError, match=re.escape(f"{path}: expected a UTF-8 CSV file. Got: 'utf-8' codec")):
        load_labels(path)


def test_a_folder_in_the_place_of_a_table_is_an_error(tmp_path: Path):
    (tmp_path / "x.csv").mkdir()
    with pytest.raises(DatatoolsError, match=r"expected a UTF-8 CSV file\. Got: .*Is a directory"):
        load_labels(tmp_path / "x.csv")


def test_the_name_of_the_vote_is_reserved(tmp_path: Path):
    path = write(tmp_path, "path,label\n", "consensus.csv")
    with pytest.raises(DatatoolsError) as caught:
        load_labels(path)
    assert str(caught.value) == (
        f"{path}: expected an annotator's name. Got 'consensus', which stands for the vote: rename the file."
    )


@given(st.lists(st.tuples(NAME, LABEL), max_size=8))
def test_rows_in_are_rows_kept_and_rows_rejected(tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]]):
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([("path", "label"), *rows])
    content = load_labels(write(tmp_path_factory.getbasetemp(), text.getvalue()))
    assert content.n_rows == len(rows) == len(content.annotations) + len(content.rejected)
    assert len({row["path"] for row in content.annotations}) == len(content.annotations)


def test_metadata_is_every_other_column_by_path(tmp_path: Path):
    path = write(tmp_path, "writer,path\nw1,./a.png\n,b.png\n", "metadata.csv")
    assert load_metadata(path) == {"a.png": {"writer": "w1"}, "b.png": {"writer": ""}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("writer\nw1\n", ":1: expected the columns path. Got writer: add 'path'."),
        ("path,w\na,1\n./a,2\n", ":3: one row an image. Got 'a' again: remove one of the two rows."),
        ("path,w,w\n", ":1: expected each column once. Got path, w, w: remove the second one."),
    ],
)
def test_broken_metadata_is_an_error(tmp_path: Path, text: str, message: str):
    path = write(tmp_path, text, "metadata.csv")
    with pytest.raises(DatatoolsError) as caught:
        load_metadata(path)
    assert str(caught.value) == f"{path}{message}"


def test_line_numbers_are_those_of_an_editor(tmp_path: Path):
    path = write(tmp_path, 'path,label\n"a\nb",x\n\nc,y\n')
    assert [line for line, _ in load_csv(path, ["path"], None)] == [3, 5]
