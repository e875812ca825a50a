"""What it finds: an image without box or mask in a data set of boxes and masks, where that is odd: no annotation file speaks of
it, or hardly any other image (1 in 20) has none.

Why it matters: an image that was forgotten teaches the model that its objects are background.

What to do: look at it. If there is nothing to annotate, it is a good negative example: leave it. Else annotate it.

Options: none. Silent where more than 1 in 20 images have no object and the annotation files list them, an empty label file of
YOLO among them: such data has negatives. Where people label whole images, LBL002 speaks instead.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from datatools.checks.base import Check, Inputs
from datatools.checks.columns import Texts
from datatools.checks.geometry import unpack
from datatools.checks.missing_label import are_images_labelled
from datatools.findings import Finding

USUAL = 0.05  # of the images: with more of them empty, empty images are part of the data


def find_images_without_annotation(images: pd.DataFrame, annotations: pd.DataFrame) -> Iterator[Finding]:
    """Yield a finding for each image without object that no file speaks of, or, where these are few, for each."""
    objects = unpack(annotations)
    is_object = ~objects.is_label
    if not is_object.any() or (not is_object.all() and are_images_labelled(annotations[~is_object])):
        return
    empty = np.flatnonzero(~objects.is_annotated(images, is_object))
    paths, sources, attributes = (Texts.of(images[name]).take(empty) for name in ("path", "source", "attributes"))
    unsaid = [_is_unsaid(*said) for said in zip(sources, attributes, strict=True)]
    if sum(unsaid) > len(images) / 2:
        yield Finding(f"no annotation file speaks of {sum(unsaid):,} of the {len(images):,} images")
        paths = [path for path, is_unsaid in zip(paths, unsaid, strict=True) if not is_unsaid]
        unsaid = [False] * len(paths)
    few = len(paths) <= USUAL * len(images)
    rest = f"{len(images) - len(paths):,} of {len(images):,} images have one"
    for path, is_unsaid in zip(paths, unsaid, strict=True):
        if is_unsaid or few:
            yield Finding(
                f"has no box or mask, {'and no annotation file speaks of it' if is_unsaid else f'though {rest}'}", path
            )


def _is_unsaid(source: str | None, attributes: str | None) -> bool:
    """Whether no annotation file speaks of an image."""
    return source == "folder" or (attributes is not None and '"labels":"missing"' in attributes)


def _spoil(inputs: Inputs) -> Inputs:
    annotations, images = inputs["annotations"], inputs["images"].copy()
    annotations = annotations[annotations["kind"] != "label"].reset_index(drop=True)
    empty = ~images["path"].isin(annotations["path"])
    images.loc[empty.idxmax(), "source"] = "folder"
    return {**inputs, "annotations": annotations, "images": images}


CHECK = Check("LBL008", "image without annotation", "info", find_images_without_annotation, _spoil)
