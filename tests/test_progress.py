from __future__ import annotations

import io
import sys

import pytest

from datatools.progress import SECONDS, progress


class Terminal(io.StringIO):
    """A stderr that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_short_work_says_nothing_in_a_log(capsys: pytest.CaptureFixture[str]):
    with progress("images", 3) as tick:
        tick(2)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(("total", "line"), [(3000, "images: 1,002 of 3,000\n"), (None, "images: 1,002\n")])
def test_long_work_says_a_line_now_and_then_in_a_log(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], total: int | None, line: str
):
    clock = iter([0.0, 1.0, SECONDS, SECONDS, SECONDS + 1])
    monkeypatch.setattr("time.monotonic", lambda: next(clock))
    with progress("images", total) as tick:
        tick(2)
        tick(1000)
        tick(1)
    assert capsys.readouterr() == ("", line)


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
