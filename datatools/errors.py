"""Errors for wrong calls. Bad data is never an exception: it is a finding or a rejected row."""

from __future__ import annotations


class DatatoolsError(Exception):
    """A call that cannot be served: one line, in the order where, expected, got, what to do."""

    exit_code = 2


class MissingExtraError(DatatoolsError):
    """A command needs a package that the core does not install."""

    def __init__(self, what: str, package: str, extra: str) -> None:
        super().__init__(
            f"{what}: needs the package {package}, which is not installed. "
            f"Run: pip install -e '.[{extra}]'  (or: pip install 'datatools[{extra}]')"
        )
