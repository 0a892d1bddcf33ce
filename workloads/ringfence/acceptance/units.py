"""Whether what a job does to a silo's updates fits the unit of its dataset, and what those updates weigh."""

from __future__ import annotations

from collections.abc import Mapping

from ringfence.errors import PlanImpossible
from ringfence.privacy.stages import chain_of, check_chain
from ringfence.shards.manifest import Manifest
from ringfence.spec.job import FederatedJob


def check_unit(job: FederatedJob, silo: str, manifest: Manifest) -> None:
    """Raises PlanImpossible when users are to be drawn from a dataset that knows none, or more than it has, or when the
    stages of an update would not do what is accounted."""
    private, whole = not manifest.public, manifest.unit == "Silo"
    where = f"silo {silo}, dataset {manifest.dataset}"
    check_chain(chain_of(private=private, whole=whole), private=private, where=where, whole=whole)
    users, word = job.spec.local.users(manifest.units), "usersPerRound"
    if users is None:
        return
    if job.spec.local.everybody:
        word = "everybody: Users"
    if not manifest.unit.startswith("User:"):
        raise PlanImpossible(
            f"silo {silo}: local.{word} is for datasets of unit User, and this one's is {manifest.unit}",
            where=f"dataset {manifest.dataset}",
            remedy=f"leave local.{word} out, or seal the dataset with --unit User:COLUMN",
        )
    if users > manifest.units:
        raise PlanImpossible(
            f"silo {silo}: local.usersPerRound {users} is more than its {manifest.units} users",
            where=f"dataset {manifest.dataset}",
            remedy=f"set local.usersPerRound to at most {manifest.units}",
        )


def check_together(manifests: Mapping[str, Manifest]) -> None:
    """Raises PlanImpossible where whole silos are protected beside others: noise is drawn on the sum over them all."""
    whole = sorted(silo for silo, manifest in manifests.items() if _whole(manifest))
    others = sorted(manifests.keys() - whole)
    if whole and others:
        raise PlanImpossible(
            f"the unit of silo {whole[0]} is Silo, and silo {others[0]} is not behind a budget of that unit",
            where="spec.silos",
            remedy="train whole silos in a job of their own",
        )


def weight(job: FederatedJob, manifest: Manifest) -> int:
    """n_k of FedAvg: the declared number of training records, or of users where the job trains by user; 1 where whole
    silos are protected, since the noise is as large as what one of them adds."""
    if _whole(manifest):
        return 1
    return manifest.units if job.spec.local.by_user else manifest.records


def _whole(manifest: Manifest) -> bool:
    return manifest.unit == "Silo" and not manifest.public
