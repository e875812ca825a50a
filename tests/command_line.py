"""The command line, run in this process as people type it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from datatools import cli

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run `datatools` with these words: exit code, stdout, stderr. Lines are 200 characters long."""
    monkeypatch.setenv("COLUMNS", "200")

    def call(*argv: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["datatools", *argv])
        with pytest.raises(SystemExit) as caught:
            cli.main()
        out, err = capsys.readouterr()
        return int(caught.value.code or 0), out, err

    return call


@pytest.fixture
def run_in(run: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    """As `run`, in the folder that comes before the words."""

    def call(folder: Path, *argv: str) -> tuple[int, str, str]:
        monkeypatch.chdir(folder)
        return run(*argv)

    return call
