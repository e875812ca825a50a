"""Numbers and foreign text as a person reads them; `visible` makes hostile text harmless to look at."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from datatools.schema import SEVERITIES

NONE = "-"
JOINERS = "\u200c\u200d"  # format characters that Persian, Indic scripts and emoji need
HIDDEN = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})
OPS = {
    "relabel": "relabelled",
    "confirm": "confirmed",
    "move_box": "moved a box",
    "edit_mask": "edited a mask",
    "add": "added",
    "delete": "deleted",
    "exclude": "excluded",
    "include": "brought back",
    "set_metadata": "changed metadata",
    "set_split": "put on a side",
    "ask": "asked an expert",
    "revert": "took back a record",
}
KINDS = {
    "expert": "for an expert",
    "label": "model disagrees",
    "disagreement": "annotators disagree",
    "duplicate": "near-duplicate",
    "rare": "rare",
    "failure": "the model gets it wrong",
}
REASONS = {
    "BOX004": "a box whose coordinates are no numbers",
    "IMG001": "image cannot be read",
    "IMG004": "image file is cut off",
    "LBL001": "a class that its file does not define",
    "LBL005": "its image is missing",
    "LBL006": "a second label of one annotator",
    "MSK008": "a mask that does not decode",
    "MSK009": "a mask value that no class has",
    "deleted": "deleted by a person",
    "excluded": "excluded by a person",
    "no_image": "its image was left out",
    "not_an_image": "neither an image nor an annotation file",
    "bad_name": "a name that cannot be kept",
    "broken_file": "an annotation file that is broken",
    "broken_row": "an annotation that is broken",
    "hidden": "a hidden file or folder",
    "link": "a symbolic link",
    "name_collision": "two names that are one on other systems",
    "not_a_file": "a pipe, socket or device",
    "repeated_id": "an annotation id for the second time",
    "repeated_row": "a row for the second time",
    "too_large": "larger than is read",
    "unreadable": "a file that cannot be read",
}


def is_number(value: Any) -> bool:
    """True for a finite int or float that is not a bool."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def count(n: Any) -> str:
    """A whole number with thousands separators: 5,030."""
    return f"{int(n):,}" if is_number(n) else NONE


def plural(n: int, noun: str, nouns: str = "") -> str:
    """The number and its noun: 1 image, 5,030 images."""
    return f"{n:,} {noun if n == 1 else nouns or noun + 's'}"


def percent(share: Any, digits: int = 1) -> str:
    """A share of 1 as per cent: 0.954 -> 95.4 %."""
    return f"{100 * share:.{digits}f} %" if is_number(share) else NONE


def interval(low: Any, high: Any) -> str:
    """Two shares of 1 as a range in per cent, `93.7 to 96.7`; empty where one is unknown."""
    return f"{100 * low:.1f} to {100 * high:.1f}" if is_number(low) and is_number(high) else ""


def visible(text: Any, limit: int = 160) -> str:
    """`text` on one line, at most `limit` characters, control and invisible characters spelled out; null is `-`.

    Terminal escapes, line breaks and right-to-left overrides cannot act on the reader's screen.
    """
    if text is None or (isinstance(text, float) and math.isnan(text)):
        return NONE
    cut = str(text)[: limit + 1]
    shown = (cut if cut.isprintable() else "".join(map(_spell, cut))).strip()
    return (shown if len(shown) <= limit else shown[: limit - 3] + "...") or NONE


def moment(when: Any) -> str:
    """An ISO 8601 UTC time as `2026-11-21 14:03`; anything else as `visible` shows it."""
    match = re.match(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d)", str(when or ""))
    return f"{match[1]} {match[2]}" if match else visible(when, 40)


def reason_words(reason: str, titles: Mapping[str, str]) -> str:
    """Why a row was left out, in words: a check's title, a known reason, else the reason itself."""
    return titles.get(reason) or REASONS.get(reason) or reason.replace("_", " ")


def _spell(char: str) -> str:
    if char in JOINERS or unicodedata.category(char) not in HIDDEN:
        return char
    return char.encode("unicode_escape").decode("ascii")


def describe_agreement(agreement: Mapping[str, Any], name: Callable[[str], str]) -> str:
    """Kappa of all annotators and of each pair in one sentence; `name` makes an annotator's name safe to show."""
    if not is_number(agreement.get("fleiss")):
        return ""
    head = f"Fleiss' kappa {agreement['fleiss']:.3f} of {agreement['annotators']} annotators on {plural(agreement['n'], 'image')}"
    pairs = [
        f"{' and '.join(map(name, row['annotators']))} {row['kappa']:.3f}"
        for row in agreement["cohen"]
        if is_number(row["kappa"])
    ]
    return f"{head}; Cohen's: {', '.join(pairs)}"


def count_severities(findings: pd.DataFrame) -> str:
    """`3 errors, 12 warnings, 4 infos`: what there is, the worst first."""
    counts = findings["severity"].value_counts()
    known = [(name, int(counts.get(name, 0))) for name in reversed(SEVERITIES)]
    rest = len(findings) - sum(n for _, n in known)
    parts = [plural(n, name) for name, n in known if n] + ([plural(rest, "finding")] if rest else [])
    return ", ".join(parts) or "no findings"


def where_of(row: Mapping[str, Any]) -> str:
    """What a finding is about, in words: its image and annotation, else its subject, else the data set."""
    names = [row[name] for name in ("path", "annotation_id") if pd.notna(row[name])]
    if not names and pd.notna(row["subject"]):
        names = [row["subject"]]
    return "  ".join(visible(name, 80) for name in names) or "data set"
