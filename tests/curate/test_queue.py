from __future__ import annotations

import json

import pandas as pd
import pytest

from datatools.curate.queue import N_RARE, build_queue
from datatools.dataset import Dataset
from datatools.schema import ANNOTATIONS, FINDINGS, FIX_STATUS, QUEUE, SPLIT
from tests.small_data import fix_rows, image_row, label_rows, make_images, slice_table, suspect_table

PATHS = [f"{letter}.png" for letter in "abcdefgh"]


def make_dataset(paths=PATHS, background="paper"):
    images = [image_row(path, metadata=json.dumps({"background": background})) for path in paths]
    rows = [row for path in paths for row in label_rows(path, {"anna": "3"}, "3")]
    return Dataset(make_images(images), ANNOTATIONS.conform(rows), ("3", "8"))


def finding(code, path, message, annotation_id=None):
    return {"code": code, "version": 1, "severity": "info", "path": path, "message": message, "score": 0.0,
            "annotation_id": annotation_id}  # fmt: skip


def suspects(**changed):
    """Everyone is sure of label 3, but for `a=(suggested, score, is_issue)`."""
    rows = dict.fromkeys(PATHS, ("3", "3", 0.95, False))
    rows |= {f"{name}.png": ("3", *values) for name, values in changed.items()}
    return suspect_table(*((path, *values) for path, values in rows.items()))


def queue_of(judged, said=(), slices=None, fixes=None, queue_max=1000, dataset=None, evidence=None):
    dataset = dataset or make_dataset()
    paths = dataset.images["path"]
    split = SPLIT.conform(pd.DataFrame({"path": paths, "split": "train", "group": paths}))
    nothing = slice_table(("label", "3", 8, 2, 1.0))
    fixes = FIX_STATUS.empty() if fixes is None else fixes
    slices, said = nothing if slices is None else slices, FINDINGS.conform(list(said))
    return build_queue(dataset, judged, said, slices, split, fixes, queue_max, evidence=evidence)


def names(queue):
    return "".join(path[0] for path in queue["path"])


EVERY_KIND = {
    "judged": suspects(a=("8", 0.3, True), b=("8", 0.1, True), c=("8", 0.2, False), d=("3", 0.6, False)),
    "said": [
        finding("AGR003", "e.png", "annotators disagree: anna '3', ben '8'"),
        finding("AGR003", "d.png", "annotators disagree: anna '8', ben '3'"),
        finding("DUP001", "f.png", "has the same bytes as a.png"),
        finding("DUP002", "g.png", "shows the same picture as a.png"),
    ],
    "slices": slice_table(("background", "paper", 2, 4, 0.5)),
}


def test_kinds_in_their_order_and_the_lowest_score_first_within():
    queue = queue_of(**EVERY_KIND)
    assert names(queue) == "bcadefgh"
    assert queue["kind"].tolist() == ["label"] * 3 + ["disagreement"] * 2 + ["duplicate"] * 2 + ["rare"]
    assert queue["rank"].tolist() == list(range(1, 9))
    assert list(queue.columns) == list(QUEUE.columns)


def test_the_queue_does_not_depend_on_the_order_of_rows():
    turned = {**EVERY_KIND, "judged": EVERY_KIND["judged"][::-1], "said": EVERY_KIND["said"][::-1]}
    pd.testing.assert_frame_equal(queue_of(**turned), queue_of(**EVERY_KIND))


def test_equal_scores_come_in_the_order_of_paths():
    same = suspects(c=("8", 0.2, True), a=("8", 0.2, True), b=("8", 0.2, True))
    assert names(queue_of(same[::-1])) == "abc"


def test_only_an_image_of_which_something_is_said_is_asked_about():
    assert queue_of(suspects()).empty
    assert list(queue_of(suspects()).columns) == list(QUEUE.columns)


def test_each_image_is_asked_about_once_by_its_strongest_kind():
    said = [
        finding("DUP001", "a.png", "has the same bytes as b.png"),
        finding("AGR003", "a.png", "annotators disagree"),
    ]
    queue = queue_of(suspects(a=("8", 0.1, True)), said, slice_table(("label", "3", 1, 4, 0.5)))
    assert queue["path"].is_unique
    row = queue.iloc[0]
    assert (row["path"], row["kind"], row["codes"]) == ("a.png", "label", "AGR003,DUP001")


@pytest.mark.parametrize(
    ("record", "asked"),
    [
        ({"op": "confirm"}, False),
        ({"op": "relabel"}, False),
        ({"op": "confirm", "status": "reverted"}, True),
        ({"op": "relabel", "status": "conflict"}, True),
        ({"op": "revert"}, True),
        ({"op": "confirm", "path": "b.png"}, True),
    ],
)
def test_decided_images_are_not_asked_about_again(record, asked):
    judged = suspects(a=("8", 0.1, True), c=("8", 0.2, True))
    queue = queue_of(judged, fixes=fix_rows({"path": "a.png", **record}))
    assert names(queue) == ("ac" if asked else "c")
    assert queue["rank"].tolist() == list(range(1, len(queue) + 1))


def test_a_decision_ends_every_kind_of_question():
    fixes = fix_rows(*({"op": "confirm", "path": path} for path in PATHS))
    assert queue_of(**EVERY_KIND, fixes=fixes).empty


@pytest.mark.parametrize("queue_max", [1, 4, 8, 100])
def test_the_longest_queue_is_the_worst_part(queue_max):
    assert names(queue_of(**EVERY_KIND, queue_max=queue_max)) == "bcadefgh"[:queue_max]


def test_reasons_are_words():
    reasons = dict(zip(*(queue_of(**EVERY_KIND)[name] for name in ("path", "reason")), strict=True))
    doubted, rare = (
        "a model that never saw it says '8' with 90%, the label is '3'",
        "in the rare slice background=paper",
    )
    assert reasons == {
        "a.png": f"{doubted}; {rare}",
        "b.png": f"{doubted}; {rare}",
        "c.png": f"{doubted}; {rare}",
        "d.png": f"{rare}; annotators disagree: anna '8', ben '3'",
        "e.png": f"{rare}; annotators disagree: anna '3', ben '8'",
        "f.png": f"{rare}; has the same bytes as a.png",
        "g.png": f"{rare}; shows the same picture as a.png",
        "h.png": f"the model says '3' with 90%; {rare}",
    }


def test_what_the_model_said_is_not_said_twice():
    said = [finding("LBL003", "a.png", "labelled '3', looks like '8' to a model that never saw it"),
            finding("BOX001", "a.png", "corners are out of order: (5, 1) to (1, 5)", "coco/1")]  # fmt: skip
    row = queue_of(suspects(a=("8", 0.1, True)), said).iloc[0]
    assert row["reason"] == (
        "a model that never saw it says '8' with 90%, the label is '3'; corners are out of order: (5, 1) to (1, 5)"
    )
    assert row["codes"] == "BOX001,LBL003"


def test_evidence_is_told_of_labels_and_changes_nothing_else():
    evidence = pd.Series({path: f"11 of 16 around {path}" for path in PATHS[1:]}, dtype=object)
    plain, told = queue_of(**EVERY_KIND), queue_of(**EVERY_KIND, evidence=evidence)
    rest = [name for name in QUEUE.columns if name != "reason"]
    pd.testing.assert_frame_equal(plain[rest], told[rest])
    reasons = told.set_index("path")["reason"]
    assert reasons["b.png"].split("; ")[:2] == [
        "a model that never saw it says '8' with 90%, the label is '3'",
        "11 of 16 around b.png",
    ]
    assert reasons["e.png"].startswith("11 of 16 around e.png; in the rare slice")
    asked = set(told.loc[told["reason"].str.contains("11 of 16"), "path"])
    assert asked == {"b.png", "c.png", "d.png", "e.png"}, (
        "of no duplicate, of no rare image, and of none without evidence"
    )


def test_label_suggestion_score_side_and_id():
    row = queue_of(suspects(a=("8", 0.125, True))).iloc[0]
    assert (row["annotation_id"], row["label"], row["suggested"]) == ("label/a.png", "3", "8")
    assert (row["score"], row["split"]) == (0.125, "train")


def test_findings_without_an_image_and_of_images_without_a_label_are_passed_over():
    said = [finding("AGR001", None, "kappa is low"), finding("AGR003", "unlabelled.png", "annotators disagree")]
    assert queue_of(suspects(), said).empty


def test_of_a_rare_slice_the_least_certain_are_asked_about():
    paths = [f"{number:03d}.png" for number in range(N_RARE + 10)]
    judged = suspect_table(*((path, "3", "3", 1 - number / 100, False) for number, path in enumerate(paths)))
    queue = queue_of(judged, slices=slice_table(("label", "3", 3, 9, 0.9)), dataset=make_dataset(paths))
    assert queue["path"].tolist() == paths[:9:-1]
    assert set(queue["kind"]) == {"rare"}


def test_a_rare_slice_has_its_own_members_only():
    images = [image_row(path, metadata=json.dumps({"background": "grid"} if path < "c" else {})) for path in PATHS]
    dataset = Dataset(make_images(images), make_dataset().annotations, ("3", "8"))
    slices = slice_table(("background", "grid", 2, 4, 1.0), ("background", "paper", 90, 4, 1.0))
    assert names(queue_of(suspects(), slices=slices, dataset=dataset)) == "ab"


def test_inputs_are_unchanged():
    judged, slices = EVERY_KIND["judged"].copy(deep=True), EVERY_KIND["slices"].copy(deep=True)
    queue_of(**EVERY_KIND)
    pd.testing.assert_frame_equal(EVERY_KIND["judged"], judged)
    pd.testing.assert_frame_equal(EVERY_KIND["slices"], slices)


def test_what_an_expert_is_asked_about_comes_first_until_it_is_decided():
    ask = {"op": "ask", "path": "h.png", "who": "Ann", "why": "a 3 or an 8?"}
    queue = queue_of(**EVERY_KIND, fixes=fix_rows(ask))
    assert (queue["path"][0], queue["kind"][0]) == ("h.png", "expert")
    assert queue["reason"][0].startswith("Ann asks an expert: a 3 or an 8?")
    assert "h" not in names(queue_of(suspects(), fixes=fix_rows(ask, {"op": "confirm", "path": "h.png"})))
    assert queue_of(suspects(), fixes=fix_rows({**ask, "status": "reverted"})).empty


def test_what_reviewers_decided_differently_is_asked_about_again():
    message = "people decided differently: ann: 3; bob: 8"
    disputed = [{"op": "confirm", "path": "a.png", "status": "disputed"}]
    queue = queue_of(suspects(), said=[finding("FIX002", "a.png", message)], fixes=fix_rows(*disputed))
    assert (queue["kind"].tolist(), queue["reason"].tolist()) == (["disagreement"], [message])
