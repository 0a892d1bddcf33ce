"""The images that tests use, by name."""

from __future__ import annotations

from cluster.images.archive import ImageConfig, import_image
from cluster.images.base import base
from cluster.images.packages import packages
from cluster.images.project import project

OPERATOR = "localhost/ringfence-operator:test"
WORKLOAD = "localhost/ringfence-workload:test"

_USER = "1000:1000"


def import_all() -> None:
    """Both images, with the project as it stands in this checkout."""
    bottom, top = base(), project()
    operator = ImageConfig(entrypoint=("python", "-m", "ringfence_operator"), user=_USER)
    import_image(OPERATOR, [bottom, packages("operator"), top], operator)
    import_image(WORKLOAD, [bottom, packages("pods"), top], ImageConfig(command=("/bin/bash",), user=_USER))
