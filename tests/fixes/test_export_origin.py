"""What an export to a drawing tool says of where it comes from."""

from __future__ import annotations

import json
from pathlib import Path

from datatools.fixes.export_queue import export_queue
from datatools.fixes.records import append_records
from datatools.fixes.sent import MANIFEST, load_sent
from datatools.provenance import hash_ids
from datatools.schema import FIX_STATUS
from datatools.store import save_table
from tests.builders import make_record
from tests.fixes.round_trip import make_dataset, make_project
from tests.small_data import box_row, fix_rows


def test_the_manifest_names_data_fixes_and_what_is_pending(tmp_path: Path):
    dataset = make_dataset([box_row("coco/1", (10, 10, 40, 40), label="cat")], {"a.png": "cat", "b.png": "dog"})
    project = make_project(tmp_path / "project", dataset)
    save_table(project.dataset / "fixes.parquet", fix_rows({"id": "f1"}, {"id": "f2", "op": "confirm"}), FIX_STATUS)
    records = [make_record("relabel", before="cat", after="dog"), make_record("confirm", 1, path="b.png")]
    append_records(project.fixes / "new.jsonl", records)
    exported = export_queue(project, tmp_path / "cvat", "cvat")
    document = json.loads((tmp_path / "cvat" / MANIFEST).read_text())
    origin = document["origin"]
    assert origin["data_version"] == document["base"] == dataset.version
    assert origin["fixes"] == {"n": 1, "sha256": hash_ids(["f1"]), "ids": ["f1"]}
    assert origin["pending_fixes"] == [records[0].id], "a confirmation changes nothing that is sent"
    assert origin["params"] == {"tool": "cvat", "about": "queue"}
    assert load_sent(tmp_path / "cvat").id == exported.sent.id, "it is read as it was before"
