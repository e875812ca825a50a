from __future__ import annotations

import io
import sys

import pytest

from datatools.progress import progress


class Terminal(io.StringIO):
    """A stderr that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_nothing_is_drawn_where_stderr_is_no_terminal(capsys: pytest.CaptureFixture[str]):
    with progress("images", 3) as tick:
        tick(2)
    assert capsys.readouterr() == ("", "")


def test_a_terminal_sees_what_is_done_and_stdout_stays_clean(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    stderr = Terminal()
    monkeypatch.setattr(sys, "stderr", stderr)
    monkeypatch.setenv("TERM", "xterm")
    with progress("images", 3) as tick:
        tick(2)
    assert "images" in stderr.getvalue()
    assert "2/3" in stderr.getvalue()
    assert capsys.readouterr().out == ""
