"""An environment of the bench's own with Opacus in it, outside the checkout, that shares PyTorch with this one."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

HOME = Path(os.environ.get("RINGFENCE_BENCH", Path.home() / ".cache/ringfence/bench"))
PACKAGES = ["opacus>=1.6", "opt_einsum"]  # without their dependencies, which are here


def python() -> Path:
    """The interpreter with Opacus; made by the first call (some seconds, 2 MB)."""
    folder = HOME / "opacus"
    found = folder / "bin" / "python"
    if not (folder / "ready").exists():
        venv.create(folder, with_pip=True, clear=True)
        ours = folder / f"lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages/shared.pth"
        ours.write_text(sysconfig.get_path("purelib") + "\n")
        subprocess.run([found, "-m", "pip", "install", "--quiet", "--no-deps", *PACKAGES], check=True)
        (folder / "ready").touch()
    return found


def variables() -> dict[str, str]:
    """One thread a process, and where the code lies."""
    tests = Path(__file__).parents[2]
    return os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": f"{tests}:{tests.parent / 'workloads'}"}
