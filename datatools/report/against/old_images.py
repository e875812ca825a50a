"""Images as they were in a Git revision, from the DVC cache of this machine; nothing is fetched for a picture."""

from __future__ import annotations

import functools
import json
from typing import Any

import yaml

from datatools.dvc_cache import read_cached
from datatools.images import RGB, UnreadableImageError, decode_image
from datatools.project import LAYOUT
from datatools.version_files import VersionFiles


class OldImages:
    """The images below the data root of a revision, those that are files of their own there."""

    def __init__(self, files: VersionFiles) -> None:
        """`files`: of the revision."""
        self._files = files

    def decode(self, path: str) -> RGB | None:
        """The image as uint8 RGB `(height, width, 3)`; None where it is not here, or cannot be read."""
        md5 = self._listing.get(path)
        data = read_cached(self._files.root, md5)
        try:
            return None if data is None else decode_image(data)
        except UnreadableImageError:
            return None

    @functools.cached_property
    def _listing(self) -> dict[str, str]:
        """The hash of each file of the data root in this revision; empty where its list is not in the cache."""
        pointer = self._files.read_text(f"{LAYOUT['raw']}.dvc")
        try:
            md5 = str(yaml.safe_load(pointer or "")["outs"][0]["md5"])
            listing: list[dict[str, Any]] = json.loads(read_cached(self._files.root, md5) or b"[]")
            return {str(row["relpath"]): str(row["md5"]) for row in listing}
        except (KeyError, IndexError, TypeError, ValueError, yaml.YAMLError):
            return {}
