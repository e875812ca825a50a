"""How many images show each class."""

from __future__ import annotations

import pandas as pd

from datatools.schema import CONSENSUS


def count_images(annotations: pd.DataFrame) -> pd.Series:
    """Index label -> number of images: by the vote where whole images are labelled, and by what is drawn in them.

    A vote made of an image's objects repeats one of them; a label that the vote overruled does not count.
    """
    counted = (annotations["kind"] != "label") | (annotations["annotator"] == CONSENSUS).fillna(False)
    if not (annotations["annotator"] == CONSENSUS).any():
        counted |= True
    return annotations.loc[counted, ["path", "label"]].drop_duplicates()["label"].value_counts()
