"""Random fields for a batch of images, on its device: each a function of its image's seed and of nothing else.

Counter-based like `datatools.policy.draws`, but in 32 bits, which every device multiplies fast. The mixing function is
`lowbias32` (Wellons 2018, "Prospecting for hash functions"), found by search so that a flipped bit of the input flips
each bit of the output with a chance of one half.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

_FIRST, _SECOND = 0x7FEB352D, 0x846CA68B - 2**32  # odd multipliers, the second as a signed 32-bit number
_HALF = 0xFFFF


def draw_bits(seeds: Tensor, n_values: int) -> Tensor:
    """`n_values` random int32 for each row of `seeds`, int32 (n, 2): two halves of a 64-bit seed."""
    counter = _scramble(torch.arange(n_values, dtype=torch.int32, device=seeds.device))
    return _scramble((counter + seeds[:, 1:]) ^ seeds[:, :1])


def draw_normal(seeds: Tensor, n_values: int) -> Tensor:
    """Standard normal values, float32 (n, n_values), within +-4.9: Box and Muller (1958), two from 16 bits each."""
    bits = draw_bits(seeds, (n_values + 1) // 2)
    radius = ((((bits >> 16) & _HALF) + 0.5) / 2**16).log_().mul_(-2).sqrt_()
    angle = (bits & _HALF) * (2 * math.pi / 2**16)
    return torch.cat([radius * angle.cos(), radius * angle.sin()], dim=1)[:, :n_values]


def draw_uniform(seeds: Tensor, n_values: int) -> Tensor:
    """Values spread evenly over (-1, 1), float32 (n, n_values)."""
    return (((draw_bits(seeds, n_values) >> 8) & 0xFFFFFF) + 0.5) / 2**23 - 1


def _scramble(bits: Tensor) -> Tensor:
    bits = (bits ^ ((bits >> 16) & 0xFFFF)).mul_(_FIRST)
    bits.bitwise_xor_((bits >> 15) & 0x1FFFF).mul_(_SECOND)
    return bits.bitwise_xor_((bits >> 16) & 0xFFFF)
