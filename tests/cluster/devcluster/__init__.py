"""A real one-node Kubernetes on a bare Linux machine, built from Go modules: no container engine, no image registry.

etcd, API server, controller manager, scheduler, containerd, kubelet, kube-proxy and CoreDNS run as processes of this
machine; KubeRay and MinIO beside them. `up` takes seconds once the binaries are built; `down` leaves no mount, link,
pod or process behind.
"""
