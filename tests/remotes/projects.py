"""A small project with data under Git and DVC, below the top of its repository, and what can be done to its objects."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

from tests.finished_runs import git
from tests.remotes.servers import BUCKET

DVC = (sys.executable, "-m", "dvc")
N_FILES = 12
FOLDER = "data/raw"


def dvc(root: Path, *arguments: str, timeout: float | None = None) -> subprocess.CompletedProcess[str]:
    """Plain DVC; its exit code is the caller's to judge."""
    command = [*DVC, *arguments]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=timeout, check=False)


def make_project(folder: Path, n_files: int = N_FILES, n_bytes: int = 2000) -> Path:
    """`folder`/top/project: a folder of files (two of them the same object), a file, a remote folder beside, one commit."""
    root = folder / "top" / "project"
    (root / FOLDER / "sub").mkdir(parents=True)
    (root / "models").mkdir()
    numbers = random.Random(0)
    for n in range(n_files):
        (root / FOLDER / "sub" / f"{n}.png").write_bytes(numbers.randbytes(n_bytes + n))
    shutil.copy(root / FOLDER / "sub" / "0.png", root / FOLDER / "twin.png")
    (root / "models" / "m.bin").write_bytes(numbers.randbytes(20_000))
    (root / "dvc.yaml").write_text("stages: {}\n")
    (root / "params.yaml").write_text("{}\n")
    git(folder, "init", "-q", "-b", "main", str(folder / "top"))
    git(root, "config", "user.name", "Rita")
    git(root, "config", "user.email", "r@example.org")
    done(dvc(root, "init", "-q", "--subdir"))
    set_remote(root, "../../../store")
    done(dvc(root, "add", "-q", FOLDER, "models/m.bin"))
    (root / ".gitignore").write_text("/.datatools/\n")
    commit(root, "one")
    return root


def done(run: subprocess.CompletedProcess[str]) -> None:
    """See that a command succeeded."""
    assert run.returncode == 0, f"{run.args}\n{run.stdout}\n{run.stderr}"


def commit(root: Path, message: str) -> None:
    git(root, "add", "-A")
    git(root, "commit", "-qm", message)


def clone(root: Path, name: str) -> Path:
    """A fresh clone of the project beside it, without cache and data, with the options of its remote."""
    top = root.parent
    git(top.parent, "clone", "-q", str(top), name)
    other = top.parent / name / "project"
    local = root / ".dvc" / "config.local"
    if local.exists():
        shutil.copy(local, other / ".dvc")
    return other


def set_remote(root: Path, url: str, **private: str) -> None:
    """Make `url` the default remote, `private` options outside Git. A relative path is relative to the folder .dvc."""
    core = "[core]\n    analytics = false\n    remote = storage\n"
    section = "['remote \"storage\"']\n"
    (root / ".dvc" / "config").write_text(f"{core}{section}    url = {url}\n")
    if private:
        lines = "".join(f"    {name} = {value}\n" for name, value in private.items())
        (root / ".dvc" / "config.local").write_text(section + lines)


def use_s3(root: Path, port: int) -> None:
    """Make the S3 server the default remote."""
    keys = {"access_key_id": "id", "secret_access_key": "key", "endpointurl": f"http://127.0.0.1:{port}"}
    set_remote(root, f"s3://{BUCKET}/{root.parents[1].name}", **keys)


def use_ssh(root: Path, port: int, folder: Path) -> None:
    """Make the SFTP server the default remote."""
    set_remote(root, f"ssh://tester@127.0.0.1:{port}{folder / 'remote'}", keyfile=str(folder / "key"))


def objects_of(store: Path) -> dict[str, Path]:
    """The objects below a folder remote or a cache (its `files/md5`), by MD5; not what a killed upload left."""
    places = (store / "files" / "md5").glob("??/*")
    return {path.parent.name + path.name: path for path in places if not path.name.startswith(".")}


def md5_of(root: Path, path: str) -> str:
    """The object of a file as it is checked out."""
    return hashlib.md5((root / path).read_bytes()).hexdigest()


def overwrite(place: Path, data: bytes) -> None:
    """Write over an object in place, write protection or not."""
    place.chmod(0o644)
    place.write_bytes(data)


def flip(data: bytes) -> bytes:
    """One bit is another."""
    return data[:5] + bytes([data[5] ^ 1]) + data[6:]


def plant_listing(root: Path, store: Path, entries: list[dict[str, str]]) -> str:
    """A listing with the right MD5 on the remote, and the .dvc file that names it, committed; returns the object."""
    data = json.dumps(entries).encode()
    md5 = hashlib.md5(data).hexdigest() + ".dir"
    place = store / "files" / "md5" / md5[:2] / md5[2:]
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(data)
    pointer = root / f"{FOLDER}.dvc"
    document = yaml.safe_load(pointer.read_text())
    document["outs"][0].update(md5=md5, nfiles=len(entries))
    pointer.write_text(yaml.safe_dump(document))
    commit(root, "a listing")
    return md5


def files_of(root: Path) -> dict[str, bytes]:
    """All files below data and models."""
    found = [path for name in ("data", "models") for path in (root / name).rglob("*")]
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in found
        if path.is_file() and path.suffix not in (".dvc", ".json") and path.name != ".gitignore"
    }
