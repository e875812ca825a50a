"""From edits in FiftyOne to fix records: all of them, each once, whatever is killed in between."""

from __future__ import annotations

import os
import signal

import pandas as pd
import pytest

from datatools.dataset import label_id
from datatools.errors import DatatoolsError
from datatools.fixes.records import FixRecord, append_records, load_records, sitting_path
from datatools.review import decisions
from datatools.review.cards import Card, Deck
from datatools.review.decisions import collect_decisions, save_decisions
from datatools.review.load import load_review
from datatools.review.showing import show_standings
from datatools.review.sitting import Sitting
from datatools.schema import CONSENSUS

WHO = "Ada Lovelace"
WHEN = "2026-01-02T03:04:0{}.000000Z"


@pytest.fixture
def fixes(tmp_path):
    return tmp_path / "fixes"


@pytest.fixture
def review(database, project, request):
    return load_review(project.dataset, project.queue, project.raw, name=request.node.name)


@pytest.fixture
def save(review, project, fixes):
    """Save at second n; returns the new records."""
    return lambda n: save_decisions(review, project.dataset, fixes, WHO, WHEN.format(n))


def relabel(sample, label):
    sample.label.label = label
    sample.save()


def tag(sample, *tags):
    sample.tags = list(tags)
    sample.save()


def pick(review, number=0):
    """Sample `number`, its label, and two other classes."""
    sample = review.skip(number).first()
    others = [str(digit) for digit in range(10) if str(digit) != sample.label.label]
    return sample, sample.label.label, *others[:2]


def of_label(records):
    return [record for record in records if record.annotation_id == label_id(record.path)]


def test_without_edits_nothing_is_written(save, fixes):
    assert save(1) == []
    assert not fixes.exists()


def test_a_changed_label_becomes_a_record_of_who_when_why_and_on_what_evidence(review, save, fixes, project):
    sample, before, after, _ = pick(review)
    relabel(sample, after)
    save(1)
    records, broken = load_records(fixes)
    assert [path.name for path in fixes.iterdir()] == ["2026-01-02-ada-lovelace.jsonl"] and not broken
    (record,) = of_label(records)
    assert (record.op, record.who, record.when, record.path) == ("relabel", WHO, WHEN.format(1), sample.path)
    assert (record.before, record.after, record.base) == (before, after, project.dataset.version)
    assert record.why == "relabelled in FiftyOne; the queue said: the model says another class"
    row = project.queue.iloc[0]
    assert record.evidence == {
        "sample": sample.id,
        "rank": 1,
        "score": 0.0,
        "suggested": row["suggested"],
        "codes": "LBL003",
        "queue": ["label"],
    }


def test_boxes_and_masks_that_carried_the_label_change_with_it(review, save, project):
    sample, before, after, _ = pick(review)
    relabel(sample, after)
    records = save(1)
    rows = project.dataset.objects
    same = rows[(rows["path"] == sample.path) & (rows["label"] == before)]
    assert [r.annotation_id for r in records] == [*same["annotation_id"], label_id(sample.path)]
    assert len(same) == 1 and {(r.before, r.after) for r in records} == {(before, after)}


def test_tags_become_confirm_and_exclude_records_and_why_is_the_reviewers(review, save):
    (first, label, *_), (second, *_) = pick(review, 0), pick(review, 1)
    first.why = " a clear seven "
    tag(first, "confirm", "my own tag")
    tag(second, "exclude")
    confirm, exclude = save(1)
    assert (confirm.op, confirm.path, confirm.annotation_id, confirm.before) == (
        "confirm",
        first.path,
        label_id(first.path),
        label,
    )
    assert confirm.why == "a clear seven"
    assert (exclude.op, exclude.path, exclude.annotation_id) == ("exclude", second.path, None)
    assert exclude.why.startswith("excluded in FiftyOne")


def test_a_tag_on_the_label_counts_as_one_on_the_image(review, save):
    sample = pick(review)[0]
    sample.label.tags = ["confirm"]
    sample.save()
    assert [r.op for r in save(1)] == ["confirm"]
    sample.label.tags = []
    sample.save()
    assert [r.op for r in save(2)] == ["revert"]


def test_saving_twice_writes_nothing_new(review, save, fixes):
    relabel(pick(review, 0)[0], pick(review, 0)[2])
    tag(pick(review, 1)[0], "confirm")
    tag(pick(review, 2)[0], "exclude")
    assert len(save(1)) == 4
    before = sitting_path(fixes, WHO, WHEN.format(1)).read_bytes()
    assert save(2) == []
    assert sitting_path(fixes, WHO, WHEN.format(1)).read_bytes() == before


def test_the_records_change_the_tables_and_reverting_them_restores_them(review, save, fixes, project):
    sample, _, after, _ = pick(review)
    relabel(sample, after)
    gone = pick(review, 1)[0]
    tag(gone, "exclude")
    records = save(1)
    fixed = project.reingest(fixes)
    assert fixed.dataset.labels[sample.path] == after
    assert gone.path not in set(fixed.dataset.images["path"])
    assert set(fixed.fixes["status"]) == {"applied"}
    reverts = [FixRecord("revert", WHO, WHEN.format(2), "no", reverts=record.id) for record in records]
    append_records(sitting_path(fixes, WHO, WHEN.format(2)), reverts)
    restored = project.reingest(fixes).dataset
    assert restored.version == project.dataset.version
    pd.testing.assert_frame_equal(restored.annotations, project.dataset.annotations)


def test_an_edit_of_a_saved_edit_starts_where_the_saved_one_ended(review, save, fixes, project):
    sample, first, second, third = pick(review)
    relabel(sample, second)
    save(1)
    relabel(sample, third)
    assert {(r.before, r.after) for r in save(2)} == {(second, third)}
    relabel(sample, first)
    assert {(r.before, r.after) for r in save(3)} == {(third, first)}
    relabel(sample, second)
    assert {(r.before, r.after) for r in save(4)} == {(first, second)}
    result = project.reingest(fixes)
    assert set(result.fixes["status"]) == {"applied"}
    rows = result.dataset.annotations
    rows = rows[(rows["path"] == sample.path) & rows["annotator"].fillna(CONSENSUS).eq(CONSENSUS)]
    assert len(rows) == 2 and set(rows["label"]) == {second}


def test_a_save_that_was_killed_before_the_baseline_is_not_repeated(review, save, monkeypatch):
    sample, _, second, third = pick(review)
    relabel(sample, second)
    with monkeypatch.context() as patch:
        patch.setattr(type(review), "set_values", lambda *args, **kwargs: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            save(1)
    assert review.values("loaded_label")[0] != second
    assert save(2) == []
    relabel(sample, third)
    assert {(r.before, r.after) for r in save(3)} == {(second, third)}


def test_a_save_that_was_killed_while_it_wrote_is_completed(review, save, fixes, project, monkeypatch):
    sample, _, after, _ = pick(review)
    relabel(sample, after)
    with monkeypatch.context() as patch:
        patch.setattr(decisions, "append_records", lambda path, records: append_records(path, records[:1]) or 1 / 0)
        with pytest.raises(ZeroDivisionError):
            save(1)
    assert [r.annotation_id for r in save(2)] == [label_id(sample.path)]
    assert set(project.reingest(fixes).fixes["status"]) == {"applied"}


def test_a_removed_tag_takes_its_record_back(review, save, fixes, project):
    sample = pick(review)[0]
    tag(sample, "exclude")
    (exclude,) = save(1)
    tag(sample)
    (revert,) = save(2)
    assert (revert.op, revert.reverts) == ("revert", exclude.id)
    assert project.reingest(fixes).dataset.version == project.dataset.version
    tag(sample, "exclude")
    assert [r.op for r in save(3)] == ["exclude"]


def test_confirming_what_one_relabelled_needs_no_second_record(review, save):
    sample, _, after, _ = pick(review)
    tag(sample, "confirm")
    relabel(sample, after)
    assert {r.op for r in save(1)} == {"relabel"}
    assert save(2) == []


@pytest.mark.parametrize(
    ("label", "message"),
    [("seven", r"label must be one of 0, 1, .*, 9\. Got 'seven' instead"), (None, "Got a removed label")],
)
def test_an_impossible_label_is_named_and_all_else_is_saved(review, save, project, label, message):
    bad, before, good_label, _ = pick(review)
    bad.label = None if label is None else bad.label
    if label is not None:
        bad.label.label = label
    bad.save()
    good = pick(review, 1)
    relabel(good[0], good[2])
    with pytest.raises(DatatoolsError, match=f"{bad.path}: .*{message}.* Saved the other decisions, 2 records"):
        save(1)
    with pytest.raises(DatatoolsError, match="0 records"):
        save(2)
    assert review.values("loaded_label")[:2] == [before, good[2]]
    fo = pytest.importorskip("fiftyone")
    bad.label = fo.Classification(label=good_label)
    bad.save()
    assert of_label(save(3))[0].after == good_label


def test_contradictory_tags_and_images_without_a_label_are_named(review, save):
    tag(pick(review)[0], "confirm", "exclude")
    other = pick(review, 1)[0]
    other.annotation_id = None
    tag(other, "confirm")
    with pytest.raises(DatatoolsError, match=r"the tag confirm or the tag exclude\. Got both\..*\(1 more like it\.\)"):
        save(1)
    tag(pick(review)[0])
    with pytest.raises(DatatoolsError, match="expected an image that has a label"):
        save(2)


def test_an_excluded_image_may_lose_its_label(review, save):
    sample = pick(review)[0]
    sample.label = None
    tag(sample, "exclude")
    assert [r.op for r in save(1)] == ["exclude"]
    assert save(2) == []


def test_a_record_that_was_applied_and_then_reverted_is_not_built_upon(review, project, fixes):
    sample, before, theirs, ours = pick(review)
    row = FixRecord("relabel", "Bob", WHEN.format(0), "mine", sample.path, label_id(sample.path), before, theirs)
    append_records(fixes / "bob.jsonl", [row])
    applied = project.reingest(fixes)
    append_records(fixes / "bob.jsonl", [FixRecord("revert", "Bob", WHEN.format(1), "no", reverts=row.id)])
    relabel(sample, ours)
    saved = save_decisions(review, applied.dataset, fixes, WHO, WHEN.format(2), applied.fixes)
    assert len(saved) == 2 and {(r.before, r.after) for r in saved} == {(before, ours)}
    assert project.reingest(fixes).dataset.labels[sample.path] == ours


def test_a_label_that_somebody_else_changed_is_disputed_and_never_overwritten(review, save, fixes, project):
    sample, before, theirs, ours = pick(review)
    relabel(sample, ours)
    record = FixRecord("relabel", "Bob", WHEN.format(0), "mine", sample.path, label_id(sample.path), before, theirs)
    append_records(sitting_path(fixes, "Bob", WHEN.format(0)), [record])
    saved = of_label(save(1))
    assert [(r.before, r.after) for r in saved] == [(before, ours)]
    result = project.reingest(fixes)
    assert result.dataset.labels[sample.path] == before
    assert list(result.fixes.loc[result.fixes["id"] == saved[0].id, "status"]) == ["disputed"]


def test_what_a_key_recorded_is_not_saved_again_nor_taken_back(review, save, project, fixes):
    sample, _, after, last = pick(review)
    deck = Deck(project.dataset.version, project.dataset.classes, (_card(sample), _card(pick(review, 1)[0])))
    sitting = Sitting(deck, fixes, WHO)
    sitting.decide([sample.id], "relabel", after)
    assert save(1) == []  # the App was killed before it showed the record
    show_standings(review, sitting.standings())
    assert review.first().label.label == review.first().loaded_label == after
    sitting.decide([deck.cards[1].sample], "exclude")
    show_standings(review, sitting.standings())
    assert save(2) == []
    review.reload()
    relabel(review.first(), last)
    assert {(r.before, r.after) for r in save(3)} == {(after, last)}


def _card(sample):
    return Card(sample.id, sample.path, sample.rank, sample.annotation_id, sample.label.label)


def test_an_image_that_is_gone_still_gives_a_record(review, project, database):
    import dataclasses

    sample, before, after, _ = pick(review)
    relabel(sample, after)
    rows = project.dataset.annotations
    smaller = dataclasses.replace(project.dataset, annotations=rows[rows["path"] != sample.path])
    found = collect_decisions(review, smaller, [], WHO, WHEN.format(1))
    assert [(r.before, r.after) for r in found.records] == [(before, after)]


def test_without_a_name_nothing_is_written(review, project, fixes):
    sample, before, after, _ = pick(review)
    relabel(sample, after)
    with pytest.raises(DatatoolsError, match=r"set git config user\.name or pass --who"):
        save_decisions(review, project.dataset, fixes, " ", WHEN.format(1))
    assert not fixes.exists() and review.first().loaded_label == before


def test_edits_survive_a_killed_mongod(review, save, database, project):
    chosen = [pick(review, number) for number in range(10)]
    for sample, _, after, _ in chosen:
        relabel(sample, after)
    port, pid = database.mongod.port, database.mongod.pid
    os.kill(pid, signal.SIGKILL)
    mongod = database.restart()
    assert mongod.started and (mongod.port, mongod.pid != pid) == (port, True)
    review.reload()
    assert review.count() == review.count("id") == len(project.queue)  # FiftyOne alone would say 0 here
    assert review.values("label.label")[:10] == [after for _, _, after, _ in chosen]
    assert len(of_label(save(1))) == 10
