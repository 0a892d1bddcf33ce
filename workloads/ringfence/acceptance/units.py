"""Whether what a job does to a silo's updates fits the unit of its dataset, and what those updates weigh."""

from __future__ import annotations

from ringfence.errors import PlanImpossible
from ringfence.privacy.stages import chain_of, check_chain
from ringfence.shards.manifest import Manifest
from ringfence.spec.job import FederatedJob


def check_unit(job: FederatedJob, silo: str, manifest: Manifest) -> None:
    """Raises PlanImpossible when users are to be drawn from a dataset that knows none, or more than it has, or when the
    stages of an update would not do what is accounted."""
    if manifest.unit == "Silo" and not manifest.public:
        raise PlanImpossible(
            f"silo {silo}: its unit is Silo, which needs noise on the sum over silos, and this release draws noise in "
            "each silo only",
            where=f"dataset {manifest.dataset}",
            remedy="seal the dataset with --unit User:COLUMN or Record",
        )
    private = not manifest.public
    check_chain(chain_of(private=private), private=private, where=f"silo {silo}, dataset {manifest.dataset}")
    users = job.spec.local.users_per_round
    if users is None:
        return
    if not manifest.unit.startswith("User:"):
        raise PlanImpossible(
            f"silo {silo}: local.usersPerRound is for datasets of unit User, and this one's is {manifest.unit}",
            where=f"dataset {manifest.dataset}",
            remedy="leave local.usersPerRound out, or seal the dataset with --unit User:COLUMN",
        )
    if users > manifest.units:
        raise PlanImpossible(
            f"silo {silo}: local.usersPerRound {users} is more than its {manifest.units} users",
            where=f"dataset {manifest.dataset}",
            remedy=f"set local.usersPerRound to at most {manifest.units}",
        )


def weight(job: FederatedJob, manifest: Manifest) -> int:
    """n_k of FedAvg: the declared number of training records, or of users where the job trains by user."""
    return manifest.records if job.spec.local.users_per_round is None else manifest.units
