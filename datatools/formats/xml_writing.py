"""XML for CVAT and Label Studio: the characters it does not allow, and text that is read as the same text again."""

from __future__ import annotations

import re
from xml.etree.ElementTree import Element

ILLEGAL = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # https://www.w3.org/TR/xml/#charsets


def render_xml(element: Element, indent: str = "") -> str:
    """XML text that is read as the same text: line ends and tabs are written as references."""
    attributes = "".join(f' {name}="{_escape(text)}"' for name, text in element.attrib.items())
    inner = "".join(render_xml(child, indent + "  ") for child in element)
    inner = f"\n{inner}{indent}" if inner else _escape(element.text or "")
    return f"{indent}<{element.tag}{attributes}>{inner}</{element.tag}>\n"


def _escape(text: str) -> str:
    marks = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\t": "&#9;", "\n": "&#10;", "\r": "&#13;"}
    return "".join(marks.get(character, character) for character in text)
