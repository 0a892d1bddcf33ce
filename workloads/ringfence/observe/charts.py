"""Geometry of the report's charts: numbers in, points and ticks out; the template draws them as inline SVG."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ringfence.observe.rounds import Round

WIDTH, HEIGHT = 1000, 260
LEFT, RIGHT, TOP, BOTTOM = 56, 16, 14, 40  # room for labels around the plot
_POINTS = 300  # more marks than this are not seen at 1280 px
PARTS = ("publish", "wait", "aggregate", "checkpoint", "evaluate", "other")


@dataclass(frozen=True)
class Tick:
    """A line of the grid: where it lies in the drawing, and its label."""

    at: float
    label: str


@dataclass(frozen=True)
class Curve:
    """One metric over the rounds: `points` for a polyline, the last one marked."""

    points: str
    last: tuple[float, float]
    dots: tuple[tuple[float, float], ...]  # only when few enough to be told apart
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]


@dataclass(frozen=True)
class Bar:
    """One part of one round's (or bin of rounds') time."""

    part: str
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Times:
    """Stacked bars of seconds a round."""

    bars: tuple[Bar, ...]
    parts: tuple[str, ...]  # those that occur, bottom first
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    bin: int  # rounds averaged in one bar


def curve(values: Sequence[tuple[int, float]]) -> Curve:
    """The curve of (round, value) pairs, at least one; thinned evenly when there are too many, the last always kept."""
    step = math.ceil(len(values) / _POINTS)
    kept = [*values[:-1:step], values[-1]] if len(values) > 1 else list(values)
    first, final = kept[0][0], kept[-1][0]
    y_marks = steps(min(value for _, value in kept), max(value for _, value in kept))
    low, high = y_marks[0], y_marks[-1]

    def place(number: float, value: float) -> tuple[float, float]:
        along = 0.5 if final == first else (number - first) / (final - first)
        return round(LEFT + along * (WIDTH - LEFT - RIGHT), 1), _height(value, low, high)

    points = tuple(place(*pair) for pair in kept)
    return Curve(
        points=" ".join(f"{x},{y}" for x, y in points),
        last=points[-1],
        dots=points if len(points) <= 60 else (),
        x_ticks=tuple(Tick(place(number, low)[0], f"{number}") for number in _numbers(first, final)),
        y_ticks=tuple(Tick(_height(mark, low, high), _label(mark, y_marks)) for mark in y_marks),
    )


def times(rounds: Sequence[Round]) -> Times:
    """Stacked bars of the rounds' seconds by part, at least one round; what no part accounts for is `other`."""
    size = math.ceil(len(rounds) / _POINTS * 2.5) if len(rounds) > _POINTS / 2.5 else 1
    bins = [rounds[start : start + size] for start in range(0, len(rounds), size)]
    stacks = [_mean_parts(group) for group in bins]
    y_marks = steps(0.0, max(sum(stack.values()) for stack in stacks))
    slot = (WIDTH - LEFT - RIGHT) / max(len(bins), 12)
    bars = [bar for place, stack in enumerate(stacks) for bar in _stack(stack, LEFT + place * slot, slot, y_marks[-1])]
    every = math.ceil(len(bins) / 10)
    return Times(
        bars=tuple(bars),
        parts=tuple(part for part in PARTS if any(bar.part == part for bar in bars)),
        x_ticks=tuple(
            Tick(round(LEFT + (place + 0.5) * slot, 1), f"{bins[place][0].number}")
            for place in range(0, len(bins), every)
        ),
        y_ticks=tuple(Tick(_height(mark, 0.0, y_marks[-1]), _label(mark, y_marks)) for mark in y_marks),
        bin=size,
    )


def steps(low: float, high: float) -> list[float]:
    """Four to seven round numbers that enclose [low, high]."""
    span = (high - low) or abs(high) * 0.1 or 1.0
    power = 10.0 ** math.floor(math.log10(span / 4))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if span / (power * factor) <= 5)
    start, end = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [number * step for number in range(start, max(end, start + 1) + 1)]


def _height(value: float, low: float, high: float) -> float:
    return round(TOP + (1 - (value - low) / (high - low)) * (HEIGHT - TOP - BOTTOM), 1)


def _label(mark: float, marks: Sequence[float]) -> str:
    places = max(0, math.ceil(-math.log10(marks[1] - marks[0]) - 1e-9) + (f"{marks[1] - marks[0]:e}"[2] != "0"))
    return f"{mark:.{places}f}"


def _numbers(first: int, final: int) -> list[int]:
    if first == final:
        return [first]
    inner = [round(mark) for mark in steps(first, final)]
    return sorted({first, final, *(mark for mark in inner if _apart(mark, first, final))})


def _apart(mark: int, first: int, final: int) -> bool:
    return min(mark - first, final - mark) > (final - first) * 0.05


def _mean_parts(group: Sequence[Round]) -> dict[str, float]:
    return {part: sum(entry.part(part) for entry in group) / len(group) for part in PARTS}


def _stack(stack: Mapping[str, float], x: float, slot: float, top: float) -> list[Bar]:
    bars, below = [], 0.0
    gap = min(2.0, slot * 0.2)
    for part in PARTS:
        if stack[part] > 0:
            upper = _height(below + stack[part], 0.0, top)
            height = round(_height(below, 0.0, top) - upper, 1)
            bars.append(Bar(part, round(x + gap / 2, 1), upper, round(slot - gap, 1), height))
            below += stack[part]
    return bars
