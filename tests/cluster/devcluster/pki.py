"""The cluster's certificates and kubeconfigs: one authority, one identity for each component, good for 30 days."""

from __future__ import annotations

import datetime as dt
import ipaddress
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cluster.devcluster.places import API, API_SERVICE_IP, NODE, NODE_IP, PKI, RUN
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives import serialization as s
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_ADDRESSES = ["127.0.0.1", NODE_IP]
_API_NAMES = ["localhost", *(f"kubernetes{tail}" for tail in ("", ".default", ".default.svc"))]


@dataclass(frozen=True)
class Identity:
    """What a component's certificate says: its name, its group, and under which names and addresses it serves."""

    common_name: str
    group: str = ""
    names: Sequence[str] = ()
    addresses: Sequence[str] = ()


IDENTITIES = {
    "apiserver": Identity(
        "kube-apiserver",
        names=[*_API_NAMES, "kubernetes.default.svc.cluster.local"],
        addresses=[*_ADDRESSES, API_SERVICE_IP],
    ),
    "kubelet-client": Identity("kube-apiserver-kubelet-client", "system:masters"),
    "front-proxy": Identity("front-proxy-client"),
    "admin": Identity("admin", "system:masters"),
    "controller-manager": Identity("system:kube-controller-manager"),
    "scheduler": Identity("system:kube-scheduler"),
    "proxy": Identity("system:kube-proxy"),
    "kubelet": Identity(f"system:node:{NODE}", "system:nodes", [NODE], _ADDRESSES),
}


def create() -> None:
    """Make the authority, every identity, and the key that signs service account tokens."""
    PKI.mkdir(parents=True)
    authority_key = ec.generate_private_key(ec.SECP256R1())
    authority = _name(Identity("devcluster-ca"))
    usage = x509.KeyUsage(True, False, True, False, False, True, True, False, False)
    builder = _certificate(authority, authority, authority_key).add_extension(x509.BasicConstraints(True, None), True)
    _save("ca", authority_key, builder.add_extension(usage, True).sign(authority_key, hashes.SHA256()))
    for file, identity in IDENTITIES.items():
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _leaf(_certificate(_name(identity), authority, key), identity)
        _save(file, key, builder.sign(authority_key, hashes.SHA256()))
    tokens = rsa.generate_private_key(65537, 2048)
    _save("sa", tokens)
    public = tokens.public_key().public_bytes(s.Encoding.PEM, s.PublicFormat.SubjectPublicKeyInfo)
    (PKI / "sa.pub").write_bytes(public)


def kubeconfig(user: str) -> Path:
    """A kubeconfig for one identity, as `<user>.kubeconfig` in the run folder."""
    path = RUN / f"{user}.kubeconfig"
    cluster = {"server": API, "certificate-authority": str(PKI / "ca.crt")}
    identity = {"client-certificate": str(PKI / f"{user}.crt"), "client-key": str(PKI / f"{user}.key")}
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "devcluster",
        "clusters": [{"name": "devcluster", "cluster": cluster}],
        "users": [{"name": user, "user": identity}],
        "contexts": [{"name": "devcluster", "context": {"cluster": "devcluster", "user": user}}],
    }
    path.write_text(json.dumps(document))
    path.chmod(0o600)
    return path


def _certificate(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(minutes=5))
        .not_valid_after(now + dt.timedelta(days=30))
    )


def _leaf(builder: x509.CertificateBuilder, identity: Identity) -> x509.CertificateBuilder:
    usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
    builder = builder.add_extension(x509.BasicConstraints(False, None), True).add_extension(usage, False)
    names: list[x509.GeneralName] = [x509.DNSName(name) for name in identity.names]
    names += [x509.IPAddress(ipaddress.ip_address(address)) for address in identity.addresses]
    return builder.add_extension(x509.SubjectAlternativeName(names), False) if names else builder


def _name(identity: Identity) -> x509.Name:
    group = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, identity.group)] if identity.group else []
    return x509.Name([*group, x509.NameAttribute(NameOID.COMMON_NAME, identity.common_name)])


def _save(
    file: str, key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, certificate: x509.Certificate | None = None
) -> None:
    path = PKI / f"{file}.key"
    path.write_bytes(key.private_bytes(s.Encoding.PEM, s.PrivateFormat.PKCS8, s.NoEncryption()))
    path.chmod(0o600)
    if certificate is not None:
        (PKI / f"{file}.crt").write_bytes(certificate.public_bytes(s.Encoding.PEM))
