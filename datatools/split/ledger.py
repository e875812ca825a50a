"""The record of who was ever put on which side: data/split/ledger.csv, in Git, one line a sample, never taken back.

A sample is a content at a path. It is found again by both, else by its content (renamed), else by its path (edited in
place). Lines are only added, so that the union of two branches' ledgers is the ledger of their merge; two lines that
put one sample on different sides are a dispute, and the test set wins it, then validation.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from datatools.errors import DatatoolsError
from datatools.schema import LEDGER, SIDES
from datatools.store import save_text

FILE = "ledger.csv"
HEAD = list(LEDGER.columns)
UNKNOWN = -1  # on no side yet; sides are numbered as in SIDES, and of two the larger number wins


def load_ledger(file: Path) -> pd.DataFrame:
    """Read a ledger (LEDGER); empty where there is no file. Raises DatatoolsError that names the line."""
    try:
        return parse_ledger(file.read_text(encoding="utf-8"), str(file))
    except FileNotFoundError:
        return LEDGER.empty()
    except (OSError, UnicodeDecodeError) as error:
        raise DatatoolsError(f"{file}: expected a ledger as UTF-8. Got: {error}. Restore it from Git.") from error


def parse_ledger(text: str, where: str) -> pd.DataFrame:
    """The lines of a ledger as a table (LEDGER), each once, in any order; a merge may repeat the head.

    Raises DatatoolsError that starts with `where`.
    """
    rows = []
    for number, row in enumerate(csv.reader(io.StringIO(text, newline="")), start=1):
        if row == HEAD or not row:
            continue
        if len(row) != len(HEAD) or row[2] not in SIDES:
            got = f"the split {row[2]!r:.40}" if len(row) == len(HEAD) else f"{','.join(row)!r:.80}"
            raise DatatoolsError(
                f"{where}: line {number}: expected {','.join(HEAD)} with split one of {', '.join(SIDES)}. "
                f"Got {got} instead: restore the file from Git; merges take the lines of both sides "
                "(merge=union in .gitattributes)."
            )
        rows.append(tuple(row))
    return LEDGER.conform(pd.DataFrame(sorted(set(rows)), columns=HEAD))


def save_ledger(file: Path, ledger: pd.DataFrame) -> None:
    """Write the lines of `ledger` (LEDGER), sorted: equal content gives equal bytes."""
    save_text(file, "".join(_lines(ledger)))


def write_line(path: str, sha256: str, side: str) -> str:
    """The line of a sample as it stands in the file, quoted as CSV quotes; without its end."""
    sink = io.StringIO(newline="")
    csv.writer(sink, lineterminator="").writerow([path, sha256, side])
    return sink.getvalue()


def look_up(ledger: pd.DataFrame, images: pd.DataFrame) -> NDArray[np.int8]:
    """The side of each image (path, sha256) by the ledger, as a number of SIDES; UNKNOWN where it has none.

    A line that is some image's own speaks of no other image: a copy of it, or another content under its old path.
    """
    lines = _settle(ledger)
    sides = np.full(len(images), UNKNOWN, dtype=np.int8)
    wanted = images[["path", "sha256"]].reset_index(drop=True)
    for keys in (["path", "sha256"], ["sha256"], ["path"]):
        sought = wanted[sides == UNKNOWN].reset_index(names="row")
        if sought.empty:
            break
        winners = lines.sort_values("side").drop_duplicates(keys, keep="last")
        found = sought.merge(winners[[*keys, "side"]], on=keys)
        sides[found["row"].to_numpy()] = found["side"].to_numpy()
        taken = pd.MultiIndex.from_frame(found[keys])
        lines = lines[~pd.MultiIndex.from_frame(lines[keys]).isin(taken)]
    return sides


def add_to_ledger(ledger: pd.DataFrame, images: pd.DataFrame, sides: NDArray[np.int8]) -> pd.DataFrame:
    """The ledger with a line for each image (path, sha256) on a side that it does not have on that side yet."""
    placed = images.loc[sides != UNKNOWN, ["path", "sha256"]].assign(split=np.array(SIDES)[sides[sides != UNKNOWN]])
    settled = pd.MultiIndex.from_frame(_settle(ledger)[["path", "sha256"]])
    new = placed[~pd.MultiIndex.from_frame(placed[["path", "sha256"]]).isin(settled)]
    return LEDGER.conform(pd.concat([ledger, new], ignore_index=True)) if len(new) else LEDGER.conform(ledger)


def find_disputes(ledger: pd.DataFrame) -> pd.DataFrame:
    """Samples with lines on several sides: path, sha256 and splits, the one that counts last."""
    repeated = ledger[ledger.duplicated(["path", "sha256"], keep=False)]
    ranked = repeated.assign(side=repeated["split"].map(SIDES.index)).sort_values(["path", "sha256", "side"])
    return ranked.groupby(["path", "sha256"], sort=True)["split"].agg(list).rename("splits").reset_index()


def find_moved(before: pd.DataFrame, after: pd.DataFrame) -> pd.DataFrame:
    """Samples of the ledger `before` that `after` has not, or has on another side: path, sha256, was, now."""
    names = ["path", "sha256", "side"]
    both = _settle(before)[names].merge(_settle(after)[names], on=names[:2], how="left", suffixes=("_was", "_now"))
    moved = both[both["side_was"] != both["side_now"]]
    words = dict(enumerate(SIDES))
    was, now = moved["side_was"].map(words), moved["side_now"].map(words)
    return moved[names[:2]].assign(was=was, now=now).reset_index(drop=True)


def _settle(ledger: pd.DataFrame) -> pd.DataFrame:
    """One line a sample, with its side as a number."""
    ranked = ledger.assign(side=ledger["split"].map(SIDES.index).astype("int8"))
    return ranked.sort_values("side", kind="stable").drop_duplicates(["path", "sha256"], keep="last")


def _lines(ledger: pd.DataFrame) -> Iterator[str]:
    sink = io.StringIO(newline="")
    writer = csv.writer(sink, lineterminator="\n")
    writer.writerow(HEAD)
    writer.writerows(sorted(set(zip(*(ledger[name].tolist() for name in HEAD)))))
    yield sink.getvalue()
