"""JSON, XML and YAML as annotation files hold them, read strictly: bad input is one BrokenFileError, never a crash.

What can hide something is refused: keys given twice, numbers that no float holds, half a character, DTDs and entities,
aliases and tags, nesting beyond `MAX_DEPTH`.
"""

from __future__ import annotations

import json
import math
import re
from codecs import BOM_UTF8
from collections.abc import Callable, Hashable, Iterable
from typing import Any
from xml.etree.ElementTree import Element, ParseError, TreeBuilder, XMLParser

import yaml
from defusedxml import DefusedXmlException, DTDForbidden

MAX_DEPTH = 100
MAX_YAML_BYTES = 2_000_000  # its parser is slow, and these files are small
MAX_MESSAGE = 200
SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
LARGE_EXPONENT = re.compile(rb"[eE]\+?[0-9]{3}")
UTF8 = re.compile(rb"""encoding[ \t\r\n]*=[ \t\r\n]*["']utf-8["']""", re.IGNORECASE)
DIGITS = bytes(48 if 48 <= code <= 57 else 32 for code in range(256))  # every digit becomes 0, all else a space


class BrokenFileError(Exception):
    """A file that is not in its format; the message, one short line, says where and why."""

    def __init__(self, message: str) -> None:
        line = " ".join(message.split())
        super().__init__(line if len(line) <= MAX_MESSAGE else f"{line[: MAX_MESSAGE - 3]}...")


def parse_json(data: bytes, allow_nan: bool = False) -> Any:
    """Return the JSON document in `data` (UTF-8, with or without a byte order mark).

    Raises BrokenFileError for anything json.org's grammar does not allow, NaN and Infinity included, for numbers that
    no float holds, a key given twice, half a surrogate pair, and nesting deeper than MAX_DEPTH. With `allow_nan` such
    numbers become NaN and infinite floats, for the caller to refuse the row that has them (has_nan), not the file.
    """
    try:
        text = data.decode("utf-8-sig")
        document = json.loads(
            text,
            parse_constant=float if allow_nan else _refuse_constant,
            parse_float=_parse_float if not allow_nan and _may_be_huge(data) else None,
            object_pairs_hook=_each_key_once,
        )
        _check_depth(document, _children_of_json)
        if SURROGATE.search(text):
            json.dumps(document, ensure_ascii=False).encode()  # half a character is a ValueError here
    except RecursionError as error:
        raise BrokenFileError("not JSON: nested too deeply") from error
    except ValueError as error:
        raise BrokenFileError(f"not JSON: {error}") from error
    return document


def has_nan(value: Any) -> bool:
    """Whether there is a NaN or an infinite number anywhere in a JSON value."""
    level = [value]
    while level:
        if any(type(item) is float and not math.isfinite(item) for item in level):
            return True
        level = [
            child
            for item in level
            if type(item) in _CONTAINERS
            for child in (item.values() if isinstance(item, dict) else item)
        ]
    return False


def parse_xml(data: bytes) -> Element:
    """Return the root element. Raises BrokenFileError for broken XML, any DTD or entity, and too deep a nesting."""
    try:
        is_utf8 = _is_utf8(data)
        parser = XMLParser() if is_utf8 and b"<!DOCTYPE" not in data else XMLParser(target=_WithoutDtd())
        parser.feed(data)
        root: Element = parser.close()
        if not is_utf8 or data.count(b"<") > MAX_DEPTH:  # each level needs one
            _check_depth(root, _elements_in)
    except DefusedXmlException as error:
        raise BrokenFileError("not XML that can be trusted: it has a DTD (<!DOCTYPE) or an entity") from error
    except (ParseError, ValueError, LookupError, RecursionError) as error:
        raise BrokenFileError(f"not XML that can be trusted: {error}") from error
    return root


def is_plain_xml(data: bytes) -> bool:
    """Whether every `<` in the bytes of an XML file begins or ends an element, but for the declaration at their start.

    So it has no comment, CDATA section, processing instruction or DTD. Nor has it namespaces: an element means the same
    wherever it stands.
    """
    rest = data[len(_declaration(data)) :]
    # one byte is found many times faster than several
    has_other = (b"!" in rest and b"<!" in rest) or (b"?" in rest and b"<?" in rest)
    return not has_other and not (b"=" in rest and b"xmlns" in rest) and _is_utf8(data)


def _is_utf8(data: bytes) -> bool:
    """Whether markup stands in the bytes as it is: not in UTF-16, nor in another encoding that is declared."""
    declaration = _declaration(data)
    return b"\0" not in data and (b"encoding" not in declaration or UTF8.search(declaration) is not None)


def _declaration(data: bytes) -> bytes:
    """`<?xml ...?>`, which stands at the very start if anywhere; all of `data` where it does not end."""
    if not data.startswith((b"<?xml", BOM_UTF8 + b"<?xml")):
        return b""
    end = data.find(b"?>")
    return data if end < 0 else data[: end + 2]


class _WithoutDtd(TreeBuilder):
    """Builds the tree of a document without DTD; without one there is no entity to expand, and none to fetch.

    As strict as defusedxml's parser with `forbid_dtd`, which is in Python and takes twice as long.
    """

    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        """Refuse `<!DOCTYPE`, before anything that it declares."""
        raise DTDForbidden(name, system, pubid)


def parse_yaml(data: bytes) -> Any:
    """Return the YAML document in `data` (UTF-8), its plain values read as YAML 1.2's core schema does.

    So `no`, `12:30` and `2001-01-01` are texts, and so are numbers with leading zeros. Raises BrokenFileError for
    broken YAML, more than MAX_YAML_BYTES, aliases, tags, a key given twice, and nesting deeper than MAX_DEPTH.
    """
    if len(data) > MAX_YAML_BYTES:
        raise BrokenFileError(f"not YAML that can be trusted: {len(data)} bytes are more than {MAX_YAML_BYTES}")
    try:
        return yaml.load(data.decode("utf-8-sig"), Loader=_StrictLoader)  # safer than the safe one
    except RecursionError as error:
        raise BrokenFileError("not YAML: nested too deeply") from error
    except (yaml.YAMLError, ValueError) as error:
        raise BrokenFileError(f"not YAML: {error}") from error


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")


def _may_be_huge(data: bytes) -> bool:
    """Whether a number may be beyond any float: only then is each looked at, which is slow."""
    return bool(LARGE_EXPONENT.search(data)) or b"0" * 300 in data.translate(DIGITS)


def _parse_float(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ValueError(f"{_short(text)} is larger than any number")
    return value


def _each_key_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) < len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise ValueError(f"the key {_short(repr(key))} is there twice")
            seen.add(key)
    return document


def _check_depth(root: Any, children: Callable[[Any], Iterable[Any]]) -> None:
    """One level after the other: no recursion, so that no depth is too much for it."""
    level = [root]
    for _ in range(MAX_DEPTH):
        level = [child for item in level for child in children(item)]
        if not level:
            return
    raise ValueError(f"nested deeper than {MAX_DEPTH} levels")


def _elements_in(element: Element) -> Iterable[Element]:
    return element if len(element) else ()


def _children_of_json(item: Any) -> Iterable[Any]:
    values = item.values() if isinstance(item, dict) else item if isinstance(item, list) else ()
    return [value for value in values if type(value) in _CONTAINERS]


_CONTAINERS = frozenset({dict, list})


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}..."


class _StrictLoader(yaml.BaseLoader):  # which knows no tag at all
    """Plain scalars, lists and mappings; each key once."""

    depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        """One node; what is refused is refused before it is built."""
        event = self.peek_event()
        if isinstance(event, yaml.AliasEvent):
            raise _refusal(event, f"an alias, *{_short(event.anchor or '')}")
        if getattr(event, "tag", None) is not None:
            raise _refusal(event, f"a tag, {_short(event.tag)}")
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise ValueError(f"nested deeper than {MAX_DEPTH} levels")
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def to_list(self, node: Any) -> list[Any]:
        """A list."""
        return [self.construct_object(item, deep=True) for item in node.value]

    def to_dict(self, node: Any) -> dict[Hashable, Any]:
        """A dict; raises ValueError for a key that is there twice or is no scalar."""
        mapping: dict[Hashable, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise _refusal(key_node, "a list or a mapping as a key")
            key = self.construct_object(key_node, deep=True)
            if key in mapping:
                raise _refusal(key_node, f"the key {_short(repr(key))} is there twice")
            mapping[key] = self.construct_object(value_node, deep=True)
        return mapping


def _refusal(where: Any, message: str) -> ValueError:
    return ValueError(f"line {where.start_mark.line + 1}: {message}")


def _add_scalar(name: str, pattern: str, first: list[str], convert: Callable[[str], Any]) -> None:
    """Plain text that matches `pattern` becomes `convert(text)`; `first` are the characters that it can start with."""
    tag = f"tag:yaml.org,2002:{name}"
    _StrictLoader.add_implicit_resolver(tag, re.compile(rf"(?:{pattern})\Z"), first)
    _StrictLoader.add_constructor(tag, lambda _, node: convert(str(node.value)))


NUMBER = r"[-+]?(?:0|[1-9][0-9]*)"
EXPONENT = r"(?:[eE][-+]?[0-9]+)?"
_add_scalar("null", "~|null|Null|NULL|", ["~", "n", "N", ""], lambda _: None)
_add_scalar("bool", "true|True|TRUE|false|False|FALSE", list("tTfF"), lambda text: text.lower() == "true")
_add_scalar("int", NUMBER, list("-+0123456789"), int)
_add_scalar("float", rf"{NUMBER}(?:\.[0-9]*)?{EXPONENT}|[-+]?\.[0-9]+{EXPONENT}", list("-+.0123456789"), _parse_float)
_StrictLoader.add_constructor("tag:yaml.org,2002:seq", _StrictLoader.to_list)
_StrictLoader.add_constructor("tag:yaml.org,2002:map", _StrictLoader.to_dict)
