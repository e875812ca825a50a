"""The statistics of fix records in words, for a terminal and for the report."""

from __future__ import annotations

from datatools.fixes.stats import FixStats, Lane, Precision
from datatools.report.lift_words import to_lift_lines
from datatools.report.words import visible

LANE_WORDS = {
    "train and val": "Train and val, what the model learns from",
    "test": "Test, what the model is measured on",
    "on no side": "On no side of the split (quarantine, or not split yet)",
}


def write_stats(stats: FixStats) -> list[str]:
    """The statistics as lines for a terminal."""
    lines = [_join(stats.by_status) or "no records yet"]
    lines += [f"{visible(who)}: {_join(ops)}" for who, ops in stats.by_person.items()]
    for name, lane in stats.lanes.items():
        lines += ["", f"{LANE_WORDS[name]}:", *(f"  {line}" for line in _write_lane(lane))]
    if stats.by_change:
        lines += ["", "Labels changed:"]
        lines += [f"  {n:>5}  {visible(old, 60)} -> {visible(new, 60)}" for (old, new), n in stats.by_change.items()]
    lines += ["", *write_aim(stats)]
    return [*lines, "", *_write_lift(stats)] if stats.by_status else lines


def write_aim(stats: FixStats) -> list[str]:
    """How well the queue aimed, and what is left, in a sentence each."""
    left = stats.errors_left
    lines = [write_precision(stats.precision)]
    if left:
        lines.append(
            f"Estimated wrong labels left: {left['rate']:.0f} ({left['low']:.0f} to {left['high']:.0f}), by the last dvc repro."
        )
    return lines


def write_precision(found: Precision) -> str:
    """How many of the queue's doubts so far were wrong labels, with the interval."""
    if found.share is None or found.low is None or found.high is None:
        return "The queue's doubts: none reviewed yet."
    around = f"95 % interval {found.low:.0%} to {found.high:.0%}"
    return f"The queue's doubts: {found.wrong} of {found.reviewed} were wrong labels, {found.share:.0%} ({around})."


def _write_lane(lane: Lane) -> list[str]:
    lines = [_join(lane.by_op), write_precision(lane.precision)]
    if lane.by_class:
        lines.append(f"{'label was':<20}  reviewed  changed  became it")
        lines += [
            f"{visible(name, 20):<20}  {row.reviewed:>8}  {row.changed:>7}  {row.became:>9}"
            for name, row in lane.by_class.items()
        ]
    if any(n for _, n in lane.by_annotator.values()):
        lines.append(f"{'labels of':<20}  reviewed  changed")
        lines += [f"{visible(who, 20):<20}  {n:>8}  {wrong:>7}" for who, (wrong, n) in lane.by_annotator.items() if n]
    return lines


def _write_lift(stats: FixStats) -> list[str]:
    """What the fixes bought, and whether that is of the data as it is now."""
    lift = stats.lift
    made_since = lift.get("why_not") == "no records" and not lift.get("before")  # by the last run there were none
    lines = to_lift_lines({} if made_since else lift)
    if stats.lift.get("measured") and stats.lift["data_version"] != stats.data_version:
        lines.append(f"That was on data {stats.lift['data_version']}; now it is {stats.data_version}: measure again.")
    return lines


def _join(counts: dict[str, int]) -> str:
    return ", ".join(f"{n} {visible(name, 40)}" for name, n in counts.items())
