from __future__ import annotations

from pathlib import Path

import yaml

from datatools.policy.page import list_augmenters, list_presets
from datatools.policy.steps import AUGMENTERS, PRESETS, parse_policy

PAGE = (Path(__file__).parents[2] / "docs/augmentation.md").read_text(encoding="utf-8")


def test_the_page_lists_every_augmenter_as_the_code_has_it():
    assert list_augmenters() in PAGE
    assert all(f"| `{name}`" in PAGE for name in AUGMENTERS)


def test_the_page_lists_every_preset_as_the_code_has_it():
    assert f"```yaml\n{list_presets()}```" in PAGE
    assert yaml.safe_load(list_presets()) == PRESETS


def test_every_example_of_the_page_is_a_policy():
    blocks = [part.split("```")[0] for part in PAGE.split("```yaml\n")[1:]]
    sections = [section for block in blocks if (section := yaml.safe_load(block).get("augment"))]
    assert len(sections) >= 2
    for section in sections:
        parse_policy(section.get("policy", []))


def test_the_marks_of_the_table_are_those_of_the_augmenters():
    for line in list_augmenters().splitlines()[2:]:
        name = line.split("`")[1]
        assert ("→" in line) == AUGMENTERS[name].is_geometric
        assert line.count("|") == 5
