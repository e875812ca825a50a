"""Online augmentation beside torchvision's transforms: images per CPU second, and what it adds to an epoch.

    python benchmarks/online_augmentation.py [--side 64] [--images 512] [--repeats 3] [--skip-epochs]

Photo-like images made by code. Ours takes many images at once, each changed by values of its own, and normalises them as well;
the peer, torchvision's v2 transforms with the nearest arguments, takes image by image, as a data loader does, for a batch
given to it gets one set of values for all. One thread, the fastest of the repeats by CPU time. Then one network learns from them: CPU seconds an
epoch with images as they are, with each preset, and mixed. On a machine with a CUDA GPU ours is timed there as well,
by the clock.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torchvision.transforms import v2

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from datatools.learn.device import Device, choose_device
from datatools.learn.fitting import PIECE, Learner, reproducible
from datatools.learn.online import OnlineAugmenter, OnlinePolicy
from datatools.learn.pixels import Pixels, compute_scale
from datatools.params import TrainParams
from datatools.policy.presets import PRESETS
from datatools.policy.steps import parse_policy

BATCH = 128
AFFINE = {"rotate_deg": [-10, 10], "scale": [0.9, 1.1], "shear_deg": [-5, 5], "translate": [-0.08, 0.08]}
# what -> (our policy, torchvision's transform)
PAIRS: Mapping[str, tuple[list[Any], v2.Transform]] = {
    "flip": ([{"flip_horizontal": {"p": 0.5}}], v2.RandomHorizontalFlip(0.5)),
    "affine": ([{"affine": AFFINE}], v2.RandomAffine(10, (0.08, 0.08), (0.9, 1.1), 5, v2.InterpolationMode.BILINEAR)),
    "perspective": ([{"perspective": {}}], v2.RandomPerspective(0.16, p=1.0)),
    "elastic": ([{"elastic": {}}], v2.ElasticTransform(20.0, 5.0)),
    "brightness": ([{"brightness": {}}], v2.ColorJitter(brightness=0.15)),
    "contrast": ([{"contrast": {}}], v2.ColorJitter(contrast=0.2)),
    "saturation": ([{"saturation": {}}], v2.ColorJitter(saturation=0.2)),
    "hue": ([{"hue": {}}], v2.ColorJitter(hue=10 / 360)),
    "grayscale": ([{"grayscale": {"share": 1}}], v2.Grayscale(3)),
    "noise": ([{"noise": {"std": [0, 6]}}], v2.Compose([v2.ToDtype(torch.float32, scale=True), v2.GaussianNoise(0, 3 / 255)])),
    "blur": ([{"blur": {"sigma_px": [0, 1]}}], v2.GaussianBlur(7, (0.01, 1.0))),
    "sharpen": ([{"sharpen": {}}], v2.RandomAdjustSharpness(1.3, p=1.0)),
    "jpeg": ([{"jpeg": {}}], v2.JPEG((50, 95))),
    "cutout": ([{"cutout": {"count": 1}}], v2.RandomErasing(1.0, (0.01, 0.06), (1.0, 1.0), 128)),
    "preset natural": (
        PRESETS["natural"],
        v2.Compose(
            [
                v2.RandomHorizontalFlip(0.5),
                v2.RandomAffine(10, (0.08, 0.08), (0.9, 1.1), 5, v2.InterpolationMode.BILINEAR),
                v2.ColorJitter(0.2, 0.2, 0.3, 8 / 360),
                v2.RandomApply([v2.GaussianBlur(5, (0.01, 0.8))], 0.3),
            ]
        ),
    ),
}  # fmt: skip
EPOCHS: Mapping[str, tuple[list[Any] | None, dict[str, float]]] = {
    "as they are": ([], {}),
    "small warp": (None, {}),
    **{f"preset {name}": (steps, {}) for name, steps in PRESETS.items() if steps},
    "preset natural, mixup and CutMix": (PRESETS["natural"], {"mixup": 0.2, "cutmix": 1.0}),
}


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=64)
    parser.add_argument("--images", type=int, default=512)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--skip-epochs", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(1)
    images = make_photos(args.images, args.side)
    held = hold(images, choose_device("cpu"))
    has_gpu = torch.cuda.is_available()
    print(
        f"| {args.side} px | datatools, images per CPU second | torchvision v2 | ratio | datatools on the GPU, images/s |"
    )
    print("|---|---|---|---|---|")
    for what, (policy, transform) in PAIRS.items():
        ours = args.images / fastest(lambda policy=policy: augment(policy, held), args.repeats)
        theirs = args.images / fastest(lambda transform=transform: [transform(image) for image in images], args.repeats)
        gpu = f"{time_gpu(policy, images):,.0f}" if has_gpu else "no GPU here"
        print(f"| {what} | {ours:,.0f} | {theirs:,.0f} | {ours / theirs:.1f} | {gpu} |", flush=True)
    if not args.skip_epochs:
        print_epochs(images, args.repeats)


def make_photos(n: int, side: int) -> Tensor:
    """uint8 (n, 3, side, side): coarse noise, enlarged smoothly."""
    coarse = torch.rand(n, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    smooth = torch.nn.functional.interpolate(coarse, size=(side, side), mode="bicubic")
    return (smooth * 255).clamp(0, 255).byte()


def fastest(work: Callable[[], object], repeats: int) -> float:
    """Smallest CPU time of `work` after one run to warm up."""
    work()
    seconds = []
    for _ in range(repeats):
        start = time.process_time()
        work()
        seconds.append(time.process_time() - start)
    return min(seconds)


def augment(policy: list[Any], pixels: Pixels) -> None:
    """One epoch of ours as training does it: values drawn, bytes taken, changed and normalised; a CPU in pieces."""
    seeds = np.arange(len(pixels), dtype=np.uint64)
    augmenter = OnlineAugmenter(OnlinePolicy(parse_policy(policy), seeds), pixels.device.name)
    size = max(1, PIECE // pixels.side_px**2) if pixels.device.name == "cpu" else BATCH
    for rows in torch.arange(len(pixels)).split(size):
        pixels.take(rows, augmenter)


def hold(images: Tensor, device: Device) -> Pixels:
    """The images as training holds them."""
    array = images.permute(0, 2, 3, 1).contiguous().numpy()
    return Pixels(array, compute_scale(array[:64]), device)


def time_gpu(policy: list[Any], images: Tensor) -> float:
    """Images a second by the clock, of 16 times as many images that lie on the GPU."""
    held = hold(images.repeat(16, 1, 1, 1), choose_device("cuda"))
    augment(policy, held)
    torch.cuda.synchronize()
    start = time.perf_counter()
    augment(policy, held)
    torch.cuda.synchronize()
    return len(held) / (time.perf_counter() - start)


def print_epochs(images: Tensor, repeats: int) -> None:
    """CPU seconds that resnet8 takes to learn from the images once."""
    device, labels = choose_device("cpu"), torch.arange(len(images)) % 10
    pixels = hold(images, device)
    params = TrainParams(device="cpu", image_size_px=images.shape[2])
    print(f"\n| {len(images):,} images of {images.shape[2]} px, resnet8 | CPU s an epoch | more |\n|---|---|---|")
    plain = 0.0
    for what, (policy, alphas) in EPOCHS.items():
        seeds = np.arange(len(images), dtype=np.uint64)
        online = None if policy is None else OnlinePolicy(parse_policy(policy), seeds, **alphas)
        with reproducible(0, device):
            learner = Learner(pixels, labels, torch.arange(len(images)), 10, params, repeats + 1, 0, online)
            seconds = fastest(learner.run_epoch, repeats)
        plain = plain or seconds
        print(f"| {what} | {seconds:.3f} | {seconds / plain - 1:+.0%} |", flush=True)


if __name__ == "__main__":
    main()
