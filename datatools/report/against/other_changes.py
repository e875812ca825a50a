"""What else than the data differs between the models of two versions: parameters and code of the stages behind them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from datatools.revisions import Stages

# The stages that a model and its figures come from; what changes in the others does not change them.
BEHIND_MODEL = ("ingest", "neighbors", "split", "augment", "train", "evaluate")
CODE = ("datatools/", "stages/")


def find_other_changes(before: Stages, after: Stages) -> list[dict[str, Any]]:
    """What differs behind the model beside the data: name, before, after; of a parameter its values, of code nothing.

    It is read from the two dvc.lock, so it is what the stages ran with. A difference of the two models is then not only
    one of the data.
    """
    params = _params(before), _params(after)
    rows: list[dict[str, Any]] = [
        {"what": "parameter", "name": name, "before": params[0].get(name), "after": params[1].get(name)}
        for name in sorted(params[0].keys() | params[1].keys())
        if params[0].get(name) != params[1].get(name)
    ]
    code = _code(before), _code(after)
    changed = sorted(name for name in code[0].keys() | code[1].keys() if code[0].get(name) != code[1].get(name))
    return [*rows, *({"what": "code", "name": name, "before": None, "after": None} for name in changed)]


def _params(stages: Stages) -> dict[str, Any]:
    """Every parameter of the stages behind a model, as section.key."""
    found: dict[str, Any] = {}
    for name in BEHIND_MODEL:
        for file, values in stages.get(name, {}).get("params", {}).items():
            prefix = "" if file == "params.yaml" else f"{file}: "
            found |= {f"{prefix}{key}": value for key, value in _flatten(values)}
    return found


def _flatten(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _code(stages: Stages) -> dict[str, str]:
    deps = [dep for name in BEHIND_MODEL for dep in stages.get(name, {}).get("deps", ())]
    return {dep["path"]: str(dep.get("md5")) for dep in deps if dep["path"].startswith(CODE)}
