"""The report for a pull request: Markdown within the platform's limit, foreign text only in code spans.

Platforms count characters and refuse what is longer (GitHub: 65,536 in a comment, 1 MiB in a job summary; GitLab: 1,000,000).
What is too long is cut by whole rows, every table at the same number of rows, and each cut says how many rows are left and
where they are. No table breaks off, no link is cut, `<details>` are closed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from datatools.errors import DatatoolsError
from datatools.report.against.verdict import BAD, CHANGED, GOOD, SAME, UNKNOWN, WORDS, judge, points, write_difference
from datatools.report.lift_words import to_verdict as write_lift
from datatools.report.markdown import code, prose, table
from datatools.report.words import NONE, OPS, count, is_number, percent, plural

Section = Mapping[str, Any]
MAX_CHARACTERS = 65_536  # https://docs.github.com: of a comment
LEAST = 4_000  # characters that the verdict alone may need
ROWS = (50, 25, 12, 6, 3, 1, 0)  # of a table; the first that fits is taken
FOLDED_FROM = 8  # rows from which a table is folded away
SYMBOLS = {GOOD: "✅", BAD: "⚠️", SAME: "➖", CHANGED: "✏️", UNKNOWN: "❔"}
PAGE, JSON = "changes.html", "changes.json"
MARKER = "<!-- datatools report -->"  # by which a workflow finds its comment again


@dataclass(frozen=True)
class Rows:
    """A table: its head (`#` marks numbers), its cells, harmless already, and what a row is called."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    noun: str
    nouns: str = ""  # of several, where that is not noun + s
    n: int = 0  # rows there are in all, where that is more than `rows`

    def write(self, at_most: int) -> str:
        """At most so many rows, folded away where they are many, and a word on the rest."""
        shown, total = list(self.rows[:at_most]), max(self.n, len(self.rows))
        rest, more = total - len(shown), "more " if shown else ""
        left = f"{plural(rest, f'{more}{self.noun}', f'{more}{self.nouns}' if self.nouns else '')}: see `{PAGE}` or `{JSON}`."
        if not shown:
            return left
        text = table(self.head, shown) + (f"\n\n{left}" if rest else "")
        if len(shown) < FOLDED_FROM:
            return text
        return f"<details><summary>{plural(total, self.noun, self.nouns)}</summary>\n\n{text}\n\n</details>"


Block = str | Rows
Part = tuple[str, list[Block]]


def to_markdown(document: Section, max_characters: int = MAX_CHARACTERS) -> str:
    """The document as Markdown of at most so many characters. Raises DatatoolsError where not even the verdict fits."""
    if max_characters < LEAST:
        raise DatatoolsError(f"--max-characters must be at least {LEAST:,}. Got {max_characters:,} instead.")
    head, parts = _head(document), _parts(document)
    for at_most in ROWS:
        text = _write(head, parts, at_most)
        if count_characters(text) <= max_characters:
            return text
    for n in range(len(parts) - 1, -1, -1):
        left = ", ".join(name for name, _ in parts[n:])
        text = _write(head, parts[:n], 0) + f"\nLeft out, as it would not fit: {left}. See `{PAGE}`.\n"
        if count_characters(text) <= max_characters:
            return text
    raise DatatoolsError(f"--max-characters {max_characters:,}: the verdict alone needs more. Give more room.")


def count_characters(text: str) -> int:
    """Characters as the strictest platform may count them: UTF-16 units, so that an emoji is two."""
    return len(text.encode("utf-16-le")) // 2


def _write(head: Sequence[str], parts: Sequence[Part], at_most: int) -> str:
    blocks = [*head]
    for name, body in parts:
        blocks.append(f"### {name}")
        blocks += [block if isinstance(block, str) else block.write(at_most) for block in body]
    return "\n\n".join(blocks) + "\n"


def _head(document: Section) -> list[str]:
    verdict, versions = document["verdict"], document["versions"]
    sides = [f"{code(versions[side]['name'], 60)}{_commit(versions[side])}" for side in ("before", "after")]
    rows = [[SYMBOLS[row["state"]], row["what"], prose(row["text"], 400)] for row in verdict["rows"]]
    return [
        MARKER,
        f"## {prose(document['title'], 80)}: what changed",
        f"**{prose(verdict['sentence'], 600)}**",
        table(["", "", "against the base"], rows),
        f"From {sides[0]} to {sides[1]}. Pictures of what changed: `{PAGE}`; all of it: `{JSON}`.",
    ]


def _commit(version: Section) -> str:
    return f" at {code(str(version['commit'])[:12])}" if version["commit"] else ""


def _parts(document: Section) -> list[Part]:
    makers = (
        ("Model", lambda: _model(document.get("model"))),
        ("Data", lambda: _data(document["data"])),
        ("Decisions behind it", lambda: _decisions(document["data"])),
        ("Findings", lambda: _findings(document.get("findings"))),
        ("Split", lambda: _split(document)),
        ("Cases", lambda: _cases(document.get("model"))),
        ("Changes one by one", lambda: _changes(document["data"])),
        ("Lift", lambda: _lift(document.get("lift"))),
        ("Map", lambda: _map(document.get("map"))),
        ("What it cost", lambda: _costs(document.get("cost"))),
    )
    return [(name, body) for name, maker in makers if (body := maker())]


def _data(data: Section) -> list[Block]:
    blocks: list[Block] = []
    if data["by_kind"]:
        kinds = [[WORDS[kind][1], count(n)] for kind, n in data["by_kind"].items()]
        blocks.append(Rows(["what", "#n"], kinds, "kind"))
    if data["relabelled"]:
        pairs = [[code(row["before"]), code(row["after"]), count(row["n"])] for row in data["relabelled"]]
        blocks.append(Rows(["label was", "is", "#times"], pairs, "pair"))
    if data["classes"]:
        names = ("images_before", "images_after", "objects_before", "objects_after")
        rows = [[code(row["class"]), *(count(row[name]) for name in names)] for row in data["classes"]]
        head = ["class", "#images before", "#images after", "#objects before", "#objects after"]
        blocks.append(Rows(head, rows, "class with other counts", "classes with other counts"))
    for key, columns, nouns in (
        ("slices", ("column", "value"), "slices with other counts"),
        ("annotators", ("annotator",), "annotators with other counts"),
    ):
        cells = [
            [*(code(row[name]) for name in columns), count(row["before"]), count(row["after"])] for row in data[key]
        ]
        blocks += [Rows([*columns, "#before", "#after"], cells, nouns.replace("s ", " ", 1), nouns)] if cells else []
    return blocks


def _decisions(data: Section) -> list[Block]:
    if not data["n"]:
        return []
    rows = [
        [code(row["who"]), OPS.get(row["op"], "decided"), code(row["why"]), count(row["n"]), count(row["n_changes"])]
        for row in data["decisions"]
    ]
    said = f"{plural(data['from_source'], 'change')} came with the data, not by a fix record."
    head = ["who", "did", "why", "#decisions", "#changes"]
    return [
        *([Rows(head, rows, "group of decisions", "groups of decisions")] if rows else []),
        *([said] if data["from_source"] else []),
    ]


def _findings(findings: Section | None) -> list[Block]:
    if findings is None:
        return []
    rows = []
    for row in findings["codes"]:
        example = row["examples"][0] if row["examples"] else None
        shown = f"{code(example['path'] or example['subject'])} {code(example['message'])}" if example else NONE
        gone = count(row["gone"])
        rows.append([code(row["code"]), prose(row["severity"]), prose(row["title"]), count(row["new"]), gone, shown])
    head = ["code", "severity", "what", "#new", "#gone", "a new one"]
    apart = [
        text
        for n, text in (
            (findings["muted"], f"{findings['muted']:,} new ones are muted in `data/mutes.yaml`."),
            (
                findings["newer_check"],
                f"{findings['newer_check']:,} more are of newer checks, on images that were there.",
            ),
        )
        if n
    ]
    return [*([Rows(head, rows, "code")] if rows else []), *apart]


def _split(document: Section) -> list[Block]:
    split, data = document.get("split"), document["data"]
    blocks: list[Block] = []
    if split:
        rows = [
            ["kept" if row["kept"] else "**broken**", prose(row["name"]), prose(row["text"], 300)]
            for row in split["promises"]
        ]
        blocks.append(Rows(["", "promise", "counted"], rows, "promise"))
    if data["split_moves"]:
        rows = [[code(row["before"]), code(row["after"]), count(row["n"])] for row in data["split_moves"]]
        blocks.append(Rows(["side was", "is", "#images"], rows, "move"))
    if data["sides"]:
        rows = [[code(row["side"]), count(row["before"]), count(row["after"])] for row in data["sides"]]
        blocks.append(Rows(["side", "#images before", "#images after"], rows, "side"))
    return blocks


def _model(model: Section | None) -> list[Block]:
    if not model:
        return []
    if "missing" in model:
        return [f"Not compared: {prose(model['missing'], 300)}"]
    rows = [
        [name, percent(found["before"]), percent(found["after"]), _interval(found), judge(found)]
        for name, found in (("accuracy", model["accuracy"]), ("macro F1", model["macro_f1"]))
    ]
    n = plural(model["images"]["common"], "common test image")
    head = [f"on the {n}, labels of after", "#before", "#after", "#difference, points", ""]
    blocks: list[Block] = [table(head, rows), *(prose(line, 600) for line in list_caveats(model))]
    own = model["own"]
    said = [f"{side} {percent(own[side]['accuracy'])} of {own[side]['n']:,}" for side in ("before", "after")]
    blocks.append(f"Each by its own test set and labels: {', '.join(said)}.")
    if model["also_changed"]:
        rows = [
            [row["what"], code(row["name"]), code(row["before"]), code(row["after"])] for row in model["also_changed"]
        ]
        blocks += ["Not only the data changed:", Rows(["", "name", "before", "after"], rows, "other change")]
    return [*blocks, *_confusions(model["confusions"]), *_recalls(model["classes"])]


def _confusions(cells: Sequence[Section]) -> list[Block]:
    rows = [
        [code(row["actual"]), code(row["predicted"]), count(row["before"]), count(row["after"]), f"{row['change']:+,}"]
        for row in cells
    ]
    head = ["label", "called", "#before", "#after", "#change"]
    return ["Confusion matrix, the cells that changed most:", Rows(head, rows, "cell")] if rows else []


def _recalls(classes: Sequence[Section]) -> list[Block]:
    rows = [
        [code(row["class"]), count(row["support"]), percent(row["before"]), percent(row["after"]), _interval(row)]
        for row in classes
    ]
    head = ["recall of class", "#images", "#before", "#after", "#difference, points"]
    return [Rows(head, rows, "class", "classes")] if rows else []


def list_caveats(model: Section) -> list[str]:
    """What the figures do and do not say, in sentences; the page has the same."""
    found, effect, images = model["accuracy"], model["test_labels"], model["images"]
    lines = []
    if model["stale"]:
        lines.append(f"Out of date: {model['stale']}. Run dvc repro, then make this report again.")
    if is_number(found["value"]):
        lines.append(
            f"{found['only_after_right']:,} images only the new model gets right, {found['only_before_right']:,} only the old one "
            f"(exact sign test p = {found['p']:.2g}). Intervals: {100 * model['confidence']:.0f} %, paired bootstrap over the "
            "images. Another training seed moves these figures as well, with the same data: that is not in the intervals, and "
            "one training each is no proof of what the data did. datatools lift measures that, on several seeds."
        )
    if images["relabelled"]:
        lines.append(
            f"{plural(images['relabelled'], 'common test image')} got another label. Both models are measured on the new "
            f"labels; that alone moves the old model's accuracy by {write_difference(effect)}."
        )
    return lines


def _interval(row: Section) -> str:
    value = row["value"] if "value" in row else row["difference"]
    return (
        f"{points(value)} ({points(row['low'])} to {points(row['high'])})" if is_number(row["low"]) else points(value)
    )


def _cases(model: Section | None) -> list[Block]:
    if not model or "missing" in model:
        return []
    blocks: list[Block] = []
    for kind, title in (
        ("newly_failing", "Newly failing"),
        ("fixed", "Fixed"),
        ("still_failing", "Still failing"),
    ):
        cases = model["cases"][kind]
        rows = [
            [
                code(row["path"]),
                code(row["label"]),
                code(row["before"]),
                code(row["after"]),
                percent(row["confidence_after"], 0),
            ]
            for row in cases["shown"]
        ]
        head = ["image", "label", "model before", "model after", "#sure"]
        blocks += (
            [f"**{title}: {cases['n']:,}**", Rows(head, rows, "case", n=cases["n"])] if rows else [f"{title}: none."]
        )
    return blocks


def _changes(data: Section) -> list[Block]:
    if not data["changes"]:
        return []
    rows = [
        [
            WORDS[row["kind"]][0],
            code(row["path"]),
            code(row["annotation_id"]),
            code(row["before"]),
            code(row["after"]),
            code(row["who"]),
        ]
        for row in data["changes"]
    ]
    return [Rows(["what", "image", "annotation", "was", "is", "who"], rows, "change", n=data["n"])]


def _lift(lift: Section | None) -> list[Block]:
    return [prose(write_lift(lift), 400)] if lift else []


def _map(found: Section | None) -> list[Block]:
    if not found or not is_number(found["residual"]):
        return []
    marked = ", ".join(f"{n:,} {name}" for name, n in found["marked"].items() if n) or "none"
    return [
        f"t-SNE of before and after on the same axes, in `{PAGE}`. {write_alignment(found)} Marked: {marked}.",
    ]


def write_alignment(found: Section) -> str:
    """How the map of after was laid on that of before, and how well it fits; the page has the same sentence."""
    if not is_number(found["residual"]):
        return "Too few images are in both: the maps are not aligned."
    anew = "was made anew from the places of before, then " if found["method"] == "restarted" else "is "
    return (
        f"After {anew}turned, mirrored and scaled as a whole onto before (orthogonal Procrustes) by "
        f"{plural(found['common'], 'common image')}; they are then off by {found['residual']:.2f} of their spread (0: the same "
        "map, 1.4: nothing in common)."
    )


def _costs(costs: Sequence[Section] | None) -> list[Block]:
    return [table(["", "#"], [[row["what"], prose(row["text"])] for row in costs])] if costs else []
