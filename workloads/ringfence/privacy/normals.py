"""Random words to normal values by rectangles under the density (the ziggurat of Marsaglia and Tsang 2000,
doi 10.18637/jss.v005.i08, with whole rectangles as in McFarland 2014, arXiv 1403.6870), in float64.

Half of the area under f(x) = exp(-x**2 / 2) is worth 2048 equal parts. All but three are rectangles that lie wholly
under f, stacked from the axis up: 0 <= x < w_j, y_j <= y < y_j+1 = f(w_j). A word chooses a part by its 11 low bits; in
a rectangle the whole word, read as a signed number, is the place between -w_j and w_j, and nothing is left to be
tested. The other three parts, one value in 683, stand for all that lies between the rectangles and f: the tail beyond
w_0, a corner beside every other rectangle, a cap on the last. From these, values are drawn by rejection (from the
tail's with an exponential envelope: Robert 1995, arXiv 0907.4010), with words of their own.

The law is the normal one up to the rounding of float64: no set of values has a probability that is off by more than
1e-12. Neighbouring values are 2**-50 apart or closer in rectangles and corners, and 2**-38 in the tail up to 6.5
standard deviations: closer than the grid (`noise.py`) that values are rounded to.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Words = npt.NDArray[np.uint64]

BLOCK = 1 << 15  # values: all that one block works on stays in the second level of cache

_PARTS, _LEFT_OVER = 1 << 11, 3
_ATTEMPTS = 1 << 11  # at once, at values outside the rectangles; half of them succeed


@dataclass(frozen=True)
class Layers:
    """`widths` w_j [2045] of the rectangles; of the regions between them and f, the tail first, the box around each
    (`inner` <= x < `outer`, `bottom` <= y < `top`; of the tail only `inner`) and the areas up to it, `areas`."""

    widths: Floats
    inner: Floats
    outer: Floats
    bottom: Floats
    top: Floats
    areas: Floats


@functools.cache
def layers() -> Layers:
    """From the axis up, each width the fixed point of f(w) = y + area / w below the one before."""
    area = math.sqrt(math.pi / 2) / _PARTS
    widths, heights, width = [], [0.0], 6.0
    for _ in range(_PARTS - _LEFT_OVER):
        before = math.inf
        while width < before:
            before, width = width, math.sqrt(-2 * math.log(heights[-1] + area / width))
        widths.append(width)
        heights.append(math.exp(-width * width / 2))
    inner, outer = np.array([*widths, 0.0]), np.array([widths[0], *widths])
    bottom, top = np.array(heights), np.array([*heights[1:], 1.0])
    boxes = np.array([heights[1] / widths[0], *((outer - inner) * (top - bottom))[1:]])
    return Layers(np.array(widths), inner, outer, bottom, top, np.cumsum(boxes))


class Normals:
    """Values of N(0, scale**2) from `words`, which gives the next n uniform ones, to be used up at once.

    It holds its memory, because a fresh array for every step would take longer than the arithmetic.
    """

    __slots__ = ("_layer", "_layers", "_ready", "_scale", "_scaled", "_values", "_words")

    def __init__(self, words: Callable[[int], Words]) -> None:
        self._words, self._layers = words, layers()
        self._layer, self._values = np.empty(BLOCK, dtype=np.uint64), np.empty(BLOCK)
        self._scale, self._scaled = 0.0, np.zeros(_PARTS)
        self._ready = np.empty(0)  # values outside the rectangles, each to be used once

    def __call__(self, n: int, scale: float) -> Floats:
        """n <= BLOCK independent values, valid until the next call."""
        if scale != self._scale:
            self._scaled[:-_LEFT_OVER] = self._layers.widths * math.ldexp(scale, -63)
            self._scale = scale
        words, values = self._words(n), self._values[:n]
        layer = np.bitwise_and(words, np.uint64(_PARTS - 1), out=self._layer[:n]).view(np.int64)
        self._scaled.take(layer, out=values, mode="wrap")
        values *= words.view(np.int64)
        outside = np.flatnonzero(layer >= _PARTS - _LEFT_OVER)
        values[outside] = self._next_outside(len(outside)) * scale
        return values

    def _next_outside(self, n: int) -> Floats:
        while len(self._ready) < n:
            self._ready = np.concatenate([self._ready, self._outside()])
        drawn, self._ready = self._ready[:n], self._ready[n:]
        return drawn

    def _outside(self) -> Floats:
        """Values between the rectangles and f, as many as come of a fixed number of attempts."""
        at, words = self._layers, self._words(3 * _ATTEMPTS).reshape(3, -1)
        sign = np.where(words[0] & np.uint64(1), -1.0, 1.0)
        which, along, up = (words >> np.uint64(11)) * 2.0**-53
        region = np.searchsorted(at.areas[:-1], which * at.areas[-1], side="right")
        tail = region == 0
        x = at.inner[region] + (at.outer[region] - at.inner[region]) * along
        x[tail] = at.inner[0] - np.log1p(-along[tail]) / at.inner[0]
        y = at.bottom[region] + (at.top[region] - at.bottom[region]) * up
        y[tail] = up[tail] * np.exp((at.inner[0] / 2 - x[tail]) * at.inner[0])  # under the envelope
        drawn: Floats = (sign * x)[y < np.exp(-x * x / 2)]
        return drawn
