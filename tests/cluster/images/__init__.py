"""Ringfence's images for the test cluster: the same contents as images/Dockerfile, without an engine or a registry.

A Debian root file system by debootstrap, this virtual environment's packages (without torch, which a volume brings)
and the project itself, packed as layers and imported into containerd.
"""
