"""Finds the checks, gives each the inputs it asks for, and joins what they say."""

from __future__ import annotations

import functools
import importlib
import inspect
import pkgutil
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import pandas as pd

import datatools.checks as package
from datatools.checks.base import BY_CURATE, Check, Inputs
from datatools.checks.geometry import sharing
from datatools.errors import DatatoolsError
from datatools.findings import CRASHED, Finding, concat, to_table

NOT_CHECKS = (
    "base",
    "runner",
    "geometry",
    "polygons",
    "pairs",
    "drawing",
    "columns",
    "sides",
    "image_traits",
    "orientation",
)
OUTCOMES = ("clean", "found", "not applicable", "skipped", "crashed")
MAX_DETAIL = 300  # characters of an error


@dataclass(frozen=True)
class Outcome:
    """What became of one check: one of OUTCOMES, how many findings, why it could not run or is off, and CPU seconds."""

    code: str
    title: str
    severity: str
    version: int
    outcome: str
    n_findings: int = 0
    detail: str = ""
    seconds: float = field(default=0.0, compare=False)


@functools.cache
def load_checks() -> tuple[Check, ...]:
    """All checks of this package, ordered by code."""
    names = [module.name for module in pkgutil.iter_modules(package.__path__) if module.name not in NOT_CHECKS]
    checks = [importlib.import_module(f"{package.__name__}.{name}").CHECK for name in names]
    return tuple(sorted(checks, key=lambda check: check.code))


def load_titles() -> dict[str, str]:
    """Code -> title of every check."""
    return {check.code: check.title for check in load_checks()}


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
    return f"{check.code} · {check.title} · {check.severity} · version {check.version}\n\n{_page(check)}\n"


@functools.cache
def paragraphs(code: str) -> dict[str, str]:
    """The page of a check by its headings, `What to do` and so on; each paragraph on one line."""
    parts = re.split(r"^([A-Z][a-z ]+):", _page(get_check(code)), flags=re.MULTILINE)
    return {name: " ".join(text.split()) for name, text in zip(parts[1::2], parts[2::2])}


def hint(code: str) -> str:
    """What to do about a finding, in one sentence: the first of the page's paragraph. Empty for an unknown code."""
    if code not in {check.code for check in load_checks()}:
        return ""
    text = paragraphs(code).get("What to do", "")
    sentence = re.split(r"(?<=[.!?]) (?=[A-Z`])", text, maxsplit=1)[0]
    return sentence[:1].upper() + sentence[1:]


@functools.cache
def needs(check: Check) -> tuple[str, ...]:
    """The inputs that a check asks for."""
    return tuple(inspect.signature(check.find).parameters)


def run_checks(
    inputs: Inputs, only_with: frozenset[str] = frozenset(), tick: Callable[[int], None] | None = None
) -> tuple[pd.DataFrame, list[Outcome]]:
    """Run every check whose inputs are there; return the FINDINGS table and one outcome a check.

    With `only_with`, only checks that need at least one of these inputs run. A check that crashes is itself a finding;
    what it found before stays, and the others go on. The inputs are not changed. `tick(n)` counts checks.
    """
    chosen = [check for check in load_checks() if not only_with or only_with & set(needs(check))]
    tables, outcomes = [], []
    with sharing(inputs.get("annotations")):
        for check in chosen:
            start = time.process_time()
            table, outcome, n_findings, detail = _run(check, inputs)
            seconds = time.process_time() - start
            tables.append(table)
            about = (check.code, check.title, check.severity, check.version)
            outcomes.append(Outcome(*about, outcome, n_findings, detail, seconds))
            if tick is not None:
                tick(1)
    return concat(tables), outcomes


def _run(check: Check, inputs: Inputs) -> tuple[pd.DataFrame, str, int, str]:
    """The findings of one check, its outcome, their number, and why it did not run to the end."""
    missing = [name for name in needs(check) if inputs.get(name) is None]
    if missing:
        later = ", which the stage curate has: see datatools findings" if BY_CURATE.intersection(missing) else ""
        return concat([]), "not applicable", 0, f"needs {', '.join(missing)}{later}"
    findings: list[Finding] = []
    try:
        reason = check.off(inputs) if check.off else ""
        if reason:
            return concat([]), "skipped", 0, reason
        for finding in check.find(**{name: inputs[name] for name in needs(check)}):
            findings.append(finding)  # one by one: what was found before a crash stays
        table = to_table(findings, check.code, check.version, check.severity)
    except Exception as error:
        detail = " ".join(f"{type(error).__name__}: {error}".split())[:MAX_DETAIL]
        kept = to_table(filter(_is_sound, findings), check.code, check.version, check.severity)
        crash = Finding(f"the check itself failed on this data: {detail}", subject=CRASHED)
        table = concat([kept, to_table([crash], check.code, check.version, "error")])
        return table, "crashed", len(table), detail
    return table, "found" if findings else "clean", len(findings), ""


def _is_sound(finding: object) -> bool:
    """Whether a check's word can stand in the table; what cannot is the fault of the check."""
    return isinstance(finding, Finding) and isinstance(finding.message, str) and isinstance(finding.score, (int, float))


def _page(check: Check) -> str:
    return inspect.cleandoc(inspect.getmodule(check.find).__doc__ or "")  # type: ignore[union-attr]
