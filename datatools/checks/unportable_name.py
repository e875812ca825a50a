"""What it finds: an image whose file or folder name Windows cannot hold: a device name such as `CON` or `aux.png`, a dot
or space at the end, or one of the characters `< > : " | ? *`.

Why it matters: here all is well, but a colleague on Windows gets no such file from `git`, `dvc pull` or an archive, or
gets it under another name, which the annotations do not know.

What to do: nothing while all of you work on Linux or macOS; else rename the file, in the annotations too.

Options: none. The rules are Microsoft's ("Naming Files, Paths, and Namespaces").
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pandas as pd

from datatools.checks.base import Check, Inputs
from datatools.findings import Finding

DEVICE = re.compile(
    r"(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[0-9\u00b9\u00b2\u00b3])\s*(?:\..*)?", re.IGNORECASE
)
RESERVED = re.compile(r'[<>:"|?*]')


def find_unportable_names(images: pd.DataFrame) -> Iterator[Finding]:
    """Yield a finding for each path of which a part is no file name on Windows."""
    for path in images["path"]:
        for part in path.split("/"):
            if fault := _find_fault(part):
                yield Finding(f"Windows cannot hold the name {part!r}: {fault}", path, score=0.5)
                break


def _find_fault(part: str) -> str | None:
    if found := RESERVED.search(part):
        return f"it has the character {found[0]}"
    if part.endswith((".", " ")):
        return "it ends with a dot or space"
    return "it stands for a device" if DEVICE.fullmatch(part) else None


def _spoil(inputs: Inputs) -> Inputs:
    new_names = {inputs["images"]["path"].iloc[0]: "images/aux.png"}
    return {**inputs, **{name: inputs[name].replace(new_names) for name in ("images", "annotations")}}


CHECK = Check("IMG003", "name that Windows cannot hold", "info", find_unportable_names, _spoil)
