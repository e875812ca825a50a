from __future__ import annotations

import pytest

from datatools.checks.annotated_unturned import find_annotated_unturned
from datatools.checks.exif_rotated import find_exif_rotated
from datatools.checks.size_mismatch import find_size_mismatches
from datatools.schema import ANNOTATIONS
from tests.small_data import box_row, boxes, image_row, label_rows, make_images

NOTHING = ANNOTATIONS.empty()
WRONG = "The coordinates belong to the unturned picture"


def images(orientation, declared=(None, None), size=(48, 64), **changes):
    """a.png, of `size` once turned, beside one that is not turned."""
    width, height = declared
    facts = {"exif_orientation": orientation, "width_px": size[0], "height_px": size[1]}
    row = image_row("a.png", **facts, declared_width_px=width, declared_height_px=height, **changes)
    return make_images([row, image_row("b.png", declared_width_px=64, declared_height_px=48)])


def find(table, annotations=NOTHING):
    """What both checks say, the wrong annotations first; no image is in both."""
    wrong, turned = list(find_annotated_unturned(table, annotations)), list(find_exif_rotated(table, annotations))
    assert not {one.path for one in wrong} & {one.path for one in turned}
    assert all(WRONG in one.message for one in wrong) and not any(WRONG in one.message for one in turned)
    return wrong + turned


@pytest.mark.parametrize("orientation", [1, None])
def test_upright_images(orientation):
    assert find(images(orientation, (64, 48)), boxes((0, 0, 60, 40))) == []


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
def test_annotations_of_the_unturned_picture_are_told_once(orientation):
    table = images(orientation, (64, 48))
    (found,) = find(table, boxes((0, 0, 60, 40)))
    assert found.message.startswith(f"EXIF orientation {orientation} (shown ")
    assert found.message.endswith(f"its annotations say 64 x 48 px, its size before it is turned. {WRONG}")
    assert (found.path, found.score) == ("a.png", 0.0)
    assert list(find_size_mismatches(table)) == [], "IMG002 leaves it to this check"


@pytest.mark.parametrize(
    ("orientation", "declared", "size"),
    [(3, (64, 48), (48, 64)), (1, (64, 48), (48, 64)), (6, (100, 48), (48, 64)), (6, (64, None), (48, 64))],
)
def test_other_wrong_sizes_stay_with_the_size_check(orientation, declared, size):
    table = images(orientation, declared, size)
    assert [one.path for one in find_size_mismatches(table)] == ["a.png"]
    assert not any(WRONG in one.message for one in find(table))


def test_boxes_that_only_the_unturned_picture_holds():
    (found,) = find(images(6), boxes((1, 1, 60, 40), (2, 2, 9, 9)))
    said = "a box reaches to 60, 40, which only the unturned 64 x 48 px hold. The coordinates belong to the unturned picture"
    assert found.message == f"EXIF orientation 6 (shown turned 90 degrees clockwise): {said}"
    assert found.score == 0.0


def test_swapped_corners_and_half_a_pixel_do_not_matter():
    (found,) = find(images(8), boxes((60, 40, 1, 1)))
    assert "only the unturned" in found.message
    (found,) = find(images(8), boxes((0, 0, 48.5, 64.5)))
    assert "only the unturned" not in found.message


@pytest.mark.parametrize("xyxy", [(0, 0, 40, 40), (0, 0, 40, 60), (0, 0, 60, 60), (0, 0, 900, 900)])
def test_boxes_that_prove_nothing(xyxy):
    (found,) = find(images(6), boxes(xyxy))
    assert found.message.endswith(
        "its boxes and masks are right only if they were drawn on the turned picture, 48 x 64 px"
    )
    assert found.score == 0.3


def test_neither_size_nor_boxes_can_tell_where_the_shape_stays():
    for table in (images(3, (48, 64)), images(6, (64, 64), (64, 64))):
        (found,) = find(table, boxes((0, 0, 40, 40)))
        assert "right only if" in found.message


@pytest.mark.parametrize("annotations", [NOTHING, ANNOTATIONS.conform(label_rows("a.png", {"anna": "cat"}, "cat"))])
def test_nothing_drawn_on_it_is_of_less_weight(annotations):
    (found,) = find(images(3), annotations)
    said = "48 x 64 px once turned; tools that ignore the tag see another picture"
    assert found.message == f"EXIF orientation 3 (shown turned by 180 degrees): {said}"
    assert found.score == 0.7


def test_annotations_known_to_fit_are_of_less_weight():
    (found,) = find(images(6, (48, 64)), boxes((0, 0, 40, 60)))
    assert found.score == 0.7


def test_phones_are_one_finding_but_wrong_annotations_never_are():
    turned = {"exif_orientation": 6, "width_px": 48, "height_px": 64}
    rows = [image_row(f"{n:03}.jpg", **turned) for n in range(30)]
    wrong = [image_row(f"w{n:02}.jpg", **turned, declared_width_px=64, declared_height_px=48) for n in range(30)]
    found = find(make_images(rows + wrong), ANNOTATIONS.conform([box_row("box/0", (0, 0, 9, 9), "w00.jpg")]))
    assert [one.path for one in found[:-1]] == [f"w{n:02}.jpg" for n in range(30)]
    assert found[-1].message == "30 of 60 images (50%) have an EXIF orientation: a trait of the set, as in 000.jpg"
    assert (found[-1].path, found[-1].subject) == (None, "EXIF orientation")
