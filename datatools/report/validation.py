"""What validate tells people: one page with a section a code, pictures of the faults, and the same in short as Markdown."""

from __future__ import annotations

import datetime
import json
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup, escape

from datatools.checks.runner import Outcome, hint, paragraphs
from datatools.dataset import Dataset
from datatools.findings import parse_offer
from datatools.mutes import Mute, Muted, apply_mutes
from datatools.report.faults import FaultPicture, corners_of, draw_faults
from datatools.report.markdown import code, prose, table
from datatools.report.pages import render
from datatools.report.sarif import to_sarif
from datatools.report.summary import to_plain
from datatools.report.words import count, count_severities, describe_agreement, plural, visible, where_of
from datatools.schema import SEVERITIES
from datatools.store import save_json, save_text

Section = dict[str, Any]
EXAMPLES = 6  # findings shown of each code
MARKDOWN_EXAMPLES = 3
MUTE_DAYS = 90
HEADINGS = ("What it finds", "Why it matters", "What to do", "Options")


@dataclass(frozen=True)
class Validation:
    """What the checks said of a data set, before it is put into words."""

    dataset: Dataset
    findings: pd.DataFrame
    outcomes: Sequence[Outcome]
    rejected: pd.DataFrame
    agreement: Mapping[str, Any]
    muted: Muted
    name: str


@dataclass(frozen=True)
class ValidationReport:
    """The four forms that go to disk."""

    summary: Section
    markdown: str
    html: str
    sarif: Section


def build_validation(validation: Validation, root: Path) -> ValidationReport:
    """Write the report; pictures are made of the images below `root`, those that cannot be read have none."""
    examples = choose_examples(validation.findings, validation.muted.is_muted)
    summary = summarise_validation(validation, examples)
    pictures = draw_faults(examples, validation.dataset.annotations, root)
    sarif = to_sarif(validation.findings, validation.outcomes, validation.muted, validation.rejected, root.as_posix())
    return ValidationReport(summary, to_validation_markdown(summary), to_validation_page(summary, pictures), sarif)


def report_validation(
    dataset: Dataset,
    findings: pd.DataFrame,
    outcomes: Sequence[Outcome],
    rejected: pd.DataFrame,
    agreement: Mapping[str, Any],
    mutes: Sequence[Mute],
    root: Path,
    params_file: Path,
) -> ValidationReport:
    """What the stage validate writes for people: mutes count as of today (UTC), the project's folder is the title."""
    name = params_file.resolve().parent.name
    today = datetime.datetime.now(datetime.UTC).date()
    muted = apply_mutes(findings, mutes, today)
    return build_validation(Validation(dataset, findings, outcomes, rejected, agreement, muted, name), root)


def save_validation(folder: Path, report: ValidationReport) -> None:
    """Write validate.md, validate.html, validate.sarif and validate.json to `folder`."""
    save_text(folder / "validate.md", report.markdown)
    save_text(folder / "validate.html", report.html)
    # For programs, and long: without indentation it is written many times faster.
    save_text(folder / "validate.sarif", json.dumps(report.sarif, ensure_ascii=False, allow_nan=False) + "\n")
    save_json(folder / "validate.json", report.summary)


def choose_examples(findings: pd.DataFrame, is_muted: Sequence[bool] | np.ndarray, n: int = EXAMPLES) -> pd.DataFrame:
    """At most `n` findings of each code: those not muted first, of different images first, then the worst."""
    ranked = findings[["code", "path", "score"]].assign(muted=np.asarray(is_muted, bool))
    ranked = ranked.sort_values(["muted", "score"], kind="stable")
    ranked["again"] = ranked.groupby(["code", "path"], dropna=False).cumcount()
    ranked = ranked.sort_values(["code", "muted", "again", "score"], kind="stable")
    chosen = ranked[ranked.groupby("code").cumcount() < n].index
    return findings.loc[chosen].assign(is_muted=pd.Series(np.asarray(is_muted, bool), findings.index).loc[chosen])


def summarise_validation(validation: Validation, examples: pd.DataFrame) -> Section:
    """The report as one JSON document: the verdict first, the codes found, the outcome of every check.

    CPU seconds are not in it: the same data must give the same document.
    """
    findings, muted = validation.findings, validation.muted
    counted = findings[~muted.is_muted]
    severities = counted["severity"].value_counts()
    outcomes = {outcome.code: outcome for outcome in validation.outcomes}
    n_muted = findings.loc[muted.is_muted, "code"].value_counts()
    images = validation.dataset.images
    is_there = findings["path"].isin(images["path"])  # annotations name images that are not
    known = findings["path"].where(is_there)
    summary: Section = {
        "verdict": write_validation_verdict(validation, counted, known[~muted.is_muted].nunique()),
        "title": validation.name,
        "data_version": validation.dataset.version,
        "images": len(images),
        "annotations": len(validation.dataset.annotations),
        "findings": len(counted),
        "by_severity": {name: int(severities.get(name, 0)) for name in reversed(SEVERITIES)},
        "muted": int(muted.is_muted.sum()),
        "expired_mutes": [f"{mute.describe()} (until {mute.until})" for mute in muted.expired],
        "idle_mutes": [mute.describe() for mute in muted.idle],
        "checks": [
            {key: value for key, value in asdict(outcome).items() if key != "seconds"}
            | {"n_muted": int(n_muted.get(outcome.code, 0))}
            for outcome in validation.outcomes
        ],
        "codes": [
            _count_code(
                outcomes[str(name)], rows, known[rows.index].nunique(), muted, examples[examples["code"] == name]
            )
            for name, rows in findings.groupby("code", sort=True)
        ],
        "agreement": dict(validation.agreement),
    }
    summary["codes"].sort(key=lambda row: (-SEVERITIES.index(row["severity"]), row["code"]))
    plain: Section = to_plain(summary)
    return plain


def write_validation_verdict(validation: Validation, counted: pd.DataFrame, n_images: int) -> str:
    """What the checks say, in one or two sentences."""
    crashed = [outcome.code for outcome in validation.outcomes if outcome.outcome == "crashed"]
    ran = [outcome for outcome in validation.outcomes if outcome.outcome in ("clean", "found")]
    n_all = len(validation.dataset.images)
    head = f"{plural(len(crashed), 'check')} crashed ({', '.join(crashed)}). " if crashed else ""
    if counted.empty:
        silent = f"{plural(len(ran), 'check')} {'was' if len(ran) == 1 else 'were'} silent"
        return f"{head}No findings: {silent} on {plural(n_all, 'image')}."
    where = f" on {count(n_images)} of {plural(n_all, 'image')}" if n_images else f" in {plural(n_all, 'image')}"
    muted = int(validation.muted.is_muted.sum())
    return f"{head}{count_severities(counted)}{where}." + (f" {count(muted)} muted." if muted else "")


def to_validation_markdown(summary: Section) -> str:
    """The report for a pull request: the verdict, a table of codes with examples, what each asks one to do."""
    blocks = [f"## Validation of {prose(summary['title'])}", f"**{prose(summary['verdict'], 300)}**"]
    if summary["codes"]:
        head = ["code", "severity", "#n", "#muted", "what", "for example"]
        blocks.append(table(head, [_markdown_row(row) for row in summary["codes"]]))
        blocks.append("\n".join(f"- {code(row['code'])}: {prose(row['hint'], 300)}" for row in summary["codes"]))
    agreement = describe_agreement(summary["agreement"], code)
    blocks += [f"Agreement: {agreement}."] if agreement else []
    silent = [row for row in summary["checks"] if row["outcome"] in ("not applicable", "skipped", "crashed")]
    if silent:
        rows = [[code(row["code"]), prose(row["title"]), row["outcome"], code(row["detail"])] for row in silent]
        blocks += ["### Checks that did not run to the end", table(["check", "what", "outcome", "why"], rows)]
    blocks += [f"- Expired mute, no longer in force: {code(text)}" for text in summary["expired_mutes"]]
    blocks += [f"- Mute that matches nothing: {code(text)}" for text in summary["idle_mutes"]]
    blocks.append("Pictures are in `reports/validate.html`; `datatools explain CODE` prints the page of a check.")
    return "\n\n".join(blocks) + "\n"


def to_validation_page(summary: Section, pictures: Mapping[int, FaultPicture]) -> str:
    """The page: self-contained, no script, every text escaped. `pictures` by the examples' row number."""
    values = {
        **summary,
        "pictures": pictures,
        "kappas": describe_agreement(summary["agreement"], visible),
        "severities": tuple(reversed(SEVERITIES)),
    }
    return render("validation_page.html", {"ticks": _ticks, "shape": _to_svg, "points": corners_of}, values)


def _count_code(outcome: Outcome, rows: pd.DataFrame, n_images: int, muted: Muted, examples: pd.DataFrame) -> Section:
    name = outcome.code
    n_muted = int(muted.is_muted[rows.index].sum())
    page = paragraphs(name)
    offers = int(rows["offer"].notna().sum())
    return {
        "code": name,
        "title": outcome.title,
        "severity": outcome.severity,
        "n": len(rows) - n_muted,
        "n_muted": n_muted,
        "images": n_images,
        "hint": hint(name),
        "page": {heading: page[heading] for heading in HEADINGS if heading in page},
        "offers": offers,
        "commands": _commands(name, offers),
        "examples": [
            _example(int(index), row, muted) for index, row in zip(examples.index, examples.to_dict("records"))
        ],
    }


def _example(index: int, row: Mapping[str, Any], muted: Muted) -> Section:
    names = ("path", "annotation_id", "subject", "message", "score")
    return {
        "row": index,
        **{name: row[name] for name in names},
        "where": where_of(row),
        "muted": muted.reason(index),
        "command": _fix_command(row),
    }


def _fix_command(row: Mapping[str, Any]) -> str:
    """The command that mends this finding, where one does: what the check is certain of, on this image only."""
    offer = parse_offer(row["offer"])
    if offer is None or pd.isna(row["path"]):
        return ""
    if offer.op == "exclude":
        return f'datatools fix {shlex.quote(row["path"])} --exclude --why "..."'
    return f'datatools fixes accept {row["code"]} --path {_quote_glob(row["path"])} --why "..."'


def _commands(name: str, offers: int) -> list[Section]:
    listed = [{"what": "All findings", "command": f"datatools findings --code {name}"}]
    if offers:
        what = f"Accept the {plural(offers, 'certain repair')}"
        listed.append({"what": what, "command": f'datatools fixes accept {name} --why "..."'})
    mute = f'datatools mute {name} --path "GLOB" --reason "..." --days {MUTE_DAYS}'
    return [*listed, {"what": "Live with some of them for a while", "command": mute}]


def _quote_glob(path: str) -> str:
    """`path` as a glob that matches only itself, quoted for a shell."""
    return shlex.quote(re.sub(r"([*?[])", r"[\1]", path))


def _markdown_row(row: Section) -> list[str]:
    examples = [f"{code(example['where'])} {code(example['message'])}" for example in row["examples"]]
    return [
        code(row["code"]), row["severity"], count(row["n"]), count(row["n_muted"]), prose(row["title"]),
        "; ".join(examples[:MARKDOWN_EXAMPLES]),
    ]  # fmt: skip


def _ticks(text: str) -> Markup:
    """Words of a check's page, with what stands in backticks as code."""
    parts = re.split(r"`([^`]+)`", text)
    marked = [Markup("<code>{}</code>").format(part) if n % 2 else escape(part) for n, part in enumerate(parts)]
    return Markup("").join(marked)


def _to_svg(points: Sequence[Sequence[float]]) -> Markup:
    """Points as SVG has them: numbers only, so there is nothing to escape, and nothing is cut."""
    return Markup(" ".join(f"{x:.6g},{y:.6g}" for x, y in points))
