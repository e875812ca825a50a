"""What a command did, as lines and as JSON."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from datatools.remotes.closure import Fault

N_SHOWN = 50


@dataclass(frozen=True)
class Outcome:
    """A verdict in one line, what is wrong, what was repaired, notes, and the figures behind the verdict."""

    verdict: str
    faults: tuple[Fault, ...] = ()
    mended: tuple[Fault, ...] = ()
    notes: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def proven(self) -> bool:
        """Whether nothing is wrong."""
        return not self.faults

    def to_lines(self) -> list[str]:
        """Faults first, the verdict last."""
        faults = [str(fault) for fault in self.faults[:N_SHOWN]]
        more = (
            [f"... and {len(self.faults) - N_SHOWN:,} more (--format json lists all)"]
            if len(self.faults) > N_SHOWN
            else []
        )
        return [*faults, *more, *(f"mended: {fault}" for fault in self.mended[:N_SHOWN]), *self.notes, self.verdict]

    def to_json(self) -> dict[str, Any]:
        """All of it."""
        return {
            "proven": self.proven,
            "verdict": self.verdict,
            **self.facts,
            "faults": [dataclasses.asdict(fault) for fault in self.faults],
            "mended": [dataclasses.asdict(fault) for fault in self.mended],
            "notes": list(self.notes),
        }


def count(n: int, noun: str) -> str:
    """`1 object`, `2 objects`."""
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


def size(n_bytes: int) -> str:
    """Megabytes, as the tools that copy files tell them."""
    return f"{n_bytes / 1e6:,.1f} MB"
