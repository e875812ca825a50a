"""Label Studio's labeling configuration, read and written (datatools/formats/label_studio.py is the user's page)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any
from xml.etree.ElementTree import Element, SubElement

from datatools.formats.base import Content
from datatools.formats.carried import OWN
from datatools.formats.documents import BrokenFileError, parse_json, parse_xml
from datatools.formats.label_studio_names import TAGS
from datatools.formats.label_studio_result_reading import control_of
from datatools.formats.label_studio_tasks import results_of
from datatools.formats.xml_writing import ILLEGAL, render_xml
from datatools.tree import Tree, UnreadableFileError

Row = dict[str, Any]
CONFIG = "label_config.xml"
WRITTEN = "written by datatools"


def load_classes(tree: Tree, files: Sequence[str], rows: Sequence[Row]) -> tuple[list[str], list[str], Row]:
    """The classes of the configurations and of `rows`, the configurations, and what extras keep of them."""
    folders = sorted({"", *(str(PurePosixPath(file).parent).removeprefix(".") for file in files)})
    configs = [path for folder in folders if (path := f"{folder}/{CONFIG}".lstrip("/")) in tree]
    names: list[str] = []
    extras: Row = {}
    for path in configs:
        try:
            data = tree.read(path)
            names += _config_names(parse_xml(data))
        except (UnreadableFileError, BrokenFileError):
            continue
        if WRITTEN.encode() not in data:
            extras = {"label_studio": {"label_config": data.decode("utf-8", "replace")}}
    used = {row["label"] for row in rows if row["label"] is not None}
    return list(dict.fromkeys([*names, *sorted(used)])), configs, extras


def _config_names(root: Element) -> list[str]:
    names = []
    for element in root.iter():
        if element.tag in ("Label", "Choice") and element.get("value") is not None:
            names.append(_unquote(element.get(OWN), element.get("value", "")))
    return names


def _unquote(kept: str | None, name: str) -> str:
    """A class name that XML cannot hold is beside it as JSON."""
    try:
        value = parse_json(kept.encode()) if kept else name
    except BrokenFileError:
        return name
    return value if isinstance(value, str) else name


def to_config(content: Content, tasks: Sequence[Row]) -> tuple[str, bool]:
    """The labeling configuration, and whether it is the one that extras keep (or extras keep none)."""
    kept = content.extras.get("label_studio")
    text = kept.get("label_config") if isinstance(kept, dict) and set(kept) == {"label_config"} else None
    if isinstance(text, str) and WRITTEN not in text:
        try:
            used = sorted(set(content.annotations["label"].dropna()))
            names = _config_names(parse_xml(text.encode()))
            if tuple(dict.fromkeys([*names, *used])) == content.classes:
                return text, True
        except BrokenFileError:
            pass
    return f"<!-- {WRITTEN} -->\n{render_xml(_make_config(content.classes, tasks))}", kept is None


def _make_config(classes: Sequence[str], tasks: Sequence[Row]) -> Element:
    items = [item for task in tasks for item in results_of(task) if isinstance(item, dict) and item.get("type") in TAGS]
    controls = {(item["type"], control_of(item), str(item.get("to_name", "image"))) for item in items}
    view = Element("View")
    for name in sorted({to_name for _, _, to_name in controls} | {"image"}):
        SubElement(view, "Image", {"name": ILLEGAL.sub("\ufffd", name), "value": "$image"})
    for kind, from_name, to_name in sorted(controls or {("choices", "choices", "image")}):
        names = {"name": ILLEGAL.sub("\ufffd", from_name), "toName": ILLEGAL.sub("\ufffd", to_name)}
        control = SubElement(view, TAGS[kind], names)
        for name in classes:
            item = SubElement(
                control, "Choice" if kind == "choices" else "Label", {"value": ILLEGAL.sub("\ufffd", name)}
            )
            if ILLEGAL.search(name):
                item.set(OWN, json.dumps(name))
    return view
