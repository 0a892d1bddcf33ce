"""Gaussian noise and Poisson samples that nobody can predict, replay or read off the low-order bits.

Generator: AES-256 in counter mode (NIST SP 800-38A), keyed with 32 bytes of the operating system's generator for this
one source, and again after every 4 GiB. It is asked of the cipher as GCM over zeros (SP 800-38D), whose output is that
key stream from counter 2 on: where processors have vector instructions for AES, libraries use them there, and plain
counter mode takes two and a half times as long. The key is handed to the cipher and kept nowhere else: no attribute, no
repr, no pickle, no copy. Ordinary generators (NumPy's, PyTorch's) can be reconstructed from their output, and a seed in
a file makes noise removable.

Transform: rectangles under the density, in float64, `normals.py`, which says what law exactly is drawn.

Grid: values are rounded to multiples of g = 2**(floor(log2 std) - 36). A float sampler reaches only some floats near
each output, and which ones tells the sum beneath the noise (Mironov 2012, doi 10.1145/2382196.2382264; on Gaussians in
DP-SGD: Jin, McMurtry, Rubinstein and Ohrimenko 2022, arXiv 2112.05307). On a grid coarser than those gaps every
multiple within six standard deviations is reached. It defends only if the sum lies on the same grid, otherwise its
remainder shows: use `add_gaussian`, which rounds the sum too and adds integers. What is done to
the noised value afterwards (a cast to float32, a division) is post-processing. That rounding enlarges a sum's
sensitivity by at most g * sqrt(length): 1.5e-8 standard deviations for a million values.
"""

from __future__ import annotations

import math
import os
from fractions import Fraction
from typing import NoReturn

import numpy as np
import numpy.typing as npt
from cryptography.hazmat.primitives.ciphers import AEADEncryptionContext, Cipher, algorithms, modes

from ringfence.errors import InvalidInput, WorkloadFailed
from ringfence.privacy.normals import BLOCK, Floats, Normals, Words

_GRID_BITS = 36
_TIE_BITS = 48  # of a sampling threshold's 64, those that a first comparison of 16 leaves open
_CIPHER_BLOCK, _NONCE = 16, 12
_LARGEST_STREAM = 1 << 32  # bytes from one key; GCM allows 2**36 with one nonce


class NoiseSource:
    """A secret random stream. Make a new one for every (round, purpose, rank); each draws its own key.

    Not for another process: after a fork it refuses (both sides would draw the same noise), and it cannot be pickled.
    """

    __slots__ = ("_buffer", "_left", "_multiples", "_normals", "_process", "_stream", "_zeros")

    def __init__(self) -> None:
        self._stream, self._left = _stream(), _LARGEST_STREAM
        self._zeros = bytes(BLOCK * 8)
        self._buffer = np.empty(len(self._zeros) + _CIPHER_BLOCK - 1, dtype=np.uint8)
        self._multiples = np.empty(BLOCK)
        self._normals = Normals(self._words)
        self._process = os.getpid()

    def gaussian(self, n: int, std: float) -> Floats:
        """`n` values of mean 0 and standard deviation `std` > 0, shape [n], multiples of `grid(std)`.

        Add them only to values on the same grid: see `add_gaussian`. Raises InvalidInput for a bad n or std.
        """
        drawn = np.zeros(_count(n))
        self.add_in_place(drawn, std)
        return drawn

    def add_gaussian(self, values: npt.NDArray[np.floating], std: float) -> Floats:
        """`values` rounded to the grid, plus noise: what may leave. Float64 of the same shape; `values` is unchanged.

        Exact while values stay below 2**16 standard deviations; larger ones are rounded like any sum of floats.
        """
        noised = np.array(values, dtype=np.float64, order="C")
        self.add_in_place(noised.reshape(-1), std)
        return noised

    def add_in_place(self, vector: npt.NDArray[np.floating], std: float) -> None:
        """`add_gaussian` on `vector` [n] itself; computed in float64 whatever its type, and cast to that at the end."""
        step = grid(std)
        for start in range(0, len(vector), BLOCK):
            part = vector[start : start + BLOCK]
            multiples = self._multiples[: len(part)]
            np.copyto(multiples, part)
            multiples *= 1 / step
            np.rint(multiples, out=multiples)
            normal = self._normals(len(part), std / step)
            multiples += np.rint(normal, out=normal)
            multiples *= step
            np.copyto(part, multiples, casting="same_kind")

    def bernoulli_indices(self, n: int, p: Fraction) -> npt.NDArray[np.int64]:
        """The indices of 0..n-1 drawn independently with probability `p`: one secret Poisson sample, rising.

        A record is drawn when a 64-bit integer is below floor(p * 2**64): with probability p or less by under 2**-64.
        The 16 high bits decide for all but one record in 65536; only for those the other 48 are drawn.
        Raises InvalidInput unless `p` is a fraction in [0, 1].
        """
        if not isinstance(p, Fraction) or not 0 <= p <= 1:
            raise InvalidInput(f"a sampling rate must be a fraction between 0 and 1, not {p!r}")
        if p == 1:
            return np.arange(_count(n), dtype=np.int64)
        high, low = divmod(math.floor(p * 2**64), 2**_TIE_BITS)
        size = len(self._zeros) // 2
        drawn = [self._drawn(min(size, n - start), high, low) + start for start in range(0, _count(n), size)]
        return np.concatenate(drawn) if drawn else np.empty(0, dtype=np.int64)

    def _drawn(self, n: int, high: int, low: int) -> npt.NDArray[np.int64]:
        """The places of 0..n-1 whose word (16 bits, then 48) is below `high` followed by `low`."""
        first = self._bytes(2 * n).view("<u2")
        places = np.flatnonzero(first <= high)
        tied = np.flatnonzero(first[places] == high)
        if not len(tied):
            return places
        rest = self._words(len(tied)) >> np.uint64(64 - _TIE_BITS)
        return np.delete(places, tied[rest >= np.uint64(low)])

    def _words(self, count: int) -> Words:
        return self._bytes(8 * count).view("<u8").astype(np.uint64, copy=False)

    def _bytes(self, count: int) -> npt.NDArray[np.uint8]:
        """The next bytes of the stream, valid until the next call."""
        if os.getpid() != self._process:
            raise WorkloadFailed("a noise source was carried into another process", remedy="make one in each process")
        if count > self._left:
            self._stream, self._left = _stream(), _LARGEST_STREAM
        self._left -= count
        self._stream.update_into(memoryview(self._zeros)[:count], self._buffer.data)
        return self._buffer[:count]

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


def _stream() -> AEADEncryptionContext:
    return Cipher(algorithms.AES256(os.urandom(32)), modes.GCM(bytes(_NONCE))).encryptor()


def _count(n: int) -> int:
    if isinstance(n, bool) or not isinstance(n, int) or n < 0:
        raise InvalidInput(f"a number of values must be an integer of at least 0, not {n!r}")
    return n
