"""Gaussian noise and Poisson samples that nobody can predict, replay or read off the low-order bits.

Generator: AES-256 in counter mode (NIST SP 800-38A), keyed with 32 bytes of the operating system's generator for this
one source. The key is handed to the cipher and kept nowhere else: no attribute, no repr, no pickle, no copy. Ordinary
generators (NumPy's, PyTorch's) can be reconstructed from their output, and a seed in a file makes noise removable.

Transform: Box and Muller 1958. Of each pair of 64-bit words, u1 = (word >> 11) + 1 over 2**53 lies in (0, 1] and
u2 = (word >> 11) over 2**53 in [0, 1); sqrt(-2 log u1) * (cos, sin)(2 pi u2) are two normal values. 53 bits reach 8.57
standard deviations (32 bits would cut at 6.66); beyond lies less than 2**-53 of the mass.

Grid: values are rounded to multiples of g = 2**(floor(log2 std) - 36). A float sampler reaches only some floats near
each output, and which ones tells the sum beneath the noise (Mironov 2012, doi 10.1145/2382196.2382264; on Gaussians in
DP-SGD: Jin, McMurtry, Rubinstein and Ohrimenko 2022, arXiv 2112.05307). On a grid coarser than those gaps every
multiple within six standard deviations is reached. It defends only if the sum lies on the same grid, otherwise its
remainder shows: use `add_gaussian`, which rounds the sum too and adds integers. That rounding enlarges a sum's
sensitivity by at most g * sqrt(length): 1.5e-8 standard deviations for a million values.
"""

from __future__ import annotations

import math
import os
from fractions import Fraction
from typing import NoReturn

import numpy as np
import numpy.typing as npt
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from ringfence.errors import InvalidInput, WorkloadFailed

Floats = npt.NDArray[np.float64]

_PAIRS = 1 << 14  # a block of 256 KiB of random words stays in cache
_GRID_BITS = 36
_BLOCK = 16


class NoiseSource:
    """A secret random stream. Make a new one for every (round, purpose, rank); each draws its own key.

    Not for another process: after a fork it refuses (both sides would draw the same noise), and it cannot be pickled.
    """

    __slots__ = ("_buffer", "_process", "_stream", "_zeros")

    def __init__(self) -> None:
        self._stream = Cipher(algorithms.AES256(os.urandom(32)), modes.CTR(bytes(_BLOCK))).encryptor()
        self._zeros = bytes(2 * _PAIRS * 8)
        self._buffer = np.empty(len(self._zeros) + _BLOCK - 1, dtype=np.uint8)
        self._process = os.getpid()

    def gaussian(self, n: int, std: float) -> Floats:
        """`n` values of mean 0 and standard deviation `std` > 0, shape [n], multiples of `grid(std)`.

        Add them only to values on the same grid: see `add_gaussian`. Raises InvalidInput for a bad n or std.
        """
        step = grid(std)
        out = np.empty(_count(n))
        for start in range(0, n, 2 * _PAIRS):
            part = out[start : start + 2 * _PAIRS]
            normal = self._normals((len(part) + 1) // 2, std / step)[: len(part)]
            np.multiply(np.rint(normal, out=normal), step, out=part)
        return out

    def add_gaussian(self, values: npt.NDArray[np.floating], std: float) -> Floats:
        """`values` rounded to the grid, plus noise: what may leave. Float64 of the same shape; `values` is unchanged.

        Exact while values stay below 2**16 standard deviations; larger ones are rounded like any sum of floats.
        """
        step = grid(std)
        noised = np.rint(np.asarray(values, dtype=np.float64) / step)
        noised *= step
        noised += self.gaussian(noised.size, std).reshape(noised.shape)
        return noised

    def bernoulli_indices(self, n: int, p: Fraction) -> npt.NDArray[np.int64]:
        """The indices of 0..n-1 drawn independently with probability `p`: one secret Poisson sample, rising.

        Compares 64-bit integers with floor(p * 2**64): each record is drawn with probability p or less by under 2**-64.
        Raises InvalidInput unless `p` is a fraction in [0, 1].
        """
        if not isinstance(p, Fraction) or not 0 <= p <= 1:
            raise InvalidInput(f"a sampling rate must be a fraction between 0 and 1, not {p!r}")
        if p == 1:
            return np.arange(_count(n), dtype=np.int64)
        threshold = np.uint64(math.floor(p * 2**64))
        size = len(self._zeros) // 8
        drawn = [
            np.flatnonzero(self._words(min(size, n - start)) < threshold) + start for start in range(0, _count(n), size)
        ]
        return np.concatenate(drawn).astype(np.int64) if drawn else np.empty(0, dtype=np.int64)

    def _normals(self, pairs: int, scale: float) -> Floats:
        uniform = (self._words(2 * pairs) >> np.uint64(11)).astype(np.float64)
        radius, angle = uniform[:pairs], uniform[pairs:]
        radius += 1.0
        radius *= 2.0**-53
        np.log(radius, out=radius)
        radius *= -2.0 * scale**2
        np.sqrt(radius, out=radius)
        angle *= 2.0 * math.pi * 2.0**-53
        cosine = np.cos(angle)
        cosine *= radius
        np.sin(angle, out=angle)
        angle *= radius
        radius[:] = cosine
        return uniform

    def _words(self, count: int) -> npt.NDArray[np.uint64]:
        if os.getpid() != self._process:
            raise WorkloadFailed("a noise source was carried into another process", remedy="make one in each process")
        self._stream.update_into(memoryview(self._zeros)[: count * 8], self._buffer.data)
        return self._buffer[: count * 8].view("<u8").astype(np.uint64, copy=False)

    def __repr__(self) -> str:
        return "NoiseSource(secret)"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a noise source cannot be pickled or copied: its stream must never exist twice")


def grid(std: float) -> float:
    """The power of two whose multiples are released: 2**(floor(log2 std) - 36). Raises InvalidInput unless std > 0."""
    if not math.isfinite(std) or std <= 0:
        raise InvalidInput("a standard deviation must be positive and finite")
    step = math.ldexp(1.0, math.frexp(std)[1] - 1 - _GRID_BITS)
    if step < 2.0**-900 or std > 2.0**900:
        raise InvalidInput("a standard deviation is too small or too large for float64 noise")
    return step


def _count(n: int) -> int:
    if isinstance(n, bool) or not isinstance(n, int) or n < 0:
        raise InvalidInput(f"a number of values must be an integer of at least 0, not {n!r}")
    return n
