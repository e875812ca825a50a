"""JSON, XML, YAML and CSV as annotation files hold them, read strictly: bad input is one BrokenFileError, never a crash."""

from __future__ import annotations

import json
import re
from typing import Any
from xml.etree.ElementTree import Element, ParseError

import yaml
from defusedxml import DefusedXmlException, ElementTree

MAX_DEPTH = 100
SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


class BrokenFileError(Exception):
    """A file that is not in its format; the message says where and why."""


def parse_json(data: bytes) -> Any:
    """Return the JSON document in `data` (UTF-8, with or without a byte order mark).

    Raises BrokenFileError for anything json.org's grammar does not allow, NaN and Infinity included, for numbers that
    no float holds, a key given twice, half a surrogate pair, and nesting beyond Python's stack.
    """
    try:
        text = data.decode("utf-8-sig")
        document = json.loads(
            text, parse_constant=_refuse_constant, parse_float=_parse_float, object_pairs_hook=_each_key_once
        )
        if SURROGATE.search(text):
            json.dumps(document, ensure_ascii=False).encode()  # half a character is a ValueError here
    except RecursionError as error:
        raise BrokenFileError("not JSON: nested too deeply") from error
    except ValueError as error:
        raise BrokenFileError(f"not JSON: {error}") from error
    return document


def parse_xml(data: bytes) -> Element:
    """Return the root element. Raises BrokenFileError for broken XML and for any DTD or entity declaration."""
    try:
        return ElementTree.fromstring(data, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError, LookupError, RecursionError) as error:
        raise BrokenFileError(f"not XML that can be trusted: {error}") from error


def parse_yaml(data: bytes) -> Any:
    """Return the YAML document, aliases refused. Raises BrokenFileError."""
    try:
        text = data.decode("utf-8-sig")
        if any(isinstance(token, yaml.AliasToken) for token in yaml.scan(text, Loader=yaml.SafeLoader)):
            raise BrokenFileError("not YAML that can be trusted: it has aliases")
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise BrokenFileError(f"not YAML: {error}") from error


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")


def _parse_float(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ValueError(f"{text} is larger than any number")
    return value


def _each_key_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) < len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise ValueError(f"the key {key!r} is there twice")
            seen.add(key)
    return document
