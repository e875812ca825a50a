from __future__ import annotations

from pathlib import Path

from datatools.import_data import import_data
from datatools.report.arrivals import to_import_lines
from datatools.tree import open_tree
from tests.builders import lay_out, make_png


def say_import(folder: Path, root: Path, **options: bool) -> list[str]:
    """What an import says between its first and its last line, but for images without annotations."""
    lines = list(to_import_lines(import_data(open_tree(folder), root, "one", **options), root))
    return [line for line in lines[1:-1] if not line.startswith("no annotations")]


def test_an_import_says_which_images_it_replaces_and_how_many_the_source_no_longer_has(tmp_path: Path):
    root = tmp_path / "raw"
    folder = lay_out(tmp_path / "one", {f"{name}.png": make_png(ord(name)) for name in "abcd"})
    counted = "{} new or changed images, 0 new or changed annotations, {} taken away -> batches/000{}-one"
    assert say_import(folder, root) == [counted.format(4, 0, 1)]
    lay_out(folder, {"a.png": make_png(1), "b.png": make_png(2)})
    (folder / "d.png").unlink()
    assert say_import(folder, root) == [
        counted.format(2, 0, 2),
        "replaced, as they have other bytes now: a.png and 1 more",
        "kept, though the source no longer has them: 1 image (with --mirror they are taken away)",
    ]
    assert say_import(folder, root, mirror=True) == [counted.format(0, 1, 3)]


def test_a_column_of_labels_in_metadata_is_pointed_out(tmp_path: Path):
    pictures = {"a.png": make_png(1), "b.png": make_png(2)}
    table = "file_name,Label,site\na.png,cat,x\nb.png,dog,y\n"
    folder = lay_out(tmp_path / "one", {**pictures, "metadata.csv": table})
    line = "no labels: the column Label of metadata.csv is metadata; if it is the class, call the file labels.csv and import again"
    assert line in say_import(folder, tmp_path / "raw")
    (folder / "metadata.csv").rename(folder / "labels.csv")
    said = say_import(folder, tmp_path / "raw")
    assert line not in said and "0 new or changed images, 2 new or changed annotations" in said[0]
