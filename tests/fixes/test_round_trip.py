"""What is sent to a drawing tool, edited there and taken back changes exactly what was edited."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from datatools.dataset import Dataset, label_id
from datatools.fixes.export_queue import export_queue
from datatools.fixes.from_annotations import import_edits
from datatools.fixes.records import load_records
from datatools.masks import from_array
from tests.fixes.round_trip import CLASSES, SIDE_PX, TOOLS, fold, make_dataset, make_project
from tests.formats.contents import ODD_TEXT
from tests.small_data import box_row, mask_row

PATHS = (
    "a.png",
    "dir/a.png",
    "dir/ä #1?.png",
    "x%20y+&<z>.png",
    " lead.png",
    "\ufffe.png",
    "a:b;c,d.png",
    "images/b.JPG",
)
CELL = SIDE_PX // 4
NUMBERS = st.sampled_from([0.0, 0.5, 1.25, 1 / 3])


def _object(kind: str, name: str, path: str, label: str, at: tuple[int, int], by: float) -> dict[str, Any]:
    x, y = at[0] * CELL + 4 + by, at[1] * CELL + 4 + by
    ring = [[x, y], [x + 12, y], [x + 12, y + 12], [x, y + 12]]
    if kind == "box":
        return box_row(name, (x, y, x + 12, y + 12), path, label)
    if kind == "rle":
        pixels = np.zeros((SIDE_PX, SIDE_PX), bool)
        pixels[int(y) : int(y) + 12, int(x) : int(x) + 12] = True
        return {
            **mask_row(name, path=path, label=label, box=from_array(pixels).bounds()),
            "mask": from_array(pixels).to_json(),
        }
    rings = [ring] if kind == "polygon" else [[[a, b] for a, b in ring[:3]], [[a + 2, b + 7] for a, b in ring[:3]]]
    return mask_row(name, *rings, path=path, label=label)


@st.composite
def datasets(draw: Any) -> Dataset:
    """One to three images with odd names, objects of every kind on a grid, with odd ids."""
    paths = draw(st.lists(st.sampled_from(PATHS), min_size=1, max_size=3, unique=True))
    cells = [(path, column, row) for path in paths for column in range(4) for row in range(4)]
    places = draw(st.lists(st.sampled_from(cells), max_size=6, unique=True))
    words = st.sampled_from(ODD_TEXT) | st.sampled_from(
        ["a#1", "a#2", "coco/1", "coco/3", "label_studio/x", "..", "../a", "voc/b.xml#3"]
    )
    names = draw(st.lists(words, min_size=len(places), max_size=len(places), unique=True))
    objects = [
        _object(draw(st.sampled_from(["box", "polygon", "rings", "rle"])), name, path, draw(st.sampled_from(CLASSES)), at, draw(NUMBERS))
        for name, (path, *at) in zip(names, places, strict=True)
    ]  # fmt: skip
    return make_dataset(objects, {path: draw(st.sampled_from(CLASSES)) for path in paths})


def _edit(file: Any, draw: Any) -> int:
    """Edit a few annotations of the file; returns how many. What happens to one ring of a mask happens to all of them."""
    groups = file.annotations()
    chosen = draw(st.lists(st.sampled_from(range(len(groups))), max_size=4, unique=True)) if groups else []
    for number in chosen:
        kind, label, elements = groups[number]
        other = draw(st.sampled_from([name for name in CLASSES if name != label]))
        ops = {"label": ["relabel"], "runs": ["relabel", "delete"]}.get(kind, ["relabel", "delete", "move"])
        op = draw(st.sampled_from(ops))
        for element in elements:
            if op == "relabel":
                file.relabel(element, other)
            elif op == "delete":
                file.delete(element)
            else:
                file.move(element, 2.0)  # of 12 px: more than half is still in common
    return len(chosen)


def _values(table: pd.DataFrame) -> dict[str, tuple[Any, ...]]:
    names = ["path", "label", "kind", "x0_px", "y0_px", "x1_px", "y1_px", "mask"]
    rows = table[["annotation_id", *names]].astype(object).where(table.notna(), None)
    return {name: tuple(rest) for name, *rest in rows.itertuples(index=False)}


@pytest.mark.parametrize("keeps_ids", [True, False])
@pytest.mark.parametrize("tool", list(TOOLS))
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(data=st.data())
def test_k_edits_are_k_changes_and_ids_stay(tmp_path_factory, tool: str, keeps_ids: bool, data: st.DataObject):
    folder = tmp_path_factory.getbasetemp() / f"round-{tool}-{keeps_ids}"
    shutil.rmtree(folder, ignore_errors=True)
    dataset = data.draw(datasets())
    project = make_project(folder / "project", dataset)
    export_queue(project, folder / "sent", tool)
    make_file, name = TOOLS[tool]
    file = make_file(folder / "sent" / name, keeps_ids)
    n_edited = _edit(file, data.draw)
    n_added = data.draw(st.integers(0, 1))
    if n_added:
        file.add(file.images()[0], "cat", (SIDE_PX - 8, SIDE_PX - 8, SIDE_PX - 1, SIDE_PX - 1))
    done = import_edits(project, file.save(), None, who="ann")
    applied = fold(project)
    assert set(applied.status["status"]) <= {"applied"}
    before, after = _values(dataset.annotations), _values(applied.annotations)
    assert sum(after.get(name) != value for name, value in before.items()) == n_edited
    new = set(after) - set(before)
    assert len(new) == n_added
    assert all(name.startswith("drawn/") for name in new)
    assert len({record.annotation_id for record in done.records}) == n_edited + n_added
    again = import_edits(project, file.file, None, who="ann")
    assert again.records == []
    assert again.n_known == len(done.records)
    assert load_records(project.fixes)[1] == []


def test_the_rings_of_a_tenth_mask_stay_in_their_order(tmp_path: Path):
    cells = [(x, y) for y in range(4) for x in range(4)]
    kinds = ["box", *["rings"] * 15]  # shapes 9 and 10 of the file are one mask
    objects = [_object(kind, f"r{n:02d}", "a.png", "cat", at, 0.0) for n, (kind, at) in enumerate(zip(kinds, cells))]
    project = make_project(tmp_path / "project", make_dataset(objects, {"a.png": "cat"}))
    export_queue(project, tmp_path / "sent", "cvat")
    make_file, name = TOOLS["cvat"]
    done = import_edits(project, make_file(tmp_path / "sent" / name, False).save(), None, who="ann")
    assert done.records == []


@pytest.mark.parametrize("tool", list(TOOLS))
def test_what_was_left_as_it_is_is_nothing_or_on_request_a_confirmation(tmp_path: Path, tool: str):
    objects = [
        box_row("b1", (1, 2, 30.333333, 40), label="cat"),
        mask_row("m1", [[50, 50], [90, 50], [90, 90]], [[5, 50], [9, 50], [9, 90]], label="dog"),
    ]
    project = make_project(tmp_path / "project", make_dataset(objects, {"a.png": "cat", "b.png": "dog"}))
    export_queue(project, tmp_path / "sent", tool)
    make_file, name = TOOLS[tool]
    file = make_file(tmp_path / "sent" / name).save()
    assert import_edits(project, file, None, who="ann").records == []
    records = import_edits(project, tmp_path / "sent", None, who="ann", confirm_unchanged=True).records
    assert [record.op for record in records] == ["confirm"] * 4
    assert {record.annotation_id for record in records} == {"b1", "m1", label_id("a.png"), label_id("b.png")}
    assert set(fold(project).status["status"]) == {"applied"}


@pytest.mark.parametrize("tool", list(TOOLS))
def test_a_later_file_of_the_same_export_takes_the_place_of_the_earlier(tmp_path: Path, tool: str):
    project = make_project(tmp_path / "project", make_dataset([box_row("b1", (10, 10, 40, 40))], {"a.png": "cat"}))
    export_queue(project, tmp_path / "sent", tool)
    make_file, name = TOOLS[tool]
    sent = tmp_path / "sent" / name
    texts = {}
    for step, by in (("near", 2.0), ("far", 7.0), ("back", 0.0)):
        shutil.copy(sent, tmp_path / "work")
        file = make_file(tmp_path / "work")
        file.move(
            next(e for _, e in file.elements() if getattr(e, "tag", "") == "box" or "rectanglelabels" in str(e)), by
        )
        texts[step] = file.save().read_bytes()

    def take(step: str) -> float:
        (tmp_path / "sent" / name).write_bytes(texts[step])
        import_edits(project, tmp_path / "sent", None, who="ann")
        applied = fold(project)
        assert set(applied.status["status"]) <= {"applied", "reverted"}
        return float(applied.annotations.set_index("annotation_id").loc["b1", "x0_px"])

    assert [take(step) for step in ("near", "far", "back", "near", "near")] == [12.0, 17.0, 10.0, 12.0, 12.0]


def test_what_the_project_changed_meanwhile_is_a_conflict_or_a_dispute_never_overwritten(tmp_path: Path):
    dataset = make_dataset([box_row("b1", (10, 10, 40, 40))], {"a.png": "cat"})
    project = make_project(tmp_path / "project", dataset)
    export_queue(project, tmp_path / "sent", "cvat")
    file = TOOLS["cvat"][0](tmp_path / "sent" / "annotations.xml")
    tag, box = (next(e for _, e in file.elements() if e.tag == kind) for kind in ("tag", "box"))
    file.relabel(tag, "dog")
    file.move(box, 5)
    file.save()
    moved = dataset.annotations.assign(x0_px=dataset.annotations["x0_px"] + 1)
    make_project(tmp_path / "project", Dataset(dataset.images, moved, CLASSES))
    import_edits(project, tmp_path / "sent", None, who="ann")
    applied = fold(project)
    assert dict(zip(applied.status["op"], applied.status["status"], strict=True)) == {
        "relabel": "applied",
        "move_box": "conflict",
    }
    assert applied.annotations.set_index("annotation_id").loc["b1", "x0_px"] == 11
    file.relabel(tag, CLASSES[2])
    file.save()
    import_edits(project, tmp_path / "sent", None, who="bob")
    assert fold(project).status.query("op == 'relabel'")["status"].tolist() == ["disputed", "disputed"]


def test_a_box_that_was_drawn_around_a_mask_follows_it(tmp_path: Path):
    ring = [[10, 10], [30, 10], [30, 30]]
    objects = [mask_row("tight", ring), mask_row("loose", ring, box=(0, 0, 90, 90))]
    project = make_project(tmp_path / "project", make_dataset(objects, {"a.png": "cat"}))
    export_queue(project, tmp_path / "sent", "label_studio")
    file = TOOLS["label_studio"][0](tmp_path / "sent" / "tasks.json")
    for _, item in file.elements():
        if item["type"] == "polygonlabels":
            file.move(item, 5)
    import_edits(project, file.save(), None, who="ann")
    rows = fold(project).annotations.set_index("annotation_id")
    assert rows.loc["tight", ["x0_px", "y1_px"]].tolist() == [15, 35]
    assert rows.loc["loose", ["x0_px", "y1_px"]].tolist() == [0, 90]
    assert json.loads(rows.loc["loose", "mask"])[0][0] == [15, 15]
