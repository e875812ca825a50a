"""Training throughput: datatools.learn beside a plain torchvision ImageFolder + DataLoader loop on the same network.

    python benchmarks/train_throughput.py [--npz digits.npz] [--epochs 3] [--models resnet8,resnet18]

Prints, for every device found here, images per second (wall time) and per CPU second, and the ratio to the peer. Without
--npz it trains on random images of the same shape as the digits sample. Only torch, torchvision, NumPy, Pillow and
OpenCV are needed. The first epoch (warm-up) is not counted on either side.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.nn import functional as F
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import ImageFolder

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from datatools.learn.models import build_model
from datatools.learn.pixels import Examples
from datatools.learn.training import train_classifier
from datatools.params import TrainParams

N_RANDOM, SIDE_PX, N_CLASSES = 4000, 64, 10


def main() -> None:
    """Run both sides on every device and print one JSON line each, and a ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--npz", type=Path, help="file with images (n, h, w, 3) uint8 and labels (n,)")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--models", default="resnet8,resnet18")
    args = parser.parse_args()
    examples = load_examples(args.npz)
    for model in args.models.split(","):
        for device in ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]:
            params = dataclasses.replace(TrainParams(), model=model, device=device, epochs=args.epochs + 1)
            ours = time_datatools(examples, params)
            peer = time_image_folder(examples, params)
            print(json.dumps({"model": model, "device": device, "by": "datatools", **ours}))
            print(json.dumps({"model": model, "device": device, "by": "ImageFolder + DataLoader", **peer}))
            wall, cpu = (ours[name] / peer[name] for name in ("images_per_second", "images_per_cpu_second"))
            print(
                f"{model} on {device}: {wall:.1f} times the peer per second, {cpu:.1f} times per CPU second", flush=True
            )


def load_examples(path: Path | None) -> Examples:
    """The images to learn from."""
    if path is not None:
        data = np.load(path)
        return Examples(data["images"], data["labels"])
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, size=(N_RANDOM, SIDE_PX, SIDE_PX, 3), dtype=np.uint8)
    return Examples(images, rng.integers(0, N_CLASSES, size=N_RANDOM))


def time_datatools(examples: Examples, params: TrainParams) -> dict[str, float]:
    """Train with datatools.learn; early stopping is out of reach, the validation side is small."""
    rows: list[dict[str, float]] = []
    marks = [take_time()]

    def log(row: dict[str, float]) -> None:
        rows.append(row)
        marks.append(take_time())

    val = Examples(examples.images[:64], examples.labels[:64])
    train_classifier(examples, val, int(examples.labels.max()) + 1, dataclasses.replace(params, patience=999), log)
    return _rates(len(examples) * (len(rows) - 1), marks[1], marks[-1])


def time_image_folder(examples: Examples, params: TrainParams) -> dict[str, float]:
    """The usual loop: PNG files, ImageFolder, DataLoader with two workers, fp32, no cache on the device."""
    with tempfile.TemporaryDirectory() as folder:
        for number, (image, label) in enumerate(zip(examples.images, examples.labels, strict=True)):
            path = Path(folder) / f"{label:02d}" / f"{number:06d}.png"
            path.parent.mkdir(exist_ok=True)
            Image.fromarray(image).save(path)
        side = examples.images.shape[1]
        steps = [transforms.RandomAffine(11, (0.06, 0.06), (0.88, 1.12)), transforms.ToTensor()]
        data = ImageFolder(folder, transforms.Compose([transforms.Resize(side), *steps]))
        loader = DataLoader(data, params.batch_size, shuffle=True, num_workers=2, drop_last=True)
        model = build_model(params.model, len(data.classes), side).to(params.device)
        optimizer = torch.optim.SGD(model.parameters(), 0.01, momentum=0.9)
        marks = []
        for _ in range(params.epochs):
            for images, labels in loader:
                loss = F.cross_entropy(model(images.to(params.device)), labels.to(params.device))
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            loss.item()
            marks.append(take_time())
    return _rates(len(loader) * params.batch_size * (params.epochs - 1), marks[0], marks[-1])


def take_time() -> tuple[float, float]:
    """Wall seconds, and CPU seconds of this process and of the workers it has waited for."""
    usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return time.perf_counter(), sum(item.ru_utime + item.ru_stime for item in usage)


def _rates(n_images: int, start: tuple[float, float], end: tuple[float, float]) -> dict[str, float]:
    wall, cpu = end[0] - start[0], end[1] - start[1]
    return {
        "images": n_images,
        "images_per_second": round(n_images / wall, 1),
        "images_per_cpu_second": round(n_images / cpu, 1),
    }


if __name__ == "__main__":
    main()
