"""Hostile folders, archives, annotations and images: each a verdict, and nothing outside is read or changed."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from datatools.formats.registry import load_content
from datatools.images import ImageFacts, UnreadableImageError, compute_facts, decode_image
from datatools.tree import open_tree
from tests.builders import lay_out
from tests.hostile import SECRET, hostile_compressed, hostile_tars, hostile_zips, lay_out_hostile
from tests.hostile_annotations import hostile_annotations
from tests.hostile_images import hostile_images

SHARED = Path(os.environ.get("DATATOOLS_SHARED", Path(__file__).parents[2] / "shared"))
ANNOTATIONS = hostile_annotations(Path("/nowhere/outside"))
# What a person who takes in data does, with everything that comes out printed, and what Python is asked to open told.
TAKE_IN = """
import sys
from pathlib import Path

def told(event, details):
    if event in ("open", "os.listdir", "os.scandir", "os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.symlink"):
        print("TOLD", event, ascii(details[0]))
    elif event.startswith(("socket.", "subprocess.", "os.system", "os.exec", "os.posix_spawn", "urllib.", "shutil.")):
        print("TOLD", event, ascii(details))

from datatools.errors import DatatoolsError
from datatools.formats.registry import load_content
from datatools.images import UnreadableImageError, compute_facts
from datatools.tree import UnreadableFileError, open_tree
import datatools.formats.registry as registry
for name in registry.NAMES:
    registry.load_format(name)
sys.addaudithook(told)

for root in sorted(Path(sys.argv[1]).iterdir()):
    tree = open_tree(root)
    print("REFUSED", ascii(tree.refused))
    for path in tree.sizes:
        try:
            data = tree.read(path)
            print("READ", ascii(path), ascii(data[:100_000]))
            print("FACTS", compute_facts(data))
        except (UnreadableFileError, UnreadableImageError) as error:
            print("UNREADABLE", ascii(path), ascii(str(error)))
    try:
        content, found = load_content(tree)
    except DatatoolsError as error:
        print("ERROR", ascii(str(error)))
    else:
        for table in (content.records, content.annotations, content.rejected):
            print("TABLE", ascii(table.to_csv()))
        print("EXTRAS", ascii(content.extras), ascii(content.classes), ascii(found))
print("FINISHED")
"""


def stamp(folder: Path) -> dict[str, tuple[int, int, str]]:
    """Mode, time and content of everything below `folder`."""
    found = {}
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        found[str(path)] = status.st_mode, status.st_mtime_ns, content
    return found


def test_nothing_outside_is_read_or_changed(tmp_path: Path):
    outside, roots, home = tmp_path / "outside", tmp_path / "roots", tmp_path / "home"
    home.mkdir()
    lay_out_hostile(roots / "folder", outside)
    lay_out(outside, {"list.txt": SECRET, "labels/a.txt": SECRET, "a.png": SECRET})
    archives = [(".zip", case) for case in hostile_zips().values()] + [
        (".tar", case) for case in hostile_tars().values()
    ]
    for number, (suffix, case) in enumerate([*archives, *hostile_compressed().values()]):
        (roots / f"{number:03d}{suffix}").write_bytes(case.data)
    for number, files in enumerate(hostile_annotations(outside).values()):
        lay_out(roots / f"annotations-{number:03d}", files)
    before = {folder: stamp(folder) for folder in (outside, home)}
    command = [sys.executable, "-c", TAKE_IN, str(roots)]
    result = subprocess.run(
        command, capture_output=True, cwd=home, timeout=300, check=False, env={**os.environ, "TMPDIR": str(home)}
    )
    assert result.returncode == 0, result.stderr[-2000:]
    assert result.stdout.endswith(b"FINISHED\n")
    assert SECRET not in result.stdout
    assert SECRET not in result.stderr
    assert {folder: stamp(folder) for folder in before} == before
    told = [line for line in result.stdout.decode().splitlines() if line.startswith("TOLD") and str(home) not in line]
    assert len(told) > 1000
    opened = [line for line in told if line.startswith("TOLD open ")]
    assert [line for line in told if line.split()[1] not in ("open", "os.listdir", "os.scandir")] == []
    assert [
        line for line in opened if "secret" in line or "/outside" in line or "/etc/" in line or "/dev/z" in line
    ] == []


@pytest.mark.parametrize("name", ANNOTATIONS)
def test_hostile_annotations_are_content_or_rows(tmp_path: Path, name: str):
    content, _ = load_content(open_tree(lay_out(tmp_path, ANNOTATIONS[name])))
    codes = {"BOX004", "MSK008", "MSK009", "LBL001", "LBL005", "LBL006"}
    assert set(content.rejected["reason"]) <= {"broken_file", "broken_row", "repeated_row", "repeated_id", *codes}
    assert content.rejected["message"].str.strip().str.len().gt(0).all()
    assert not content.rejected["message"].str.contains("\n").any()
    boxes = content.annotations[["x0_px", "y0_px", "x1_px", "y1_px"]].to_numpy(dtype=float)
    assert not np.isinf(boxes).any()


def corpus(name: str) -> Iterator[tuple[str, bytes]]:
    file = SHARED / "data" / f"{name}.zip"
    if not file.exists():
        pytest.skip(f"{file.name} is not here: set DATATOOLS_SHARED to a folder with data/{file.name}")
    tree = open_tree(file)
    return ((path, tree.read(path)) for path in tree.sizes)


@pytest.mark.parametrize(("name", "n_files", "n_images"), [("pillow-images", 1067, 600), ("pngsuite", 203, 170)])
def test_every_file_of_a_corpus_is_an_image_or_unreadable(name: str, n_files: int, n_images: int):
    verdicts = {}
    for path, data in corpus(name):
        try:
            facts, image = compute_facts(data), decode_image(data)
        except UnreadableImageError as error:
            verdicts[path] = False
            assert str(error).strip()
            assert "\n" not in str(error)
        else:
            verdicts[path] = True
            assert isinstance(facts, ImageFacts)
            assert (image.shape, image.dtype) == ((facts.height_px, facts.width_px, 3), np.uint8), path
    assert len(verdicts) == n_files
    assert sum(verdicts.values()) >= n_images


def test_hostile_images_are_images_or_unreadable():
    images = hostile_images()
    taken_in = set()
    for name, data in images.items():
        try:
            facts, image = compute_facts(data), decode_image(data)
        except UnreadableImageError as error:
            assert str(error).strip(), name
            assert "\n" not in str(error), name
        else:
            taken_in.add(name)
            assert image.shape == (facts.height_px, facts.width_px, 3), name
    assert not any(" cut" in name for name in taken_in)
    assert not taken_in & {"png: 2^62 pixels", "png: no pixels", "svg", "html", "nothing", "gif", "eps"}


def test_all_orientations_of_a_picture_are_one_picture():
    pictures = {
        path: decode_image(data).astype(int) for path, data in corpus("exif-orientation") if path.endswith("jpg")
    }
    assert len(pictures) == 18
    for path, picture in pictures.items():
        upright = pictures[f"{path[:-5]}1.jpg"]
        assert picture.shape == upright.shape, path
        turned = np.abs(upright[::-1, ::-1] - upright).mean()
        assert np.abs(picture - upright).mean() < 5 < turned, path
