"""The operator's configuration: environment variables, read once. Every default is safe."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from ringfence.errors import InvalidInput

_PREFIX = "RINGFENCE_"


@dataclass(frozen=True)
class Limits:
    """The times and bounds that `reconcile` keeps, in seconds.

    `start` bounds how long all of a job's clusters may take to run before its budget is given back and it queues again;
    `cleanup` how long an ended job's finalizer waits for what cannot be removed; `consent` how long an owner's yes is
    believed of a running job; `stall` how long a coordinator may report nothing new before another is begun; `progress`
    is the least time between two writes of progress alone.
    """

    start: float = 1800
    cleanup: float = 900
    consent: float = 60
    stall: float = 900
    progress: float = 10
    retry: float = 10
    longest_retry: float = 300


@dataclass(frozen=True)
class Network:
    """Where pods may connect to, as CIDRs. The default of an empty one is every address: a way out, and said so.

    `metrics` is the namespace whose pods may scrape coordinators and public silos; none by default. Of a private silo
    its owner decides.
    """

    store: str = ""
    dns: str = ""
    api: str = ""
    metrics: str = ""


@dataclass(frozen=True)
class Settings:
    """What an installation decides; `watched` is empty for all namespaces; `outputs` maps a namespace to a prefix."""

    namespace: str = "ringfence-system"
    watched: tuple[str, ...] = ()
    identity: str = ""
    endpoint: str = ""
    region: str = "us-east-1"
    credentials: Literal["Provided", "Managed"] = "Provided"
    image: str = ""
    ray: str = "2.60.0"
    extra_claim: tuple[str, str] | None = None
    outputs: Mapping[str, str] | None = None
    network: Network = Network()
    limits: Limits = Limits()
    workers: int = 16
    probes: int = 8081
    metrics: int = 8080
    resync: float = 300
    lease: str = "ringfence-operator"


def from_environment(variables: Mapping[str, str]) -> Settings:
    """Settings of RINGFENCE_* variables. Raises InvalidInput naming the variable."""

    def get(name: str, default: str = "") -> str:
        return variables.get(_PREFIX + name, "").strip() or default

    credentials = get("STORE_CREDENTIALS", "Provided")
    if credentials not in ("Provided", "Managed"):
        raise InvalidInput(f"{credentials!r} is neither Provided nor Managed", where="RINGFENCE_STORE_CREDENTIALS")
    plain = Settings()
    return Settings(
        namespace=get("NAMESPACE", plain.namespace),
        watched=_watched(get("WATCH_NAMESPACES"), get("NAMESPACE", plain.namespace)),
        identity=variables.get("POD_NAME", "") or variables.get("HOSTNAME", ""),
        endpoint=get("STORE_ENDPOINT", variables.get("AWS_ENDPOINT_URL", "")),
        region=variables.get("AWS_REGION", plain.region),
        credentials="Managed" if credentials == "Managed" else "Provided",
        image=get("WORKLOAD_IMAGE"),
        ray=get("RAY_VERSION", plain.ray),
        extra_claim=_claim(get("EXTRA_CLAIM")),
        outputs=_outputs(get("OUTPUTS")),
        network=Network(get("STORE_CIDR"), get("DNS_CIDR"), get("API_CIDR"), get("METRICS_FROM")),
        limits=_limits(get),
        workers=_number(get("WORKERS", str(plain.workers)), "WORKERS", 1, 256),
        probes=_number(get("PROBES_PORT", str(plain.probes)), "PROBES_PORT", 0, 65535),
        metrics=_number(get("METRICS_PORT", str(plain.metrics)), "METRICS_PORT", 0, 65535),
        resync=_number(get("RESYNC_SECONDS", "300"), "RESYNC_SECONDS", 1, 3600),
        lease=get("LEASE", plain.lease),
    )


def granted(settings: Settings, namespace: str) -> tuple[str, ...]:
    """The URL prefixes under which jobs of a namespace may write: by default the bucket of the namespace's name."""
    if settings.outputs is None:
        return (f"s3://{namespace}",)
    found = [settings.outputs[key] for key in (namespace, "*") if key in settings.outputs]
    return tuple(url.replace("{namespace}", namespace) for url in found)


def _watched(text: str, own: str) -> tuple[str, ...]:
    """The listed namespaces and the operator's own, where coordinators of whole silos run; none means all."""
    listed = [name.strip() for name in text.split(",") if name.strip()]
    return tuple(dict.fromkeys([*listed, own])) if listed else ()


def _limits(get: Callable[[str, str], str]) -> Limits:
    return Limits(
        start=_number(get("START_SECONDS", "1800"), "START_SECONDS", 1, 86_400),
        cleanup=_number(get("CLEANUP_SECONDS", "900"), "CLEANUP_SECONDS", 1, 86_400),
        consent=_number(get("CONSENT_SECONDS", "60"), "CONSENT_SECONDS", 1, 3600),
        stall=_number(get("STALL_SECONDS", "900"), "STALL_SECONDS", 30, 86_400),
    )


def _number(text: str, name: str, least: int, most: int) -> int:
    if not text.isdecimal() or not least <= int(text) <= most:
        raise InvalidInput(f"{text[:40]!r} is not a number from {least} to {most}", where=_PREFIX + name)
    return int(text)


def _claim(text: str) -> tuple[str, str] | None:
    if not text:
        return None
    name, _, path = text.partition(":")
    if not name or not path.startswith("/"):
        raise InvalidInput(f"{text[:80]!r} is not NAME:/path", where="RINGFENCE_EXTRA_CLAIM")
    return name, path


def _outputs(text: str) -> Mapping[str, str] | None:
    if not text:
        return None
    pairs = dict(part.strip().partition("=")[::2] for part in text.split(",") if part.strip())
    for namespace, url in pairs.items():
        if not namespace or not url.startswith("s3://"):
            raise InvalidInput(
                f"{namespace}={url} is not NAMESPACE=s3://...", where="RINGFENCE_OUTPUTS", remedy="* is every namespace"
            )
    return pairs
