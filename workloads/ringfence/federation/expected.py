"""How many records a silo's round is planned to see: from declared numbers and the plan, never from the sample."""

from __future__ import annotations

from fractions import Fraction

from ringfence.federation.engines import Training
from ringfence.privacy.shape import steps_per_round


def expected_examples(training: Training) -> int:
    """Steps times batchSize; by user, the records of the declared users that a round expects, times its epochs."""
    local, manifest, reserved = training.job.spec.local, training.manifest, training.reserved
    if training.by_user:
        users = local.users(manifest.units) or 0
        rate = Fraction(reserved.sampling_rate) if reserved else Fraction(users, max(1, manifest.units))
        return round(rate * manifest.records * Fraction(local.epochs))
    batch = local.batch(manifest.records)
    if reserved is not None and not training.whole:
        return reserved.steps_per_round * batch
    return max(1, steps_per_round(Fraction(local.epochs), manifest.records, batch)) * batch
