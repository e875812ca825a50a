"""Cards: which images are drawn, what is outlined on which side, and where an image comes from that is gone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from datatools.diff.changes import Change
from datatools.project import Project
from datatools.report.against.build import CASES
from datatools.report.against.cards import Card, choose_paths, draw_cards, outlines_of, tell_changes
from datatools.report.against.collect import collect_against
from datatools.report.against.old_images import OldImages
from datatools.version_files import open_files
from tests.report.against.projects import PATHS, make_state, relabel, start, write

BASE = make_state()


def card_of(project: Project, path: str) -> Card:
    found = collect_against(project, "HEAD")
    assert found.base is not None
    cards = draw_cards(found.diff, found.datasets, project.raw, OldImages(found.base), found.same, 40)
    return next(card for card in cards if card.path == path)


def change(kind: str, path: str, **fields: object) -> Change:
    return Change(kind, path, None, None, None, **fields)  # type: ignore[arg-type]


def test_every_kind_has_its_turn() -> None:
    changes = [change("relabelled", f"{n:02}") for n in range(50)] + [change("image added", "x"), change("moved", "y")]
    assert choose_paths(changes, 4) == ["00", "x", "y", "01"]
    assert choose_paths(changes, 0) == []
    assert len(choose_paths(changes, 99)) == 52


def test_many_changes_of_one_image_are_one_turn() -> None:
    changes = [change("moved", "a") for _ in range(50)] + [change("moved", "b"), change("relabelled", "c")]
    assert choose_paths(changes, 3) == ["a", "c", "b"]


@pytest.mark.parametrize(
    ("value", "n_points"),
    [
        ((1.0, 2.0, 3.0, 4.0), 4),
        ({"box": (1.0, 2.0, 3.0, 4.0), "mask": None}, 4),
        ({"box": None, "mask": "[[[0, 0], [5, 0], [5, 5]]]"}, 3),
        ("[[[0, 0], [5, 0], [5, 5]]]", 3),
        ("cat", 0),
        (None, 0),
        ((None, 2.0, 3.0, 4.0), 0),
        ({"sha256": "aa"}, 0),
    ],
)
def test_outlines_of_what_was_or_is(value: object, n_points: int) -> None:
    assert sum(map(len, outlines_of(value))) == n_points


def test_a_moved_box_is_on_both_sides_of_one_picture(tmp_path: Path) -> None:
    project = write(start(tmp_path / "p"), BASE, "base")
    card = card_of(write(project, replace(BASE, boxes={**BASE.boxes, PATHS[20]: (6.0, 5.0, 28.0, 21.0)})), PATHS[20])
    assert card.is_pair
    assert card.before is not None
    assert card.after is not None
    assert card.before.bitmap == card.after.bitmap
    assert card.before.window == card.after.window
    assert card.before.marks[0].xy[:2] == (4.0, 4.0)
    assert card.after.marks[0].xy[:2] == (6.0, 5.0)
    assert card.lines[0]["iou"] == pytest.approx(0.67, abs=0.01)


def test_a_relabelled_image_is_one_picture_with_who_and_why(tmp_path: Path) -> None:
    project = write(start(tmp_path / "p"), BASE, "base")
    card = card_of(write(project, relabel(BASE, PATHS[30], "dog", "Ada", "floppy ears")), PATHS[30])
    assert not card.is_pair
    assert card.after is not None
    assert [(line["before"], line["after"], line["who"], line["why"]) for line in card.lines] == [
        ("cat", "dog", "Ada", "floppy ears")
    ]


def test_what_is_said_twice_is_told_once() -> None:
    removed = Change("annotation removed", "a", "1", {"kind": "box", "label": "cat"}, None)
    lines = tell_changes([removed, replace(removed, annotation_id="2"), change("image removed", "a")], {})
    assert [(line["kind"], line["n"]) for line in lines] == [("annotation removed", 2), ("image removed", 1)]


def test_objects_that_did_not_change_are_shown_beside_the_one_that_did(tmp_path: Path) -> None:
    project = write(start(tmp_path / "p"), BASE, "base")
    card = card_of(write(project, relabel(BASE, PATHS[21], "cat")), PATHS[21])
    assert card.after is not None
    assert len(card.after.outlines) == 1


def test_a_removed_image_comes_from_the_cache_where_its_file_is_gone(tmp_path: Path) -> None:
    project = write(start(tmp_path / "p"), BASE, "base")
    write(project, replace(BASE, labels={path: label for path, label in BASE.labels.items() if path != PATHS[39]}))
    (project.raw / PATHS[39]).unlink()
    card = card_of(project, PATHS[39])
    assert card.before is not None
    assert card.after is None
    assert card.missing == "not in the data"


def test_a_removed_image_that_is_nowhere_has_no_picture(tmp_path: Path) -> None:
    project = write(start(tmp_path / "p"), BASE, "base")
    write(project, replace(BASE, labels={path: label for path, label in BASE.labels.items() if path != PATHS[39]}))
    (project.raw / PATHS[39]).unlink()
    for listing in (project.root / ".dvc/cache/files/md5").rglob("*.dir"):
        listing.unlink()
    card = card_of(project, PATHS[39])
    assert (card.before, card.after) == (None, None)


def test_an_image_with_other_pixels_has_two_pictures(tmp_path: Path) -> None:
    project = write(start(tmp_path / "p"), BASE, "base")
    card = card_of(write(project, replace(BASE, pixels={PATHS[33]: 5})), PATHS[33])
    assert card.before is not None
    assert card.after is not None
    assert card.before.bitmap != card.after.bitmap


def test_old_images_are_only_those_of_the_revision(tmp_path: Path) -> None:
    project = write(start(tmp_path / "p"), BASE, "base")
    old = OldImages(open_files(project.root, "HEAD"))
    image = old.decode(PATHS[0])
    assert image is not None
    assert image.shape == (24, 32, 3)
    assert old.decode("../../etc/passwd") is None


@pytest.mark.parametrize(
    "text", ["", "outs: []", "- a", "outs: [{md5: ../../../../etc/passwd}]", "{", "outs: [{md5: 12}]"]
)
def test_a_pointer_that_points_nowhere_has_no_images(tmp_path: Path, text: str) -> None:
    project = start(tmp_path / "p")
    write(project, BASE)
    (project.root / "data" / "raw.dvc").write_text(text)
    assert OldImages(open_files(project.root, None)).decode(PATHS[0]) is None


def test_no_more_cards_than_the_parameter_says(tmp_path: Path) -> None:
    project = write(start(tmp_path / "p"), BASE, "base")
    state = BASE
    for path in PATHS:
        state = relabel(state, path, "dog" if BASE.labels[path] == "cat" else "cat")
    found = collect_against(write(project, state), "HEAD")
    assert found.n_thumbnails == 24
    assert CASES == 12
    assert len(draw_cards(found.diff, found.datasets, project.raw, None, found.same, 24)) == 24
