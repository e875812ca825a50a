"""The reference part of docs/augmentation.md: what a policy may name, and the presets."""

from __future__ import annotations

from collections.abc import Iterator

import yaml

from datatools.policy.augmenters import Argument
from datatools.policy.steps import AUGMENTERS, PRESETS

HEAD = "| augmenter | what it does | arguments: limits; default | p |\n|---|---|---|---|"


def list_augmenters() -> str:
    """A Markdown table of all augmenters; those marked with an arrow move objects along."""
    return "\n".join([HEAD, *_rows()])


def list_presets() -> str:
    """The presets as YAML, each as `augment.policy` would have it."""
    parts = [f"{name}:\n" + "".join(map(_line, steps)) for name, steps in PRESETS.items() if steps]
    return "\n".join(["none: []\n", *parts])


def _rows() -> Iterator[str]:
    for name, spec in AUGMENTERS.items():
        arguments = "<br>".join(_describe(argument, rule) for argument, rule in spec.arguments.items())
        yield f"| `{name}`{' →' if spec.is_geometric else ''} | {spec.doc} | {arguments} | {spec.p:g} |"


def _describe(name: str, rule: Argument) -> str:
    low, high = rule.default
    default = f"[{low:g}, {high:g}]" if low != high else f"{low:g}"
    whole = ", whole numbers" if rule.is_whole else ""
    return f"`{name}`: {rule.doc} {rule.low:g} to {rule.high:g} ({rule.unit}{whole}); {default}"


def _line(step: dict[str, object]) -> str:
    return f"  - {yaml.safe_dump(step, default_flow_style=True, sort_keys=False, width=200).strip()[1:-1]}\n"
