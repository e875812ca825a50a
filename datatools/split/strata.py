"""What is spread evenly over the sides: for each image the classes it shows, and how many objects of each."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, hstack

from datatools.agreement.consensus import vote
from datatools.choices import chosen_names
from datatools.dataset import Dataset
from datatools.object_labels import label_by_objects
from datatools.schema import CONSENSUS

NO_CLASS = "(none)"


@dataclass(frozen=True)
class Strata:
    """Counts by image, rows in the order of the images: `images` (n, n_labels) is 1 where the image has the label of that
    column of `labels`; `objects` (n, n_classes) counts its boxes and masks of each of `classes`."""

    labels: tuple[str, ...]
    images: csr_matrix
    classes: tuple[str, ...]
    objects: csr_matrix

    @property
    def counts(self) -> csr_matrix:
        """All columns, and last a column of ones: the image itself."""
        return csr_matrix(hstack([self.images, self.objects, np.ones((self.images.shape[0], 1))]))

    @property
    def scales(self) -> NDArray[np.float64]:
        """For each column of `counts` what makes a whole in an image: 1 label; as many objects as an image has on average,
        at least 1."""
        n_objects = max(self.objects.sum() / max(self.images.shape[0], 1), 1.0)
        return np.repeat([1.0, n_objects, 1.0], [self.images.shape[1], self.objects.shape[1], 1])


def find_strata(dataset: Dataset) -> Strata:
    """The classes of each image as its annotators gave them, before any fix, and its objects.

    One label an image: the vote. Several by one annotator: all that at least half of the image's annotators gave. No
    label: the class that covers most of it. Labels outside the class list count as none.
    """
    paths = pd.Index(dataset.images["path"])
    given = _image_labels(dataset)
    given = given[given["label"].isin(dataset.classes)]
    rows = paths.get_indexer(pd.Index(given["path"]))
    bare = np.setdiff1d(np.arange(len(paths)), rows)
    names = pd.concat([given["label"].astype("string"), pd.Series([NO_CLASS] * len(bare), dtype="string")])
    labels, images = _cross(np.concatenate([rows, bare]), names, len(paths))
    things = dataset.objects
    things = things[things["label"].isin(dataset.classes) & things["path"].isin(paths)]
    classes, objects = _cross(paths.get_indexer(pd.Index(things["path"])), things["label"], len(paths))
    return Strata(labels, images, classes, objects)


def _image_labels(dataset: Dataset) -> pd.DataFrame:
    """path, label: a row a class of an image."""
    said = _labels_by_people(dataset.annotations)
    if said.empty:
        return label_by_objects(dataset.annotations).rename("label").reset_index()
    several = said.duplicated(["path", "annotator"], keep=False)
    many = said[said["path"].isin(set(said.loc[several, "path"]))]
    voted = vote(dataset.ratings[~dataset.ratings.index.isin(many["path"])]).rename_axis("path").reset_index()
    if many.empty:
        return voted
    n_annotators = many.groupby("path")["annotator"].nunique()
    n_votes = many.groupby(["path", "label"])["annotator"].nunique().reset_index(name="n")
    enough = n_votes[2 * n_votes["n"] >= n_votes["path"].map(n_annotators)]
    return pd.concat([voted, enough[["path", "label"]]], ignore_index=True)


def _labels_by_people(annotations: pd.DataFrame) -> pd.DataFrame:
    """path, annotator, label: every label that somebody gave an image; one row may hold several choices."""
    rows = annotations[(annotations["kind"] == "label") & (annotations["annotator"] != CONSENSUS)]
    rows = rows[["path", "annotator", "label", "attributes"]]
    is_several = rows["label"].isna() & rows["attributes"].str.contains('"choices"', regex=False).fillna(False)
    spread = [
        {"path": row.path, "annotator": row.annotator, "label": name}
        for row in rows[is_several].itertuples()
        for name in chosen_names(json.loads(str(row.attributes)))
    ]
    single = rows.loc[rows["label"].notna(), ["path", "annotator", "label"]]
    found = pd.concat([single, pd.DataFrame(spread)], ignore_index=True) if spread else single
    return found.drop_duplicates()


def _cross(rows: NDArray[np.int64], names: pd.Series, n: int) -> tuple[tuple[str, ...], csr_matrix]:
    """The names in the order of the alphabet, and how often each row has each."""
    codes, known = pd.factorize(names.astype("string"), sort=True)
    counts = csr_matrix((np.ones(len(rows)), (rows, codes)), shape=(n, len(known)))
    return tuple(map(str, known)), counts
