"""What it finds: two annotators who agree too little on boxes or masks: they find different objects (F1 of their matches
below the bar) or name the same objects differently (Krippendorff's alpha of the classes below the bar). And an annotator who
never draws a class that the others draw on the same images.

Why it matters: a model learns to miss what one annotator leaves out and cannot be better than its labels; its test score
is a score against one of the two.

What to do: look at some of their AGR005 findings side by side, settle what counts as an object and what tells the classes
apart, and have the images drawn again. Where work was shared out by class, draw each class on images of its own.

Options: `validate.kappa_min` (default 0.8) is the bar, `validate.iou_min` the IoU from which two boxes or masks mean one
object (default 0.5). F1 is what kappa becomes where places without an object are countless; alpha with a missing object as one
more label is in the report but not held against the bar, as with a single class one missed object brings it to 0. An
annotator saw an image who has any row on it from a source in which they drew objects; predictions of models are left out. A
class counts as never drawn from 5 objects on.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from datatools.agreement.comparison import UNUSED_MIN, compare_objects, find_unused_classes
from datatools.agreement.objects import measure_pairs
from datatools.checks.base import Check, Inputs
from datatools.findings import Finding
from datatools.params import ValidateParams
from datatools.schema import BOX

PLURALS = {"box": "boxes", "mask": "masks"}


def find_object_disagreement(
    annotations: pd.DataFrame, images: pd.DataFrame, params: ValidateParams
) -> Iterator[Finding]:
    """Yield a finding for each two annotators below the bar, and for each class that one of them never draws."""
    for comparison in compare_objects(annotations, images, params.iou_min):
        plural = PLURALS[comparison.kind]
        for pair in measure_pairs(comparison):
            yield from _judge(pair, plural, params.kappa_min)
        for annotator, label, n in find_unused_classes(comparison):
            name, what = comparison.annotators[annotator], comparison.labels[label]
            if n >= UNUSED_MIN:
                drawn = f"{what!r}" if what is not None else "without a class"
                message = f"{name} never draws {plural} {drawn}; others drew {n} on images that {name} saw"
                yield Finding(message, subject=f"{name}: {plural} {drawn}")


def _judge(pair: dict[str, Any], plural: str, bar: float) -> Iterator[Finding]:
    one, other = pair["annotators"]
    f1, alpha = pair["f1"], pair["class_alpha"]
    n = pair["images"]
    worst = min(value for value in (f1, alpha) if value is not None)
    if worst >= bar:
        return
    said = f"{one} and {other} agree too little on {plural} ({n} image{'s' if n != 1 else ''}, {sum(pair['objects'])} {plural}, bar {bar:g}):"
    found = f"F1 {f1:.3f}, {pair['matched']} objects in common of {pair['objects'][0]} and {pair['objects'][1]}"
    named = "" if alpha is None else f"; alpha of their classes {alpha:.3f}"
    drawn = "" if pair["mean_iou"] is None else f"; mean IoU {pair['mean_iou']:.2f}"
    yield Finding(f"{said} {found}{named}{drawn}", score=max(worst, 0.0), subject=f"{one} and {other}: {plural}")


def _spoil(inputs: Inputs) -> Inputs:
    """A second annotator of the boxes, who draws them elsewhere."""
    annotations = inputs["annotations"]
    again = annotations[annotations["kind"] == "box"]
    shift = {name: again[name] + 20 for name in BOX}
    again = again.assign(annotation_id=again["annotation_id"] + "@dora", annotator="dora", **shift)
    return {**inputs, "annotations": pd.concat([annotations, again], ignore_index=True)}


CHECK = Check("AGR004", "agreement on objects below the bar", "warning", find_object_disagreement, _spoil)
