"""What an operator tells the reviewer: success after the record is on the disk, and never otherwise."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from datatools.errors import DatatoolsError
from datatools.fixes.records import load_records
from datatools.project import Project
from datatools.review import acting
from datatools.review.cards import Card, Deck, save_deck

REASON = "says *dog* <img src=x>"


class Ops:
    """Keeps what FiftyOne's page is told to do."""

    def __init__(self):
        self.calls = []

    def __getattr__(self, name):
        return lambda *args, **kwargs: self.calls.append((name, args, kwargs))

    @property
    def told(self):
        return [(args[0], kwargs["variant"]) for name, args, kwargs in self.calls if name == "notify"]


@pytest.fixture
def fixes(tmp_path, monkeypatch):
    def card(number):
        path, name = f"images/{number}.png", f"label/images/{number}.png"
        return Card(
            f"s{number}", path, number, name, "cat", "dog", 0.25, "", ("label",), REASON, "train", {"bob": "dog"}
        )

    save_deck(tmp_path, Deck("abc", ("cat", "dog"), tuple(card(number) for number in (1, 2, 3))))
    monkeypatch.setattr(acting, "_open", {})
    monkeypatch.setattr(acting, "_show", lambda ctx, standings, samples: True)
    monkeypatch.setattr(acting, "_order", lambda ctx: None)
    acting.open_sitting(tmp_path, Project(tmp_path).fixes, "Ann")
    return tmp_path / "data" / "fixes"


def context(current=None, selected=()):
    return SimpleNamespace(current_sample=current, selected=list(selected), ops=Ops())


def test_success_is_told_when_the_record_is_on_the_disk_and_the_next_image_opens(fixes, monkeypatch):
    ctx, seen = context("s1"), []
    monkeypatch.setattr(ctx.ops, "notify", lambda *a, **k: seen.append(len(load_records(fixes)[0])), raising=False)
    acting.act(ctx, "accept")
    assert seen == [1]
    assert ("open_sample", (), {"id": "s2"}) in ctx.ops.calls


def test_selected_images_are_decided_together_and_the_next_is_selected(fixes):
    ctx = context(selected=["s1", "s2"])
    acting.act(ctx, "relabel", "dog", "both bark")
    assert ctx.ops.told == [("Recorded: relabel, 2 images", "success")]
    assert ("set_selected_samples", (["s3"],), {}) in ctx.ops.calls
    assert {record.why for record in load_records(fixes)[0]} == {"both bark"}


def test_the_open_image_counts_and_not_what_is_selected_behind_it(fixes):
    acting.act(context("s2", ["s1", "s3"]), "exclude")
    assert [record.path for record in load_records(fixes)[0]] == ["images/2.png"]


def test_undo_goes_back_to_the_image(fixes):
    acting.act(context("s1"), "accept")
    ctx = context("s2")
    acting.act(ctx, "undo")
    assert ctx.ops.told == [("Recorded: 1.png: taken back", "success")]
    assert ("open_sample", (), {"id": "s1"}) in ctx.ops.calls


def test_without_the_database_the_record_is_made_and_said_to_be(fixes, monkeypatch):
    monkeypatch.setattr(acting, "_show", lambda ctx, standings, samples: False)
    ctx = context("s1")
    acting.act(ctx, "keep")
    ((message, variant),) = ctx.ops.told
    assert message.startswith("Recorded: 1.png: confirm cat. The app's database has ended") and variant == "error"
    assert len(load_records(fixes)[0]) == 1 and [name for name, *_ in ctx.ops.calls] == ["notify"]


def test_a_full_disk_is_told_and_nothing_else_happens(fixes, monkeypatch):
    def fail(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("datatools.review.sitting.append_records", fail)
    ctx = context("s1")
    acting.act(ctx, "keep")
    assert ctx.ops.told == [("Nothing was recorded: [Errno 28] No space left on device", "error")]
    assert len(ctx.ops.calls) == 1 and not fixes.exists()


def test_a_key_with_nothing_open_says_so(fixes):
    ctx = context()
    acting.act(ctx, "keep")
    assert ctx.ops.told == [("Nothing was recorded: open an image or select some first.", "error")]


def test_the_last_image_says_that_none_is_left(fixes):
    ctx = context(selected=["s1", "s2", "s3"])
    acting.act(ctx, "keep")
    assert ctx.ops.told[-1] == ("No image of this view is left without a decision.", "info")


def test_the_panel_tells_facts_progress_and_who_and_nothing_in_them_is_markup(fixes):
    acting.act(context("s1"), "ask")
    above, below = acting.describe(context("s1"))
    assert "**1.png**" in above and "label **cat** · suggested **dog** · score 0.25 · rank 1 · train" in above
    assert r"says \*dog\* \<img src=x\>" in above and "bob **dog**" in above and "Decided: Ann: ask" in above
    assert below.startswith("**0 of 3 decided** · 1 for an expert") and "Reviewer: Ann" in below
    assert "- 2 model disagrees" in below
    assert "Open an image" in acting.describe(context())[0]
    assert "**2 images selected.**" in acting.describe(context(selected=["s1", "s2"]))[0]


def test_refresh_tells_how_many_are_disputed(fixes, tmp_path):
    acting.act(context("s1"), "keep")
    acting.open_sitting(tmp_path, fixes, "Bob")
    acting.act(context("s1"), "accept")
    ctx = context()
    acting.refresh(ctx)
    assert ctx.ops.told == [("Up to date; 1 images are disputed.", "warning")]


def test_an_app_that_was_not_opened_by_the_command_records_nothing(monkeypatch):
    monkeypatch.setattr(acting, "_open", {})
    ctx = context("s1")
    acting.act(ctx, "keep")
    assert "was not opened by `datatools review`" in ctx.ops.told[0][0]
    with pytest.raises(DatatoolsError, match="not opened by"):
        acting.choices()
