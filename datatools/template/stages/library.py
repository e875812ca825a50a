"""Ask which datatools is installed; every other stage depends on its line of the answer."""

import sys
from collections.abc import Sequence
from pathlib import Path

from datatools.library import update_library


def main(argv: Sequence[str] | None = None) -> int:
    """Write the answer to the file that argv names, and say which stages will run again."""
    line = update_library(Path((sys.argv[1:] if argv is None else argv)[0]))
    if line:
        sys.stdout.write(line + "\n")
    return 0


def test_a_wheel_has_every_file_of_the_template(tmp_path: Path):
    """Whoever installs the package, and does not clone this repository, has to find what `datatools init` copies."""
    source = tmp_path / "source"
    shutil.copytree(REPO / "datatools", source / "datatools", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        if (REPO / name).exists():
            shutil.copy(REPO / name, source)
    build = "from setuptools import build_meta; print(build_meta.build_wheel('..'))"
    subprocess.run([sys.executable, "-c", build], cwd=source, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        there = {name.removeprefix("datatools/template/") for name in archive.namelist() if "/template/" in name}
        assert {"datatools/py.typed", "datatools/report/style.css"} <= set(archive.namelist())
    assert there == set(make_files())


if __name__ == "__main__":
    sys.exit(main())
