"""What differs between the images of two versions: which came, went, changed their name, content, metadata or side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from datatools.diff.changes import Change, Value
from datatools.diff.facts import find_different, is_same_text, parse_object
from datatools.packed import among

CONTENT = ("sha256", "n_bytes", "width_px", "height_px", "format")
SAID = ("metadata", "attributes", "subset", "group")


def map_renamed(images: pd.DataFrame, renamed: Mapping[str, str]) -> pd.DataFrame:
    """`images` under the paths of the older version, sorted by path; `now` has the path as it is."""
    if not renamed:
        return images.assign(now=images["path"])
    return images.assign(now=images["path"], path=rename(images["path"], renamed)).sort_values("path", kind="stable")


def rename(paths: pd.Series, names: Mapping[str, str]) -> pd.Series:
    """`paths` with other names for some: those are the keys of `names`."""
    here = among(paths, names)
    if not here.any():
        return paths
    result = paths.copy()
    result[here] = pd.array([names[path] for path in paths[here].tolist()], dtype="string")
    return result


def list_image_changes(before: pd.DataFrame, after: pd.DataFrame) -> Iterator[Change]:
    """The changes of images; `after` is as map_renamed makes it."""
    old, new = before.set_index("path"), after.set_index("path")
    for path, value in _content(old.loc[old.index.difference(new.index)]):
        yield Change("image removed", path, None, value, None)
    came = new.loc[new.index.difference(old.index)]
    for path, value in _content(came):
        yield Change("image added", path, None, None, value)
    both = old.index.intersection(new.index)
    old, new = old.loc[both], new.loc[both]
    for path, now in new.loc[new.index != new["now"], "now"].items():
        yield Change("image renamed", now, None, str(path), now)
    other = ~is_same_text(old["sha256"], new["sha256"])
    pairs = zip(_content(old[other]), _content(new[other]), new.loc[other, "now"], strict=True)
    yield from (Change("image changed", now, None, one, two) for (_, one), (_, two), now in pairs)
    yield from _list_said(old, new)


def list_side_changes(before: pd.DataFrame, after: pd.DataFrame, renamed: Mapping[str, str]) -> Iterator[Change]:
    """Images of both versions that are on another side of the split; `renamed` has the old path of each new one."""
    old = before.set_index("path")["split"]
    new = after.assign(now=after["path"], path=rename(after["path"], renamed)).set_index("path")
    both = old.index.intersection(new.index)
    one, two = old.loc[both], new.loc[both, "split"]
    moved = ~is_same_text(one, two)
    rows = zip(new.loc[both, "now"][moved].tolist(), _plain(one[moved]), _plain(two[moved]), strict=True)
    yield from (Change("split moved", now, None, side, other) for now, side, other in rows)


def _list_said(old: pd.DataFrame, new: pd.DataFrame) -> Iterator[Change]:
    rows = np.any([~is_same_text(old[name], new[name]) for name in SAID], axis=0)
    for one, two, now in zip(_said(old[rows]), _said(new[rows]), new.loc[rows, "now"].tolist(), strict=True):
        before, after = find_different(one, two)
        if before or after:
            yield Change("metadata changed", now, None, before, after)


def _said(images: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """What is said of each image, by column; what has no value is not there."""
    for metadata, attributes, subset, group in zip(*(_plain(images[name]) for name in SAID), strict=True):
        more = {f"attributes.{name}": value for name, value in parse_object(attributes).items()}
        own = {"subset": subset, "group": group}
        yield {**parse_object(metadata), **more, **{name: text for name, text in own.items() if text is not None}}


def _content(images: pd.DataFrame) -> Iterator[tuple[str, Value]]:
    columns = [_plain(images[name]) for name in CONTENT]
    for path, *values in zip(images.index.tolist(), *columns, strict=True):
        yield path, dict(zip(CONTENT, values, strict=True))


def _plain(column: pd.Series) -> list[Any]:
    return column.astype(object).where(column.notna(), None).tolist()
