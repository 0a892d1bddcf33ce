"""Where things lie on this machine, and which addresses and versions the cluster has."""

from __future__ import annotations

import os
from pathlib import Path

CACHE = Path(os.environ.get("RINGFENCE_CLUSTER_CACHE", Path.home() / ".cache/ringfence/devcluster"))
"""Kept: binaries, KubeRay's CRDs, image layers."""

BIN = CACHE / "bin"
RUN = Path(os.environ.get("RINGFENCE_CLUSTER_RUN", "/var/tmp/ringfence-devcluster"))
"""Of the running cluster only; gone with it."""

PKI = RUN / "pki"
LOGS = RUN / "log"
KUBECONFIG = RUN / "admin.kubeconfig"
MODULES = Path(__file__).parent / "modules"
CRDS = CACHE / "kuberay-crds"

NODE = "node-1"
NODE_IP = "10.250.0.1"
SERVICES, PODS = "10.96.0.0/16", "10.244.0.0/16"
API_SERVICE_IP, DNS_IP = "10.96.0.1", "10.96.0.10"
API = f"https://{NODE_IP}:6443"
STORE = f"http://{NODE_IP}:9000"
"""MinIO, as pods and this machine reach it."""

KUBERNETES, KUBERAY = "1.36.3", "1.6.2"
