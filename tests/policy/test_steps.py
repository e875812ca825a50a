from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datatools.errors import DatatoolsError
from datatools.policy.steps import AUGMENTERS, PRESETS, choose_policy, hash_policy, parse_policy, write_policy
from tests.strategies import policies


@pytest.mark.parametrize("name", [name for name, spec in AUGMENTERS.items() if not spec.names_one])
def test_a_bare_name_takes_its_defaults(name: str):
    (step,) = parse_policy([name])
    assert (step,) == parse_policy([{name: {}}]) == parse_policy([{name: None}])
    assert step.p == AUGMENTERS[name].p
    assert step.ranges == {key: rule.default for key, rule in AUGMENTERS[name].arguments.items()}


def test_the_order_stays_and_a_number_is_a_range_of_one_value():
    steps = parse_policy(
        [{"rotate": {"degrees": 5}}, {"flip_horizontal": {"p": 1}}, {"rotate": {"degrees": [-3, 4.5]}}]
    )
    assert [step.name for step in steps] == ["rotate", "flip_horizontal", "rotate"]
    assert [step.ranges for step in steps] == [{"degrees": (5.0, 5.0)}, {}, {"degrees": (-3.0, 4.5)}]
    assert [step.p for step in steps] == [1.0, 1.0, 1.0]


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        ("rotate", "a.p must be a list of augmenters such as `- rotate: {degrees: [-5, 5]}`. Got 'rotate' instead."),
        ([{"rotat": {}}], "Got 'rotat' instead: did you mean rotate?"),
        ([{"zoom out": {}}], "Got 'zoom out' instead: rename or remove it."),
        ([1], "a.p[0] must be one augmenter with its ranges. Got 1 instead: one `- name:` each."),
        ([{"blur": {}, "noise": {}}], "a.p[0] must be one augmenter with its ranges. Got {'blur': {}, 'noise': {}}"),
        ([{"blur": 3}], "a.p[0].blur must be a mapping of sigma_px, p. Got 3 instead."),
        (
            [{"blur": {"sigma": 3}}],
            "a.p[0].blur has the arguments sigma_px, p. Got 'sigma' instead: rename or remove it.",
        ),
        (
            ["flip_vertical", "flip_vertical", {"rotate": {"degrees": [5, -5]}}],
            "a.p[2].rotate.degrees must be a number or [low, high] in [-180, 180] (degrees). Got [5, -5] instead.",
        ),
        ([{"rotate": {"degrees": [1, 2, 3]}}], "a.p[0].rotate.degrees must be a number or"),
        ([{"rotate": {"degrees": "5"}}], "a.p[0].rotate.degrees must be a number or"),
        ([{"rotate": {"degrees": True}}], "a.p[0].rotate.degrees must be a number or"),
        ([{"rotate": {"degrees": float("nan")}}], "a.p[0].rotate.degrees must be a number or"),
        ([{"rotate": {"degrees": [0, 181]}}], "Got [0, 181] instead."),
        (
            [{"cutout": {"count": 1.5}}],
            "a.p[0].cutout.count must be a whole number or [low, high] in [0, 8] (squares).",
        ),
        ([{"blur": {"p": 1.5}}], "a.p[0].blur.p must be a probability in [0, 1]. Got 1.5 instead."),
        ([{"blur": {"p": [0, 1]}}], "a.p[0].blur.p must be a probability in [0, 1]. Got [0, 1] instead."),
        (
            [{"affine": {"p": 0.5}}],
            "a.p[0].affine needs one of rotate_deg, scale, shear_deg, translate. Got {'p': 0.5}",
        ),
        (
            [{"elastic": {"strength": [0, 0.06]}}],
            "a.p[0].elastic.strength must be at most a quarter of smoothness (0.05), or the image folds over itself. Got 0.06",
        ),
    ],
)
def test_a_wrong_policy_is_refused_in_one_line(policy: Any, message: str):
    with pytest.raises(DatatoolsError, match=re.escape(message)) as caught:
        parse_policy(policy, "a.p")
    assert str(caught.value).startswith("a.p")
    assert "\n" not in str(caught.value)


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(DatatoolsError, match=re.escape(", ".join(AUGMENTERS))):
        parse_policy(["brigthness"])


@pytest.mark.parametrize("name", AUGMENTERS)
def test_every_augmenter_says_what_it_does_and_its_default_is_within_its_limits(name: str):
    spec = AUGMENTERS[name]
    assert spec.doc.endswith(".")
    for rule in spec.arguments.values():
        assert rule.low <= rule.default[0] <= rule.default[1] <= rule.high
        assert rule.doc.endswith(".")
        assert rule.unit


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_a_policy(name: str):
    assert len(choose_policy(name, [])) == len(PRESETS[name])


def names_of(preset: str) -> set[str]:
    return {step.name for step in choose_policy(preset, [])}


def test_presets_keep_what_their_data_shows():
    turning = {"flip_horizontal", "flip_vertical", "quarter_turns"}
    assert names_of("none") == set()
    for preset in ("digits", "text", "medical"):
        assert not names_of(preset) & turning, "mirrored letters and bodies are others"
    assert not names_of("scratches") & {"blur", "motion_blur", "noise", "cutout", "jpeg", "elastic"}
    assert turning <= names_of("aerial")
    assert not names_of("medical") & {"hue", "saturation", "grayscale"}
    for step in choose_policy("scratches", []):
        assert max(map(abs, step.ranges.get("rotate_deg", (0,)))) <= 5


def test_a_policy_replaces_the_preset():
    assert [step.name for step in choose_policy("natural", ["blur"])] == ["blur"]
    assert choose_policy("natural", []) == parse_policy(PRESETS["natural"])


def test_the_hash_names_what_is_done_and_not_how_it_is_written():
    steps = parse_policy([{"rotate": {"degrees": 5}}, "blur"])
    assert hash_policy(steps) == hash_policy(parse_policy([{"rotate": {"degrees": [5.0, 5], "p": 1}}, {"blur": {}}]))
    others = [
        ["blur", {"rotate": {"degrees": 5}}],
        [{"rotate": {"degrees": 5, "p": 0.5}}, "blur"],
        [{"rotate": {"degrees": 6}}, "blur"],
    ]
    assert len({hash_policy(steps), *(hash_policy(parse_policy(other)) for other in others)}) == 4


@given(policies())
def test_any_policy_within_the_limits_is_read_as_it_stands(policy: list[dict[str, Any]]):
    assert write_policy(parse_policy(policy)) == policy


@given(st.lists(st.one_of(st.integers(), st.text(), st.dictionaries(st.text(), st.integers(), max_size=2)), min_size=1))
def test_nonsense_is_an_error_of_ours(policy: list[Any]):
    with pytest.raises(DatatoolsError, match=r"augment\.policy\["):
        parse_policy(policy)
