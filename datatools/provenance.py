"""Where a result comes from: code commit, library sources, package versions."""

from __future__ import annotations

import functools
import hashlib
import subprocess
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

HERE = Path(__file__).parent


def find_commit(folder: Path) -> str | None:
    """The Git commit that `folder` is at, with `+changes` when tracked files differ from it; None outside Git."""
    try:
        commit = _git(folder, "rev-parse", "--short=12", "HEAD")
        changes = _git(folder, "status", "--porcelain", "--untracked-files=no")
    except (subprocess.CalledProcessError, FileNotFoundError):
        return None
    return f"{commit}+changes" if changes else commit


def package_versions(names: Sequence[str]) -> dict[str, str]:
    """Installed versions by distribution name; packages that are not installed are left out."""
    found = {}
    for name in names:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


@functools.cache
def decoder_version() -> str:
    """Names the code and the libraries that decode and measure images: another one may give other pixels."""
    code = b"".join((HERE / f"{name}.py").read_bytes() for name in ("file_ends", "image_measures", "images"))
    versions = package_versions(("numpy", "opencv-python-headless", "pillow"))
    return hashlib.sha256(code + repr(versions).encode()).hexdigest()[:12]


@functools.cache
def hash_module(name: str) -> str:
    """SHA-256 of one module of datatools: other code, other hash."""
    return hashlib.sha256((HERE / f"{name}.py").read_bytes()).hexdigest()


def hash_sources(package: str) -> str:
    """SHA-256 over the Python files of a subpackage of datatools: other code, other hash."""
    total = hashlib.sha256()
    for path in sorted((HERE / package).glob("*.py")):
        total.update(path.name.encode() + b"\0" + path.read_bytes())
    return total.hexdigest()


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
