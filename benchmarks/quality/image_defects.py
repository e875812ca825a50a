"""Image files that are wrong, planted in clothing and, where an annotation file must speak of them, in bccd.

How dark, light, blurred or poor in information a planted picture is, is measured here again from its published formula
(cleanvision's), independently of datatools, so that every planted one is truly beyond the documented threshold.
"""

from __future__ import annotations

import io

import imagehash
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageFilter

from datatools.params import ValidateParams
from quality.board import Board, encode, write_coco, write_table
from quality.seed import seed

CLEARLY = 0.95
PARAMS = ValidateParams()  # the documented thresholds are its defaults
SOME = 400  # images in a copy
FEW = 20  # where a check speaks once of the set, not of each image, when many images are alike


def _stem(name: str) -> str:
    return name.rpartition(".")[0]


@seed("IMG001", "no image inside", "clothing", write_table, n_images=SOME)
def break_image(board: Board, n: int) -> None:
    for name in board.images(n):
        data = board.read(name)
        noise = bytes(board.rng.randrange(256) for _ in range(2000))
        way = board.rng.choice(["noise", "html", "head", "zeros"])
        broken = {
            "noise": noise,
            "html": b"<!DOCTYPE html><html><body>404 Not Found</body></html>",
            "head": noise[:40] + data[40:],
            "zeros": bytes(len(data)),
        }[way]
        board.mark_image(board.replace(name, broken))


@seed("IMG004", "JPEG cut off", "clothing", write_table, n_images=SOME)
def cut_jpeg(board: Board, n: int) -> None:
    for name in board.images(n):
        data = board.read(name)
        start = data.index(b"\xff\xda") + 20
        keep = board.rng.choice([0, board.rng.randrange(start, len(data) - 400), int(len(data) * 0.98), len(data) - 2])
        board.mark_image(board.replace(name, data[:keep]))


@seed("IMG004", "PNG cut off", "nuclei", write_coco)
def cut_png(board: Board, n: int) -> None:
    for name in board.images(n):
        data = board.read(name)
        keep = board.rng.choice(
            [board.rng.randrange(8, 200), board.rng.randrange(200, len(data) - 200), len(data) - 300]
        )
        board.mark_image(board.replace(name, data[:keep]))


@seed("IMG002", "other size than recorded", "bccd", write_coco)
def resize_after_labelling(board: Board, n: int) -> None:
    for name in board.images(n):
        image = board.open(name)
        width, height = image.size
        way = board.rng.choice(["half", "turned", "one pixel", "any"])
        size = {
            "half": (width // 2, height // 2),
            "turned": (height, width),
            "one pixel": (width + 1, height),
            "any": (board.rng.randint(100, 900), height),
        }[way]
        board.mark_image(board.replace(name, encode(image.resize(size), "JPEG", quality=85)))


@seed("IMG003", "name that Windows cannot hold", "clothing", write_table, n_images=SOME)
def rename(board: Board, n: int) -> None:
    for number, name in enumerate(board.images(n)):
        new = board.rng.choice(
            [f"a{number}?.jpg", f"{number}:30.jpg", f"d{number}/aux.jpg", f"d{number}./x.jpg", f"d{number} /x.jpg",
             f"d{number}/COM1.jpg", f"x|{number}.jpg", f"<{number}>.jpg", f"d{number}/nul.tar.jpg", f"*{number}.jpg"]
        )  # fmt: skip
        board.mark_image(board.replace(name, board.read(name), new))


@seed("IMG005", "other format than its suffix", "clothing", write_table, n_images=SOME)
def lie_about_format(board: Board, n: int) -> None:
    for name in board.images(n):
        form = board.rng.choice(["PNG", "WEBP", "BMP", "TIFF"])
        board.mark_image(board.replace(name, encode(board.open(name).resize((160, 120)), form)))


@seed("IMG006", "EXIF says turned", "clothing", write_table, n_images=SOME, per_round=FEW)
def turn_by_exif(board: Board, n: int) -> None:
    for name in board.images(n):
        exif = Image.Exif()
        exif[0x0112] = board.rng.choice([3, 6, 8, 6, 8, 2, 4, 5, 7])
        board.mark_image(board.replace(name, encode(board.open(name), "JPEG", exif=exif, quality=85)))


@seed("IMG007", "CMYK, palette, alpha or 16 bits among RGB", "clothing", write_table, n_images=SOME, per_round=20)
def change_mode(board: Board, n: int) -> None:
    for name in board.images(n):
        image = board.open(name)
        mode = board.rng.choice(["CMYK", "P", "RGBA", "I;16"])
        if mode == "I;16":
            data = encode(Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257))
        else:
            data = encode(image.convert(mode), "JPEG" if mode == "CMYK" else "PNG")
        board.mark_image(board.replace(name, data, name if mode == "CMYK" else f"{_stem(name)}.png"))


@seed("IMG008", "short side below 16 px", "clothing", write_table, n_images=SOME, per_round=FEW)
def make_small(board: Board, n: int) -> None:
    for name in board.images(n):
        short, long = board.rng.choice([1, 2, 8, 15, 15]), board.rng.choice([15, 16, 30])
        size = (short, long) if board.rng.random() < 0.5 else (long, short)
        board.mark_image(board.replace(name, encode(board.open(name).resize(size), "JPEG", quality=95)))


@seed("IMG009", "underexposed", "clothing", write_table, n_images=SOME, per_round=FEW)
def darken(board: Board, n: int) -> None:
    for name in board.images(n):
        pixels = _small(board, name)
        target = board.rng.choice([0.305, board.rng.uniform(0.02, 0.3)])
        dark = pixels * (target / max(_brightness(pixels, 99), 1e-3))
        board.mark_image(board.replace(name, _png(dark), f"{_stem(name)}.png"))


@seed("IMG010", "overexposed", "clothing", write_table, n_images=SOME, per_round=FEW)
def lighten(board: Board, n: int) -> None:
    for name in board.images(n):
        pixels = _small(board, name)
        target = board.rng.choice([0.957, board.rng.uniform(0.96, 1.0)])
        strength, some = 1.0, pixels[::4, ::4]
        while _brightness(255 - (255 - some) * strength, 5) < target and strength > 1e-3:
            strength *= 0.93
        board.mark_image(board.replace(name, _png(255 - (255 - pixels) * strength), f"{_stem(name)}.png"))


@seed("IMG011", "out of focus", "clothing", write_table, n_images=SOME, per_round=FEW)
def blur(board: Board, n: int) -> None:
    """A standard deviation of 1/30 to 1/15 of the short side: 3.7 pixels and more where 112 are measured."""
    for name in board.images(n):
        image = Image.fromarray(_small(board, name).astype(np.uint8))
        radius = min(image.size) / board.rng.uniform(15, 30)
        board.mark_image(
            board.replace(name, encode(image.filter(ImageFilter.GaussianBlur(radius))), f"{_stem(name)}.png")
        )


@seed("IMG012", "few levels", "clothing", write_table, n_images=SOME, per_round=FEW)
def flatten_values(board: Board, n: int) -> None:
    """Two colours, or up to seven greys: below 3 bits by Pillow's count, in which each channel has values of its own."""
    for name in board.images(n):
        grey = np.asarray(Image.fromarray(_small(board, name).astype(np.uint8)).convert("L")).astype(float)
        in_colour = board.rng.random() < 0.5
        levels = board.rng.choice([1, 2] if in_colour else [1, 2, 3, 5, 7])
        edges = np.quantile(grey, np.linspace(0, 1, levels + 1)[1:-1])
        flat = Image.fromarray((np.searchsorted(edges, grey) * (200 / levels) + 30).astype(np.uint8))
        flat = flat.convert("RGB") if in_colour else flat
        assert flat.entropy() < PARAMS.information_min_bits
        board.mark_image(board.replace(name, encode(flat), f"{_stem(name)}.png"))


@seed("IMG013", "long strip", "clothing", write_table, n_images=SOME, per_round=FEW)
def crop_to_strip(board: Board, n: int) -> None:
    for name in board.images(n):
        image = board.open(name)
        width, height = image.size
        ratio = board.rng.choice([0.345, board.rng.uniform(0.08, 0.34)])
        box = (0, 0, width, int(min(width * ratio, height)))
        if width < height:
            box = (0, 0, int(height * ratio), height)
        board.mark_image(board.replace(name, encode(image.crop(box), "JPEG", quality=95)))


@seed("IMG014", "far larger or smaller than the rest", "bccd", write_coco, per_round=10)
def change_scale(board: Board, n: int) -> None:
    for name in board.images(n):
        image = board.open(name)
        factor = board.rng.choice([0.08, 0.15, 3.0, 4.0])
        size = (round(image.width * factor), round(image.height * factor))
        board.replace(name, encode(image.resize(size), "JPEG", quality=85))
        record = next(row for row in board.document["images"] if row["file_name"] == name)
        record["width"], record["height"] = size
        for row in board.document["annotations"]:
            if row["image_id"] == record["id"]:
                row["bbox"] = [value * factor for value in row["bbox"]]
        board.mark_image(name)


@seed("IMG015", "grey in a colour set", "clothing", write_table, n_images=SOME, per_round=5)
def take_colour(board: Board, n: int) -> None:
    for name in board.images(n):
        grey = board.open(name).convert("L")
        grey = grey.convert("RGB") if board.rng.random() < 0.5 else grey
        board.mark_image(board.replace(name, encode(grey, "JPEG", quality=90)))


@seed("IMG016", "drawn unturned, size recorded", "bccd", write_coco, per_round=40)
def annotate_unturned(board: Board, n: int) -> None:
    """A tag says to turn the picture by a quarter; the record and the boxes are of the stored one."""
    for name in board.images(n):
        _turn_quarter(board, name)


@seed("IMG016", "drawn unturned, no size recorded", "bccd", write_coco, per_round=40)
def annotate_unturned_without_size(board: Board, n: int) -> None:
    """Told by the boxes alone: one of them reaches beyond the width of the turned picture."""
    by_id = {image["id"]: image for image in board.document["images"]}
    far = {row["image_id"] for row in board.document["annotations"]
           if row["bbox"][0] + row["bbox"][2] > by_id[row["image_id"]]["height"] + 5}  # fmt: skip
    for number in board.rng.sample(sorted(far), n):
        _turn_quarter(board, by_id[number]["file_name"])
        del by_id[number]["width"], by_id[number]["height"]


def _turn_quarter(board: Board, name: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = board.rng.choice([5, 6, 7, 8])
    board.mark_image(board.replace(name, encode(board.open(name), "JPEG", exif=exif, quality=85)))


@seed("DUP001", "same bytes under another name", "clothing", write_table, n_images=SOME)
def copy_bytes(board: Board, n: int) -> None:
    for number, name in enumerate(board.images(n)):
        new = board.rng.choice([f"z{number}.jpg", f"0-{number}.jpg", f"sub/{name}"])
        board.copy_image(name, new)
        board.mark_image(new, name)


@seed("DUP002", "saved again, scaled, brighter or cropped", "clothing", write_table, n_images=SOME)
def copy_picture(board: Board, n: int) -> None:
    for number, name in enumerate(board.images(len(board.files))):
        image = board.open(name)
        way = board.rng.choice(["saved", "scaled", "brighter", "cropped"])
        if way == "scaled":
            factor = board.rng.uniform(0.4, 0.9)
            other = image.resize((round(image.width * factor), round(image.height * factor)))
        elif way == "brighter":
            other = ImageEnhance.Brightness(image).enhance(board.rng.uniform(0.9, 1.1))
        elif way == "cropped":
            other = image.crop((1, 1, image.width - 1, image.height - 1))
        else:
            other = image
        data = encode(other, "JPEG", quality=board.rng.randint(40, 90))
        again = Image.open(io.BytesIO(data))
        if imagehash.phash(image, 16) - imagehash.phash(again, 16) > 12:  # the bar is 16 of 256 bits
            continue
        new = f"z{number}.jpg"
        board.copy_image(name, new, data)
        board.mark_image(new, name)
        if len(board.spoilt) == n:
            return


@seed("DUP003", "same bytes, two labels", "clothing", write_table, n_images=SOME)
def copy_with_other_label(board: Board, n: int) -> None:
    classes = [row["id"] for row in board.document["categories"]]
    for number, name in enumerate(board.images(n)):
        new = board.rng.choice([f"z{number}.jpg", f"0-{number}.jpg"])
        record = board.copy_image(name, new)
        for row in board.document["annotations"]:
            if row["image_id"] == record["id"]:
                row["category_id"] = board.rng.choice([label for label in classes if label != row["category_id"]])
        board.mark_image(new, name)


# ---- measured again ----


def _small(board: Board, name: str) -> NDArray[np.float64]:
    """The picture with a short side of at most 160 px."""
    image = board.open(name)
    factor = min(1.0, 160 / min(image.size))
    size = (max(1, round(image.width * factor)), max(1, round(image.height * factor)))
    return np.asarray(image.resize(size)).astype(np.float64)


def _png(pixels: NDArray[np.float64]) -> bytes:
    return encode(Image.fromarray(np.clip(np.round(pixels), 0, 255).astype(np.uint8)))


def _brightness(pixels: NDArray[np.float64], percentile: float) -> float:
    """sqrt(0.241 R^2 + 0.691 G^2 + 0.068 B^2) / 255 at a percentile."""
    bright = np.sqrt((np.clip(pixels, 0, 255) ** 2) @ np.array([0.241, 0.691, 0.068])) / 255
    return float(np.percentile(bright, percentile))
