"""An image archive from layers, streamed into containerd."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

_PATH = "/opt/ringfence/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Layer:
    """A tar file that is a layer, and its digest (hex)."""

    path: Path
    digest: str

    @staticmethod
    def of(path: Path) -> Layer:
        with path.open("rb") as file:
            return Layer(path, hashlib.file_digest(file, "sha256").hexdigest())


@dataclass(frozen=True)
class ImageConfig:
    """How a container of the image starts when its pod does not say."""

    entrypoint: Sequence[str] = ()
    command: Sequence[str] = ()
    user: str = "0"
    env: Sequence[str] = ()

    def document(self, layers: Sequence[Layer]) -> bytes:
        config = {
            "Env": [f"PATH={_PATH}", *self.env],
            "Entrypoint": list(self.entrypoint),
            "Cmd": list(self.command),
            "User": self.user,
        }
        rootfs = {"type": "layers", "diff_ids": [f"sha256:{layer.digest}" for layer in layers]}
        history = [{"created_by": layer.path.name} for layer in layers]
        image = {"architecture": "amd64", "os": "linux", "rootfs": rootfs, "history": history, "config": config}
        return json.dumps(image).encode()


def import_image(name: str, layers: Sequence[Layer], config: ImageConfig) -> None:
    """Import an image under `name`. Raises CalledProcessError."""
    from cluster.devcluster.node import SOCKET

    command = ["ctr", "-a", str(SOCKET), "-n", "k8s.io", "images", "import", "-"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        if process.stdin is None:
            raise TypeError("no pipe")
        write_archive(process.stdin, name, layers, config)
        process.stdin.close()
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)


def write_archive(to: IO[bytes], name: str, layers: Sequence[Layer], config: ImageConfig) -> None:
    """The archive: a configuration, a manifest that names it, and the layers."""
    document = config.document(layers)
    file = f"{hashlib.sha256(document).hexdigest()}.json"
    paths = [f"{layer.digest}/layer.tar" for layer in layers]
    manifest = json.dumps([{"Config": file, "RepoTags": [name], "Layers": paths}]).encode()
    with tarfile.open(fileobj=to, mode="w|") as tar:
        for entry, data in ((file, document), ("manifest.json", manifest)):
            info = tarfile.TarInfo(entry)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
        for layer, path in zip(layers, paths, strict=True):
            tar.add(layer.path, arcname=path)
