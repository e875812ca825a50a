from __future__ import annotations

import dataclasses
import math
import re
from pathlib import Path
from typing import Any, get_type_hints

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from datatools.errors import DatatoolsError
from datatools.params import (
    SECTIONS,
    AugmentParams,
    CurateParams,
    IngestParams,
    SplitParams,
    TrainParams,
    ValidateParams,
    from_mapping,
    load_params,
)
from datatools.schema import SIDES

FIELDS = [(section, field) for section, kind in SECTIONS.items() for field in dataclasses.fields(kind)]
IDS = [f"{section}.{field.name}" for section, field in FIELDS]
BAD_BY_TYPE: dict[Any, list[Any]] = {
    int: ["1", 1.5, True, None, [1], math.nan],
    float: ["0.1", True, None, [0.1], math.nan, math.inf, -math.inf],
    str: [1, True, None, ["a"]],
    dict[str, int]: [["a"], "a", None, {"a": "1"}, {"a": -1}, {"a": True}, {"a": 1.5}, {1: 1}],
    list[str]: ["a", [1], [True], None, {"a": 1}, ["a", None]],
    list[Any]: ["blur", None, {"blur": {}}, 1],
}


def write(folder: Path, text: str) -> Path:
    path = folder / "params.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def bad_values(section: str, field: dataclasses.Field) -> list[Any]:
    rule = field.metadata
    bad = list(BAD_BY_TYPE[get_type_hints(SECTIONS[section])[field.name]])
    step = 1 if isinstance(field.default, int) else 0.001
    if rule["low"] is not None:
        bad.append(rule["low"] - step)
    if rule["high"] is not None:
        bad.append(rule["high"] + step)
    if rule["choices"]:
        bad += ["", "Auto", "no-such-word"]
    return bad


@pytest.mark.parametrize(("section", "field"), FIELDS, ids=IDS)
def test_every_field_refuses_bad_values(section: str, field: dataclasses.Field):
    for value in bad_values(section, field):
        with pytest.raises(DatatoolsError) as caught:
            from_mapping(SECTIONS[section], {field.name: value}, where=f"params.yaml: {section}")
        text = str(caught.value)
        assert text.startswith(f"params.yaml: {section}.{field.name} must be "), value
        assert f". Got {value!r} instead" in text


@pytest.mark.parametrize(("section", "field"), FIELDS, ids=IDS)
def test_every_field_takes_its_default_and_the_ends_of_its_range(section: str, field: dataclasses.Field):
    kind, rule = SECTIONS[section], field.metadata
    default = getattr(kind(), field.name)
    for value in (default, rule["low"], rule["high"], *rule["choices"]):
        if value is not None:
            made = from_mapping(kind, {field.name: value, **beside(section, field.name, value)}, "x")
            assert getattr(made, field.name) == value


def beside(section: str, name: str, value: Any) -> dict[str, Any]:
    """The other two shares of a split in which one is `value`."""
    if section != "split" or name not in SIDES:
        return {}
    first, second = (side for side in SIDES if side != name)
    return {first: 1.0 - value, second: 0.0}


@pytest.mark.parametrize(("section", "field"), FIELDS, ids=IDS)
def test_every_field_has_a_sentence_about_it(section: str, field: dataclasses.Field):
    assert field.metadata["doc"].endswith(".")


@pytest.mark.parametrize(
    ("kind", "values", "text"),
    [
        (TrainParams, {"epochs": 0}, "p: s.epochs must be an int in [1, inf). Got 0 instead."),
        (TrainParams, {"epochs": True}, "p: s.epochs must be an int in [1, inf). Got True instead."),
        (TrainParams, {"image_size_px": 8}, "p: s.image_size_px must be an int in [16, 1024]. Got 8 instead."),
        (TrainParams, {"model": 8}, "p: s.model must be a string. Got 8 instead."),
        (TrainParams, {"device": "gpu"}, "p: s.device must be one of auto, cpu, cuda. Got 'gpu' instead."),
        (SplitParams, {"train": -0.1}, "p: s.train must be a number in [0, 1]. Got -0.1 instead."),
        (ValidateParams, {"kappa_min": 2}, "p: s.kappa_min must be a number in [-1, 1]. Got 2.0 instead."),
        (IngestParams, {"classes": [1]}, "p: s.classes must be a list of strings (quote numbers). Got [1] instead."),
        (
            TrainParams,
            {"learning_rate": "1e-3"},
            "p: s.learning_rate must be a number in [0, inf). Got '1e-3' instead: "
            "write exponents as 1.0e-3, without quotes.",
        ),
        (
            IngestParams,
            {"clases": []},
            "p: s has the keys format, classes, group_column, consensus. Got 'clases' instead: rename or remove it.",
        ),
        (
            IngestParams,
            ["classes"],
            "p: s must be a mapping of format, classes, group_column, consensus. Got ['classes'] instead.",
        ),
    ],
)
def test_from_mapping_says_where_expected_and_got(kind: type, values: Any, text: str):
    with pytest.raises(DatatoolsError) as caught:
        from_mapping(kind, values, where="p: s")
    assert str(caught.value) == text


def test_whole_numbers_become_floats_where_a_number_is_asked_for():
    value = from_mapping(ValidateParams, {"kappa_min": 1}, "x").kappa_min
    assert value == 1.0
    assert isinstance(value, float)


def test_lists_are_not_shared_between_instances():
    one = IngestParams()
    one.classes.append("cat")
    assert IngestParams().classes == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "trian:\n  epochs: 1\n",
            "sections are ingest, neighbors, validate, split, augment, train, evaluate, curate, lift, report. ",
        ),
        ("trian:\n  epochs: 1\n", "Got 'trian' instead: rename or remove it."),
        ("on: 1\nfoo: 2\n", "Got True instead: rename or remove it."),
        ("1: x\nfoo: 2\n", "Got 1 instead: rename or remove it."),
        ("", "expected one section a stage (ingest, neighbors, validate,"),
        ("", "Got an empty file instead."),
        ("- train\n", "Got list instead."),
        ("train: [unclosed\n", "expected YAML. Got: while parsing"),
        ("train:\n\tepochs: 1\n", "Mend that place."),
        ("train: []\n", ": train must be a mapping of model, "),
        ("train: 0\n", ": train must be a mapping of model, "),
        ("train: ''\n", ": train must be a mapping of model, "),
        ("train:\n  epochs: 0\n", ": train.epochs must be an int in [1, inf). Got 0 instead."),
        ("train:\n  1: 0\n", ": train has the keys model, "),
    ],
)
def test_load_params_refuses_a_file_in_one_line(tmp_path: Path, text: str, message: str):
    path = write(tmp_path, text)
    with pytest.raises(DatatoolsError, match=re.escape(message)) as caught:
        load_params(path, TrainParams)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_load_params_without_a_file_says_where_to_run(tmp_path: Path):
    path = tmp_path / "params.yaml"
    with pytest.raises(DatatoolsError) as caught:
        load_params(path, TrainParams)
    assert str(caught.value) == f"{path}: expected a params file. Got no such file: run from the project's folder."


def test_load_params_refuses_a_folder_and_bytes_that_are_not_utf8(tmp_path: Path):
    with pytest.raises(DatatoolsError, match=r"expected YAML\. Got: .*Is a directory"):
        load_params(tmp_path, TrainParams)
    path = tmp_path / "params.yaml"
    path.write_bytes(b"train: \xff\n")
    with pytest.raises(DatatoolsError, match=r"expected YAML\. Got: 'utf-8' codec"):
        load_params(path, TrainParams)


@pytest.mark.parametrize("text", ["train:\n", "train: {}\n", "split:\n  seed: 1\n", "train: null\n"])
def test_an_empty_or_absent_section_means_the_defaults(tmp_path: Path, text: str):
    assert load_params(write(tmp_path, text), TrainParams) == TrainParams()


def test_load_params_reads_its_own_section_only(tmp_path: Path):
    path = write(tmp_path, "train:\n  epochs: 3\naugment:\n  factor: no-number\n")
    assert load_params(path, TrainParams) == TrainParams(epochs=3)
    with pytest.raises(DatatoolsError, match=r"augment\.factor must be an int in \[0, 100\]\. Got 'no-number'"):
        load_params(path, AugmentParams)


def test_a_nested_value_is_named_by_its_place(tmp_path: Path):
    path = write(tmp_path, "augment:\n  policy:\n    - blur\n    - flip_vertical\n    - rotate: {degrees: [5, 400]}\n")
    with pytest.raises(DatatoolsError) as caught:
        load_params(path, AugmentParams)
    assert str(caught.value) == (
        f"{path}: augment.policy[2].rotate.degrees must be a number or [low, high] in [-180, 180] (degrees). "
        "Got [5, 400] instead."
    )


def test_a_policy_comes_through_as_it_is_written(tmp_path: Path):
    path = write(
        tmp_path, "augment:\n  preset: natural\n  policy:\n    - blur\n    - rotate: {degrees: [-5, 5], p: 0.5}\n"
    )
    params = load_params(path, AugmentParams)
    assert params.policy == ["blur", {"rotate": {"degrees": [-5, 5], "p": 0.5}}]
    assert [(step.name, step.p) for step in params.steps] == [("blur", 1.0), ("rotate", 0.5)]
    assert AugmentParams(preset="aerial").steps[0].name == "quarter_turns"


@pytest.mark.parametrize("name", ["mixup", "cutmix"])
def test_mixing_images_needs_the_training_loop(tmp_path: Path, name: str):
    with pytest.raises(DatatoolsError) as caught:
        load_params(write(tmp_path, f"augment:\n  {name}: 0.2\n"), AugmentParams)
    assert str(caught.value) == (
        f"{tmp_path / 'params.yaml'}: augment.{name} must be 0 while augment.mode is offline, for it mixes the images of a "
        "batch in training. Got 0.2 instead: set mode: online."
    )
    online = load_params(write(tmp_path, f"augment:\n  mode: online\n  {name}: 0.2\n"), AugmentParams)
    assert getattr(online, name) == 0.2


@pytest.mark.parametrize(
    ("section", "text", "message"),
    [
        ("split", "train: 0.5", "train + val + test must be 1. Got 0.8 instead: correct one of them."),
        ("split", "folds: 1", "folds must be 0 (none) or at least 2. Got 1 instead: correct it."),
        ("neighbors", "image_size_px: 50", "image_size_px must be a multiple of 32. Got 50 instead: set 32."),
        ("train", "seed: 4294967296", "seed must be an int in [0, 4294967295]. Got 4294967296 instead."),
        ("curate", "seed: 4294967296", "seed must be an int in [0, 4294967295]. Got 4294967296 instead."),
    ],
)
def test_what_a_stage_could_not_use_is_refused_when_it_is_read(tmp_path: Path, section: str, text: str, message: str):
    file = write(tmp_path, f"{section}:\n  {text}\n")
    with pytest.raises(DatatoolsError) as caught:
        load_params(file, SECTIONS[section])
    assert str(caught.value) == f"{file}: {section}.{message}"


@pytest.mark.parametrize("kind", SECTIONS.values(), ids=list(SECTIONS))
def test_the_defaults_written_as_yaml_read_back(tmp_path: Path, kind: type):
    document = {section: dataclasses.asdict(known()) for section, known in SECTIONS.items()}
    assert load_params(write(tmp_path, yaml.safe_dump(document)), kind) == kind()


@given(st.floats(0, 1), st.integers(1, 10**6), st.lists(st.text(max_size=8), max_size=4))
def test_values_in_range_come_through_unchanged(share: float, n: int, names: list[str]):
    made = from_mapping(CurateParams, {"share_min": share, "queue_max": n, "slice_columns": names}, "x")
    assert (made.share_min, made.queue_max, made.slice_columns) == (share, n, names)
