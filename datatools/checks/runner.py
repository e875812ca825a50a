"""Finds the checks, gives each the inputs it asks for, and joins what they say."""

from __future__ import annotations

import functools
import importlib
import inspect
import pkgutil
from dataclasses import dataclass

import pandas as pd

import datatools.checks as package
from datatools.checks.base import Check, Inputs
from datatools.errors import DatatoolsError
from datatools.findings import Finding, concat, to_table

NOT_CHECKS = ("base", "runner", "geometry")
OUTCOMES = ("clean", "found", "not applicable", "crashed")


@dataclass(frozen=True)
class Outcome:
    """What became of one check: one of OUTCOMES, how many findings, and why it could not run."""

    code: str
    title: str
    severity: str
    outcome: str
    n_findings: int = 0
    detail: str = ""


@functools.cache
def load_checks() -> tuple[Check, ...]:
    """All checks of this package, ordered by code."""
    names = [module.name for module in pkgutil.iter_modules(package.__path__) if module.name not in NOT_CHECKS]
    checks = [importlib.import_module(f"{package.__name__}.{name}").CHECK for name in names]
    return tuple(sorted(checks, key=lambda check: check.code))


def get_check(code: str) -> Check:
    """The check with this code; raises DatatoolsError that lists the known codes."""
    for check in load_checks():
        if check.code == code.upper():
            return check
    known = ", ".join(check.code for check in load_checks())
    raise DatatoolsError(f"code must be one of {known}. Got {code!r} instead.")


def explain(code: str) -> str:
    """The user's page of a check: its module's docstring under its title."""
    check = get_check(code)
    page = inspect.cleandoc(inspect.getmodule(check.find).__doc__ or "")  # type: ignore[union-attr]
    return f"{check.code} · {check.title} · {check.severity} · version {check.version}\n\n{page}\n"


def needs(check: Check) -> tuple[str, ...]:
    """The inputs that a check asks for."""
    return tuple(inspect.signature(check.find).parameters)


def run_checks(inputs: Inputs, only_with: frozenset[str] = frozenset()) -> tuple[pd.DataFrame, list[Outcome]]:
    """Run every check whose inputs are there; return the FINDINGS table and one outcome a check.

    With `only_with`, only checks that need at least one of these inputs run. A check that crashes is itself a finding,
    and the others go on. The inputs are not changed.
    """
    chosen = [check for check in load_checks() if not only_with or only_with & set(needs(check))]
    tables, outcomes = [], []
    for check in chosen:
        table, outcome = _run(check, inputs)
        tables.append(table)
        outcomes.append(outcome)
    return concat(tables), outcomes


def _run(check: Check, inputs: Inputs) -> tuple[pd.DataFrame, Outcome]:
    missing = [name for name in needs(check) if inputs.get(name) is None]
    about = (check.code, check.title, check.severity)
    if missing:
        return concat([]), Outcome(*about, "not applicable", detail=f"needs {', '.join(missing)}")
    try:
        findings = list(check.find(**{name: inputs[name] for name in needs(check)}))
    except Exception as error:
        detail = f"{type(error).__name__}: {error}"
        crash = Finding(f"the check itself failed on this data: {detail}")
        return to_table([crash], check.code, check.version, "error"), Outcome(*about, "crashed", 1, detail)
    table = to_table(findings, check.code, check.version, check.severity)
    return table, Outcome(*about, "found" if findings else "clean", len(findings))
