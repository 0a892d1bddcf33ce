"""Noise and samples: the right law, never twice the same, no trace of the key, nothing below the grid."""

from __future__ import annotations

import copy
import os
import pickle
from fractions import Fraction

import numpy as np
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from scipy import stats

import ringfence.privacy.noise as noise_module
from ringfence.errors import InvalidInput, WorkloadFailed
from ringfence.privacy.noise import NoiseSource, grid
from ringfence.privacy.normals import BLOCK, Normals, layers

N = 200_000


def test_variance_lies_in_the_chi_square_band() -> None:
    noise = NoiseSource().gaussian(N, 2.5)
    # P(outside) < 1e-9, so a failure is a fault.
    low, high = stats.chi2.ppf([5e-10, 1 - 5e-10], N)
    assert low < float((noise**2).sum()) / 2.5**2 < high


def test_moments_are_those_of_a_normal() -> None:
    noise = NoiseSource().gaussian(N, 1.0)
    for power, mean, variance in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):
        assert abs(float((noise**power).mean()) - mean) < 6.5 * (variance / N) ** 0.5


def test_the_law_is_normal_at_even_and_at_odd_places() -> None:
    noise = NoiseSource().gaussian(N, 0.3)
    for part in (noise, noise[::2], noise[1::2]):
        assert stats.kstest(part, "norm", args=(0, 0.3)).pvalue > 1e-9


def test_every_256th_of_the_mass_holds_its_share() -> None:
    noise = NoiseSource().gaussian(N, 1.0)
    held, _ = np.histogram(noise, stats.norm.ppf(np.linspace(0, 1, 257)))
    assert stats.chisquare(held).pvalue > 1e-9


def test_the_tail_is_that_of_a_normal() -> None:
    noise = np.abs(NoiseSource().gaussian(1 << 20, 1.0))
    for sigmas in (3.0, 4.0):
        low, high = stats.binom.ppf([5e-10, 1 - 5e-10], len(noise), 2 * stats.norm.sf(sigmas))
        assert low <= np.count_nonzero(noise > sigmas) <= high


def test_rectangles_are_worth_one_part_each_and_lie_under_the_density() -> None:
    at = layers()
    heights = np.exp(-(at.widths.astype(np.longdouble) ** 2) / 2)
    parts = at.widths * np.diff(heights, prepend=0.0) / np.sqrt(np.pi / 2) * 2048
    assert len(at.widths) == 2045
    assert np.abs(parts - 1).max() < 1e-12
    assert np.all(np.diff(at.widths) < 0)


@pytest.mark.parametrize("layer", [0, 1, 1000, 2044])
@pytest.mark.parametrize("place", [-(2**63), -(2**20), 0, 2**62, 2**63 - 2048])
def test_a_word_is_a_place_in_the_rectangle_of_its_low_bits(layer: int, place: int) -> None:
    word = np.array([(place + layer) % 2**64], dtype=np.uint64)
    found = Normals(lambda n: word[:n].copy())(1, 3.0)
    assert float(found[0]) == pytest.approx(3 * layers().widths[layer] * (place / 2**63), rel=1e-9)


def test_values_outside_the_rectangles_have_the_law_that_is_left_over() -> None:
    source = Normals(NoiseSource()._words)
    drawn = np.abs(np.concatenate([source._outside() for _ in range(200)]))
    # Between w_j and w_j-1 the rectangles below j reach to f(w_j-1).
    ends = np.concatenate([[0.0], layers().widths[::-1], [4.4, 4.7, np.inf]])
    covered = np.concatenate([np.exp(-(layers().widths[::-1] ** 2) / 2), [0.0, 0.0, 0.0]])
    wide = np.where(np.isinf(np.diff(ends)), 0.0, np.diff(ends))
    left = (stats.norm.sf(ends[:-1]) - stats.norm.sf(ends[1:])) * np.sqrt(2 * np.pi) - covered * wide
    held = np.histogram(drawn, ends)[0]
    expected = left / left.sum() * len(drawn)
    assert len(drawn) > 150_000
    assert left.sum() / np.sqrt(np.pi / 2) == pytest.approx(3 / 2048, rel=1e-9)
    assert stats.chi2.sf(((held - expected) ** 2 / expected).sum(), len(held) - 1) > 1e-9


def test_values_outside_the_rectangles_are_used_once_and_as_often_negative() -> None:
    source = Normals(NoiseSource()._words)
    drawn = np.concatenate([source._next_outside(n) for n in (700, 1, 0, 900, 3000)])
    assert len(drawn) == 4601 == len(np.unique(drawn))
    assert abs(np.count_nonzero(drawn < 0) - 2300.5) < 6.5 * 4601**0.5 / 2


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_noise_in_place_is_computed_in_float64_and_cast_at_the_end(dtype: type) -> None:
    vector = np.full(100_001, 5.0, dtype=dtype)
    NoiseSource().add_in_place(vector, 1.0)
    assert vector.dtype == dtype
    low, high = stats.chi2.ppf([5e-10, 1 - 5e-10], len(vector))
    assert low < float(((vector - 5.0) ** 2).sum()) < high
    assert np.unique(vector).size > 0.9 * len(vector)


def test_neighbours_are_independent() -> None:
    noise = NoiseSource().gaussian(2 << 14, 1.0)
    first, second = noise[::2], noise[1::2]
    assert abs(np.corrcoef(first, second)[0, 1]) < 6.5 / len(first) ** 0.5
    assert abs(np.corrcoef(first**2, second**2)[0, 1]) < 6.5 / len(first) ** 0.5


def test_no_two_sources_and_no_two_calls_give_the_same_stream() -> None:
    one, other = NoiseSource(), NoiseSource()
    drawn = [one.gaussian(1000, 1.0), one.gaussian(1000, 1.0), other.gaussian(1000, 1.0)]
    for i in range(3):
        for j in range(i):
            assert np.intersect1d(drawn[i], drawn[j]).size < 5


def test_blocks_of_one_call_do_not_repeat() -> None:
    noise = NoiseSource().gaussian(5 << 15, 1.0)
    assert np.unique(noise[:: 1 << 15]).size == 5
    assert abs(np.corrcoef(noise[: 1 << 15], noise[1 << 15 : 2 << 15])[0, 1]) < 0.05


@pytest.mark.parametrize("std", [1.0, 1.3, 3e-7, 12345.678])
def test_every_released_value_lies_on_the_grid(std: float) -> None:
    values = np.random.default_rng(0).normal(size=5000).astype(np.float32) * std
    source, step = NoiseSource(), grid(std)
    for released in (source.gaussian(5000, std), source.add_gaussian(values, std)):
        assert np.array_equal(np.rint(released / step) * step, released)
    assert 2.0**-37 < step / std <= 2.0**-36


def test_the_remainder_of_a_sum_below_the_grid_does_not_show() -> None:
    # Noise on a grid and a sum off it would release the sum's remainder without any noise at all.
    step = grid(1.0)
    released = NoiseSource().add_gaussian(np.full(1000, 0.3 * step), 1.0)
    assert not np.any(np.mod(released, step))


def test_adding_noise_keeps_shape_mean_and_the_input() -> None:
    values = np.full((40, 50), 7.0, dtype=np.float32)
    released = NoiseSource().add_gaussian(values, 1.0)
    assert released.shape == (40, 50)
    assert released.dtype == np.float64
    assert abs(float(released.mean()) - 7) < 6.5 / 2000**0.5
    assert np.all(values == 7.0)


@pytest.mark.parametrize("n", [0, 1, 2, 3, BLOCK - 1, BLOCK, BLOCK + 1])
def test_lengths_at_and_around_a_block(n: int) -> None:
    noise = NoiseSource().gaussian(n, 1.0)
    assert noise.shape == (n,)
    assert noise.dtype == np.float64
    assert np.all(np.isfinite(noise))
    assert np.count_nonzero(noise) == n


def test_a_source_cannot_be_pickled_or_copied() -> None:
    source = NoiseSource()
    for attempt in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="a noise source cannot be pickled or copied"):
            attempt(source)


def test_the_key_is_nowhere_to_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    key = bytes(range(32))
    monkeypatch.setattr(os, "urandom", lambda n: key[:n])
    source = NoiseSource()
    assert repr(source) == "NoiseSource(secret)"
    assert not hasattr(source, "__dict__")
    for name in source.__slots__:
        held = getattr(source, name)
        assert key not in (held.tobytes() if isinstance(held, np.ndarray) else repr(held).encode())


def test_the_stream_is_that_of_aes_256_in_counter_mode(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "urandom", lambda n: bytes(range(n)))
    counter = (2).to_bytes(16, "big")
    stream = Cipher(algorithms.AES256(bytes(range(32))), modes.CTR(counter)).encryptor().update(bytes(5000))
    source = NoiseSource()
    assert b"".join(source._bytes(count).tobytes() for count in (3, 1000, 0, 3997)) == stream


def test_a_key_is_used_for_a_bounded_stream_only(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = [bytes([number]) * 32 for number in range(5)]
    left = iter(keys)
    monkeypatch.setattr(os, "urandom", lambda n: next(left))
    monkeypatch.setattr(noise_module, "_LARGEST_STREAM", 1000)
    source = NoiseSource()
    drawn = [source._bytes(400).tobytes() for _ in range(5)]
    assert next(left) == keys[3]
    assert len(set(drawn)) == 5


def test_a_fork_cannot_draw_the_parents_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    source = NoiseSource()
    monkeypatch.setattr(os, "getpid", lambda: -1)
    with pytest.raises(WorkloadFailed, match="a noise source was carried into another process; make one in each"):
        source.gaussian(1, 1.0)


@pytest.mark.parametrize("bad", [0.0, -1.0, float("nan"), float("inf"), 1e-300, 1e300])
def test_a_standard_deviation_that_adds_no_noise_is_refused(bad: float) -> None:
    with pytest.raises(InvalidInput, match="a standard deviation"):
        NoiseSource().gaussian(1, bad)


@pytest.mark.parametrize("bad", [-1, 1.0, True])
def test_a_count_is_an_integer(bad: int) -> None:
    with pytest.raises(InvalidInput, match="a number of values must be an integer of at least 0"):
        NoiseSource().gaussian(bad, 1.0)
    with pytest.raises(InvalidInput, match="a number of values must be an integer of at least 0"):
        NoiseSource().bernoulli_indices(bad, Fraction(1, 2))


@pytest.mark.parametrize("p", [Fraction(1, 100), Fraction(1, 3), Fraction(99, 100)])
def test_each_record_is_drawn_with_probability_p(p: Fraction) -> None:
    drawn = NoiseSource().bernoulli_indices(N, p)
    low, high = stats.binom.ppf([5e-10, 1 - 5e-10], N, float(p))
    assert low <= len(drawn) <= high
    assert drawn.dtype == np.int64
    assert np.all(np.diff(drawn) > 0)


def test_inclusion_is_even_over_places_and_independent_between_neighbours() -> None:
    source, hits, both = NoiseSource(), np.zeros(500), 0
    for _ in range(400):
        mark = np.zeros(500)
        mark[source.bernoulli_indices(500, Fraction(1, 4))] = 1
        hits += mark
        both += int((mark[1:] * mark[:-1]).sum())
    assert stats.chi2.sf(((hits - 100) ** 2 / 75).sum(), 500) > 1e-9
    assert abs(both - 499 * 400 / 16) < 6.5 * (499 * 400 / 16) ** 0.5 * 1.3


class Constant(NoiseSource):
    """The same source with a stream of one 16-bit word: the ends of the range, which chance never shows."""

    __slots__ = ("word",)

    def _bytes(self, count: int) -> np.ndarray:
        return np.full(count // 2, self.word, dtype="<u2").view(np.uint8)


def constant(word: int) -> NoiseSource:
    source = Constant()
    source.word = word
    return source


def test_the_ends_of_the_uniforms_give_finite_noise() -> None:
    assert not np.any(constant(0).gaussian(2, 1.0))
    assert np.array_equal(np.abs(Normals(lambda n: np.full(n, 2**63, dtype=np.uint64))(1, 1.0)), layers().widths[:1])
    farthest = np.concatenate([np.zeros(2048), np.full(2048, 2**64 - 2048), np.zeros(2048)]).astype(np.uint64)
    tail = Normals(lambda n: farthest[:n])._outside()
    assert len(tail) == 2048
    assert np.all((tail > 12) & (tail < 14))


@pytest.mark.parametrize(
    ("word", "threshold", "drawn"),
    [
        (0, 0, False),
        (0, 1, True),
        (0x0001, 0x0001_0001_0001_0001, False),
        (0x0001, 0x0001_0001_0001_0002, True),
        (0x8000, 1 << 63, False),
        (0x8000, 0x8000_8000_8000_8000, False),
        (0x8000, 0x8000_8000_8000_8001, True),
        (0xFFFF, 2**64 - 1, False),
        (0xFFFE, 2**64 - 1, True),
    ],
)
def test_a_record_is_drawn_exactly_when_its_64_bits_are_below_the_threshold(
    word: int, threshold: int, drawn: bool
) -> None:
    assert constant(word).bernoulli_indices(4, Fraction(threshold, 2**64)).size == 4 * drawn


def test_a_rate_that_only_the_tie_break_decides_is_kept() -> None:
    # Below 2**-16 every record drawn is one whose first 16 bits tie: all of them would be four times too many.
    n = 1 << 23
    low, high = stats.binom.ppf([5e-10, 1 - 5e-10], n, 2.0**-18)
    assert low <= len(NoiseSource().bernoulli_indices(n, Fraction(1, 2**18))) <= high


def test_nobody_and_everybody() -> None:
    source = NoiseSource()
    assert source.bernoulli_indices(100_000, Fraction(0)).size == 0
    assert np.array_equal(source.bernoulli_indices(100_000, Fraction(1)), np.arange(100_000))
    assert source.bernoulli_indices(0, Fraction(1, 2)).size == 0
    assert source.bernoulli_indices(1 << 17, Fraction(2**64 - 1, 2**64)).size == 1 << 17


@pytest.mark.parametrize("bad", [0.5, Fraction(3, 2), Fraction(-1, 2), None])
def test_a_sampling_probability_is_an_exact_fraction(bad: Fraction) -> None:
    with pytest.raises(InvalidInput, match="a sampling rate must be a fraction between 0 and 1"):
        NoiseSource().bernoulli_indices(10, bad)
