"""A factorisation of ratings that lie in one place, without privacy: what a federated one is compared with.

Alternating least squares on  stars = mean + b_i + a_u + q_i . p_u  (Koren, Bell, Volinsky 2009), persons and films in
turn, each a ridge solution given the others.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

_FACTORS, _PENALTY, _TURNS = 8, 3.0, 8
Array = NDArray[np.float64]


def guesses(pooled: pa.Table, known: pa.Table, asked: pa.Table) -> list[float]:
    """The stars of `asked`, from films fitted to `pooled` and persons fitted to `known`."""
    mean = float(np.mean(pooled["stars"].to_numpy()))
    films = _by(pooled, "film", mean)
    draw = np.random.default_rng(0)
    items = {film: np.concatenate([[0.0], draw.normal(0, 0.1, _FACTORS)]) for film in films}
    for _ in range(_TURNS):
        persons = {one: _fit(rated, items) for one, rated in _by(pooled, "person", mean).items()}
        items = {film: _fit(rated, persons) for film, rated in films.items()}
    met = {one: _fit(rated, items) for one, rated in _by(known, "person", mean).items()}
    nobody = np.zeros(1 + _FACTORS)
    pairs = zip(asked["film"].to_pylist(), asked["person"].to_pylist(), strict=True)
    return [mean + _product(items.get(film, nobody), met.get(person, nobody)) for film, person in pairs]


def _by(rows: pa.Table, side: str, mean: float) -> dict[str, list[tuple[str, float]]]:
    """For every person (film): the other side's names and the stars above the mean."""
    other = "film" if side == "person" else "person"
    found: dict[str, list[tuple[str, float]]] = {}
    for name, against, stars in zip(*(rows[column].to_pylist() for column in (side, other, "stars")), strict=True):
        found.setdefault(name, []).append((against, stars - mean))
    return found


def _fit(rated: list[tuple[str, float]], others: dict[str, Array]) -> Array:
    """Bias and factors [1 + F] of one person (film), given those of the other side."""
    theirs = np.array([others[name] for name, _ in rated])
    known = np.column_stack([np.ones(len(rated)), theirs[:, 1:]])
    missed = np.array([stars for _, stars in rated]) - theirs[:, 0]
    penalties = np.diag([1.0, *[_PENALTY] * _FACTORS])
    fitted: Array = np.linalg.solve(known.T @ known + penalties, known.T @ missed)
    return fitted


def _product(item: Array, person: Array) -> float:
    return float(item[0] + person[0] + item[1:] @ person[1:])
