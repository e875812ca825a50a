from __future__ import annotations

import json
import time
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from datatools.formats.documents import (
    MAX_DEPTH,
    MAX_MESSAGE,
    MAX_YAML_BYTES,
    BrokenFileError,
    parse_json,
    parse_xml,
    parse_yaml,
)
from tests.formats.contents import json_values

PARSERS = [parse_json, parse_xml, parse_yaml]
LAUGHS = """<!DOCTYPE a [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;">]>
<a>&c;</a>"""
QUADRATIC = f'<!DOCTYPE a [<!ENTITY a "{"x" * 50_000}">]><a>{"&a;" * 50_000}</a>'
ALIAS_BOMB = "a: &a [x, x]\n" + "\n".join(f"{new}: &{new} [*{old}, *{old}]" for old, new in zip("abcdefgh", "bcdefghi"))


class WithoutAliases(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


def message_of(parse: Any, data: bytes) -> str:
    with pytest.raises(BrokenFileError) as caught:
        parse(data)
    return str(caught.value)


# JSON


@given(json_values())
def test_json_is_read_as_python_reads_it(value: Any):
    assert parse_json(json.dumps(value).encode()) == value
    assert parse_json(json.dumps(value, ensure_ascii=False).encode("utf-8-sig")) == value


@pytest.mark.parametrize("text", ["1", "1.0", "-0", "1e3", "1e-999", "123456789012345678901", '"1"', "true", "null"])
def test_json_values_keep_their_type(text: str):
    value = parse_json(text.encode())
    assert (type(value), value) == (type(json.loads(text)), json.loads(text))


def test_json_text_may_hold_any_character():
    assert parse_json(rb'"\u0000\ud83d\ude00\ufeff"') == "\x00\U0001f600\ufeff"
    assert parse_json(rb'"\\ud800"') == "\\ud800"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not JSON: Expecting value: line 1 column 1 (char 0)"),
        (b"{", "not JSON: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
        (b"{} x", "not JSON: Extra data: line 1 column 4 (char 3)"),
        (b"NaN", "not JSON: NaN is no JSON number"),
        (b"[Infinity]", "not JSON: Infinity is no JSON number"),
        (b'{"a": -Infinity}', "not JSON: -Infinity is no JSON number"),
        (b"1e999", "not JSON: 1e999 is larger than any number"),
        (b"[-1E+400]", "not JSON: -1E+400 is larger than any number"),
        (b"[0.1e310]", "not JSON: 0.1e310 is larger than any number"),
        (b"1" + b"0" * 400 + b".5", f"not JSON: 1{'0' * 56}... is larger than any number"),
        (b'{"a": 1, "b": {"c": 1, "c": 2}}', "not JSON: the key 'c' is there twice"),
        (b'{"a": 1, "\\u0061": 2}', "not JSON: the key 'a' is there twice"),
        (b"\xff\xfe[\x00]\x00", "not JSON: 'utf-8' codec can't decode byte 0xff in position 0: invalid start byte"),
        ('"é"'.encode("latin-1"), "not JSON: 'utf-8' codec can't decode byte 0xe9 in position 1"),
        (b"[\x00]", "not JSON: Expecting value: line 1 column 2 (char 1)"),
        (b'"a\nb"', "not JSON: Invalid control character at: line 1 column 3 (char 2)"),
        (
            b'"\\ud800"',
            "not JSON: 'utf-8' codec can't encode character '\\ud800' in position 1: surrogates not allowed",
        ),
        (b'{"\\uDFFF": 1}', "not JSON: 'utf-8' codec can't encode character '\\udfff'"),
        (b'"\xed\xa0\x80"', "not JSON: 'utf-8' codec can't decode byte 0xed in position 1"),
        (b"9" * 5000, "not JSON: Exceeds the limit (4300 digits) for integer string conversion"),
        (b"[" * 100_000, "not JSON: nested too deeply"),
        (b'{"a":' * 100_000, "not JSON: nested too deeply"),
        (b"[" * 300 + b"]" * 300, "not JSON: nested deeper than 100 levels"),
        (b'{"a":' * 300 + b"1" + b"}" * 300, "not JSON: nested deeper than 100 levels"),
        (b"[1,]", "not JSON: "),
        (b"{'a': 1}", "not JSON: "),
        (b"// x\n{}", "not JSON: "),
        (b"01", "not JSON: Extra data"),
    ],
)
def test_what_is_no_json_is_refused_with_the_reason(data: bytes, message: str):
    assert message_of(parse_json, data).startswith(message)


@pytest.mark.parametrize("depth", [1, MAX_DEPTH, MAX_DEPTH + 1])
def test_json_may_be_nested_as_deep_as_is_said(depth: int):
    data = b"[" * depth + b"]" * depth
    if depth <= MAX_DEPTH:
        assert len(json.dumps(parse_json(data))) == 2 * depth
    else:
        assert message_of(parse_json, data) == f"not JSON: nested deeper than {MAX_DEPTH} levels"


# XML


def test_xml_is_read_in_the_encoding_it_declares():
    latin = '<?xml version="1.0" encoding="latin-1"?><a b="é">ü</a>'.encode("latin-1")
    for data in (
        latin,
        '<a b="é">ü</a>'.encode(),
        '<a b="é">ü</a>'.encode("utf-8-sig"),
        '<a b="é">ü</a>'.encode("utf-16"),
    ):
        root = parse_xml(data)
        assert (root.tag, root.get("b"), root.text) == ("a", "é", "ü")


def test_xml_keeps_markup_that_was_escaped():
    assert parse_xml(b"<a>&lt;b&gt;&amp;&#10;<![CDATA[<c>]]></a>").text == "<b>&\n<c>"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "no element found: line 1, column 0"),
        (b"<a>", "no element found: line 1, column 3"),
        (b"<a></b>", "mismatched tag: line 1, column 5"),
        (b"<a/><b/>", "junk after document element: line 1, column 4"),
        (b"<a b='1' b='2'/>", "duplicate attribute: line 1, column 9"),
        (b"<a>\x00</a>", "not well-formed (invalid token): line 1, column 3"),
        (b"<a>\x1b</a>", "not well-formed (invalid token): line 1, column 3"),
        (b"<a>&#0;</a>", "reference to invalid character number: line 1, column 3"),
        (b"<a>&x;</a>", "undefined entity: line 1, column 3"),
        ("<a>é</a>".encode("latin-1"), "not well-formed (invalid token): line 1, column 3"),
        (b'<?xml version="1.0" encoding="nonsense"?><a/>', "unknown encoding: nonsense"),
        (b'<?xml version="1.0" encoding="utf-16"?><a/>', "encoding specified in XML declaration is incorrect"),
        (b'<?xml version="1.0" encoding="utf-7"?><a/>', "multi-byte encodings are not supported"),
        (b'<?xml version="1.0" encoding="rot13"?><a/>', "'rot13' is not a text encoding"),
        (b'<?xml version="1.0" encoding="idna"?><a/>', "decoding with 'idna' codec failed"),
        (b"<!DOCTYPE a><a/>", "it has a DTD (<!DOCTYPE) or an entity"),
        ("<!DOCTYPE a><a/>".encode("utf-16"), "it has a DTD (<!DOCTYPE) or an entity"),
        (b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>', "it has a DTD (<!DOCTYPE) or an entity"),
        (b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>', "it has a DTD (<!DOCTYPE) or an entity"),
        (
            b'<?xml version="1.0"' + b" " * 999 + b'encoding="cp037"?>' + "<!DOCTYPE a><a/>".encode("cp037"),
            "unknown encoding",
        ),
        (LAUGHS.encode(), "it has a DTD (<!DOCTYPE) or an entity"),
        (QUADRATIC.encode(), "it has a DTD (<!DOCTYPE) or an entity"),
        (b"<a>" * 10_000 + b"</a>" * 10_000, "nested deeper than 100 levels"),
        (b"<a>" * 200_000, "no element found"),
    ],
)
def test_what_is_no_trusted_xml_is_refused_with_the_reason(data: bytes, message: str):
    assert message_of(parse_xml, data).startswith(f"not XML that can be trusted: {message}")


@pytest.mark.parametrize("depth", [1, MAX_DEPTH, MAX_DEPTH + 1])
def test_xml_may_be_nested_as_deep_as_is_said(depth: int):
    data = b"<a>" * depth + b"</a>" * depth
    if depth <= MAX_DEPTH:
        assert len(list(parse_xml(data).iter())) == depth
    else:
        assert message_of(parse_xml, data).endswith(f"nested deeper than {MAX_DEPTH} levels")


# YAML


@given(json_values(st.text("ab 1.-:#'\"\\\n[]{},&*!|>%@`é", max_size=6)))
def test_yaml_that_pyyaml_writes_is_read_as_it_was(value: Any):
    assert parse_yaml(yaml.dump(value, Dumper=WithoutAliases, allow_unicode=True).encode()) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("yes", "yes"),
        ("on", "on"),
        ("12:30:45", "12:30:45"),
        ("2001-01-01", "2001-01-01"),
        ("007", "007"),
        ("0x1F", "0x1F"),
        ("0o17", "0o17"),
        ("1_000", "1_000"),
        (".inf", ".inf"),
        (".nan", ".nan"),
        ("<<", "<<"),
        ("=", "="),
        ("e5", "e5"),
        (".", "."),
        ("+", "+"),
        ("-1", -1),
        ("+1", 1),
        ("0", 0),
        ("1.10", 1.1),
        ("1.", 1.0),
        (".5", 0.5),
        ("-.5e-3", -0.0005),
        ("1e5", 1e5),
        ("True", True),
        ("false", False),
        ("~", None),
        ("Null", None),
        ("", None),
        ("'1'", "1"),
        ('"true"', "true"),
        ("''", ""),
        ("|\n  1\n", "1\n"),
    ],
)
def test_a_plain_yaml_value_is_what_yaml_1_2_says(text: str, value: Any):
    found = parse_yaml(f"a: {text}".encode())["a"]
    assert (type(found), found) == (type(value), value)


def test_yaml_keys_may_be_numbers():
    assert parse_yaml(b"names:\n  0: cat\n  1: no\n") == {"names": {0: "cat", 1: "no"}}


def test_an_empty_yaml_file_is_null():
    assert parse_yaml(b"") is parse_yaml(b"# nothing\n") is None


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"a: &x [1]\nb: *x\n", "line 2: an alias, *x"),
        (ALIAS_BOMB.encode(), "line 2: an alias, *a"),
        (b"&a [*a]", "line 1: an alias, *a"),
        (
            b"a: 1\nb: !!python/object/apply:os.system [ls]",
            "line 2: a tag, tag:yaml.org,2002:python/object/apply:os.system",
        ),
        (b"!!python/name:os.system", "line 1: a tag, tag:yaml.org,2002:python/name:os.system"),
        (b"a: !!set {x}", "line 1: a tag, tag:yaml.org,2002:set"),
        (b"a: !!str 1", "line 1: a tag, tag:yaml.org,2002:str"),
        (b"a: !mine 1", "line 1: a tag, !mine"),
        (b"%TAG ! tag:x,2000:\n---\na: !y b", "line 3: a tag, tag:x,2000:y"),
        (b"a: 1\nb: 2\na: 3\n", "line 3: the key 'a' is there twice"),
        (b"{1: a, 01: b, 1: c}", "line 1: the key 1 is there twice"),
        (b"? [a]\n: b", "line 1: a list or a mapping as a key"),
        (b"{{a: 1}: 2}", "line 1: a list or a mapping as a key"),
        (b"[" * 100_000, "nested deeper than 100 levels"),
        (b"- " * 5000 + b"a", "nested deeper than 100 levels"),
        (b"a: 1e999", "1e999 is larger than any number"),
        (b"a: " + b"9" * 5000, "Exceeds the limit (4300 digits)"),
        (b"a: b: c", "mapping values are not allowed here"),
        (b"a: [", "while parsing a flow node"),
        (b"a\n---\nb", "expected a single document in the stream"),
        (b"a: \x00", "unacceptable character #x0000"),
        (b"\xff\xfea\x00", "'utf-8' codec can't decode byte 0xff"),
        (b"a: \t- b\n\t- c", ""),
    ],
)
def test_what_is_no_trusted_yaml_is_refused_with_the_reason(data: bytes, message: str):
    assert message_of(parse_yaml, data).startswith(f"not YAML: {message}")


def test_yaml_of_megabytes_is_refused_before_it_is_read():
    data = b"- a\n" * (MAX_YAML_BYTES // 4 + 1)
    start = time.perf_counter()
    message = message_of(parse_yaml, data)
    assert time.perf_counter() - start < 1
    assert message == f"not YAML that can be trusted: {len(data)} bytes are more than {MAX_YAML_BYTES}"


# All


@pytest.mark.parametrize("parse", PARSERS)
@given(data=st.binary(max_size=40) | st.text("[]{}<>/!&*?:-\"' \n1aé", max_size=40).map(str.encode))
def test_any_bytes_are_read_or_refused(parse: Any, data: bytes):
    try:
        parse(data)
    except BrokenFileError as error:
        assert 0 < len(str(error)) <= MAX_MESSAGE


@pytest.mark.parametrize(
    ("parse", "data"),
    [
        (parse_json, b'{"' + b"k" * 9000 + b'":1,"' + b"k" * 9000 + b'":1}'),
        (parse_json, b'{"a\\nb": 1, "a\\nb": 2}'),
        (parse_yaml, b"k" * 900 + b": 1\n" + b"k" * 900 + b": 1\n"),
        (parse_yaml, b"a: !" + b"x" * 900 + b" 1"),
        (parse_yaml, b"a: *" + b"x" * 900),
        (parse_yaml, b"a: [1\nb: 2"),
        (parse_xml, f'<?xml version="1.0" encoding="{"x" * 900}"?><a/>'.encode()),
    ],
)
def test_a_message_is_one_short_line(parse: Any, data: bytes):
    message = message_of(parse, data)
    assert len(message) <= MAX_MESSAGE
    assert message == " ".join(message.split())


def test_a_long_message_is_cut():
    assert str(BrokenFileError("x" * 201)) == "x" * 197 + "..."
    assert str(BrokenFileError("x" * 200)) == "x" * 200
    assert str(BrokenFileError(" a\n  b\t")) == "a b"
