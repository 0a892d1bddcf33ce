"""How a story's model is trained: the same model, rounds and hold-out in every arm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from ringfence.demo.cast import Cast
from ringfence.spec import FederatedJob, parse_document


@dataclass(frozen=True)
class Recipe:
    """`plain` and `private` are the two kinds of arm's `local`: a clipped and noised sum is another step than a plain
    mean, so that learning rates, and often batches, differ."""

    task: str
    arguments: Mapping[str, Any]
    rounds: int
    plain: Mapping[str, Any]
    private: Mapping[str, Any]
    metric: str
    better: Literal["higher", "lower"] = "higher"
    privacy: Mapping[str, Any] = field(default_factory=lambda: {"maxGradNorm": "1"})

    def on_copies(self, cast: Cast, silos: Sequence[str], name: str, seed: int = 0) -> FederatedJob:
        """On copies sealed as public: without noise, without budget; scored after the last round."""
        named = [{"name": silo, "dataset": cast.public_url(silo)} for silo in silos]
        return self._job(cast, name, {"silos": named, "local": dict(self.plain)}, seed, every=self.rounds)

    def on_rows(self, cast: Cast, epsilon: str, name: str, seed: int = 0) -> FederatedJob:
        """On the rows of every silo, each paying from its own budget; scored after every round."""
        silos = [{"name": silo, "budgetRef": {"namespace": silo, "name": cast.dataset}} for silo in cast.silos]
        privacy = {"epsilon": epsilon, "delta": cast.delta, **self.privacy}
        parts = {"silos": silos, "privacy": privacy, "local": dict(self.private)}
        return self._job(cast, name, parts, seed, every=1)

    def _job(self, cast: Cast, name: str, parts: dict[str, Any], seed: int, *, every: int) -> FederatedJob:
        document = {
            "apiVersion": "ringfence.dev/v1alpha1",
            "kind": "FederatedJob",
            "metadata": {"name": name, "namespace": cast.team},
            "spec": {
                "task": {"class": self.task, "args": dict(self.arguments)},
                "rounds": self.rounds,
                "strategy": {"name": "fedavg"},
                "evaluation": {"dataset": cast.holdout, "everyRounds": every, "metrics": [self.metric]},
                "output": cast.models,
                **parts,
                **({"seed": seed} if seed else {}),
            },
        }
        job = parse_document(document, f"demo job {name}")
        if not isinstance(job, FederatedJob):
            raise TypeError(name)
        return job
