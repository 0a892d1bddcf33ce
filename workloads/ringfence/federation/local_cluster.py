"""One Ray on this machine, with one process for each silo."""

from __future__ import annotations

import logging
import os

from ringfence.federation.silo_processes import SiloProcesses

_OBJECT_STORE_BYTES = 80 * 1024 * 1024  # only assignments and outcomes pass through it


class LocalCluster(SiloProcesses):
    """A Ray of our own, ended with the last silo process."""

    def __init__(self) -> None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        # An actor that asks for no GPU keeps what the machine shows it, as Ray will do by default.
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        import ray

        ray.init(
            num_cpus=1,  # a silo's process asks for none: it is a place, not a share of this machine
            num_gpus=0,
            include_dashboard=False,
            logging_level=logging.ERROR,
            log_to_driver=False,
            object_store_memory=_OBJECT_STORE_BYTES,
            _system_config={"automatic_object_spilling_enabled": False},
        )
        super().__init__(ray)
