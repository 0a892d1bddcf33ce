"""What every strategy has in common on the server: elementwise arithmetic on the flat vector, done block by block.

A strategy is a function of one block of the model w, the mean update d and its own state, all float64:

    w', state' = apply(w, d, state)

`advance` runs it over the whole model in place. Model and state are held in float32 between rounds, so a coordinator
that resumes from a checkpoint of both goes on with the same bits. Beyond them it needs one block of memory.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float32]
Block = NDArray[np.float64]
State = dict[str, Vector]

BLOCK = 1 << 14
"""Elements worked on at once: 128 KiB of float64, which stays in a core's second cache."""


@dataclass(frozen=True)
class ServerStep:
    """A server optimizer: its elementwise function, and the value that each vector of its state starts with."""

    apply: Callable[[Block, Block, Mapping[str, Block]], tuple[Block, Mapping[str, Block]]]
    initial: Mapping[str, float] = field(default_factory=dict)

    def start(self, parameters: int) -> State:
        """The state before the first round: one float32 vector [P] a name."""
        return {name: np.full(parameters, value, dtype=np.float32) for name, value in self.initial.items()}

    def advance(self, model: Vector, mean: Block, state: State) -> None:
        """One server step on the whole model [P], in place; `mean` [P] is the aggregated update."""
        for start in range(0, len(model), BLOCK):
            part = slice(start, start + BLOCK)
            held = {name: vector[part].astype(np.float64) for name, vector in state.items()}
            stepped, kept = self.apply(model[part].astype(np.float64), mean[part], held)
            model[part] = stepped
            for name, values in kept.items():
                state[name][part] = values
