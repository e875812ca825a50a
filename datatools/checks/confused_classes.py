"""What it finds: an annotator who gives one class, as the others see it, another label again and again.

Why it matters: one person's habit is a systematic error; a vote hides it until two share it.

What to do: show the annotator some examples of both classes, then have those images labelled again.

Options: `validate.confusion_min`: from which share of a class on the habit is named (default 0.1, at least 5 images). The
class of an image is what more than half of the *other* annotators say, at least two of them; images on which they tie,
and images that only two annotators rated, are left out: of two alone nobody can tell who is apart.
"""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from datatools.agreement.ratings import from_table
from datatools.checks.base import Check, Inputs
from datatools.findings import Finding
from datatools.params import ValidateParams

N_MIN = 5


def find_confused_classes(ratings: pd.DataFrame, params: ValidateParams) -> Iterator[Finding]:
    """Yield a finding for each annotator and pair of classes."""
    coded = from_table(ratings)
    rating, label, n = coded.others()
    n_others = coded.n_of_item[coded.item[rating]] - 1
    agreed = (n * 2 > n_others) & (n_others >= 2)
    own = rating[agreed]
    judged = pd.DataFrame({"who": coded.annotator[own], "label": label[agreed], "given": coded.label[own]})
    table = judged.value_counts(sort=False).rename("n").reset_index()
    table["total"] = table.groupby(["who", "label"])["n"].transform("sum")
    table["share"] = table["n"] / table["total"]
    named = (table["label"] != table["given"]) & (table["n"] >= N_MIN) & (table["share"] >= params.confusion_min)
    for row in table[named].itertuples():
        name, seen, given = coded.annotators[row.who], coded.classes[row.label], coded.classes[row.given]
        yield Finding(
            f"{name} calls {row.share:.0%} of {seen!r} {given!r} ({row.n} of {row.total} images)",
            score=1 - row.share,
            subject=f"{name}: {seen} as {given}",
        )


def _spoil(inputs: Inputs) -> Inputs:
    ratings = inputs["ratings"].copy()
    labels = sorted(ratings.iloc[:, 0].unique())
    ratings.iloc[:, 0] = ratings.iloc[:, 0].replace(labels[0], labels[1])
    return {**inputs, "ratings": ratings}


CHECK = Check("AGR002", "annotator confuses two classes", "warning", find_confused_classes, _spoil, version=2)
