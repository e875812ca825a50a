"""What it finds: annotators who agree too little: Fleiss' kappa of all, Cohen's kappa of two, or Krippendorff's alpha of one
class against the rest, below the bar. It names the pairs of classes that most of the disagreement is about.

Why it matters: where people disagree the label is a coin toss, and no model can be better than its labels.

What to do: settle what tells the named classes apart, and have those images labelled again. AGR002 says whose habit it
is. The images themselves are AGR003 and stand in the review queue.

Options: `validate.kappa_min` (default 0.8: "almost perfect" begins at 0.81 in Landis and Koch, 1977). A class counts as
below only where its whole 95 % interval is (bootstrap over images). Where some images were rated by all and some by a
few, Krippendorff's alpha takes the place of Fleiss' kappa. Of more than 20 annotators each is compared with the
others, not with every single one, and is named where the whole interval is below the bar. Where only one label was ever
given, kappa is 0/0 and counts as 1: there was nothing to disagree on. Where no image was rated by two, nothing can be
measured: see AGR006.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from datatools.agreement.alpha import alpha_by_class, alpha_interval, krippendorff_alpha
from datatools.agreement.kappa import fleiss_interval, fleiss_kappa, interval_of_table, kappa_of_table, pair_tables
from datatools.agreement.measure import PAIRS_MAX
from datatools.agreement.quality import kappa_with_others
from datatools.agreement.ratings import Codes, Floats, Ratings, from_table
from datatools.checks.base import Check, Inputs
from datatools.findings import Finding
from datatools.params import ValidateParams

ALL = "all"
NAMED = 3  # pairs of classes a message names


def find_low_kappa(ratings: pd.DataFrame, params: ValidateParams) -> Iterator[Finding]:
    """Yield a finding for the whole, each pair and each class whose agreement is below the bar."""
    coded = from_table(ratings[sorted(ratings.columns)]).comparable()
    if len(coded.item):
        mixed = _mixed(coded)
        yield from _judge_all(coded, mixed, params.kappa_min)
        judge_some = _judge_pairs if len(coded.annotators) <= PAIRS_MAX else _judge_each
        yield from judge_some(coded, params.kappa_min)
        yield from _judge_classes(coded, mixed, params.kappa_min)


def _judge_all(coded: Ratings, mixed: Floats, bar: float) -> Iterator[Finding]:
    n = len(coded.annotators)
    complete = bool((coded.n_of_item[coded.item] == n).all())
    name = "Fleiss' kappa" if complete else "Krippendorff's alpha"
    value = fleiss_kappa(coded) if complete else krippendorff_alpha(coded)
    if value is not None and value < bar:
        ends = fleiss_interval(coded) if complete else alpha_interval(coded)
        yield _low(f"{name} of {n} annotators", value, ends, bar, ALL, _name_pairs(mixed, coded.classes))


def _judge_pairs(coded: Ratings, bar: float) -> Iterator[Finding]:
    for (first, second), table in pair_tables(coded).items():
        one, other = coded.annotators[first], coded.annotators[second]
        value = kappa_of_table(table)
        if value is not None and value < bar:
            blame = _name_pairs(table + table.T, coded.classes)
            ends = interval_of_table(table)
            yield _low(f"Cohen's kappa of {one} and {other}", value, ends, bar, f"{one} and {other}", blame)


def _judge_each(coded: Ratings, bar: float) -> Iterator[Finding]:
    own, label, n = coded.others()
    for number, (value, low, high) in enumerate(kappa_with_others(coded)):
        if high < bar:
            name, mine = coded.annotators[number], coded.annotator[own] == number
            table = _tabulate(coded.label[own[mine]], label[mine], n[mine], len(coded.classes))
            blame = _name_pairs(table + table.T, coded.classes)
            yield _low(f"Cohen's kappa of {name} and the others", value, (low, high), bar, str(name), blame)


def _judge_classes(coded: Ratings, mixed: Floats, bar: float) -> Iterator[Finding]:
    for row in alpha_by_class(coded).itertuples():
        if row.high < bar:
            number = coded.classes.get_loc(row.label)
            only = np.zeros_like(mixed)
            only[number], only[:, number] = mixed[number], mixed[:, number]
            blame = _name_pairs(only, coded.classes)
            what = f"Krippendorff's alpha on {row.label!r} against the rest"
            yield _low(what, row.alpha, (row.low, row.high), bar, f"class {row.label}", blame)


def _low(what: str, value: float, ends: tuple[float, float] | None, bar: float, subject: str, blame: str) -> Finding:
    between = "" if ends is None else f" (95 % {ends[0]:.3f} to {ends[1]:.3f})"
    return Finding(
        f"{what} is {value:.3f}{between}, below {bar:g}{blame}", score=min(max(value, 0.0), 1.0), subject=subject
    )


def _mixed(coded: Ratings) -> Floats:
    """How often two annotators gave one image which two labels, both ways round."""
    own, label, n = coded.others()
    return _tabulate(coded.label[own], label, n, len(coded.classes))


def _tabulate(one: Codes, other: Codes, n: Codes, n_classes: int) -> Floats:
    return np.bincount(one * n_classes + other, n, n_classes**2).astype(np.float64).reshape(n_classes, n_classes)


def _name_pairs(table: Floats, classes: pd.Index) -> str:
    """The pairs of classes of a symmetric table that are mixed up most, and how often; of equals in class order."""
    pairs = np.triu(table, 1)
    total, flat = int(pairs.sum()), pairs.ravel()
    most = [place for place in np.argsort(-flat, kind="stable")[:NAMED] if flat[place] > 0]
    named = [f"{classes[place // len(classes)]!r} and {classes[place % len(classes)]!r}" for place in most]
    counts = [f"{int(flat[place]):,}" for place in most]
    if not most:
        return ""
    counts[0] += f" of {total:,} disagreements"
    return "; mixed up most: " + ", ".join(f"{pair} ({n})" for pair, n in zip(named, counts, strict=True))


def _spoil(inputs: Inputs) -> Inputs:
    ratings = inputs["ratings"].copy()
    ratings[ratings.columns[0]] = ratings[ratings.columns[0]].to_numpy()[::-1]
    return {**inputs, "ratings": ratings}


CHECK = Check("AGR001", "kappa below the bar", "warning", find_low_kappa, _spoil, version=2)
