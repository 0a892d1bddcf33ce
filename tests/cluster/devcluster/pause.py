"""The image that holds a pod's namespaces: one static program that waits and reaps."""

from __future__ import annotations

import subprocess
import tarfile

from cluster.devcluster.places import RUN
from cluster.images.archive import ImageConfig, Layer, import_image

_SOURCE = r"""
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
static void stop(int signal) { (void)signal; _exit(0); }
static void reap(int signal) { (void)signal; while (waitpid(-1, 0, WNOHANG) > 0) { } }
int main(void) { signal(SIGINT, stop); signal(SIGTERM, stop); signal(SIGCHLD, reap); for (;;) pause(); }
"""


def import_pause() -> None:
    """Compile, pack and import it."""
    program, layer = RUN / "pause", RUN / "pause.tar"
    command = ["gcc", "-static", "-Os", "-x", "c", "-o", str(program), "-"]
    subprocess.run(command, input=_SOURCE, text=True, check=True)
    with tarfile.open(layer, "w") as tar:
        tar.add(program, arcname="pause")
    import_image("localhost/pause:1", [Layer.of(layer)], ImageConfig(entrypoint=("/pause",)))
