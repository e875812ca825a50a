"""Where a result comes from: data version, fix records, code commit, parameters, library sources, package versions.

None of it is a time of day: a result that a stage writes must be the same bytes when it is made again of the same input, or
DVC would take it for another one and redo all that follows. When something was made, Git knows.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

HERE = Path(__file__).parent
EXPORT = ".datatools.json"  # beside what is exported: with a dot, as some tools take every *.json for annotations
SCHEMA = 1
FEW = 100  # ids that are listed; of more there is only their hash
# Records that change the tables. The others (confirm, ask, set_split, revert) are no part of what a result was made of: a
# confirmed label must not name another origin for the same data.
CHANGING = ("relabel", "move_box", "edit_mask", "add", "delete", "exclude", "include", "set_metadata")


def name_origin(data_version: str, weights: Path) -> dict[str, str]:
    """What figures are of, short enough for `dvc metrics diff`: data version, and SHA-256 of the weights, as `datatools trace` takes it.

    The model's own record has the rest.
    """
    with weights.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"data_version": data_version, "model": digest[:12]}


def package_versions(names: Sequence[str]) -> dict[str, str]:
    """Installed versions by distribution name; packages that are not installed are left out."""
    found = {}
    for name in names:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def describe_origin(
    data_version: str, fixes: Mapping[str, Any] | None, params: Mapping[str, Any], commit: str | None
) -> dict[str, Any]:
    """What a report or an export says of where it comes from; `fixes` as `describe_fixes` has it, None: unknown."""
    return {
        "data_version": data_version,
        "code_commit": commit,
        "datatools": package_versions(["datatools"]).get("datatools"),
        "params": dict(params),
        "params_hash": hash_params(params),
        "fixes": None if fixes is None else dict(fixes),
    }


def describe_fixes(status: pd.DataFrame) -> dict[str, Any]:
    """The fix records (FIX_STATUS) that the tables were made with: `n`, `sha256` of their ids, and `ids` if they are few.

    Counted are those that were applied and change the tables.
    """
    ids = list_changing(status)
    return {"n": len(ids), "sha256": hash_ids(ids), "ids": ids if len(ids) <= FEW else None}


def list_changing(status: pd.DataFrame) -> list[str]:
    """Ids of the fix records (FIX_STATUS) that were applied and change the tables, sorted."""
    changed = (status["status"] == "applied") & status["op"].isin(CHANGING)
    return sorted(map(str, status.loc[changed.fillna(False), "id"]))


def hash_ids(ids: Iterable[str]) -> str:
    """SHA-256 of a set of ids, whatever their order."""
    return hashlib.sha256("\n".join(sorted(set(ids))).encode()).hexdigest()


def hash_params(params: Mapping[str, Any]) -> str:
    """Twelve hex digits that name parameters: equal values, equal hash, whatever the order of the keys."""
    text = json.dumps(params, sort_keys=True, ensure_ascii=False, default=list)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


@functools.cache
def decoder_version() -> str:
    """Names the code and the libraries that decode and measure images: another one may give other pixels."""
    code = b"".join(
        (HERE / f"{name}.py").read_bytes() for name in ("file_ends", "image_measures", "images", "plain_images")
    )
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
