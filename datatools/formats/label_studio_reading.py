"""Reading Label Studio: tasks and the results in them (datatools/formats/label_studio.py is the user's page)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from datatools.formats.base import dump_attributes, load_attributes
from datatools.formats.carried import GIVEN, Collector, join_rings
from datatools.formats.documents import has_nan
from datatools.formats.label_studio_names import LISTS
from datatools.formats.label_studio_result_reading import check_choices, is_region, labels_of, read_choices, read_region
from datatools.formats.label_studio_tasks import (
    annotator_of,
    image_name,
    name_of,
    new_entry,
    own_task,
    results_of,
    task_attributes,
    to_record,
)
from datatools.formats.rows import NOT_JSON, BrokenRowError, broken_row

Row = dict[str, Any]


class Reader(Collector):
    """Collects what the tasks of one document say."""

    def __init__(self, source: str, image_of: Callable[[str], str | None]) -> None:
        super().__init__(source)
        self.image_of = image_of
        self.records: list[Row] = []

    def read_task(self, task: Any) -> None:
        """One task: its record, and the rows of its annotations and predictions."""
        try:
            name, own = image_name(task), own_task(task)
        except BrokenRowError as error:
            for _ in results_of(task):
                self.refuse(None, str(error))
            if not results_of(task):
                self.rejected.append(broken_row(self.source, None, None, str(error)))
            return
        kept = own.get("path")
        path = (isinstance(kept, str) and self.image_of(kept)) or self.image_of(name) or name_of(name)
        attributes = task_attributes(task, path, own)
        size: Row = {}
        n_before = len(self.rows)
        for key in LISTS:
            if entries := self._read_entries(task, key, path, size):
                attributes[key] = entries
        if looked := _annotators_without_a_row(attributes.get("annotations") or (), self.rows[n_before:]):
            attributes.setdefault("annotators", looked)
        self.take_packed(own.get("annotations", []), path)
        record = to_record(path, attributes, size, own)
        if record is not None:
            self.records.append({**record, "source": self.source})

    def _read_entries(self, task: Row, key: str, path: str, size: Row) -> list[Row]:
        """The rows of a task's annotations; returns what is to be kept of each beside its rows."""
        kept = []
        whose = Counter(annotator_of(key, entry) for entry in task.get(key) or [])
        for entry in task.get(key) or []:
            who = annotator_of(key, entry)
            results = entry["result"]
            rest = {name: value for name, value in entry.items() if name != "result"}
            if entry.get("was_cancelled") is True:
                for _ in results:
                    self.refuse(path, f"{who or 'its author'} skipped the image (was_cancelled)", "cancelled")
                kept.append(rest)
                continue
            found, left = self._read_results(results, path, who, size)
            if whose[who] > 1 and entry.get("id") is not None:
                for row in found:
                    row["attributes"] = dump_attributes({**load_attributes(row["attributes"]), key[:-1]: entry["id"]})
            self.rows += found
            rest |= {"results": left} if left else {}
            if not found or rest != new_entry(who)[1]:
                kept.append(rest)
        return kept

    def _read_results(
        self, results: Sequence[Any], path: str, who: str | None, size: Row
    ) -> tuple[list[Row], list[Any]]:
        """The rows of one annotation, and the results that are none."""
        regions = [item for item in results if isinstance(item, dict) and is_region(item)]
        main: dict[Any, Any] = {}
        for item in sorted(regions, key=lambda item: not labels_of(item)):
            if isinstance(item.get("id"), str):
                main.setdefault(item["id"], item)
        parts: dict[str, list[Row]] = {}
        left, choices, found = [], [], []
        for item in results:
            self.number += 1
            if not isinstance(item, dict):
                self.rejected.append(broken_row(self.source, self.number, path, "a result must be an object"))
                continue
            if not is_region(item) and has_nan(item):
                self.rejected.append(broken_row(self.source, self.number, path, NOT_JSON))
                continue
            region = main.get(item["id"]) if isinstance(item.get("id"), str) else None
            if region is not None and region is not item:
                parts.setdefault(item["id"], []).append(item)
            elif is_region(item):
                found.append((self.number, item))
            elif item.get("type") == "choices":
                choices.append((self.number, item))
            else:
                left.append(item)
        rows = join_rings([row for row in (self._read_one(*pair, path, who, size, parts) for pair in found) if row])
        return [*rows, *self._read_choices(choices, path, who)], left

    def _read_one(
        self, number: int, item: Row, path: str, who: str | None, size: Row, parts: Mapping[str, list[Row]]
    ) -> tuple[Row, int | None] | None:
        try:
            row, ring = read_region(item, who, size, parts.get(str(item.get("id")), []))
        except BrokenRowError as error:
            self.rejected.append(broken_row(self.source, number, path, error))
            return None
        if row["annotation_id"] is None:
            row["annotation_id"] = f"label_studio/{path}#{number}"
        return {**row, "path": path, "source": self.source}, ring

    def _read_choices(self, found: Sequence[tuple[int, Row]], path: str, who: str | None) -> list[Row]:
        items = []
        for number, item in found:
            try:
                check_choices(item)
                items.append(item)
            except BrokenRowError as error:
                self.rejected.append(broken_row(self.source, number, path, error))
        return [{**row, "source": self.source} for row in read_choices(items, path, who)]


def fresh_id(row: Row, seen: set[str]) -> str:
    """The row's id; behind a native one that is taken comes the annotator."""
    name = str(row["annotation_id"])
    if name not in seen or row["kind"] == "label":
        return name
    return f"{name}@{row['annotator'] or GIVEN}"


def _annotators_without_a_row(entries: Sequence[Any], rows: Sequence[Row]) -> list[str]:
    """Everybody who annotated the image, if somebody of them found nothing on it; else nobody, as the rows say it."""
    who = {annotator_of("annotations", entry) for entry in entries if entry.get("was_cancelled") is not True}
    drew = {row["annotator"] for row in rows if new_entry(row["annotator"])[0] == "annotations"}
    return sorted(name for name in who | drew if name is not None) if who - drew - {None} else []
