"""Hypothesis strategies that several tests share."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from datatools.policy.steps import AUGMENTERS


@st.composite
def ranges(draw: Any, name: str, argument: str) -> list[float]:
    """A range within the limits of an argument, as params.yaml would have it."""
    rule = AUGMENTERS[name].arguments[argument]
    numbers = st.integers(int(rule.low), int(rule.high)).map(float) if rule.is_whole else st.floats(rule.low, rule.high)
    if (name, argument) == ("elastic", "strength"):
        numbers = st.floats(0, AUGMENTERS[name].arguments["smoothness"].low / 4)
    return sorted([draw(numbers), draw(numbers)])


@st.composite
def policies(draw: Any, geometric: bool = False, max_size: int = 4) -> list[dict[str, Any]]:
    """Policies with every argument given; with `geometric`, only of steps that move pixels."""
    names = [name for name, spec in AUGMENTERS.items() if spec.is_geometric or not geometric]
    return [
        {
            name: {argument: draw(ranges(name, argument)) for argument in AUGMENTERS[name].arguments}
            | {"p": draw(st.sampled_from([0.5, 1.0]))}
        }
        for name in draw(st.lists(st.sampled_from(names), max_size=max_size))
    ]
