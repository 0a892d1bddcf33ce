"""What a silo does between two releases, as numbers: from the job's spec and, where privacy is on, the reservation."""

from __future__ import annotations

import hashlib
from fractions import Fraction

from ringfence import canonical
from ringfence.errors import PlanImpossible
from ringfence.privacy.ledger.entries import PlanRecord
from ringfence.privacy.shape import steps_per_round
from ringfence.shards.manifest import Manifest
from ringfence.spec.job import FederatedJob
from ringfence.training.local import LocalPlan, PrivateStep
from ringfence.training.userplan import UserPlan


def local_plan(job: FederatedJob, records: int, silo: str, round_: int, reserved: PlanRecord | None) -> LocalPlan:
    """The local training of one round.

    With a reservation, steps, noise, clip and sampling rate are the reserved ones. Without (public rows), a seed
    derived from (spec.seed, silo, round) draws the batches, so that a repeated round gives the same bits.
    """
    local = job.spec.local
    rate, momentum = float(local.optimizer.learning_rate), float(local.optimizer.momentum)
    mu = job.spec.strategy.argument("mu")
    batch = local.batch(records)
    if reserved is None:
        steps = max(1, steps_per_round(Fraction(local.epochs), records, batch))
        return LocalPlan(steps, batch, rate, momentum, None, _seed(job.spec.seed, silo, round_), mu)
    return LocalPlan(reserved.steps_per_round, batch, rate, momentum, private_step(reserved), None, mu)


def user_plan(job: FederatedJob, manifest: Manifest, silo: str, round_: int, reserved: PlanRecord | None) -> UserPlan:
    """The local training of one round by users: noise, clip and sampling rate from the reservation, if there is one.

    Raises PlanImpossible when the job does not say how many users take part.
    """
    local = job.spec.local
    users = local.users(manifest.units)
    if users is None:
        raise PlanImpossible("the unit is User", where=f"silo {silo}", remedy="set local.usersPerRound")
    return UserPlan(
        users_per_round=users,
        epochs=Fraction(local.epochs),
        batch_size=local.batch(manifest.records),
        learning_rate=float(local.optimizer.learning_rate),
        momentum=float(local.optimizer.momentum),
        proximal=job.spec.strategy.argument("mu"),
        private=private_step(reserved) if reserved else None,
        seed=None if reserved else _seed(job.spec.seed, silo, round_),
    )


def private_step(reserved: PlanRecord) -> PrivateStep:
    """The mechanism of a step, as it was reserved."""
    return PrivateStep(
        noise_multiplier=float(reserved.noise_multiplier),
        sampling_rate=Fraction(reserved.sampling_rate),
        max_grad_norm=float(reserved.max_grad_norm),
    )


def _seed(seed: int, silo: str, round_: int) -> int:
    return int.from_bytes(hashlib.sha256(canonical.encode([seed, silo, round_])).digest()[:7], "big")
