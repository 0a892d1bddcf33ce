"""Sealed shards: keys, the container format, signed manifests, sealing and opening."""
