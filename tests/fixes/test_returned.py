"""Files as CVAT and Label Studio export them, made by hand, and files that cannot be taken in."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from datatools.errors import DatatoolsError
from datatools.fixes.export_queue import export_queue, to_export_lines
from datatools.fixes.from_annotations import import_edits, to_import_lines
from datatools.fixes.sent import MANIFEST, load_sent, sent_id, sent_name
from datatools.project import Project
from datatools.schema import FINDINGS
from datatools.store import save_table
from tests.fixes.round_trip import fold, make_dataset, make_project
from tests.small_data import box_row, mask_row

Row = dict[str, Any]
SQUARE = [[50, 50], [90, 50], [90, 90], [50, 90]]

# As CVAT 2 exports a task: its own meta, two decimals, attributes of the labels, a tag before the shapes.
CVAT_META = """
  <meta><task><id>7</id><name>review 1</name><size>2</size><mode>annotation</mode><overlap>0</overlap><bugtracker></bugtracker>
    <created>2026-11-20 09:00:00.000000+00:00</created><updated>2026-11-20 10:00:00.000000+00:00</updated><subset>default</subset>
    <start_frame>0</start_frame><stop_frame>1</stop_frame><frame_filter></frame_filter>
    <segments><segment><id>9</id><start>0</start><stop>1</stop><url>http://localhost:8080/api/jobs/9</url></segment></segments>
    <owner><username>rita</username><email>rita@example.org</email></owner><assignee></assignee>
    <labels><label><name>cat</name><color>#ff6037</color><type>any</type><attributes>
      <attribute><name>datatools_id</name><mutable>False</mutable><input_type>text</input_type><default_value></default_value><values></values></attribute>
      </attributes></label><label><name>dog</name><color>#33ddff</color><type>any</type><attributes></attributes></label></labels>
  </task><dumped>2026-11-20 10:05:00.000000+00:00</dumped></meta>
"""
ID = '<attribute name="datatools_id">{}</attribute><attribute name="datatools_annotator"></attribute><attribute name="datatools_json"></attribute>'
BOX = '<box label="{}" source="file" occluded="0" xtl="{:.2f}" ytl="{:.2f}" xbr="{:.2f}" ybr="{:.2f}" z_order="0">{}</box>'


def cvat(*images: str) -> str:
    return f'<?xml version="1.0" encoding="utf-8"?>\n<annotations><version>1.1</version>{CVAT_META}{"".join(images)}</annotations>'


def image(name: str, *shapes: str, number: int = 0) -> str:
    return f'<image id="{number}" name="{name}" width="100" height="100">{"".join(shapes)}</image>'


@pytest.fixture
def project(tmp_path: Path) -> Project:
    objects = [
        box_row("coco/1", (10, 10, 40, 40), label="cat"),
        box_row("coco/2", (60, 5, 90, 25), label="cat"),
        mask_row("coco/3", SQUARE, label="dog"),
    ]
    return make_project(tmp_path / "project", make_dataset(objects, {"a.png": "cat", "b.png": "dog"}))


def send(project: Project, tool: str) -> Path:
    folder = project.root.parent / tool
    export_queue(project, folder, tool)
    return folder


def write(folder: Path, content: Any) -> Path:
    """The tool's file, elsewhere than what was sent."""
    text = content if isinstance(content, str) else json.dumps(content)
    file = folder.parent / ("export.xml" if text.startswith("<") else "export.json")
    file.write_text(text, encoding="utf-8")
    return file


def ops(records: list[Any]) -> set[tuple[str, str | None, str | None]]:
    return {(record.op, record.annotation_id, record.after) for record in records}


def test_a_cvat_export_with_its_meta(project: Project):
    folder = send(project, "cvat")
    polygon = '<polygon label="dog" source="manual" occluded="0" points="50.00,50.00;90.00,50.00;90.00,90.00;50.00,90.00" z_order="0"></polygon>'
    text = cvat(
        image(
            "a.png",
            '<tag label="dog" source="manual"></tag>',  # the class was changed: its attributes are gone
            BOX.format("dog", 10, 10, 40, 40, ""),  # so here
            BOX.format("cat", 60, 5, 90, 30, ID.format("coco/2")),
            polygon,
        ),
        image("b.png", BOX.format("cat", 1, 2, 9, 9, ""), number=1),
    )
    done = import_edits(project, write(folder, text), folder, who="rita")
    (new,) = [record for record in done.records if record.op == "add"]
    assert json.loads(str(new.after)) == {"kind": "box", "label": "cat", "box": [1.0, 2.0, 9.0, 9.0]}
    assert ops(done.records) == {
        ("relabel", "label/a.png", "dog"),
        ("relabel", "coco/1", "dog"),
        ("move_box", "coco/2", "[60.0, 5.0, 90.0, 30.0]"),
        ("add", new.annotation_id, new.after),
    }
    assert {record.base for record in done.records} == {load_sent(folder).base}
    assert dict(done.how) == {"id": 1, "image": 1, "overlap": 2, "new": 1}
    assert done.n_unlabelled == 1
    assert to_import_lines(done) == [
        "2 images from CVAT; annotations found: 1 by id, 1 as the image's label, 2 by overlap, as their id was lost, 1 new",
        "1 images came back without their label: nothing is recorded of that",
    ]
    assert set(fold(project).status["status"]) == {"applied"}


def test_a_cvat_export_is_read_from_a_zip_and_by_base_names(project: Project, tmp_path: Path):
    folder = send(project, "cvat")
    with zipfile.ZipFile(tmp_path / "task.zip", "w") as file:
        file.writestr("annotations.xml", cvat(image("upload/a.png", BOX.format("cat", 10, 10, 40, 40, ""))))
    done = import_edits(project, tmp_path / "task.zip", folder, who="rita")
    assert ops(done.records) == {("delete", "coco/2", None), ("delete", "coco/3", None)}
    assert done.n_images == 1


def region(name: str, label: str, x: float, y: float, width: float, height: float, **more: Any) -> Row:
    value = {"x": x, "y": y, "width": width, "height": height, "rotation": 0, "rectanglelabels": [label]}
    size = {"original_width": 100, "original_height": 100, "image_rotation": 0}
    return {"id": name, "from_name": "rectanglelabels", "to_name": "image", "type": "rectanglelabels", "origin": "manual",
            **size, "value": value, **more}  # fmt: skip


def polygon(name: str, label: str, points: list[list[float]]) -> Row:
    value = {"points": points, "closed": True, "polygonlabels": [label]}
    return {**region(name, label, 0, 0, 0, 0), "type": "polygonlabels", "from_name": "polygonlabels", "value": value}


def choice(label: str) -> Row:
    return {"id": "c1", "from_name": "choices", "to_name": "image", "type": "choices", "value": {"choices": [label]}}


def entry(by: int, *results: Row, **more: Any) -> Row:
    who = {"id": by, "first_name": "", "last_name": "", "email": f"user{by}@example.org"}
    times = {"created_at": "2026-11-20T09:00:00Z", "updated_at": "2026-11-20T09:00:00Z", "lead_time": 12.5}
    return {
        "id": 10 + by,
        "completed_by": who,
        "was_cancelled": False,
        "ground_truth": False,
        "result": list(results),
        **times,
        **more,
    }


def task(number: int, name: str, *entries: Row) -> Row:
    data = {"image": f"/data/upload/1/0123abcd-{name}"}
    return {
        "id": number,
        "data": data,
        "meta": {},
        "annotations": list(entries),
        "predictions": [],
        "drafts": [],
        "project": 1,
    }


AS_SENT = [
    region("coco/1", "cat", 10, 10, 30, 30),
    region("coco/2", "cat", 60, 5, 30, 20),
    polygon("coco/3", "dog", SQUARE),
]


def test_a_label_studio_export_of_several_annotators(project: Project):
    folder = send(project, "label_studio")
    turned = [region("coco/1", "dog", 10, 10, 30, 30), *AS_SENT[1:]]
    document = [
        task(
            1,
            "a.png",
            entry(1, choice("cat"), *AS_SENT, lead_time=None),  # as it was imported: nobody's work
            entry(2, choice("cat"), *turned),
            entry(3, choice("cat"), region("Xy_9", "cat", 11, 10, 30, 30), *AS_SENT[1:]),  # drew it again
            entry(4, was_cancelled=True),
        ),
        task(2, "b.png"),
    ]
    done = import_edits(project, write(folder, document), folder, who="ann", confirm_unchanged=True)
    by = {
        who: ops([record for record in done.records if record.who == who])
        for who in ("user2@example.org", "user3@example.org")
    }
    assert by["user2@example.org"] >= {("relabel", "coco/1", "dog"), ("confirm", "coco/2", None)}
    assert ("move_box", "coco/1", "[11.0, 10.0, 41.0, 40.0]") in by["user3@example.org"]
    assert sum(map(len, by.values())) == len(done.records) == 8
    assert (done.n_images, done.n_skipped) == (1, 1)
    assert fold(project).annotations.set_index("annotation_id").loc["coco/1", "label"] == "dog"


def test_what_two_annotators_say_differently_is_disputed(project: Project):
    folder = send(project, "label_studio")
    document = [task(1, "a.png", entry(2, choice("dog"), *AS_SENT), entry(3, choice("a <b> & c"), *AS_SENT))]
    import_edits(project, write(folder, document), folder, who="ann")
    assert fold(project).status["status"].tolist() == ["disputed", "disputed"]


def test_the_last_annotation_of_a_person_counts(project: Project):
    folder = send(project, "label_studio")
    early = entry(2, choice("dog"), *AS_SENT)
    late = entry(2, choice("cat"), *AS_SENT[:2], updated_at="2026-11-21T09:00:00Z")
    done = import_edits(project, write(folder, [task(1, "a.png", late, early)]), folder, who="ann")
    assert ops(done.records) == {("delete", "coco/3", None)}
    assert done.records[0].who == "ann"


def test_two_rings_that_lost_their_ids_are_still_one_mask(tmp_path: Path):
    rings = ([[10, 10], [30, 10], [30, 30]], [[50, 50], [90, 50], [90, 90]])
    project = make_project(tmp_path / "project", make_dataset([mask_row("m#1", *rings, label="cat")], {"a.png": "cat"}))
    folder = send(project, "label_studio")
    name = sent_id("m#1")
    drawn = [polygon(name, "cat", rings[0]), polygon(f"{name}/2", "cat", [[52, 50], [92, 50], [92, 90]])]
    document = [task(1, "a.png", entry(1, choice("cat"), *drawn))]
    done = import_edits(project, write(folder, document), folder, who="ann")
    assert [(record.op, record.annotation_id) for record in done.records] == [("edit_mask", "m#1"), ("move_box", "m#1")]


SHAPE = '<points label="cat" points="1.00,2.00" occluded="0"/>'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (cvat(image("c.png")), r"export\.xml: expected an image of the export\. Got 'c\.png': no such image was sent"),
        (cvat(image("a.png"), image("a.png")), "it is there twice"),
        (cvat(image("a.png", BOX.format("cow", 1, 2, 3, 4, ""))), r"a\.png: cvat/a\.png#1: label must be one of cat, dog, .*'cow'"),
        (cvat(image("a.png", BOX.format("cat", 1, 2, 3, float("nan"), ""))), r"export\.xml, row 1: expected an annotation"),
        (cvat(image("a.png", SHAPE)), "expected a label, box or mask. Got another shape"),
        (cvat(image("a.png", '<tag label="cat"/><tag label="dog"/>')), "label must be one of .* None"),
        (cvat(image("a.png", f'<tag label="cat">{ID.format("label/a.png")}</tag><tag label="dog"/>')), "Got several"),
        ("<annotations>", r"export\.xml: expected an export of CVAT"),
        ("<other/>", "the root of a CVAT file is <annotations>, not <other>"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><annotations/>', "expected an export of CVAT"),
    ],
)  # fmt: skip
def test_one_bad_row_of_cvat_and_nothing_is_recorded(project: Project, text: str, message: str):
    folder = send(project, "cvat")
    with pytest.raises(DatatoolsError, match=message) as caught:
        import_edits(project, write(folder, text), folder, who="rita")
    assert "\n" not in str(caught.value)
    assert not project.fixes.exists()


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"id": 1}, r"export\.json: expected an export of Label Studio"),
        ([task(1, "z.png", entry(1))], r"export\.json, task 1: expected an image of the export. Got '/data/upload"),
        ([task(1, "b.png"), {"id": 2}], r"export\.json, task 2: expected a task of Label Studio"),
        ([task(1, "a.png", entry(1, region("r", "cat", 1, 2, None, 3)))], r"task 1, row 1: expected an annotation that can"),
        ([task(1, "a.png", entry(1, region("r", "cow", 1, 2, 3, 3)))], "label must be one of cat, dog"),
        ([task(1, "a.png", entry(1)), task(2, "a.png", entry(1))], "it is there twice"),
        ([{"id": 1, "annotation_id": 3, "annotator": 1, "image": "a.png"}], "export as JSON"),
    ],
)  # fmt: skip
def test_one_bad_row_of_label_studio_and_nothing_is_recorded(project: Project, document: Any, message: str):
    folder = send(project, "label_studio")
    with pytest.raises(DatatoolsError, match=message):
        import_edits(project, write(folder, document), folder, who="rita")
    assert not project.fixes.exists()


def test_annotations_that_were_never_uploaded_are_not_taken_for_deleted(tmp_path: Path):
    objects = [box_row(f"b{n}", (n, n, n + 9, n + 9), label="cat") for n in range(10)]
    project = make_project(tmp_path / "project", make_dataset(objects, {"a.png": "cat"}))
    folder = send(project, "cvat")
    file = write(folder, cvat(image("a.png")))
    with pytest.raises(DatatoolsError, match=r"expected some of the 10 boxes and masks that were sent\. Got none"):
        import_edits(project, file, folder, who="rita")
    done = import_edits(project, file, folder, who="rita", accept_empty=True)
    assert {record.op for record in done.records} == {"delete"}
    assert fold(project).annotations["kind"].tolist() == ["label", "label"]


def test_the_folder_that_was_sent_is_needed_whole(project: Project, tmp_path: Path):
    folder = send(project, "cvat")
    for text, message in (
        (None, "Got: No such file"),
        ("{", "Got: "),
        ("[]", "another document"),
        (json.dumps({**load_sent(folder).to_document(), "schema": 9}), "another document than one of schema 1"),
        (json.dumps({**load_sent(folder).to_document(), "images": {}}), "annotation 1 is of no image"),
        (json.dumps({**load_sent(folder).to_document(), "base": 1}), "are missing"),
        (json.dumps({**load_sent(folder).to_document(), "annotations": [{}]}), "annotation 1 lacks one of"),
    ):
        (folder / MANIFEST).unlink(missing_ok=True)
        if text is not None:
            (folder / MANIFEST).write_text(text)
        with pytest.raises(DatatoolsError, match=message) as caught:
            import_edits(project, folder, None, who="rita")
        assert MANIFEST in str(caught.value)


def test_a_folder_with_two_files_of_the_tool_is_no_answer(project: Project):
    folder = send(project, "cvat")
    (folder / "later.xml").write_text(cvat(image("a.png")))
    with pytest.raises(DatatoolsError, match=r"expected one file of CVAT\. Got annotations\.xml, later\.xml"):
        import_edits(project, folder, None, who="rita")


def test_an_export_holds_images_annotations_and_what_to_do(project: Project):
    folder = send(project, "cvat")
    assert sorted(path.name for path in folder.iterdir()) == [
        "a.png",
        "annotations.xml",
        "b.png",
        "cvat_labels.json",
        MANIFEST,
    ]
    assert (folder / "a.png").read_bytes() == (project.raw / "a.png").read_bytes()
    labels = json.loads((folder / "cvat_labels.json").read_text())
    assert [label["name"] for label in labels] == ["cat", "dog", "a <b> & c"]
    assert labels[0]["attributes"][0]["name"] == "datatools_id"


def test_what_a_tool_cannot_show_is_counted_and_not_missed(tmp_path: Path):
    shape = {
        **box_row("point", (0, 0, 1, 1), label="cat"),
        "kind": "shape",
        "attributes": '{"shape":"point","points":[[1.0,2.0]]}',
    }
    nan = float("nan")
    objects = [shape, box_row("nameless", (1, 1, 9, 9), label=None), box_row("nowhere", (nan, 1, 9, 9), label="cat")]
    project = make_project(tmp_path / "project", make_dataset(objects, {"a.png": "cat"}))
    done = export_queue(project, tmp_path / "cvat", "cvat")
    assert to_export_lines(done, "cvat")[:4] == [
        "1 images with 1 annotations in cvat, for CVAT",
        "left out: 1 annotations lines, points and other shapes that no fix record can move",
        "left out: 1 annotations without a class, which CVAT does not take",
        "left out: 1 annotations that CVAT cannot draw",
    ]
    file = write(tmp_path / "cvat", cvat(image("a.png", '<tag label="cat"/>')))
    assert import_edits(project, file, tmp_path / "cvat", who="rita").records == []


@pytest.mark.parametrize("tool", ["cvat", "label_studio"])
def test_run_lengths_that_are_numbers_are_sent_and_come_back_unchanged(tmp_path: Path, tool: str):
    mask = {**mask_row("m", label="cat"), "mask": '{"size":[100,100],"counts":[101,10,9889]}'}
    project = make_project(tmp_path / "project", make_dataset([mask], {"a.png": "cat"}))
    folder = tmp_path / "sent"
    done = export_queue(project, folder, tool)
    assert done.left_out == ()
    assert import_edits(project, folder, folder, who="rita").records == []


def test_an_object_without_a_class_gets_one_in_label_studio(tmp_path: Path):
    project = make_project(
        tmp_path / "project", make_dataset([box_row("b1", (1, 1, 9, 9), label=None)], {"a.png": "cat"})
    )
    folder = send(project, "label_studio")
    document = [task(1, "a.png", entry(1, choice("cat"), region("b1", "dog", 1, 1, 8, 8)))]
    done = import_edits(project, write(folder, document), folder, who="ann")
    assert ops(done.records) == {("relabel", "b1", "dog")}
    assert fold(project).status["status"].tolist() == ["applied"]


def test_wrong_calls_are_one_line_and_leave_nothing(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(DatatoolsError, match=r"--to must be one of cvat, label_studio\. Got"):
        export_queue(project, tmp_path / "out", "coco")
    with pytest.raises(DatatoolsError, match="expected a folder that is not there yet"):
        export_queue(project, project.root, "cvat")
    (project.raw / "b.png").unlink()
    with pytest.raises(DatatoolsError, match=r"b\.png: expected an image to send"):
        export_queue(project, tmp_path / "out", "cvat")
    assert [path.name for path in tmp_path.iterdir()] == ["project"]


def test_images_of_one_code_in_place_of_the_queue(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    rows = [
        {"code": code, "version": 1, "severity": "error", "path": path, "score": score, "message": "m"}
        for code, path, score in (("BOX001", "b.png", 0.1), ("BOX001", "a.png", 0.0), ("BOX002", "b.png", 0.0))
    ]
    save_table(project.findings, FINDINGS.conform(rows), FINDINGS)
    (project.root / "dvc.lock").write_text("schema: '2.0'\nstages:\n  validate:\n    cmd: x\n")
    done = export_queue(project, tmp_path / "out", "cvat", code="box001", n_max=1)
    assert list(done.sent.images) == ["a.png"]
    with pytest.raises(DatatoolsError, match="the findings of BOX003: expected images to send"):
        export_queue(project, tmp_path / "out2", "cvat", code="BOX003")


@pytest.mark.parametrize("name", ["a b", "", " a", "a#1", "\ufffe", "a\n"])
def test_ids_that_a_tool_would_change_are_sent_as_others(name: str):
    assert sent_id(name) != name
    assert sent_id("coco/1") == "coco/1"


def test_names_that_a_tool_would_change_are_sent_as_others():
    assert sent_name("dir/ä 1.png") == "dir/ä 1.png"
    for path in ("\ufffe.JPG", " lead.JPG", "./a.JPG"):
        assert sent_name(path).startswith("renamed/")
        assert sent_name(path).endswith(".jpg")
