from __future__ import annotations

import numpy as np
import pytest
import torch

from datatools.errors import DatatoolsError
from datatools.learn.device import Device
from datatools.learn.pixels import Examples, Jitter, Pixels, Scale, check_images, compute_scale

CPU = Device("cpu", False, "test")


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, size=(7, 8, 8, 3)).astype(np.uint8)


def test_scale_equals_numpy(images):
    scale = compute_scale(images)
    np.testing.assert_allclose(scale.mean, images.mean(axis=(0, 1, 2)))
    np.testing.assert_allclose(scale.std, images.std(axis=(0, 1, 2)))


def test_flat_images_have_a_std_to_divide_by():
    assert compute_scale(np.zeros((2, 4, 4, 3), np.uint8)).std == (1.0, 1.0, 1.0)


def test_a_batch_is_normalised_and_channels_last(images):
    scale = compute_scale(images)
    batch = Pixels(images, scale, CPU).take(torch.tensor([5, 2]))
    expected = (images[[5, 2]] - np.array(scale.mean)) / np.array(scale.std)
    np.testing.assert_allclose(batch.permute(0, 2, 3, 1).numpy(), expected, atol=1e-5)
    assert batch.is_contiguous(memory_format=torch.channels_last)


def test_bf16_where_chosen(images):
    device = Device("cpu", True, "test")
    assert Pixels(images, Scale((0.0,) * 3, (1.0,) * 3), device).take(torch.tensor([0])).dtype == torch.bfloat16


def test_a_change_gets_bytes_and_numbers_and_is_normalised(images):
    scale = compute_scale(images)
    pixels, index, seen = Pixels(images, scale, CPU), torch.tensor([4, 0]), []

    def change(batch, rows):
        seen.append((batch.clone(), rows))
        return 255 - batch

    batch = pixels.take(index, change)
    ((given, rows),) = seen
    np.testing.assert_array_equal(given.permute(0, 2, 3, 1).numpy(), images[[4, 0]])
    assert torch.equal(rows, index) and given.dtype == torch.float32
    expected = (255.0 - images[[4, 0]] - np.array(scale.mean)) / np.array(scale.std)
    np.testing.assert_allclose(batch.permute(0, 2, 3, 1).numpy(), expected, atol=1e-5)
    assert batch.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(pixels.take(index), Pixels(images, scale, CPU).take(index))


def test_jitter_is_small_seeded_and_leaves_the_input(images):
    before = images.copy()
    pixels = Pixels(images, compute_scale(images), CPU)
    index = torch.arange(7)

    def jittered(seed: int) -> torch.Tensor:
        return pixels.take(index, Jitter(torch.Generator().manual_seed(seed)))

    assert torch.equal(jittered(1), jittered(1))
    assert not torch.equal(jittered(1), jittered(2))
    np.testing.assert_array_equal(images, before)


def test_jitter_keeps_the_object_where_it_was():
    images = np.zeros((50, 32, 32, 3), np.uint8)
    images[:, 14:18, 14:18] = 255
    batch = Pixels(images, Scale((0.0,) * 3, (255.0,) * 3), CPU).take(
        torch.arange(50), Jitter(torch.Generator().manual_seed(0))
    )
    assert float(batch[:, :, 10:22, 10:22].sum() / batch.sum()) > 0.99


def test_batches_cover_the_index(images):
    pixels = Pixels(np.zeros((3, 1024, 1024, 3), np.uint8), Scale((0.0,) * 3, (1.0,) * 3), CPU)
    assert [len(part) for part in pixels.batches(torch.arange(3))] == [2, 1]


@pytest.mark.parametrize(
    ("shape", "dtype"),
    [((2, 8, 8), np.uint8), ((2, 8, 8, 4), np.uint8), ((2, 8, 8, 3), np.float32), ((2, 8, 4, 3), np.uint8)],
)
def test_images_of_another_shape_are_refused(shape, dtype):
    with pytest.raises(DatatoolsError, match=r"^learn: images must be uint8 of shape \(n, 8, 8, 3\)"):
        check_images(np.zeros(shape, dtype), 8)


@pytest.mark.parametrize("labels", [np.zeros(3, np.int64), np.zeros(7, np.int32), np.zeros((7, 1), np.int64)])
def test_labels_of_another_shape_are_refused(images, labels):
    with pytest.raises(DatatoolsError, match=r"^learn: labels must be int64 of shape \(7,\)"):
        Examples(images, labels)
