"""The control plane: `FederatedJob` and `PrivacyBudget` in a Kubernetes cluster.

It imports no torch and no Ray, and of the data plane only what both sides share (`spec`, `privacy`, `store`,
`shards.manifest`, `observe`). The controller is not part of this release; its resources are defined in `crds/` and the
same manifests run with `ringfence run`.
"""
