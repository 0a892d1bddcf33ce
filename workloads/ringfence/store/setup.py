"""What a MinIO needs before the first dataset: buckets, and a user with a policy for each party.

Datasets and outputs lie in buckets without a lock, since what cannot be deleted cannot be erased. Ledgers lie in
versioned buckets under lock, since what can be deleted can be spent twice. A dataset and its ledger are therefore never
in one bucket.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ringfence.errors import InvalidInput
from ringfence.store.open import location
from ringfence.store.policies import ANY_JOB, Policy, coordinator_policy, operator_policy, owner_policy, silo_policy
from ringfence.store.provision import Provisioner


@dataclass(frozen=True)
class SiloPlaces:
    """Where one silo's dataset and ledger lie (s3:// URLs)."""

    name: str
    dataset: str
    ledger: str


@dataclass(frozen=True)
class Setup:
    """The silos of a store, where jobs write, and for how many days an entry of a ledger is locked.

    `holdout` is a dataset sealed as public, which the coordinator opens to score models; None for none.
    """

    silos: tuple[SiloPlaces, ...]
    output: str
    lock_days: int
    holdout: str | None = None


def check_setup(setup: Setup) -> None:
    """Raises InvalidInput for a silo named twice, no silo, or one bucket for both kinds of objects."""
    names = [silo.name for silo in setup.silos]
    twice = next((name for name in names if names.count(name) > 1), None)
    if not names or twice is not None:
        raise InvalidInput("no silo is named" if not names else f"silo {twice!r} is named twice")
    free, locked = unlocked_buckets(setup), locked_buckets(setup)
    both = sorted(set(free) & set(locked))
    if both:
        raise InvalidInput(
            "one bucket for a ledger and for objects that may be erased",
            where=f"s3://{both[0]}",
            remedy="keep ledgers in a bucket of their own: --silo NAME=DATASET,LEDGER",
        )


def unlocked_buckets(setup: Setup) -> list[str]:
    """Buckets of datasets, of outputs and of the hold-out."""
    held = [] if setup.holdout is None else [setup.holdout]
    return sorted({location(url).bucket for url in (*(silo.dataset for silo in setup.silos), setup.output, *held)})


def locked_buckets(setup: Setup) -> list[str]:
    """Buckets of ledgers."""
    return sorted({location(silo.ledger).bucket for silo in setup.silos})


def policies(setup: Setup) -> dict[str, Policy]:
    """A policy for each user by name: `owner-<silo>`, `silo-<silo>`, `coordinator` and `operator`.

    Silo and coordinator may take part in every job below `output`, since these users outlive a job. An operator that
    may manage users makes narrower ones for each job.
    """
    datasets = [(silo.dataset, silo.ledger) for silo in setup.silos]
    users: dict[str, Policy] = {}
    for silo in setup.silos:
        users[f"owner-{silo.name}"] = owner_policy(dataset=silo.dataset, ledger=silo.ledger)
        users[f"silo-{silo.name}"] = silo_policy(
            dataset=silo.dataset, ledger=silo.ledger, output=setup.output, uid=ANY_JOB, silo=silo.name
        )
    users["coordinator"] = coordinator_policy(
        output=setup.output, uid=ANY_JOB, datasets=datasets, holdout=setup.holdout
    )
    users["operator"] = operator_policy(datasets=datasets, outputs=[setup.output])
    return users


def set_up(provisioner: Provisioner, setup: Setup, credentials: Path) -> Sequence[str]:
    """Makes all of it; the names of the users, whose credentials lie in `credentials`/NAME.env afterwards.

    Idempotent: a user whose file is there keeps its secret, one whose file is gone gets a new one. Raises InvalidInput
    and StoreError; what was made until then stays, and the next call goes on.
    """
    check_setup(setup)
    users = policies(setup)
    for name in locked_buckets(setup):
        provisioner.bucket(name, versioned=True, lock_days=setup.lock_days)
    for name in unlocked_buckets(setup):
        provisioner.bucket(name, versioned=False, lock_days=None)
    for name, policy in users.items():
        # The file first: a secret that the store knows and nobody has would be lost.
        secret = _secret(credentials / f"{name}.env", provisioner.endpoint, name)
        provisioner.ensure_user(name, secret, name, policy)
    return list(users)


def _secret(path: Path, endpoint: str, user: str) -> str:
    """The secret in `path`, made and written there (mode 0600) if there is none."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if path.exists():
            lines = dict(line.partition("=")[::2] for line in path.read_text().splitlines())
            if not lines.get("AWS_SECRET_ACCESS_KEY"):
                raise InvalidInput("holds no AWS_SECRET_ACCESS_KEY", where=str(path), remedy="remove the file")
            return lines["AWS_SECRET_ACCESS_KEY"]
        secret = secrets.token_urlsafe(30)
        values = {
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_ALLOW_HTTP": str(endpoint.startswith("http://")).lower(),
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": user,
            "AWS_SECRET_ACCESS_KEY": secret,
        }
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.writelines(f"{name}={value}\n" for name, value in values.items())
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not text"
        raise InvalidInput(f"cannot keep credentials here: {reason}", where=str(path)) from error
    return secret
