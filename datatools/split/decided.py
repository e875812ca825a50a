"""Sides that people decided: fix records `set_split` put an image on a side, whatever the ledger says."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from datatools.schema import SIDES
from datatools.split.ledger import UNKNOWN


def read_decided(fixes: pd.DataFrame, images: pd.DataFrame) -> NDArray[np.int8]:
    """The side of each image that a record of `fixes` (FIX_STATUS) in force decides, as a number of SIDES; else UNKNOWN."""
    rows = fixes[(fixes["status"] == "applied") & (fixes["op"] == "set_split")]
    decided = {row["path"]: SIDES.index(row["after"]) for row in rows.to_dict("records")}  # in the order of time
    return np.array([decided.get(path, UNKNOWN) for path in images["path"].tolist()], dtype=np.int8)
