from __future__ import annotations

import subprocess
import sys

from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from datatools.intervals import wilson_interval


@st.composite
def shares(draw: st.DrawFn) -> tuple[int, int]:
    n = draw(st.integers(1, 100_000))
    return draw(st.integers(0, n)), n


@given(shares(), st.floats(0.01, 0.999))
def test_it_is_scipys_to_the_last_bit(share, confidence):
    hits, n = share
    expected = binomtest(hits, n).proportion_ci(confidence_level=confidence, method="wilson")
    assert wilson_interval(hits, n, confidence) == (expected.low, expected.high)


@given(shares())
def test_the_share_lies_inside(share):
    hits, n = share
    low, high = wilson_interval(hits, n, 0.95)
    assert 0 <= low <= hits / n <= high <= 1
    assert low < high


def test_a_worked_example():
    """Newcombe 1998, table I: 81 of 263 at 95 %."""
    low, high = wilson_interval(81, 263, 0.95)
    assert (round(low, 4), round(high, 4)) == (0.2553, 0.3662)


def test_scipys_statistics_stay_out():
    code = "import sys; from datatools.intervals import wilson_interval as w; w(1, 3, 0.9); print('scipy.stats' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "False"
