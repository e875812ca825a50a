"""Pictures made by code, and what copying does to them: the pixels must tell copies from look-alikes."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from datatools.images import decode_image, encode_jpeg, make_thumbnail
from datatools.similarity.verification import THUMB_PX, verify_pairs

PAIR = np.array([[0, 1]])


def draw(seed, size=(160, 200)):
    """A picture with coarse and fine parts: blots of all sizes."""
    rng = np.random.default_rng(seed)
    image = np.full((*size, 3), 128, np.uint8)
    for radius in (60, 40, 25, 15, 12, 10, 8, 8, 8, 8, 6, 6, 6, 6):
        centre = tuple(int(value) for value in rng.integers(0, size[::-1]))
        cv2.circle(image, centre, radius, [int(value) for value in rng.integers(0, 256, 3)], -1)
    return image


def crop(image, share=0.9, at=(0.3, 0.8)):
    height, width = image.shape[:2]
    y, x = (round(place * (1 - share) * side) for place, side in zip(at, (height, width), strict=True))
    return image[y : y + round(share * height), x : x + round(share * width)]


def brighten(image):
    return np.clip(image * 1.2 + 10, 0, 255).astype(np.uint8)


def jpeg(image):
    return decode_image(encode_jpeg(np.ascontiguousarray(image), 50))


def mirror(image):
    return np.ascontiguousarray(image[:, ::-1])


def thumbs(*images):
    return np.stack([make_thumbnail(np.ascontiguousarray(image), THUMB_PX) for image in images])


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    ("change", "is_mirrored", "is_cropped"),
    [
        (jpeg, False, False),
        (brighten, False, False),
        (mirror, True, False),
        (crop, False, True),
        (lambda image: crop(mirror(image)), True, True),
        (lambda image: jpeg(crop(image, 0.93, (0.9, 0.1))), False, True),
        (lambda image: 255 - (255 - image) // 2, False, False),
    ],
    ids=["jpeg", "brighter", "mirrored", "cropped", "both", "cropped jpeg", "paler"],
)
@pytest.mark.parametrize("turned", [False, True])
def test_copies_agree_and_it_is_said_how_they_lie(seed, change, is_mirrored, is_cropped, turned):
    pictures = [draw(seed), change(draw(seed))]
    found = verify_pairs(thumbs(*pictures[:: -1 if turned else 1]), PAIR)
    assert found.correlation[0] > 0.98
    assert (found.is_mirrored[0], found.is_cropped[0]) == (is_mirrored, is_cropped)


def test_other_pictures_do_not_agree():
    pairs = np.array([(i, j) for i in range(12) for j in range(i)])
    assert verify_pairs(thumbs(*map(draw, range(12))), pairs).correlation.max() < 0.7


def test_the_same_outline_with_another_print_does_not_agree():
    shirts = []
    for text in ("LEVIS", "ROCKS"):
        shirt = np.full((160, 160, 3), 200, np.uint8)
        cv2.rectangle(shirt, (30, 20), (130, 150), (60, 30, 30), -1)
        cv2.putText(shirt, text, (38, 80), cv2.FONT_HERSHEY_SIMPLEX, 0.9, (250, 250, 250), 3)
        shirts.append(shirt)
    found = verify_pairs(thumbs(*shirts), PAIR)
    assert found.correlation[0] < 0.95
    assert verify_pairs(thumbs(shirts[0], jpeg(crop(shirts[0], 0.95))), PAIR).correlation[0] > 0.985


def test_flat_pictures_agree_with_nothing():
    flat = np.stack([np.full((THUMB_PX, THUMB_PX), value, np.uint8) for value in (0, 0, 255)])
    assert verify_pairs(flat, np.array([[0, 1], [0, 2]])).correlation.tolist() == [0, 0]


def test_a_pair_does_not_depend_on_the_others_nor_on_their_order():
    images = thumbs(*[change(draw(seed)) for seed in range(40) for change in (jpeg, mirror, crop)])
    pairs = np.array([(i, j) for i in range(len(images)) for j in range(i + 1, min(i + 9, len(images)))])
    found = verify_pairs(images, pairs)
    assert (found.correlation > 0.98).sum() >= 100
    order = np.random.default_rng(0).permutation(len(pairs))
    again = verify_pairs(images, pairs[order])
    for one, other in zip(found, again, strict=True):
        np.testing.assert_array_equal(one[order], other)
    for number in (0, 17, 100):
        alone = verify_pairs(images, pairs[number : number + 1])
        for one, other in zip(found, alone, strict=True):
            assert one[number] == other[0]


def test_no_pairs():
    found = verify_pairs(thumbs(draw(0)), np.zeros((0, 2), np.int64))
    assert [len(column) for column in found] == [0, 0, 0]
    assert len(verify_pairs(np.zeros((0, THUMB_PX, THUMB_PX), np.uint8), np.zeros((0, 2), np.int64)).correlation) == 0
