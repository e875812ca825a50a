"""What it finds: a box whose width for its height, or whose size, is far from what its class usually has.

Why it matters: it may be a box around half of the object or around two, or a wrong label.

What to do: look at the worst ones. Objects seen from an unusual side are fine.

Options: `validate.box_shape_limit`: how many robust standard deviations (1.4826 x the median deviation, of the logarithm)
from the class's median are unusual. The default 0 switches the check off: natural objects come in many shapes. 6 is a good
start for things made to measure. Boxes at the edge of the image, where objects are cut off, and classes with fewer than 20
boxes are passed over.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np
import pandas as pd

from datatools.checks.base import Check, Inputs
from datatools.checks.drawing import mark_box
from datatools.checks.geometry import unpack
from datatools.checks.pairs import ENOUGH, Floats, Ints
from datatools.findings import Finding
from datatools.params import ValidateParams
from datatools.schema import ANNOTATIONS

EDGE_PX = 1.0  # nearer to the edge than this a box may be cut off
LEAST_DEVIATION = 0.05  # of a logarithm: 5 %, about what a hand's slip makes


def find_unusual_shapes(annotations: pd.DataFrame, images: pd.DataFrame, params: ValidateParams) -> Iterator[Finding]:
    """Yield a finding for each box beyond the limit, in either aspect ratio or size."""
    if params.box_shape_limit == 0:
        return
    objects = unpack(annotations)
    areas = objects.areas
    room = np.minimum(objects.boxes[:, :2], objects.sizes(images) - objects.boxes[:, 2:]).min(axis=1)
    among = np.flatnonzero(objects.is_box & (areas > 0) & (room > EDGE_PX))
    classes, boxes = objects.classes[among], objects.boxes[among]
    sides = boxes[:, 2:] - boxes[:, :2]
    features = {"width / height": sides[:, 0] / sides[:, 1], "side": np.sqrt(areas[among])}
    for name, values in features.items():
        usual, away = _deviations(np.log(values), classes)
        for index in np.flatnonzero(away > params.box_shape_limit):
            numbers = f"{name} is {values[index]:.3g}, its class's median {np.exp(usual[index]):.3g}"
            message = f"{numbers}: {away[index]:.1f} robust standard deviations away"
            score = float(params.box_shape_limit / away[index])
            yield objects.finding(among[index], message, score, [mark_box(boxes[index])])


def _deviations(values: Floats, groups: Ints) -> tuple[Floats, Floats]:
    """The median of each value's group, and how many robust standard deviations the value is away from it."""
    frame = pd.Series(values).groupby(groups)
    usual = frame.transform("median").to_numpy()
    spread = 1.4826 * pd.Series(np.abs(values - usual)).groupby(groups).transform("median").to_numpy()
    away = np.abs(values - usual) / np.maximum(spread, LEAST_DEVIATION)
    return usual, np.where(frame.transform("size").to_numpy() >= ENOUGH, away, 0)


def _off(inputs: Inputs) -> str:
    return "validate.box_shape_limit is 0" if inputs["params"].box_shape_limit == 0 else ""


def _spoil(inputs: Inputs) -> Inputs:
    annotations = inputs["annotations"]
    boxes = annotations[annotations["kind"] == "box"].assign(label="circle")
    more = pd.concat([boxes, boxes.assign(annotation_id=boxes["annotation_id"] + "b")])
    more.iloc[0, more.columns.get_loc("y1_px")] = more["y0_px"].iloc[0] + 2
    others = annotations[annotations["kind"] != "box"]
    params = dataclasses.replace(inputs["params"], box_shape_limit=6.0)
    return {**inputs, "annotations": ANNOTATIONS.conform(pd.concat([others, more])), "params": params}


CHECK = Check("BOX008", "unusual box shape", "info", find_unusual_shapes, _spoil, off=_off)
