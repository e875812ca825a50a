"""An augmentation policy: named steps with ranges, in order, as params.yaml lists them or a preset has them.

Pure Python: the offline stage (imgaug) and the training loop (torch) read the same policy. `draws.draw_values`
says what each step does to each sample.
"""

from __future__ import annotations

import difflib
import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from datatools.errors import DatatoolsError
from datatools.policy.augmenters import AUGMENTERS, Argument
from datatools.policy.presets import PRESETS

__all__ = ["AUGMENTERS", "PRESETS", "Step", "choose_policy", "hash_policy", "parse_policy", "write_policy"]

Range = tuple[float, float]


@dataclass(frozen=True)
class Step:
    """One augmenter of a policy: applied with probability `p`; `ranges` has (low, high) of every argument it takes."""

    name: str
    p: float
    ranges: Mapping[str, Range]


def choose_policy(preset: str, policy: Sequence[Any], where: str = "augment.policy") -> tuple[Step, ...]:
    """The steps of `policy`, or where it is empty those of the preset. Raises DatatoolsError."""
    return parse_policy(policy, where) if policy else parse_policy(PRESETS[preset], f"preset {preset}")


def parse_policy(policy: Any, where: str = "augment.policy") -> tuple[Step, ...]:
    """The steps of a list such as `[{"rotate": {"degrees": [-5, 5], "p": 0.5}}, "flip_horizontal"]`, in its order.

    Raises DatatoolsError that names the place, as in `augment.policy[2].rotate.degrees`.
    """
    if not isinstance(policy, list):
        raise DatatoolsError(
            f"{where} must be a list of augmenters such as `- rotate: {{degrees: [-5, 5]}}`. Got {policy!r} instead."
        )
    return tuple(_parse_step(item, f"{where}[{number}]") for number, item in enumerate(policy))


def write_policy(steps: Sequence[Step]) -> list[dict[str, Any]]:
    """The steps as a list that parse_policy reads, every argument and chance given."""
    return [{step.name: {**{name: list(ends) for name, ends in step.ranges.items()}, "p": step.p}} for step in steps]


def hash_policy(steps: Sequence[Step]) -> str:
    """Twelve hex digits that name what the steps do: equal steps, equal hash, however they were written."""
    said = [(step.name, step.p, sorted(step.ranges.items())) for step in steps]
    return hashlib.sha256(repr(said).encode()).hexdigest()[:12]


def _parse_step(item: Any, where: str) -> Step:
    if isinstance(item, str):
        item = {item: {}}
    if not isinstance(item, dict) or len(item) != 1:
        raise DatatoolsError(
            f"{where} must be one augmenter with its ranges. Got {item!r} instead: one `- name:` each."
        )
    ((name, given),) = item.items()
    if name not in AUGMENTERS:
        raise DatatoolsError(f"{where} must be one of {', '.join(AUGMENTERS)}. Got {name!r} instead: {_suggest(name)}")
    given = {} if given is None else given
    where, spec = f"{where}.{name}", AUGMENTERS[name]
    known = [*spec.arguments, "p"]
    if not isinstance(given, dict):
        raise DatatoolsError(f"{where} must be a mapping of {', '.join(known)}. Got {given!r} instead.")
    for argument in given:
        if argument not in known:
            raise DatatoolsError(
                f"{where} has the arguments {', '.join(known)}. Got {argument!r} instead: rename or remove it."
            )
    if spec.names_one and not set(given) - {"p"}:
        raise DatatoolsError(f"{where} needs one of {', '.join(spec.arguments)}. Got {given!r} instead.")
    ranges = {
        argument: _parse_range(given.get(argument, list(rule.default)), rule, f"{where}.{argument}")
        for argument, rule in spec.arguments.items()
    }
    if name == "elastic":
        _check_fold(ranges, where)
    return Step(name, _parse_chance(given.get("p", spec.p), f"{where}.p"), ranges)


def _parse_range(value: Any, rule: Argument, where: str) -> Range:
    ends = value if isinstance(value, list) else [value, value]
    fits = len(ends) == 2 and all(_is_number(end) and rule.low <= end <= rule.high for end in ends)
    if not fits or ends[0] > ends[1] or (rule.is_whole and any(end != int(end) for end in ends)):
        kind = "a whole number" if rule.is_whole else "a number"
        raise DatatoolsError(
            f"{where} must be {kind} or [low, high] in [{rule.low}, {rule.high}] ({rule.unit}). Got {value!r} instead."
        )
    return float(ends[0]), float(ends[1])


def _check_fold(ranges: Mapping[str, Range], where: str) -> None:
    """Between two nodes the shift changes by up to twice the strength along each axis; below 1 px a px nothing folds."""
    strength, smoothness = ranges["strength"][1], ranges["smoothness"][0]
    if strength > smoothness / 4:
        raise DatatoolsError(
            f"{where}.strength must be at most a quarter of smoothness ({smoothness / 4:g}), or the image folds over "
            f"itself. Got {strength:g} instead."
        )


def _parse_chance(value: Any, where: str) -> float:
    if not _is_number(value) or not 0 <= value <= 1:
        raise DatatoolsError(f"{where} must be a probability in [0, 1]. Got {value!r} instead.")
    return float(value)


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)


def _suggest(name: Any) -> str:
    close = difflib.get_close_matches(str(name), AUGMENTERS, n=1)
    return f"did you mean {close[0]}?" if close else "rename or remove it."
