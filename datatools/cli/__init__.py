"""The command line: `main` is what `datatools` runs."""

from datatools.cli.commands import app, main

__all__ = ["app", "main"]
