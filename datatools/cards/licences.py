"""Licences of data by their SPDX id, what they ask for, and what does not go together.

This is a table of what the licences say of themselves, no legal advice: whether a model is an adaptation of its training data, and
whether a single image carries a licence's conditions into a data set, courts have not settled everywhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

UNKNOWN = "unknown"
CC_VERSIONS = ("1.0", "2.0", "2.5", "3.0", "4.0")
CC_KINDS = ("BY", "BY-SA", "BY-NC", "BY-ND", "BY-NC-SA", "BY-NC-ND")
CC_URL = re.compile(r"creativecommons\.org/(licenses|publicdomain)/([a-z-]+)/(\d\.\d)", re.IGNORECASE)
URLS = {
    "opendatacommons.org/licenses/odbl": "ODbL-1.0",
    "opendatacommons.org/licenses/by": "ODC-By-1.0",
    "opendatacommons.org/licenses/pddl": "PDDL-1.0",
    "apache.org/licenses/LICENSE-2.0": "Apache-2.0",
    "opensource.org/licenses/MIT": "MIT",
}
# The ids that Hugging Face knows under another spelling than the SPDX id in small letters (hub-docs, repositories-licenses).
HUGGING_FACE = {"ODbL-1.0": "odbl", "PDDL-1.0": "pddl", "ODC-By-1.0": "odc-by"}


@dataclass(frozen=True)
class Licence:
    """What a licence asks of whoever passes the data on."""

    id: str  # SPDX; unknown; or as the source calls it
    share_alike: bool = False
    non_commercial: bool = False
    no_derivatives: bool = False
    is_known: bool = True  # in the table

    @property
    def url(self) -> str | None:
        """Its page at SPDX."""
        return f"https://spdx.org/licenses/{self.id}.html" if self.is_known else None

    @property
    def hugging_face(self) -> str:
        """Its id in the front matter of a dataset card."""
        if self.id == UNKNOWN:
            return UNKNOWN
        return HUGGING_FACE.get(self.id, self.id.lower()) if self.is_known else "other"


def _creative_commons() -> Iterable[Licence]:
    for kind in CC_KINDS:
        parts = kind.split("-")
        for version in CC_VERSIONS:
            yield Licence(f"CC-{kind}-{version}", "SA" in parts, "NC" in parts, "ND" in parts)


FREE = (
    *("CC0-1.0", "PDDL-1.0", "ODC-By-1.0", "CDLA-Permissive-1.0", "CDLA-Permissive-2.0"),
    *("Apache-2.0", "MIT", "BSD-2-Clause", "BSD-3-Clause"),
)
TABLE: Mapping[str, Licence] = {
    licence.id.lower(): licence
    for licence in (
        *_creative_commons(),
        *map(Licence, FREE),
        Licence("ODbL-1.0", share_alike=True),
        Licence("CDLA-Sharing-1.0", share_alike=True),
    )
}


@dataclass(frozen=True)
class Conflict:
    """Licences of one data set that ask for different things: what they are, what follows, and who says so."""

    code: str
    licences: tuple[str, ...]
    message: str
    reference: str


FAQ = "https://creativecommons.org/faq/#can-i-combine-material-under-different-creative-commons-licenses-in-my-work"


def parse_licence(text: str | None) -> Licence:
    """The licence that an SPDX id or the address of a licence names; any other text is one of its own, empty is unknown."""
    said = (text or "").strip()
    if not said or said.lower() in (UNKNOWN, "noassertion", "none"):
        return Licence(UNKNOWN, is_known=False)
    return TABLE.get(_to_id(said).lower(), Licence(said, is_known=False))


def find_conflicts(licences: Iterable[Licence], augmented: bool) -> list[Conflict]:
    """What does not go together, or is not known, the worst first; `augmented`: changed copies of the images were made."""
    all_of = sorted(set(licences), key=lambda licence: licence.id)
    closed = [licence for licence in all_of if licence.non_commercial]
    free = [licence for licence in all_of if licence.is_known and not licence.non_commercial]
    alike = [licence for licence in all_of if licence.share_alike]
    found = [
        _conflict("unknown", [licence for licence in all_of if licence.id == UNKNOWN]),
        _conflict("no-derivatives", [licence for licence in all_of if licence.no_derivatives] if augmented else []),
        _conflict("share-alike and non-commercial", _clash(alike, closed)),
        _conflict("several share-alike", alike if len({_family(licence) for licence in alike}) > 1 else []),
        _conflict("non-commercial and free", [*closed, *free] if closed and free else []),
        _conflict("custom", [licence for licence in all_of if not licence.is_known and licence.id != UNKNOWN]),
    ]
    return [conflict for conflict in found if conflict]


MESSAGES = {
    "unknown": (
        "the licence of some images is not known: by default all rights are reserved, so they cannot be passed on. "
        "Say it in data/sources.yaml, or exclude the images.",
        "https://choosealicense.com/no-permission/",
    ),
    "no-derivatives": (
        "a no-derivatives licence does not let anybody pass on changed copies, and augmentation makes such copies: keep "
        "data/augmented to yourself, or exclude these images.",
        "https://creativecommons.org/licenses/by-nd/4.0/deed.en",
    ),
    "share-alike and non-commercial": (
        "the one wants what is made of it under its own terms, which allow commercial use; the other forbids that use: what is "
        "made of both can be passed on under neither. As a collection in which every image keeps its licence they may lie together.",
        FAQ,
    ),
    "several share-alike": (
        "each wants what is made of it under its own terms: what is made of both needs a licence that each calls compatible.",
        "https://creativecommons.org/share-your-work/licensing-considerations/compatible-licenses/",
    ),
    "non-commercial and free": (
        "the data set as a whole can be used for non-commercial purposes only, though some of its images are freer.",
        FAQ,
    ),
    "custom": ("no licence of the usual list: read it, this program cannot.", "https://spdx.org/licenses/"),
}


def _conflict(code: str, licences: list[Licence]) -> Conflict | None:
    return Conflict(code, tuple(licence.id for licence in licences), *MESSAGES[code]) if licences else None


def _clash(alike: list[Licence], closed: list[Licence]) -> list[Licence]:
    """Share-alike licences that allow commercial use, and those that forbid it; empty where one of them is missing."""
    open_alike = [licence for licence in alike if not licence.non_commercial]
    return [*open_alike, *closed] if open_alike and closed else []


def _family(licence: Licence) -> str:
    """Versions of one licence go together (CC BY-SA 3.0 and later say so)."""
    return re.sub(r"-\d\.\d$", "", licence.id)


def _to_id(text: str) -> str:
    """The SPDX id that the address of a licence stands for; any other text as it is."""
    found = CC_URL.search(text)
    if found:
        kind = found[2].upper()
        return f"CC0-{found[3]}" if kind == "ZERO" else f"CC-{kind}-{found[3]}"
    return next((known for part, known in URLS.items() if part.lower() in text.lower()), text)
