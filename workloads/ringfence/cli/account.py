"""`ringfence account`: what a mechanism costs, or the noise it needs."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Annotated, Any

import typer

from ringfence.cli.command import command
from ringfence.cli.options import decimal
from ringfence.cli.output import Output, table
from ringfence.errors import InvalidInput

app = typer.Typer()
_ADMITS = "rdp"


@dataclass(frozen=True)
class AccountOptions:
    sampling_rate: Annotated[str, typer.Option(metavar="Q", help="Share of the records in a step: 256/60000 or 0.004.")]
    steps: Annotated[int, typer.Option(min=1, help="Steps in all.")]
    delta: Annotated[str, typer.Option(help="For example 1e-5.")]
    noise_multiplier: Annotated[str | None, typer.Option(metavar="SIGMA", help="Noise deviation over clip norm.")] = (
        None
    )
    epsilon: Annotated[str | None, typer.Option(help="Instead of the noise: solve for what reaches this.")] = None
    adjacency: Annotated[str, typer.Option(help="zero-out, add-or-remove or replace-one.")] = "zero-out"


@command(app, "account")
def account(options: AccountOptions, out: Output) -> None:
    """What a Poisson-sampled Gaussian mechanism costs, by every accountant that applies; or, given an epsilon, the
    noise it needs. Admission uses rdp; pld is tighter and is reported beside it."""
    if (options.noise_multiplier is None) == (options.epsilon is None):
        raise InvalidInput("give either --noise-multiplier or --epsilon", where="ringfence account")
    delta, rate = decimal(options.delta, "--delta"), _rate(options.sampling_rate)
    if options.epsilon is None:
        noise: dict[str, float] = {}
        epsilon = _epsilons(decimal(str(options.noise_multiplier), "--noise-multiplier"), rate, delta, options)
    else:
        noise, epsilon = _solved(decimal(options.epsilon, "--epsilon"), rate, delta, options)
    document: dict[str, Any] = {
        "epsilon": epsilon,
        "noiseMultiplier": noise or {name: float(str(options.noise_multiplier)) for name in epsilon},
        "delta": float(delta),
        "samplingRate": str(rate),
        "steps": options.steps,
        "admits": _ADMITS,
    }
    out.result(document, _lines(document, options))


def _epsilons(noise: Decimal, rate: Fraction, delta: Decimal, options: AccountOptions) -> dict[str, float]:
    from ringfence.privacy.account import epsilons
    from ringfence.privacy.events import PoissonSampledGaussian

    return epsilons(PoissonSampledGaussian(noise, rate, options.steps), delta, options.adjacency)


def _solved(
    epsilon: Decimal, rate: Fraction, delta: Decimal, options: AccountOptions
) -> tuple[dict[str, float], dict[str, float]]:
    """Noise by accountant, and the epsilon that each one's noise reaches by its own measure."""
    from ringfence.privacy.account import noise_for

    noise = noise_for(epsilon, delta, rate, options.steps, options.adjacency)
    reached = {name: _epsilons(Decimal(str(sigma)), rate, delta, options)[name] for name, sigma in noise.items()}
    return noise, reached


def _rate(text: str) -> Fraction:
    try:
        rate = Fraction(text)
    except (ValueError, ZeroDivisionError) as error:
        raise InvalidInput(
            f"{text[:40]!r} is not a share", where="--sampling-rate", remedy="write 256/60000"
        ) from error
    if not 0 < rate <= 1:
        raise InvalidInput(f"{text[:40]} does not lie in (0, 1]", where="--sampling-rate", remedy="write 256/60000")
    return rate


def _lines(document: dict[str, Any], options: AccountOptions) -> list[str]:
    head = (
        f"sampling rate {document['samplingRate']}, {options.steps:,} steps, delta {options.delta}, {options.adjacency}"
    )
    rows = [
        (name, f"{value:.4f}", f"{document['noiseMultiplier'][name]:.6g}", "admits" if name == _ADMITS else "reports")
        for name, value in document["epsilon"].items()
    ]
    return [head, "", *table(("accountant", "epsilon", "noise multiplier", "role"), rows)]
