"""Random words to normal values (Box and Muller 1958), in float64 and without a call of sine or cosine.

Of each pair of 64-bit words, u1 = 1 - (word >> 12) / 2**52 lies in (0, 1] and u2 = word / 2**64 in [0, 1);
sqrt(-2 log u1) * (cos, sin)(2 pi u2) are two independent normal values. 52 bits reach 8.49 standard deviations (32 bits
would cut at 6.66); beyond lies less than 2**-52 of the mass.

The angle is the middle of one of 4096 arcs, taken from a table by the 12 high bits of u2, turned by delta, its 52 low
bits. With |delta| <= pi / 4096 short series do,

    cos delta = 1 - delta**2 / 2,  sin delta = delta (1 - delta**2 / 6),

and one product of complex numbers turns: (cos, sin)(2 pi u2) to 2e-14, a thousandth of the grid (`noise.py`) that
values are rounded to. The general functions take many times as long.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Words = npt.NDArray[np.uint64]

PAIRS = 1 << 13  # all that one block works on stays in the second level of cache

_ARCS = 1 << 12
_MIDDLES: npt.NDArray[np.complex128] = np.exp(2j * math.pi * (np.arange(_ARCS) + 0.5) / _ARCS)
_FRACTION, _ONE = np.uint64((1 << 52) - 1), np.uint64(0x3FF << 52)  # of a float64 in [1, 2)


class Normals:
    """The transform, with its memory: a fresh array for every step would take longer than the arithmetic."""

    __slots__ = ("_arc", "_far", "_middle", "_near", "_turn")

    def __init__(self) -> None:
        self._arc = np.empty(PAIRS, dtype=np.uint64)
        self._near, self._far = np.empty(PAIRS), np.empty(PAIRS)
        self._turn, self._middle = np.empty(PAIRS, dtype=np.complex128), np.empty(PAIRS, dtype=np.complex128)

    def __call__(self, words: Words, scale: float) -> Floats:
        """2n independent values of N(0, scale**2) from 2n <= 2 * PAIRS uniform words, which are used up.

        The values are valid until the next call.
        """
        pairs = len(words) // 2
        radius = self._lengths(words[:pairs], scale)
        turn, middle = self._turns(words[pairs:], radius), self._middle[:pairs]
        np.multiply(turn, middle, out=turn)
        return turn.view(np.float64)

    def _lengths(self, words: Words, scale: float) -> Floats:
        """scale * sqrt(-2 log u1)."""
        words >>= np.uint64(12)
        words |= _ONE
        radius = words.view(np.float64)
        np.subtract(2.0, radius, out=radius)
        np.log(radius, out=radius)
        radius *= -2.0 * scale**2
        return np.sqrt(radius, out=radius)

    def _turns(self, words: Words, radius: Floats) -> npt.NDArray[np.complex128]:
        """radius * exp(i delta); the middles of the arcs go to their own place."""
        arc, near, far = self._arc[: len(words)], self._near[: len(words)], self._far[: len(words)]
        np.right_shift(words, np.uint64(52), out=arc)
        _MIDDLES.take(arc.view(np.int64), out=self._middle[: len(words)], mode="wrap")
        words &= _FRACTION
        words |= _ONE
        delta = words.view(np.float64)
        delta -= 1.5
        delta *= 2 * math.pi / _ARCS
        square = np.multiply(delta, delta, out=near)
        np.multiply(square, -1 / 6, out=far)
        far += 1.0
        far *= delta
        near *= -0.5
        near += 1.0
        turn = self._turn[: len(words)]
        np.multiply(near, radius, out=turn.real)
        np.multiply(far, radius, out=turn.imag)
        return turn
