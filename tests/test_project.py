from __future__ import annotations

import copy
import pickle
from pathlib import Path

import pytest

from datatools.errors import DatatoolsError
from datatools.project import LAYOUT, Project, find_project


@pytest.mark.parametrize("name", LAYOUT)
def test_every_place_is_below_the_root(name: str):
    assert getattr(Project(Path("/p")), name) == Path("/p") / LAYOUT[name]


def test_an_unknown_place_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no_such_place"):
        _ = Project(Path("/p")).no_such_place


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_a_project_can_be_copied_and_sent_to_another_process(duplicate):
    assert duplicate(Project(Path("/p"))) == Project(Path("/p"))


def test_find_project_looks_here_and_above(tmp_path: Path):
    for name in ("dvc.yaml", "params.yaml"):
        (tmp_path / name).touch()
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    assert find_project(tmp_path) == find_project(deep) == Project(tmp_path)


@pytest.mark.parametrize("only", ["dvc.yaml", "params.yaml", None])
def test_half_a_project_is_none(tmp_path: Path, only: str | None):
    if only:
        (tmp_path / only).touch()
    with pytest.raises(DatatoolsError) as caught:
        find_project(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}: expected a project with dvc.yaml and params.yaml here or above. Got none: change into one."
    )
