"""The queue as a FiftyOne dataset: complete, in order, and rebuilt without losing what a reviewer has not saved."""

from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pandas as pd
import pytest

from datatools.dataset import Dataset, label_id
from datatools.errors import DatatoolsError
from datatools.fixes.make import relabel_image
from datatools.review.cards import load_deck
from datatools.review.failures import add_failures
from datatools.review.layout import VIEWS
from datatools.review.load import find_review, load_review
from datatools.review.map import load_nearby
from datatools.review.shapes import to_shapes
from datatools.schema import ANNOTATIONS, QUEUE
from datatools.similarity.graph import Neighbors, find_neighbors, save_neighbors

WHO = {"who": "Ada", "when": "2026-01-02T03:04:05.000000Z", "why": "it is a seven"}


@pytest.fixture
def review(database, project, request):
    """A review of its own for each test."""
    return load_review(project.dataset, project.queue, project.raw, name=request.node.name)


def other_label(project, label):
    return next(name for name in project.dataset.classes if name != label)


def test_samples_come_in_the_order_of_the_queue(review, project):
    assert review.values("path") == list(project.queue["path"])
    assert review.values("rank") == list(range(1, len(project.queue) + 1))


def test_a_sample_says_what_the_queue_and_the_tables_say(review, project):
    sample, row = review.first(), project.queue.iloc[0]
    assert sample.filepath == str((project.raw / row["path"]).resolve())
    assert (sample.label.label, sample.loaded_label) == (row["label"], row["label"])
    assert (sample.suggested.label, sample.suggested.confidence) == (row["suggested"], pytest.approx(1 - row["score"]))
    assert (sample.annotation_id, sample.base) == (label_id(row["path"]), project.dataset.version)
    assert (sample.reason, sample.codes) == (row["reason"], "LBL003")
    assert (sample.queue_kind, sample.split) == (["label"], "train")
    assert review.info["version"] == project.dataset.version


def test_each_annotator_has_a_field(review, project):
    ratings = project.dataset.ratings.loc[list(project.queue["path"])]
    for annotator in ratings.columns:
        given = [None if pd.isna(value) else value for value in ratings[annotator]]
        assert review.values(f"annotator_{annotator}.label") == given


def test_boxes_and_polygons_are_relative(review, project):
    sample = review.first()
    row = project.dataset.objects.set_index("path").loc[sample.path]
    assert sample.boxes.detections[0].bounding_box[0] == pytest.approx(row["x0_px"] / 64)
    assert sample.polygons.polylines[0].points[0][0] == pytest.approx([c / 64 for c in json.loads(row["mask"])[0][0]])


def test_saved_views_show_one_kind_each_and_the_class_pairs(review, project):
    kinds = project.queue["kind"].value_counts()
    counts = {name: review.load_saved_view(name).count("id") for name in review.list_saved_views()}
    assert counts.pop("queue") == counts.pop("not decided") == len(project.queue)
    pairs = {name: counts.pop(name) for name in list(counts) if name.startswith("suspect: ")}
    assert counts == {name: kinds[kind] for name, kind in VIEWS.items() if kind in kinds}
    suspects = project.queue[project.queue["kind"] == "label"]
    assert pairs == (("suspect: " + suspects["label"] + " or " + suspects["suggested"]).value_counts()).to_dict()


def test_with_neighbours_there_is_a_map_an_index_and_a_view_of_the_outliers(database, project, request, tmp_path):
    pytest.importorskip("faiss")
    paths = project.dataset.images["path"].tolist()
    embeddings = np.random.default_rng(0).normal(size=(len(paths), 8)).astype(np.float32)
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    save_neighbors(tmp_path, Neighbors(tuple(paths), embeddings, *find_neighbors(embeddings, 5)), {})
    nearby = load_nearby(tmp_path, project.queue["path"].tolist())
    review = load_review(project.dataset, project.queue, project.raw, name=request.node.name, nearby=nearby)
    assert set(review.list_brain_runs()) == {"map", "similarity"}
    assert review.load_brain_results("map").points.shape == (len(project.queue), 2)
    nearest = review.sort_by_similarity(review.first().id, k=3, brain_key="similarity").values("path")
    own = embeddings[[paths.index(path) for path in project.queue["path"]]]
    by_hand = project.queue["path"].to_numpy()[np.argsort(-own @ own[0])[:3]]
    assert nearest == by_hand.tolist()
    alone = review.load_saved_view("outliers").values("isolation")
    assert alone == sorted(alone, reverse=True) and len(alone) == len(project.queue)
    assert load_nearby(tmp_path / "none", paths) is None


def test_failures_come_behind_the_queue(project, tmp_path):
    paths = [project.queue["path"].iloc[0], project.dataset.images["path"].iloc[-1], "gone.png"]
    rows = {"path": paths, "label": ["1"] * 3, "predicted": ["7"] * 3, "confidence": [0.9, 0.8, 0.7]}
    pd.DataFrame(rows).to_csv(tmp_path / "failures.csv", index=False)
    found = add_failures(project.queue, tmp_path / "failures.csv", project.dataset.images["path"])
    added = found.iloc[len(project.queue) :]
    assert added["path"].tolist() == paths[:2] and added["rank"].tolist() == [16, 17]
    assert added["reason"].iloc[0] == "the trained model says '7' with 90%, the label is '1'"
    assert add_failures(project.queue, tmp_path / "none.csv", project.dataset.images["path"]) is project.queue


def test_the_cards_say_what_the_samples_say(database, project, request, tmp_path):
    (tmp_path / ".datatools" / "review").mkdir(parents=True)
    review = load_review(project.dataset, project.queue, project.raw, name=request.node.name, project=tmp_path)
    deck = load_deck(tmp_path)
    assert [card.sample for card in deck.cards] == review.sort_by("rank").values("id")
    assert [card.label for card in deck.cards] == review.values("label.label")
    assert deck.cards[0].evidence["queue"] == ["label"] and deck.base == project.dataset.version
    assert set(deck.cards[0].said) <= {"anna", "ben", "chloe"} and len(deck.cards[0].objects) == 1


def test_an_image_that_is_queued_twice_is_one_sample(database, project, request):
    again = project.queue.head(1).assign(rank=99, kind="rare", codes="CUR002,LBL003", reason="a rare background")
    queue = QUEUE.conform(pd.concat([project.queue, again]))
    review = load_review(project.dataset, queue, project.raw, name=request.node.name)
    assert review.count("id") == len(project.queue)
    sample = review.first()
    assert (sample.rank, sample.queue_kind, sample.codes) == (1, ["label", "rare"], "LBL003,CUR002")
    assert sample.reason.endswith("; a rare background")


def test_broken_geometry_is_left_out_and_never_stops_the_load(database):
    def row(number, mask=None, box=(None,) * 4, label="1"):
        sides = dict(zip(("x0_px", "y0_px", "x1_px", "y1_px"), box, strict=True))
        return {"annotation_id": str(number), "path": "a.png", "label": label, "kind": "mask", "mask": mask, **sides}

    masks = ["not json", "[[1, 2]]", "[[[1, 2], [3, 4]]]", "[[[1, 2], [3, 4], [5, null]]]", "{}", "7"]
    masks.append("[[[1, 2], [3, 4], [NaN, 6]]]")
    objects = ANNOTATIONS.conform(
        [row(number, mask) for number, mask in enumerate(masks)]
        + [row(10, box=(8, 8, 4, 4)), row(11, box=(1, 1, math.inf, 2)), row(12, box=(-4, 0, 99, 9), label=None)]
    )
    boxes, polygons = to_shapes(objects.to_dict("records"), 10, 10)
    assert polygons.polylines == []
    assert [box.bounding_box for box in boxes.detections] == [
        pytest.approx([0.4, 0.4, 0.4, 0.4]),
        pytest.approx([-0.4, 0, 10.3, 0.9]),
    ]


def test_loading_the_same_queue_again_touches_nothing(review, project):
    before = review.values(["id", "last_modified_at"])
    again = load_review(project.dataset, project.queue, project.raw, name=review.name)
    assert again.values(["id", "last_modified_at"]) == before


def test_a_new_queue_keeps_unsaved_edits_and_rebuilds_the_rest(review, project):
    edited, tagged, plain = review.limit(3)
    label = other_label(project, edited.label.label)
    loaded = edited.loaded_label
    edited.label.label = label
    edited.save()
    tagged.tags.append("exclude")
    tagged.save()
    queue = project.queue.iloc[1:].iloc[::-1].assign(rank=range(1, len(project.queue)))
    again = load_review(project.dataset, QUEUE.conform(queue), project.raw, name=review.name)
    assert again.count("id") == len(project.queue)
    kept = again.match({"path": edited.path}).first()
    assert (kept.id, kept.label.label, kept.loaded_label, kept.rank) == (edited.id, label, loaded, len(project.queue))
    assert again.match({"path": tagged.path}).first().tags == ["exclude"]
    assert again.match({"path": plain.path}).first().id != plain.id
    assert again.load_saved_view("queue").values("path")[:2] == list(queue["path"])[:2]


def test_a_kept_sample_that_left_the_queue_can_still_be_decided(review, project, tmp_path):
    edited = review.first()
    edited.tags.append("exclude")
    edited.save()
    (tmp_path / ".datatools" / "review").mkdir(parents=True)
    load_review(project.dataset, project.queue.iloc[1:], project.raw, name=review.name, project=tmp_path)
    card = load_deck(tmp_path).find([edited.id])[0]
    assert (card.path, card.annotation_id, card.label) == (edited.path, edited.annotation_id, edited.label.label)


def test_a_load_that_was_killed_is_done_again(review, project):
    review.info = {}
    review.save()
    review.delete_samples(review.limit(4).values("id"))
    again = load_review(project.dataset, project.queue, project.raw, name=review.name)
    assert again.load_saved_view("queue").values("path") == list(project.queue["path"])


def test_a_record_that_is_not_applied_yet_is_shown(database, project, request):
    path, label = project.queue.iloc[0][["path", "label"]]
    records = relabel_image(project.dataset, path, other_label(project, label), **WHO)
    review = load_review(project.dataset, project.queue, project.raw, records, name=request.node.name)
    assert review.first().label.label == review.first().loaded_label == records[0].after


def test_annotators_whose_names_differ_in_signs_alone_get_fields_of_their_own(database, project, request):
    rows = project.dataset.annotations
    names = {"anna": "Jo Ann", "ben": "jo-ann", "chloe": "Zoë"}
    renamed = rows.assign(annotator=rows["annotator"].map(lambda name: names.get(name, name)).astype("string"))
    dataset = Dataset(project.dataset.images, renamed, project.dataset.classes)
    review = load_review(dataset, project.queue.head(2), project.raw, name=request.node.name)
    fields = {name for name in review.get_field_schema() if name.startswith("annotator_")}
    assert fields == {"annotator_jo_ann", "annotator_jo_ann_2", "annotator_zo"}


def test_images_without_labels_are_loaded(database, project, request):
    rows = project.dataset.annotations
    dataset = dataclasses.replace(project.dataset, annotations=ANNOTATIONS.conform(rows[rows["kind"] != "label"]))
    review = load_review(dataset, project.queue.assign(suggested=None, score=None), project.raw, name=request.node.name)
    for name in ("label", "annotation_id", "suggested"):
        assert set(review.values(name)) == {None}


def test_the_app_offers_the_classes_and_no_other_label(review, project):
    assert review.active_label_schemas == ["label", "why"]
    assert review.label_schemas["label"]["classes"] == list(project.dataset.classes)


def test_inputs_are_not_changed(review, project):
    queue, rows = project.queue.copy(deep=True), project.dataset.annotations.copy(deep=True)
    load_review(project.dataset, project.queue.head(3), project.raw, name=review.name)
    pd.testing.assert_frame_equal(project.queue, queue)
    pd.testing.assert_frame_equal(project.dataset.annotations, rows)


def test_an_empty_queue_and_a_missing_review_are_told(database, project):
    with pytest.raises(DatatoolsError, match="Got an empty queue"):
        load_review(project.dataset, QUEUE.empty(), project.raw)
    with pytest.raises(DatatoolsError, match="run `datatools review` first"):
        find_review("none-such")
