"""`python -m ringfence_operator.install --image ... | kubectl apply --server-side -f -`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer
import yaml

from ringfence_operator.install.documents import Installation, documents

_OPEN = "# {what}: no range given, so its port is open to every address: a way out of the pods."


def main(  # noqa: PLR0913 - each is an option of the command
    image: Annotated[str, typer.Option(help="Image of the operator.")],
    workload_image: Annotated[str, typer.Option(help="Image of pods whose owners name none.")],
    namespace: Annotated[str, typer.Option(help="The operator's own namespace.")] = "ringfence-system",
    replicas: Annotated[int, typer.Option(min=1, max=5)] = 2,
    setting: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="A RINGFENCE_* variable, without prefix.")
    ] = None,
    watch: Annotated[list[str] | None, typer.Option(help="Watch only this namespace; repeat it.")] = None,
    extra_claim: Annotated[str, typer.Option(metavar="NAME:PATH", help="Site packages from a shared volume.")] = "",
    crds: Annotated[bool, typer.Option(help="Print the CRDs too.")] = True,
) -> None:
    """Print everything that a platform team applies to install the operator."""
    variables = {f"RINGFENCE_{name}": value for name, _, value in (one.partition("=") for one in setting or [])}
    variables["RINGFENCE_WORKLOAD_IMAGE"] = workload_image
    if extra_claim:
        variables["RINGFENCE_EXTRA_CLAIM"] = extra_claim
    one = Installation(namespace, image, replicas, tuple(watch or ()), variables, with_crds=crds)
    for what in ("STORE_CIDR", "DNS_CIDR", "API_CIDR"):
        if f"RINGFENCE_{what}" not in variables:
            sys.stdout.write(_OPEN.format(what=what) + "\n")
    yaml.safe_dump_all(documents(one), sys.stdout, sort_keys=False, width=120)


if __name__ == "__main__":
    typer.run(main)
