"""The story of a fix record: what it decided, when Git got it, and which models were trained with it."""

from __future__ import annotations

from typing import Any

from datatools.project import LAYOUT
from datatools.provenance import CHANGING
from datatools.trace.images import tell_fix, tell_fixes
from datatools.trace.models import Model, list_models
from datatools.trace.past import find_commit_of
from datatools.trace.place import Place

Story = dict[str, Any]


def tell_record(place: Place, record_id: str) -> Story:
    """The story of the record `record_id`; `models` are those trained with it in force, or null in `with_it`: not known."""
    item = next(item for item in place.decided if item.record.id == record_id)
    about = item.record.annotation_id or item.record.path
    others = [story for story in tell_fixes(place, about) if story["id"] != record_id] if about else []
    changes_data = item.record.op in CHANGING
    return {
        "kind": "fix record",
        "name": record_id,
        "record": tell_fix(item),
        "evidence": dict(item.record.evidence),
        "added_in": find_commit_of(place.project.root, f'"{record_id}"', LAYOUT["fixes"]),
        "others": others,
        "changes_data": changes_data,
        "models": [_tell(model, record_id) for model in list_models(place)] if changes_data else [],
    }


def _tell(model: Model, record_id: str) -> Story:
    ids = model.fix_ids
    return {**model.describe(), "with_it": None if ids is None else record_id in ids}
