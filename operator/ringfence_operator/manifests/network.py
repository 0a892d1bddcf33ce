"""Where an attempt's pods may connect: DNS, the store, their own cluster; the coordinator the API server too."""

from __future__ import annotations

from urllib.parse import urlsplit

from ringfence_operator.manifests import pods
from ringfence_operator.manifests.attempt import Attempt, Document
from ringfence_operator.names import ATTEMPT, JOB_UID, SILO

_ANYWHERE = ("0.0.0.0/0", "::/0")
_API_PORTS = (443, 6443)
_RAY_METRICS = 8080


def policy(one: Attempt, anchor: str) -> Document:
    """The NetworkPolicy of the attempt's pods. An address range that the installation does not give is the whole world,
    which is a way out: the chart's notes say so."""
    network = one.settings.network
    chosen = {name: one.labels[name] for name in (JOB_UID, SILO, ATTEMPT)}
    same = {"podSelector": {"matchLabels": chosen}}
    allowed = [
        _to(network.dns, [("UDP", 53), ("TCP", 53)]),
        _to(network.store, [("TCP", _port(one.settings.endpoint))]),
    ]
    if one.silo:
        allowed.append({"to": [same]})
    else:
        allowed.append(_to(network.api, [("TCP", port) for port in _API_PORTS]))
    scraper = one.budget.spec.runtime.metrics_from if one.budget else network.metrics
    inward = [{"from": [same]}] if one.silo else []
    if scraper:
        inward.append(_scraped(scraper, silo=bool(one.silo)))
    spec = {
        "podSelector": {"matchLabels": chosen},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": inward,
        "egress": allowed,
    }
    return one.document("networking.k8s.io/v1", "NetworkPolicy", anchor, spec=spec)


def _scraped(namespace: str, *, silo: bool) -> Document:
    """The metrics ports, ours and a Ray head's own, from one namespace: the owner's word for a private silo."""
    ports = [pods.METRICS, *([_RAY_METRICS] if silo else [])]
    return {
        "from": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}}],
        "ports": [{"protocol": "TCP", "port": port} for port in ports],
    }


def _to(cidrs: str, ports: list[tuple[str, int]]) -> Document:
    found = [each.strip() for each in cidrs.split(",") if each.strip()] or list(_ANYWHERE)
    return {
        "to": [{"ipBlock": {"cidr": cidr}} for cidr in found],
        "ports": [{"protocol": protocol, "port": port} for protocol, port in ports],
    }


def _port(endpoint: str) -> int:
    parts = urlsplit(endpoint)
    return parts.port or (80 if parts.scheme == "http" else 443)
