"""Is this machine fit to run the pipeline? Each answer says what to do."""

from __future__ import annotations

import configparser
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata, util
from pathlib import Path

from datatools.errors import DatatoolsError
from datatools.init import TEMPLATE, find_other_files
from datatools.project import Project

OK, NOTE, PROBLEM = "ok", "note", "problem"
EXTRAS = {"torch": "train", "imgaug": "augment", "cleanlab": "curate", "fiftyone": "review", "mlxtend": "sample"}
SHARED_LINKS = ("hardlink", "symlink")  # a file in the workspace is then the cached object itself


@dataclass(frozen=True)
class Answer:
    """One thing looked at: OK, NOTE (works, but know this) or PROBLEM (something will fail), and what to do."""

    about: str
    state: str
    text: str


def examine(project: Project | None) -> list[Answer]:
    """Look at Python, packages, OpenCV, imgaug, mongod, GPU, disk, DVC and the pipeline's files; changes nothing.

    Without a project: at what does not belong to one.
    """
    providers = metadata.packages_distributions()
    return [
        _python(sys.version_info[:2]),
        *_extras(),
        judge_opencv(sorted(set(providers.get("cv2", ()))), _import_error("cv2")),
        judge_imgaug(sorted(set(providers.get("imgaug", ())))),
        _mongod(),
        _device(),
        *_judge_project(project),
    ]


def judge_opencv(distributions: Sequence[str], error: str) -> Answer:
    """Exactly one distribution may bring `cv2`, and it must import; `error` is what importing it said."""
    mend = "run: pip install --force-reinstall --no-deps opencv-python-headless"
    if error:
        return Answer("OpenCV", PROBLEM, f"cannot be imported ({error}): {mend}")
    if len(distributions) > 1:
        return Answer("OpenCV", NOTE, f"{' and '.join(distributions)} write the same folder; if it fails, {mend}")
    return Answer("OpenCV", OK, ", ".join(distributions))


def judge_imgaug(distributions: Sequence[str]) -> Answer:
    """Only `imaug` keeps the imgaug module working and its polygons whole."""
    if distributions and list(distributions) != ["imaug"]:
        return Answer(
            "imgaug",
            PROBLEM,
            f"comes from {', '.join(distributions)}, which breaks on NumPy 2 or cuts polygons: "
            f"run: pip uninstall -y {' '.join(distributions)} && pip install imaug",
        )
    return Answer("imgaug", OK, ", ".join(distributions) or "not installed")


def judge_space(needed_bytes: int, free_bytes: int) -> Answer:
    """DVC keeps a copy of what it tracks: twice the size of data/raw should be free."""
    text = f"{free_bytes / 1e6:,.0f} MB free, data/raw has {needed_bytes / 1e6:,.0f} MB"
    if free_bytes < 2 * needed_bytes:
        return Answer("disk", PROBLEM, f"{text}: free at least twice as much")
    return Answer("disk", OK, text)


def judge_dvc(config: Mapping[str, Mapping[str, str]], root: Path, is_root_user: bool) -> Iterator[Answer]:
    """Is a default remote set, can its folder be written, and are cached files safe from edits?"""
    links = [kind.strip() for kind in config.get("cache", {}).get("type", "reflink,copy").split(",")]
    risky = [kind for kind in links if kind in SHARED_LINKS]
    if risky:
        who = "root ignores the write protection, so editing" if is_root_user else "editing"
        yield Answer(
            "DVC cache", NOTE, f"{risky[0]}: {who} a file changes the cache: dvc config cache.type reflink,copy"
        )
    else:
        yield Answer("DVC cache", OK, ", ".join(links))
    name = config.get("core", {}).get("remote")
    url = config.get(f"'remote \"{name}\"'", config.get(f'remote "{name}"', {})).get("url")
    if not name or not url:
        yield Answer("DVC remote", NOTE, "none is set: see docs/sharing.md")
    elif "://" in url or os.access(_nearest((root / ".dvc" / url).resolve()), os.W_OK):
        yield Answer("DVC remote", OK, f"{name}: {url}")
    else:
        yield Answer("DVC remote", PROBLEM, f"{name}: {url} cannot be written: see docs/sharing.md")


def _judge_project(project: Project | None) -> Iterator[Answer]:
    if project is None:
        yield Answer("project", NOTE, "none here or above: disk, DVC and pipeline are not looked at")
        return
    yield judge_space(_size(project.raw), shutil.disk_usage(project.root).free)
    yield from judge_dvc(_dvc_config(project.root), project.root, os.geteuid() == 0)
    yield from _judge_files(project.root)


def _judge_files(root: Path) -> Iterator[Answer]:
    """Whether the pipeline and the scripts of its stages are those that this version of datatools would write."""
    if (root / "datatools" / TEMPLATE.name).exists() or not (root / "dvc.yaml").exists():
        return  # a project with the library in it, as datatools' own is, has a pipeline of its own
    others, own = find_other_files(root), f"datatools {metadata.version('datatools')}"
    if others:
        text = f"{', '.join(others)}: not as {own} writes them. If you did not change them, delete them and run: datatools init ."
        yield Answer("pipeline", NOTE, text)
    else:
        yield Answer("pipeline", OK, f"as {own} writes it")


def _python(version: tuple[int, ...]) -> Answer:
    text = ".".join(map(str, version))
    return Answer(
        "Python", OK if version >= (3, 11) else PROBLEM, text if version >= (3, 11) else f"{text}: 3.11 is needed"
    )


def _extras() -> Iterator[Answer]:
    for module, extra in EXTRAS.items():
        if util.find_spec(module) is None:
            yield Answer(module, NOTE, f"not installed; for the commands that need it: pip install -e '.[{extra}]'")


def _import_error(module: str) -> str:
    done = subprocess.run([sys.executable, "-c", f"import {module}"], capture_output=True, text=True, check=False)
    return done.stderr.strip().splitlines()[-1] if done.returncode else ""


def _mongod() -> Answer:
    from datatools.review.mongod import find_mongod

    if util.find_spec("fiftyone") is None:
        return Answer("mongod", NOTE, "not looked for: FiftyOne is not installed")
    try:
        done = subprocess.run([str(find_mongod()), "--version"], capture_output=True, text=True, check=False)
    except (DatatoolsError, OSError) as error:
        return Answer("mongod", PROBLEM, str(error))
    if done.returncode:
        return Answer("mongod", PROBLEM, f"does not start ({done.stderr.strip()}): on Debian, apt-get install libcurl4")
    return Answer("mongod", OK, done.stdout.splitlines()[0])


def _device() -> Answer:
    if util.find_spec("torch") is None:
        return Answer("device", NOTE, "not looked for: PyTorch is not installed")
    from datatools.learn.device import choose_device

    device = choose_device("auto", "auto")
    precision = "bf16" if device.bf16 else "fp32"
    return Answer("device", OK, f"{device.name}, {precision}, {device.description}")


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _dvc_config(root: Path) -> Mapping[str, Mapping[str, str]]:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read([root / ".dvc" / "config", root / ".dvc" / "config.local"], encoding="utf-8")
    return {section: dict(parser[section]) for section in parser.sections()}


def _nearest(folder: Path) -> Path:
    """The folder, or the closest one above it that exists."""
    return next(path for path in (folder, *folder.parents) if path.exists())
