"""Forty names that must do no harm in Markdown, in HTML and on a terminal; file names and labels alike."""

from __future__ import annotations

from tests.report.builders import HOSTILE

NAMES = (
    *HOSTILE,
    "``` ```js\nalert(1)",
    "`` ` ``",
    "<!-- datatools report -->",
    "</details></summary><h1>x",
    "<https://evil.example/a>",
    "mailto:eve@evil.example",
    "user@evil.example",
    "octocat/repo#1 !5 ~label %1 &2 $3",
    "0123456789abcdef0123456789abcdef01234567",
    "\u2067right\u2069 \u200f\u061c left",
    "\ufeffbom\u00ad\u200b",
    "[ref]\n\n[ref]: https://evil.example",
    ":tada: $$\\href{https://evil.example}{x}$$",
    "=HYPERLINK(\"https://evil.example\")",
    "\x9b31m\x1b]8;;https://evil.example\x07link",
    "# heading\n> quote\n- item\n1. one",
    "ftp://evil.example HTTP://EVIL.EXAMPLE",
    "\\`\\|\\",
    "¦ ｜ ﹤script﹥",
    "||||||",
    "a\tb\x0bc\x0cd\x85e",
)  # fmt: skip
assert len(set(NAMES)) >= 40
