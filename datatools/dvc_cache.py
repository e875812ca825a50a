"""Files by the MD5 that DVC names them by: from its cache on this machine, else from the remote."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from pathlib import Path

from datatools.git import last_line

CACHE = ".dvc/cache/files/md5"
OBJECT = re.compile(r"[0-9a-f]{32}(\.dir)?")  # what DVC calls a file, or a folder's list
# Brings one file by its hash into the cache, wherever cache and remote are, and prints its place. A process of its own:
# DVC takes a second to load. (`dvc get --rev` does not find the project where it is below the top of the Git repository.)
PULL = """
import sys
from dvc.config import NoRemoteError
from dvc.repo import Repo
from dvc_data.hashfile.hash_info import HashInfo
root, md5 = sys.argv[1:]
with Repo(root) as repo:
    place = repo.cache.local.oid_to_path(md5)
    if not repo.cache.local.exists(md5):
        try:
            repo.cloud.pull([HashInfo("md5", md5)])
        except NoRemoteError:
            sys.exit("not in the cache, and no remote is set")
    if not repo.cache.local.exists(md5):
        sys.exit("neither has it")
print(place)
"""


def read_cached(root: Path, md5: str | None) -> bytes | None:
    """A file, or the list of a folder's files (`.dir`), by its hash out of DVC's cache; None where it is not there.

    `md5` may come from anybody's dvc.lock: what is no hash is nowhere, and what is not what its hash says is not there.
    """
    folder = next((folder for folder in (root, *root.parents) if (folder / ".dvc").is_dir()), None)
    if folder is None or not md5 or not OBJECT.fullmatch(md5):
        return None
    try:
        data = (folder / CACHE / md5[:2] / md5[2:]).read_bytes()
    except OSError:
        return None
    return data if _md5(data) == md5[:32] else None


def read_object(root: Path, md5: str) -> tuple[bytes | None, str]:
    """A file by its hash out of DVC's cache, else of the remote, from where it comes into the cache.

    None, and why, in a few words, where neither has it.
    """
    data = read_cached(root, md5)
    if data is not None:
        return data, ""
    command = [sys.executable, "-c", PULL, str(root), md5]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return None, last_line(done.stderr)
    place = Path(done.stdout.strip())
    data = place.read_bytes()
    return (data, "") if _md5(data) == md5 else (None, f"other content in {place}; delete that file")


def _md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()
