"""`ringfence crds`: the resource definitions, generated from the models."""

from __future__ import annotations

from dataclasses import dataclass

import typer

from ringfence.cli.command import command
from ringfence.cli.output import Output

app = typer.Typer()


@dataclass(frozen=True)
class CrdsOptions:
    pass


@command(app, "crds")
def crds(options: CrdsOptions, out: Output) -> None:
    """Print the CRDs of FederatedJob and PrivacyBudget: ringfence crds | kubectl apply -f -"""
    from ringfence.spec.crds import render

    files = render()
    documents = [text if text.startswith("---") else f"---\n{text}" for text in files.values()]
    out.result({"files": files}, ["".join(documents).rstrip("\n")])
