from __future__ import annotations

import time
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, tostring

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datatools.formats import voc_documents
from datatools.formats.documents import BrokenFileError, is_plain_xml, parse_xml
from datatools.formats.rows import BrokenRowError
from datatools.formats.voc_documents import MOST_CHARACTERS, MOST_SEEN, Document, DocumentReader, Plain
from tests.formats.shared_sets import unpack
from tests.formats.test_documents import LAUGHS, QUADRATIC

CORNERS = "<xmin>2</xmin><ymin>3.5</ymin><xmax>40</xmax><ymax>050</ymax>"
BOX = f"<bndbox>\n {CORNERS}</bndbox>"
PLAIN = f"<object><name>cat</name><pose>Unspecified</pose>{BOX}<difficult>0</difficult></object>"
ODD = [  # between the tags of an object
    "",
    "<name>a &amp; b</name>" + BOX,
    "<name>a</name>" + BOX.replace("2<", "0.25<"),
    "<name> \u00e9\u4e2d </name>\r\n" + BOX,
    "<name>object</name><attributes><attribute><name>x</name><value>1</value></attribute></attributes>" + BOX,
    "<name>a</name><part><name>head</name>" + BOX + "</part>" + BOX,
    "<name>a</name>" + BOX + BOX,
    "<part>" + BOX + "</part>",
    "<name>a</name>" + BOX.replace("ymin", "yMin"),
    "<name>a</name>" + BOX.replace("40", "-40"),
    "<name>a</name>" + BOX.replace("40", "1e3"),
    "<name>a</name>" + BOX.replace("40", "nan"),
    "<name>a</name>" + BOX.replace("40", " 40 "),
    "<name>a</name>" + BOX.replace("40", "9" * 20),
    "<name>a</name>" + BOX.replace("40", "\u0664"),
    "<name>a</name>" + BOX.replace("\n ", "\x0b"),
    "<name>a</name>" + BOX.replace("\n ", "<!-- c -->"),
    "<name>a</name>" + BOX + "<polygon><x1>1</x1><y1>1</y1><x2>5</x2><y2>1</y2><x3>5</x3><y3>5</y3></polygon>",
    "<name>a</name>" + BOX + '<datatools>{"annotator":"eva"}</datatools>',
    "<name>a</name>" + BOX + '<pose datatools="default">Left</pose>',
    "<name>a</name>" + BOX + '<note kind="x"/><note>2</note>',
    "<name>a</name>" + BOX + "<unclosed>",
    "<name>a</name>" + BOX + "</object ><object >",
    "<name>a</name>" + BOX + "</object><object>",
    "<name>a</name>" + BOX + "]]>",
    "<name>a</name>" + BOX + "&b;",
    "<name>a</name>" + BOX + '<x a="<bndbox>"/>',
    "<name>a</name>" + BOX + "<object>" + BOX + "</object>",
    "<name><![CDATA[</object>]]></name>" + BOX,
    "<name>a</name>" + BOX + "<?x <object>?>",
    "<name>a</name>" + BOX + "<a:b/>",
    "<name>" + "a" * MOST_CHARACTERS + "</name>" + BOX,
    "<deep>" * 97 + "</deep>" * 97 + BOX,
    "<deep>" * 98 + "</deep>" * 98 + BOX,
]
AROUND = [  # "%s" is where objects are
    "<annotation><filename>x.jpg</filename>%s<segmented>0</segmented></annotation>",
    "<annotation>\n%s</annotation>\n",
    '<?xml version="1.0" encoding="UTF-8"?><annotation>%s</annotation>',
    "<?xml version='1.0'?><annotation>%s</annotation>",
    "\ufeff<annotation>%s</annotation>",
    '<?xml version="1.0" encoding="latin-1"?><annotation>%s</annotation>',
    '<?xml version="1.0" encoding="utf-7"?><annotation>%s</annotation>',
    "<!DOCTYPE annotation><annotation>%s</annotation>",
    '<!DOCTYPE annotation [<!ENTITY b "<object/>">]><annotation>%s</annotation>',
    '<annotation xmlns="urn:x">%s</annotation>',
    '<annotation xmlns:a="urn:x">%s</annotation>',
    "<annotation><more>%s</more></annotation>",
    "<annotation>%s</annotation><annotation/>",
    "<annotation>%s",
    "<object>%s</object>",
    "%s",
    "<annotation>%s</object></annotation>",
    "<annotation><objects/>%s</annotation>",
    "<annotation><object/>%s</annotation>",
    "<annotation><!-- <object> -->%s</annotation>",
    "<annotation>%s<?end <object/>?></annotation>",
]
OBJECTS = st.lists(
    st.just(PLAIN)
    | st.sampled_from(ODD).map(lambda inside: f"<object>{inside}</object>")
    | st.sampled_from(["\n", "<x/>"]),
    max_size=5,
).map("".join)


def read_whole(data: bytes) -> Document:
    """What the file is where nothing is cut."""
    root = parse_xml(data)
    document = Document(root, root.findall("object"))
    root[:] = [child for child in root if child.tag != "object"]
    return document


def told(read: Any, data: bytes) -> Any:
    """All that a reader takes from a file, or why it takes nothing."""
    try:
        document = read(data)
    except BrokenFileError as error:
        return str(error)
    rows = [
        [
            (type(row).__name__, str(row)) if isinstance(row, BrokenRowError) else row
            for row in document.rows("a/b.jpg", base)
        ]
        for base in (0, 1)
    ]
    fields = document.fields
    return rows, document.labels, document.base(), fields.tag, fields.attrib, list(map(_without_tail, fields))


def _without_tail(element: Element) -> bytes:
    element.tail = None
    return tostring(element)


def is_cut(data: bytes) -> bool:
    """Whether a file was read by its text."""
    objects = DocumentReader().read(data).objects
    return bool(objects) and all(isinstance(found, Plain) for found in objects)


def test_objects_that_differ_in_their_corners_alone_are_read_by_their_text():
    other = PLAIN.replace("2<", "21<").replace("050", "0")
    data = AROUND[0].replace("%s", f"\n\t{PLAIN}\n\t{other}").encode()
    reader = DocumentReader()
    first, second = reader.read(data).objects
    assert isinstance(first, Plain) and isinstance(second, Plain) and first.like is second.like
    assert [first.corners, second.corners] == [("2", "3.5", "40", "050"), ("21", "3.5", "40", "0")]
    assert len(reader.seen) == 1
    rows = reader.read(data).rows("a/b.jpg", 1)
    assert [row["annotation_id"] for row in rows if isinstance(row, dict)] == ["voc/a/b.jpg#1", "voc/a/b.jpg#2"]
    assert rows[0] == {
        "annotation_id": "voc/a/b.jpg#1",
        "path": "a/b.jpg",
        "annotator": None,
        "mask": None,
        "x0_px": 1.0,
        "y0_px": 2.5,
        "x1_px": 40.0,
        "y1_px": 50.0,
        "label": "cat",
        "kind": "box",
        "attributes": '{"difficult":0,"pose":"Unspecified"}',
    }


def test_rows_are_their_own():
    reader = DocumentReader()
    data = AROUND[0].replace("%s", PLAIN).encode()
    (row,) = reader.read(data).rows("a/b.jpg", 1)
    assert isinstance(row, dict)
    row["label"] = "changed"
    (again,) = reader.read(data).rows("a/b.jpg", 1)
    assert isinstance(again, dict) and again["label"] == "cat"


@given(st.sampled_from(AROUND), OBJECTS)
def test_whatever_is_cut_says_what_the_whole_file_says(around: str, objects: str):
    data = around.replace("%s", objects).encode()
    assert told(DocumentReader().read, data) == told(read_whole, data)


@pytest.mark.parametrize("around", AROUND)
@pytest.mark.parametrize("inside", ODD, ids=range(len(ODD)))
def test_every_odd_object_says_what_the_whole_file_says(around: str, inside: str):
    reader = DocumentReader()
    data = around.replace("%s", f"{PLAIN}<object>{inside}</object>{PLAIN}").encode()
    for _ in range(2):  # the second time with what was seen
        assert told(reader.read, data) == told(read_whole, data)


@given(st.sampled_from(AROUND[:5]), OBJECTS, st.data())
def test_a_file_that_is_damaged_anywhere_says_what_the_whole_file_says(around: str, objects: str, data: st.DataObject):
    text = around.replace("%s", PLAIN + objects)
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(start + 30, len(text))))
    piece = data.draw(
        st.sampled_from(["", "<", ">", "&", "<object>", "</object>", "<bndbox>", "</bndbox>", "<!--", "\0"])
    )
    damaged = (text[:start] + piece + text[end:]).encode()
    assert told(DocumentReader().read, damaged) == told(read_whole, damaged)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32", "latin-1", "cp037"])
def test_other_encodings_are_read_whole(encoding: str):
    text = f'<?xml version="1.0" encoding="{encoding}"?><annotation>{PLAIN}</annotation>'
    data = text.encode(encoding)
    assert told(DocumentReader().read, data) == told(read_whole, data)
    assert b"<object>" not in data or not is_plain_xml(data)


@pytest.mark.parametrize("declaration", ["", '<?xml version="1.0" encoding="utf-8"?>', "\ufeff"])
@pytest.mark.parametrize("bomb", [LAUGHS, QUADRATIC, '<!DOCTYPE a SYSTEM "http://x.example/a.dtd"><a/>'])
def test_no_bomb_is_hidden_among_objects(declaration: str, bomb: str):
    doctype, _, root = bomb.rpartition("<a")
    for text in (
        f"{doctype}<annotation>{PLAIN * 3}<a{root}</annotation>",
        f"<annotation>{PLAIN}{bomb}{PLAIN}</annotation>",
    ):
        start = time.process_time()
        with pytest.raises(BrokenFileError):
            DocumentReader().read((declaration + text).encode())
        assert time.process_time() - start < 1


@pytest.mark.parametrize("around", AROUND[:5])
def test_usual_files_are_cut(around: str):
    assert is_cut(around.replace("%s", PLAIN * 3).encode())


def test_bytes_that_are_no_utf8_are_refused():
    data = b"<annotation>" + PLAIN.replace("cat", "c\xe9").encode("latin-1") + b"</annotation>"
    assert told(DocumentReader().read, data) == told(read_whole, data)
    with pytest.raises(BrokenFileError, match="not well-formed"):
        DocumentReader().read(data)


def test_what_is_remembered_has_a_limit(monkeypatch: pytest.MonkeyPatch):
    assert MOST_SEEN * MOST_CHARACTERS < 1 << 23
    monkeypatch.setattr(voc_documents, "MOST_SEEN", 3)
    reader = DocumentReader()
    for number in range(9):
        data = AROUND[0].replace("%s", PLAIN.replace("cat", f"cat {number}") * 2).encode()
        assert told(reader.read, data) == told(read_whole, data)
    assert len(reader.seen) == len(reader.cuts) == 3


def test_all_of_bccd_is_cut_and_says_what_the_whole_files_say(tmp_path: Path):
    reader = DocumentReader()
    files = sorted((unpack("bccd", tmp_path) / "BCCD" / "Annotations").iterdir())
    for file in files:
        data = file.read_bytes()
        assert is_cut(data)
        assert told(reader.read, data) == told(read_whole, data)
    assert len(files) == 364 and len(reader.seen) < 20
