"""What an operator does: the record first, then the App, and never a word of success before the record is on the disk."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from datatools.errors import DatatoolsError
from datatools.fixes.history import describe_change
from datatools.fixes.records import FixRecord
from datatools.report.words import KINDS
from datatools.review.cards import Card, load_deck
from datatools.review.showing import is_up, show_standings
from datatools.review.sitting import Sitting, Standing, measure_progress

DATABASE_GONE = "The app's database has ended: press Ctrl-C where `datatools review` runs and start it again."
_open: dict[str, Sitting] = {}  # the one sitting of this server process


def open_sitting(project: Path, folder: Path, who: str) -> None:
    """Make the operators of this process decide as `who` on the deck of `project`; records go below `folder`."""
    _open["sitting"] = Sitting(load_deck(project), folder, who)


def choices() -> tuple[str, ...]:
    """The classes."""
    return _sitting().deck.classes


def act(ctx: Any, action: str, label: str | None = None, why: str = "") -> None:
    """Do `action` on the selected images or the open one, tell the reviewer, and offer the next image."""
    try:
        sitting = _sitting()
        chosen = _chosen(ctx)
        made = sitting.undo() if action == "undo" else sitting.decide(chosen, action, label, why)
    except (DatatoolsError, OSError) as error:
        ctx.ops.notify(f"Nothing was recorded: {error}", variant="error")
        return
    if not made:
        ctx.ops.notify("That is on record already.", variant="info")
    touched = sorted({str(record.evidence["sample"]) for record in made})
    if not _show(ctx, sitting.standings(), touched):
        ctx.ops.notify(f"Recorded: {_tell(made)}. {DATABASE_GONE}", variant="error")
        return
    if made:
        ctx.ops.notify(f"Recorded: {_tell(made)}", variant="success")
    _go_on(ctx, sitting, touched if action == "undo" else chosen, back=action == "undo")


def refresh(ctx: Any) -> None:
    """Read the records anew and show what others decided."""
    standings = _sitting().standings()
    if not _show(ctx, standings, list(standings)):
        ctx.ops.notify(DATABASE_GONE, variant="error")
        return
    ctx.ops.reload_dataset()
    disputed = sum(standing.is_disputed for standing in standings.values())
    ctx.ops.notify(f"Up to date; {disputed} images are disputed.", variant="warning" if disputed else "info")


def start(ctx: Any) -> None:
    """Bring the App in line with the records when the panel opens."""
    standings = _sitting().standings()
    _show(ctx, standings, list(standings))


def describe(ctx: Any) -> tuple[str, str]:
    """The panel's Markdown: the image's facts, and the progress."""
    sitting = _sitting()
    standings = sitting.standings()
    return _facts(sitting, standings, _chosen(ctx)), _progress(sitting, standings)


def _sitting() -> Sitting:
    if "sitting" not in _open:
        raise DatatoolsError("this App was not opened by `datatools review`: nothing can be recorded.")
    return _open["sitting"]


def _chosen(ctx: Any) -> list[str]:
    """The open image, or the selected ones where none is open."""
    return [ctx.current_sample] if ctx.current_sample else list(ctx.selected)


def _show(ctx: Any, standings: Mapping[str, Standing], samples: Sequence[str]) -> bool:
    """Bring samples in line with the records; whether the database took it."""
    import fiftyone as fo
    from pymongo.errors import PyMongoError

    if not is_up(fo.config.database_uri):
        return False
    try:
        if samples:
            show_standings(ctx.dataset.select(list(samples)), standings)
    except PyMongoError:
        return False
    return True


def _go_on(ctx: Any, sitting: Sitting, chosen: Sequence[str], back: bool) -> None:
    """Show the change, then the next image without a decision; after an undo the image it was about."""
    order = _order(ctx)
    after = chosen[-1] if chosen else None
    target = after if back else sitting.find_next(after, sitting.standings(), order)
    ctx.ops.reload_samples()
    if target is None:
        ctx.ops.notify("No image of this view is left without a decision.", variant="info")
    elif ctx.current_sample:
        if target != ctx.current_sample:
            ctx.ops.open_sample(id=target)
    else:
        ctx.ops.set_selected_samples([target])


def _order(ctx: Any) -> list[str] | None:
    """The ids of the view as the reviewer filtered it; None where it cannot be told."""
    from pymongo.errors import PyMongoError

    with contextlib.suppress(PyMongoError, ValueError):  # the queue's order will do
        ids: list[str] = ctx.view.values("id")
        return ids
    return None


def _tell(made: Sequence[FixRecord]) -> str:
    paths = sorted({str(record.path) for record in made})
    if len(paths) > 1:
        return f"{made[-1].evidence['action']}, {len(paths)} images"
    return f"{Path(paths[0]).name}: {'taken back' if made[-1].op == 'revert' else describe_change(made[-1])}"


def _facts(sitting: Sitting, standings: Mapping[str, Standing], chosen: Sequence[str]) -> str:
    if not chosen:
        return "Open an image, or select some.\n\nThe keys work on them; so do the buttons."
    if len(chosen) > 1:
        return f"**{len(chosen)} images selected.** A decision is made for each of them."
    (card,) = sitting.deck.find(chosen)
    standing = standings[card.sample]
    lines = [f"**{_escape(Path(card.path).name)}**", _labels(card, standing), _escape(card.reason)]
    if card.said:
        lines.append(
            "Annotators: " + ", ".join(f"{_escape(who)} **{_escape(said)}**" for who, said in card.said.items())
        )
    if standing.words:
        lines.append(f"{'**Disputed.** ' if standing.is_disputed else ''}Decided: {_escape(standing.words)}")
    return "\n\n".join(line for line in lines if line)


def _labels(card: Card, standing: Standing) -> str:
    parts = [f"label **{_escape(standing.label or 'none')}**"]
    if card.suggested:
        parts.append(f"suggested **{_escape(card.suggested)}**")
    if card.score is not None:
        parts.append(f"score {card.score:.2f}")
    return " · ".join([*parts, f"rank {card.rank}", *([card.split] if card.split else [])])


def _progress(sitting: Sitting, standings: Mapping[str, Standing]) -> str:
    found = measure_progress(sitting.deck, dict(standings))
    parts = [f"**{found.n_decided} of {found.n} decided**"]
    parts += [f"{found.n_asked} for an expert"] if found.n_asked else []
    parts += [f"{found.n_disputed} disputed"] if found.n_disputed else []
    left = [f"- {n} {KINDS.get(kind, kind)}" for kind, n in sorted(found.n_open.items(), key=lambda item: -item[1])]
    return "\n".join(
        [" · ".join(parts), "", f"Reviewer: {_escape(sitting.who)}", "", "Left:", *(left or ["- nothing"])]
    )


def _escape(text: str) -> str:
    """Text of a data set as Markdown that shows it: no link, no tag, no emphasis."""
    return "".join(f"\\{sign}" if sign in "\\`*_{}[]()#+!|<>~" else sign for sign in text)
