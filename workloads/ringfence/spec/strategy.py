"""How updates become the next model: the aggregation algorithm of a FederatedJob and its arguments.

Arguments that the literature gives a usual value may be left out; `StrategySpec.argument` has that value. They are not
written into the spec, so that the spec's digest holds what its author wrote and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Self

from pydantic import ConfigDict, Field, model_validator

from ringfence.spec.quantities import PositiveDecimal, ShareDecimal
from ringfence.spec.resource import Frozen, contradiction, rule, validations

Usual = Mapping[str, str | None]

_USUAL: Mapping[str, Usual] = {
    "fedavg": {},
    "fedprox": {"mu": None},
    "fedavgm": {"learningRate": "1", "momentum": "0.9"},
    "fedadam": {"learningRate": None, "momentum": "0.9", "beta2": "0.99", "tau": "0.001"},
    "fedyogi": {"learningRate": None, "momentum": "0.9", "beta2": "0.99", "tau": "0.001"},
    "fedadagrad": {"learningRate": None, "momentum": "0", "tau": "0.001"},
}
"""The arguments that each algorithm takes, with the value that stands for an absent one; None: it must be given.

Reddi et al. 2021 (arXiv 2003.00295), section 4 and appendix D, for the last three; Hsu et al. 2019 (arXiv 1909.06335)
for fedavgm. No learning rate suits every task with the adaptive ones, and no mu with fedprox.
"""

_ARGUMENTS = ("learningRate", "momentum", "beta2", "tau", "mu")


def _takers(argument: str, *, needed: bool = False) -> list[str]:
    return [name for name, usual in _USUAL.items() if argument in usual and (not needed or usual[argument] is None)]


def _listed(names: list[str]) -> str:
    return "[" + ", ".join(f"'{name}'" for name in names) + "]"


_RULES = [
    rule(
        f"!has(self.{argument}) || self.name in {_listed(_takers(argument))}",
        f"is an argument of {', '.join(_takers(argument))} only",
        field=argument,
    )
    for argument in _ARGUMENTS
] + [
    rule(
        f"has(self.{argument}) || !(self.name in {_listed(_takers(argument, needed=True))})",
        f"is required with {', '.join(_takers(argument, needed=True))}",
        field=argument,
    )
    for argument in _ARGUMENTS
    if _takers(argument, needed=True)
]


class StrategySpec(Frozen):
    """How updates become the next model."""

    model_config = ConfigDict(json_schema_extra=validations(_RULES))

    name: Literal["fedavg", "fedprox", "fedavgm", "fedadam", "fedyogi", "fedadagrad"] = Field(
        description="Algorithm. fedavg: the mean of the silos' updates. fedprox: the same, with local training held "
        "near the round's model. fedavgm: momentum over rounds. fedadam, fedyogi, fedadagrad: a step size for each "
        "parameter.",
    )
    learning_rate: PositiveDecimal | None = Field(
        default=None,
        description="Step size of the server along the mean update, a decimal string greater than 0. fedavgm: "
        'default "1". Required with fedadam, fedyogi and fedadagrad; "0.01" is a usual start.',
    )
    momentum: ShareDecimal | None = Field(
        default=None,
        description="Share of the last round's direction that is kept, a decimal string in [0, 1). fedavgm, fedadam, "
        'fedyogi: default "0.9". fedadagrad: default "0".',
    )
    beta2: ShareDecimal | None = Field(
        default=None,
        description="Share of the last round's squared updates that is kept, a decimal string in [0, 1). fedadam, "
        'fedyogi: default "0.99".',
    )
    tau: PositiveDecimal | None = Field(
        default=None,
        description="Adaptivity: what is added to the root of the squared updates, a decimal string greater than 0. "
        'fedadam, fedyogi, fedadagrad: default "0.001".',
    )
    mu: PositiveDecimal | None = Field(
        default=None,
        description="Weight of fedprox's term mu/2 |w - w_round|^2 in every local step, a decimal string greater than "
        "0. Required with fedprox.",
    )

    def argument(self, name: str) -> float:
        """An argument (camelCase) as a number, its usual value where absent; 0 where the algorithm has none."""
        given: str | None = self.to_document().get(name)
        return float(given if given is not None else _USUAL[self.name].get(name) or 0)

    @model_validator(mode="after")
    def _taken(self) -> Self:
        given, usual = self.to_document().keys() - {"name"}, _USUAL[self.name]
        faults = [
            (name, f"is an argument of {', '.join(_takers(name))}, not of {self.name}")
            for name in sorted(given - usual.keys())
        ]
        needed = (name for name, value in usual.items() if value is None and name not in given)
        faults += [(name, f"is required with {self.name}") for name in needed]
        if faults:
            raise contradiction(faults)
        return self
