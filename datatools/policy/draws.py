"""The values that a policy draws for a sample: a function of the sample's seed, the step and the argument, of nothing else.

Counter-based, as Salmon et al. (SC 2011) argue for parallel work: no generator has a state that workers, batches or the
order of samples could change. The mixing function is SplitMix64's (Steele, Lea and Flood, OOPSLA 2014).
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from datatools.policy.augmenters import AUGMENTERS, Argument
from datatools.policy.steps import Step

Seeds = NDArray[np.uint64]
Values = dict[str, NDArray[np.generic]]
_GAMMA = np.uint64(0x9E3779B97F4A7C15)  # 2**64 divided by the golden ratio, odd
_MIX = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_TO_UNIT = 2.0**-53


def draw_values(steps: Sequence[Step], seeds: Seeds) -> list[Values]:
    """What each step does to each sample: a mapping a step, every array with one row a sample.

    `seeds` is uint64 `(n,)`. Of a step: every argument, float64 `(n,)`, or `(n, k)` where it has k values; every chance
    of the augmenter, float64 in [0, 1), `(n,)` or `(n, k)`; `applies`, bool `(n,)`; and `seed`, uint64 `(n,)`, for
    whatever needs a field of random numbers (noise, elastic).
    """
    seeds = np.asarray(seeds, dtype=np.uint64)
    return [_draw_step(step, mix(seeds, number + 1)) for number, step in enumerate(steps)]


def mix(seeds: Seeds, counter: int) -> Seeds:
    """The number of `counter` (from 0, below 2**64) in the stream of each seed: uint64, evenly spread."""
    with np.errstate(over="ignore"):
        bits = seeds + np.uint64(counter) * _GAMMA
        bits = (bits ^ (bits >> np.uint64(30))) * _MIX[0]
        bits = (bits ^ (bits >> np.uint64(27))) * _MIX[1]
    return np.asarray(bits ^ (bits >> np.uint64(31)), dtype=np.uint64)


def draw_uniform(seeds: Seeds, name: str, n_values: int = 1) -> NDArray[np.float64]:
    """Values in [0, 1) that belong to `name`: `(n,)`, or `(n, n_values)` where more than one is asked for."""
    first = zlib.crc32(name.encode()) << 16
    columns = [
        (mix(seeds, first + number) >> np.uint64(11)).astype(np.float64) * _TO_UNIT for number in range(n_values)
    ]
    return columns[0] if n_values == 1 else np.stack(columns, axis=1)


def _draw_step(step: Step, seeds: Seeds) -> Values:
    spec = AUGMENTERS[step.name]
    values: Values = {"applies": draw_uniform(seeds, "p") < step.p, "seed": seeds}
    for name, argument in spec.arguments.items():
        values[name] = _scale(draw_uniform(seeds, name, argument.n_values), argument, step.ranges[name])
    return values | {name: draw_uniform(seeds, name, n_values) for name, n_values in spec.chances.items()}


def _scale(unit: NDArray[np.float64], argument: Argument, limits: tuple[float, float]) -> NDArray[np.float64]:
    low, high = limits
    if argument.is_whole:
        return np.floor(low + unit * (high - low + 1))
    return low + unit * (high - low)
