"""How often two models are called different that are not, and how often a difference that is there is found.

Pairs of models are simulated on n test images: each image is wrong for both with some probability (errors of two trainings go
together), else for one of them alone. In the first part both are equally good, so every difference that is claimed is false; in
the second part the second model is better by 4 percentage points. Four ways to claim a difference:

- any difference at all: what a table of two numbers suggests (`dvc metrics diff` prints the change and no interval),
- two Wilson intervals that do not overlap: what two reports side by side suggest,
- the paired bootstrap interval excludes 0,
- ours: that, and the exact sign test has p < 0.05 (datatools/evaluate/comparison.py).

    python benchmarks/model_comparison.py
"""

from __future__ import annotations

import argparse
import resource

import numpy as np
from scipy.stats import binomtest

from datatools.evaluate.comparison import compare_counts

SIZES = (60, 200, 500, 2000)
BOTH_WRONG, ONE_WRONG = 0.03, 0.02
GAIN = 0.04
RULES = ("any", "wilson", "bootstrap", "ours")


def simulate(n: int, gain: float, rng: np.random.Generator) -> dict[str, bool]:
    """What each rule claims of one pair."""
    shares = (BOTH_WRONG, ONE_WRONG + gain, ONE_WRONG)
    both, only_after, only_before, neither = rng.multinomial(n, [*shares, 1 - sum(shares)])
    found = compare_counts(int(neither), int(only_before), int(only_after), int(both))
    ends = [
        binomtest(int(hits), n).proportion_ci(method="wilson") for hits in (neither + only_before, neither + only_after)
    ]
    return {
        "any": bool(only_before != only_after),
        "wilson": bool(ends[0].high < ends[1].low or ends[1].high < ends[0].low),
        "bootstrap": not found["low"] <= 0 <= found["high"],
        "ours": found["is_real"],
    }


def main() -> None:
    """Print the shares of claims."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--pairs", type=int, default=1000)
    n_pairs = parser.parse_args().pairs
    rng = np.random.default_rng(0)
    for gain, title in ((0.0, "equally good: false claims"), (GAIN, f"better by {100 * GAIN:.0f} points: found")):
        print(f"\n{title}, % of {n_pairs:,} pairs\n{'test images':>12}" + "".join(f"{rule:>11}" for rule in RULES))
        for n in SIZES:
            claims = [simulate(n, gain, rng) for _ in range(n_pairs)]
            shares = [100 * sum(claim[rule] for claim in claims) / n_pairs for rule in RULES]
            print(f"{n:>12,}" + "".join(f"{share:>11.1f}" for share in shares))
    print(f"\nCPU seconds: {resource.getrusage(resource.RUSAGE_SELF).ru_utime:.1f}")


if __name__ == "__main__":
    main()
