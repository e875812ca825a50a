"""What it finds: two names of one class: alike but for capitals, blanks, hyphens or underscores (`traffic light`,
`Traffic_Light`), or a rare name one slip of the keyboard away from a common one (`platlets`, `platelets`).

Why it matters: the class is split in two; the model learns to tell the same thing from itself, and both scores fall.

What to do: take one name: relabel the rarer one, and remove it from the class list. If a pair is two classes after all, as
`shirt` and `skirt` are, leave it.

Options: none. The first kind is certain; a class of one or two letters is left alone, and so is punctuation between digits. The
second is a guess: it needs names of 5 letters or more without digits, equal first letters, and 20 times as many of the common name.
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd

from datatools.checks.base import Check, Inputs
from datatools.checks.columns import is_among
from datatools.checks.geometry import unpack
from datatools.checks.pairs import where
from datatools.findings import Finding, Offer
from datatools.schema import CONSENSUS

SHORTEST = 3  # letters of a name that capitals or blanks may not tell apart: a and A are two letters
SHORTEST_SLIP = 5  # of a name that a letter more, a letter less or two turned round is a slip in
SHORTEST_CHANGE = 7  # of one that another letter is a slip in: shirt and skirt
SHORTEST_TWO = 10  # of one that two slips may be in
RARE = 20  # times as many of the common name


def find_label_variants(annotations: pd.DataFrame, classes: Sequence[str]) -> Iterator[Finding]:
    """Yield a finding for each pair of names of one class; `subject` is the pair, the rarer or unlisted name first."""
    said = unpack(annotations)
    codes, labels = said.labels
    by_people = codes[where((codes >= 0) & ~is_among(said.annotators, CONSENSUS))]
    n_of_each = np.bincount(by_people if len(by_people) else codes[codes >= 0], minlength=len(labels))
    counts = {str(label): int(n) for label, n in zip(labels, n_of_each, strict=True) if n}
    names = dict.fromkeys([*classes, *sorted(counts)])
    groups: dict[str, list[str]] = defaultdict(list)
    for name in names:
        groups[plain_form(name)].append(name)
    for form, same in groups.items():
        if len(same) > 1 and sum(map(str.isalpha, form)) >= SHORTEST:
            best = max(same, key=lambda name: (name in classes, counts.get(name, 0)))
            for name in same:
                if name != best:
                    yield _certain(name, best, counts)
    common = {form: max(same, key=lambda name: counts.get(name, 0)) for form, same in groups.items()}
    total = {form: sum(counts.get(name, 0) for name in same) for form, same in groups.items()}
    for rare, usual in sorted(_slips(total)):
        n, usually = total[rare], total[usual]
        pair = f"{common[rare]!r} and {common[usual]!r}"
        message = f"{pair} may be one class: {n:,} and {usually:,} annotations, and the names differ by a slip"
        yield Finding(message, score=0.5, subject=pair)


def plain_form(name: str) -> str:
    """The name without what capitals, compatibility characters, blanks, hyphens and underscores make of it.

    Beside a digit they count: `1-11` is not `11-1`.
    """
    text = unicodedata.normalize("NFKC", name).casefold()
    text = re.sub(r"[\s_\-\u2010-\u2015]+", " ", text).strip()
    return re.sub(r"(?<!\d) | (?!\d)", "", text)


def is_slip(one: str, other: str) -> bool:
    """Whether two plain names differ by what a hand does at a keyboard: a letter more, less or other, two turned round."""
    short = min(len(one), len(other))
    if short < SHORTEST_SLIP or one[:1] != other[:1] or not (one + other).replace(" ", "").isalpha():
        return False
    distance = edit_distance(one, other)
    changed = len(one) == len(other) and sorted(one) != sorted(other)
    if distance == 1:
        return short >= (SHORTEST_CHANGE if changed else SHORTEST_SLIP)
    return distance == 2 and short >= SHORTEST_TWO and _are_apart(one, other)


def _are_apart(one: str, other: str) -> bool:
    """Whether two slips are in two places: in one they are another syllable, as in hypertension and hypotension."""
    start, end = _n_alike(one, other), _n_alike(one[::-1], other[::-1])
    return max(len(one), len(other)) - start - end > 2


def _n_alike(one: str, other: str) -> int:
    return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def edit_distance(one: str, other: str) -> int:
    """Damerau-Levenshtein distance (optimal string alignment): letters added, removed, changed, or two neighbours swapped."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, start=1):
        above, row, earlier = row, [i], before
        for j, b in enumerate(other, start=1):
            cost = min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (a != b))
            if i > 1 and j > 1 and a == other[j - 2] and b == one[i - 2]:
                cost = min(cost, earlier[j - 2] + 1)
            row.append(cost)
        before = above
    return row[-1]


def _certain(name: str, best: str, counts: Mapping[str, int]) -> Finding:
    n, usual = counts.get(name, 0), counts.get(best, 0)
    message = f"{name!r} and {best!r} are one class: {n:,} and {usual:,} annotations"
    offer = Offer("relabel", name, best) if n else None
    return Finding(message, score=0.0, subject=f"{name!r} and {best!r}", offer=offer)


def _slips(total: Mapping[str, int]) -> Iterator[tuple[str, str]]:
    """Pairs of a rare plain name and the common one that it may be meant for."""
    near: dict[str, set[str]] = defaultdict(set)
    for name in total:
        for key in _shortened(name):
            near[key].add(name)
    pairs = {pair for names in near.values() for pair in itertools.permutations(sorted(names), 2)}
    for rare, usual in pairs:
        if 0 < total[rare] * RARE <= total[usual] and is_slip(rare, usual):
            yield rare, usual


def _shortened(name: str) -> set[str]:
    """The name without up to two of its letters: names that are two slips apart have one of these in common."""
    once = {name[:i] + name[i + 1 :] for i in range(len(name))}
    twice = (
        {word[:i] + word[i + 1 :] for word in once for i in range(len(word))}
        if len(name) >= SHORTEST_TWO - 2
        else set()
    )
    return {name} | once | twice


def _spoil(inputs: Inputs) -> Inputs:
    annotations = inputs["annotations"].copy()
    row = annotations.index[annotations["kind"] == "box"][0]
    annotations.loc[row, "label"] = annotations.loc[row, "label"].upper()
    return {**inputs, "annotations": annotations}


CHECK = Check("LBL004", "two names of one class", "warning", find_label_variants, _spoil)
