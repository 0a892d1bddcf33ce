"""Manifests that are malformed, or that reach for what is another's; all of them are to be refused."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

Document = dict[str, Any]
_DECIMALS = ("NaN", "Infinity", "-1", "0", "1e400", "+1", " 1", "1,5", "", "0x10", "1e-13", "9999999", 1, 1.5, [], True)
_NAMES = ("", "UPPER", "-a", "a" * 64, "a b", "a/b", "kube-system/key", "../key", "ä", "a\n", 7)
_COUNTS = (0, -1, 10_001, 1.5, "3", 2**63)
_URLS = (
    *("", "s3://", "s3://research/", "s3://research//x", "s3://research/../{silo}/x", "s3://research/%2e%2e/{silo}"),
    *("S3://research/x", "s3://research/x?y", "s3://research/x y", "https://research/x", "s3://research/" + "a" * 600),
    *("s3://research/./x", "s3://research/x\n", "s3://research/\u202ex"),
)
_OUTPUTS = (
    *("s3://{silo}", "s3://{silo}/readmissions", "s3://{silo}/readmissions/ledger", "s3://{silo}/readmissions/shards"),
    *("s3://{silo}/readmissions/staging/x", "s3://{other}/models", "s3://research-two/x", "s3://researchx/x"),
    *("s3://research.two/x", "s3://op-system/x", "file:///etc", "file:///tmp/research", "s3://a.research/x"),
)
_DIGEST = "sha256:" + "0" * 64
_KEY = "ed25519:" + "A" * 43


def jobs(honest: Document, silo: str, other: str) -> Iterator[tuple[str, Document]]:
    """Name -> FederatedJob. `honest` would be accepted; `silo` and `other` are its two."""
    first = {"name": silo, "budgetRef": {"namespace": silo, "name": "patients"}}
    second = {"name": other, "budgetRef": {"namespace": other, "name": "patients"}}
    fill = {"silo": silo, "other": other}
    for where in ("privacy.epsilon", "privacy.delta", "privacy.maxGradNorm", "local.epochs"):
        yield from _each(honest, where, _DECIMALS)
    yield from _each(honest, "local.optimizer.learningRate", _DECIMALS)
    yield from _each(honest, "rounds", _COUNTS)
    yield from _each(honest, "quorum", (0, 3, 51, "1"))
    yield from _each(honest, "backoffLimit", (-1, 101))
    yield from _each(honest, "nodesPerSilo", (0, 2))
    for where in ("serviceAccountName", "purpose", "silos.0.name", "silos.0.budgetRef.name"):
        yield from _each(honest, where, _NAMES)
    yield from _each(honest, "silos.0.budgetRef.namespace", _NAMES)
    yield from _each(honest, "output", [one.format(**fill) for one in (*_URLS, *_OUTPUTS)])
    yield from _each(honest, "task.class", ("os:system", "ringfence.tasks:Nope", "a b", "x:", "ringfence.cli:main"))
    for url in ("s3://research/x.zip", f"s3://{silo}/readmissions/shards/x", "s3://research/nowhere.zip"):
        yield from _each(honest, "task.code", (f"{url}@{_DIGEST}", url, f"{url}@sha256:12"))
    yield from _each(honest, "silos", ([], [first, first], [first] * 51, [{"name": silo}], [{**first, "dataset": "x"}]))
    public = {"name": silo, "dataset": f"s3://{silo}/readmissions"}
    twice = {**first, "name": "again"}
    gone = {"name": silo, "budgetRef": {"namespace": "kube-system", "name": "patients"}}
    thief = {"name": silo, "budgetRef": {"namespace": "thief", "name": "stolen"}}
    host = {"name": silo, "dataset": "file:///etc/passwd"}
    yield from _each(honest, "silos", ([public, second], [first, twice], [gone], [thief], [host, second]))
    yield from _each(honest, "privacy.epsilon", ("9", "100000"))
    yield from _each(honest, "privacy.delta", ("0.5", "1"))
    yield from _each(honest, "resources", ({"limits": {"cpu": "-1"}}, {"limits": {"cpu": "x"}}, {"limits": 3}))
    for field in ("image", "template", "volumes", "env", "nodeName", "hostNetwork"):
        yield from _each(honest, field, ("x",))
    yield from _each(
        honest, "strategy", ({"name": "none"}, {}, "fedavg", {"name": "fedavg", "serverLearningRate": "-1"})
    )
    yield from _metadata(honest)


def _metadata(honest: Document) -> Iterator[tuple[str, Document]]:
    """Jobs that are wrong around their spec; with an output that nobody granted, should the metadata be let through."""
    spec = {**honest["spec"], "output": "s3://elsewhere/x"}
    marks = {"ringfence.dev/job-uid": "f2a19046-c691-4ac0-8678-6d3db43c4952", "ringfence.dev/anchor": "silo"}
    for number, metadata in enumerate(
        (
            {"name": "a" * 64},
            {"name": "a." + "b" * 40},
            {"labels": {**marks, "app.kubernetes.io/managed-by": "ringfence"}},
            {"annotations": {"x": "y" * 300_000}},
            {"finalizers": ["ringfence.dev/reservations", "somebody.example/never"]},
            {"namespace": "strangers"},
        )
    ):
        name = metadata.get("name", f"metadata-{number}")
        yield (
            f"metadata {number}",
            {**honest, "metadata": {**honest["metadata"], **metadata, "name": name}, "spec": spec},
        )


def budgets(honest: Document) -> Iterator[tuple[str, Document]]:
    """Name -> PrivacyBudget beside the owner's own, `honest`."""
    for where in ("keySecretRef.name", "storeSecretRef.name", "runtime.queueName"):
        yield from _each(honest, where, _NAMES, ready=True)
    for where in ("epsilon", "delta"):
        yield from _each(honest, where, _DECIMALS, ready=True)
    yield from _each(honest, "signer", ("", "ed25519:x", _KEY[:-1], "rsa:" + "A" * 43, _KEY))
    yield from _each(honest, "dataset", ("", "s3://nowhere/x", "file:///etc", "s3://a/../b", "x" * 600))
    yield from _each(honest, "unit", ("User", "record", "", 1))
    yield from _each(honest, "accountant", ("pld", ""))
    yield from _each(
        honest, "runtime.allowedCode", (["*"], ["sha256:12"], ["builtin", "builtin"], "builtin"), ready=True
    )
    yield from _each(honest, "runtime.image", ("a b", "", "x@sha256:12", "x" * 600), ready=True)
    yield from _each(honest, "runtime.privileged", (True,), ready=True)
    yield from _each(honest, "consumers", ([{"namespace": "*"}], [{"namespace": "a"}] * 2, [{}]), ready=True)


def _each(honest: Document, where: str, values: Any, *, ready: bool = False) -> Iterator[tuple[str, Document]]:
    """`honest` with each value at `where`. `ready` values must not get past the API server at all."""
    for number, value in enumerate(values):
        found = copy.deepcopy(honest)
        *path, last = where.split(".")
        at = found["spec"]
        for step in path:
            at = at[int(step)] if step.isdecimal() else at.setdefault(step, {})
        at[int(last) if last.isdecimal() else last] = value
        name = f"{where.lower().replace('.', '-')}-{len(str(value))}-{number}"
        found["metadata"] = {**found["metadata"], "name": name}
        yield f"{where} = {str(value)[:40]!r}{' (schema)' if ready else ''}", found
