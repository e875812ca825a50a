"""The FiftyOne plugin of the review: operators that decide, and the queue's panel. Everything it decides is in sitting.py."""

from __future__ import annotations

from typing import Any

import fiftyone.operators as foo
from fiftyone.operators import types

from datatools.errors import DatatoolsError
from datatools.review.acting import act, choices, describe, refresh, start

PLUGIN = "@datatools/review"
KEYS_HELP = "Works on the selected images, or on the open one."


class _Action(foo.Operator):  # type: ignore[misc]
    """An operator that does one thing at once."""

    action = ""
    label = ""

    @property
    def config(self) -> Any:
        """What FiftyOne lists."""
        return foo.OperatorConfig(name=self.action, label=f"Review: {self.label}", description=KEYS_HELP)

    def execute(self, ctx: Any) -> None:
        """Do it, for what is open or selected."""
        act(ctx, self.action)


class Accept(_Action):
    """Takes the label that is suggested."""

    action, label = "accept", "accept the suggestion (a)"


class Keep(_Action):
    """Says that the label is right."""

    action, label = "keep", "keep the label (k)"


class Exclude(_Action):
    """Takes the image out of the data set."""

    action, label = "exclude", "exclude the image (x)"


class Ask(_Action):
    """Leaves the decision to an expert."""

    action, label = "ask", "ask an expert (e)"


class Undo(_Action):
    """Takes the last decision back."""

    action, label = "undo", "undo (u)"


class Choose(foo.Operator):  # type: ignore[misc]
    """The key `r`: the classes that keys.js offers."""

    @property
    def config(self) -> Any:
        """What FiftyOne lists."""
        return foo.OperatorConfig(name="choose", label="Review: choose a label", unlisted=True)

    def execute(self, ctx: Any) -> dict[str, list[str]]:
        """Give the classes."""
        return {"classes": list(choices())}


class Relabel(foo.Operator):  # type: ignore[misc]
    """Gives the images another class."""

    @property
    def config(self) -> Any:
        """What FiftyOne lists."""
        return foo.OperatorConfig(name="relabel", label="Review: relabel to ... (r)", description=KEYS_HELP)

    def resolve_input(self, ctx: Any) -> Any:
        """The form: a class, and why."""
        inputs = types.Object()
        view = types.AutocompleteView(allow_user_input=False)
        for name in choices():
            view.add_choice(name, label=name)
        inputs.enum("label", view.values(), required=True, label="Class", view=view)
        inputs.str("why", label="Why", description="May stay empty.", required=False)
        return types.Property(inputs, view=types.View(label="Relabel to"))

    def execute(self, ctx: Any) -> None:
        """Do it, for what is open or selected."""
        act(ctx, "relabel", ctx.params.get("label"), ctx.params.get("why") or "")


class Refresh(foo.Operator):  # type: ignore[misc]
    """Shows what others decided since."""

    @property
    def config(self) -> Any:
        """What FiftyOne lists."""
        return foo.OperatorConfig(name="refresh", label="Review: refresh", description="Reads data/fixes anew.")

    def execute(self, ctx: Any) -> None:
        """Do it, for what is open or selected."""
        refresh(ctx)


class ReviewQueue(foo.Panel):  # type: ignore[misc]
    """What the queue says of the image, the decisions with their keys, and how far the review is."""

    @property
    def config(self) -> Any:
        """What FiftyOne lists."""
        return foo.PanelConfig(
            name="review_queue", label="Review queue", icon="fact_check", surfaces="grid modal", priority=1
        )

    def on_load(self, ctx: Any) -> None:
        """Show what was decided since."""
        start(ctx)

    def on_change_current_sample(self, ctx: Any) -> None:
        """Render anew."""

    def on_change_selected(self, ctx: Any) -> None:
        """Render anew."""

    def accept(self, ctx: Any) -> None:
        """The button."""
        act(ctx, "accept")

    def keep(self, ctx: Any) -> None:
        """The button."""
        act(ctx, "keep")

    def relabel(self, ctx: Any) -> None:
        """The button."""
        ctx.prompt(f"{PLUGIN}/relabel")

    def exclude(self, ctx: Any) -> None:
        """The button."""
        act(ctx, "exclude")

    def ask(self, ctx: Any) -> None:
        """The button."""
        act(ctx, "ask")

    def undo(self, ctx: Any) -> None:
        """The button."""
        act(ctx, "undo")

    def refresh(self, ctx: Any) -> None:
        """The button."""
        refresh(ctx)

    def render(self, ctx: Any) -> Any:
        """Facts, buttons, progress; FiftyOne asks for them after each event."""
        panel = types.Object()
        try:
            above, below = describe(ctx)
        except DatatoolsError as error:
            above, below = f"**{error}**", ""
        panel.md(above, name="facts")
        for row in (("accept", "keep", "relabel"), ("exclude", "ask", "undo")):
            group = panel.h_stack("_".join(row), gap=1)
            for name in row:
                variant = "contained" if name == "accept" else "outlined"
                group.btn(name, label=BUTTONS[name], on_click=getattr(self, name), variant=variant)
        panel.md(below, name="progress")
        panel.btn("refresh", label="Refresh: what others decided", on_click=self.refresh, variant="outlined")
        return types.Property(panel, view=types.GridView(orientation="vertical", padding=2, gap=1))


BUTTONS = {
    "accept": "Accept (a)",
    "keep": "Keep (k)",
    "relabel": "Relabel ... (r)",
    "exclude": "Exclude (x)",
    "ask": "Ask an expert (e)",
    "undo": "Undo (u)",
}


def register(plugin: Any) -> None:
    """FiftyOne calls this with the plugin to fill."""
    for found in (Accept, Keep, Choose, Relabel, Exclude, Ask, Undo, Refresh, ReviewQueue):
        plugin.register(found)
