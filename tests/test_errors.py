from __future__ import annotations

import pytest

from datatools.errors import DatatoolsError, MissingExtraError


def test_missing_extra_says_where_what_and_how_to_mend_it():
    error = MissingExtraError("datatools sample", "mlxtend", "sample")
    assert str(error) == (
        "datatools sample: needs the package mlxtend, which is not installed. "
        "Run: pip install -e '.[sample]'  (or: pip install 'datatools[sample]')"
    )


@pytest.mark.parametrize("error", [DatatoolsError("x"), MissingExtraError("x", "y", "z")])
def test_a_wrong_call_ends_with_exit_code_two(error: DatatoolsError):
    assert isinstance(error, DatatoolsError)
    assert error.exit_code == 2
