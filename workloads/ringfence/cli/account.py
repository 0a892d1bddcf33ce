"""`ringfence account`: what a mechanism costs, or the noise, steps or sampling rate that an epsilon allows."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ringfence.cli.command import command
from ringfence.cli.options import decimal
from ringfence.cli.output import Output, table
from ringfence.errors import InvalidInput

if TYPE_CHECKING:
    from ringfence.privacy.open_value import Answer, Question

app = typer.Typer()
_WHERE = "ringfence account"
_ROLES = {"rdp": "admits", "pld": "reports", "gdp": "admits (gdp ledger)"}


@dataclass(frozen=True)
class AccountOptions:
    delta: Annotated[str, typer.Option(help="For example 1e-5; below 1 / units.")]
    noise_multiplier: Annotated[str | None, typer.Option(metavar="SIGMA", help="Noise deviation over clip norm.")] = (
        None
    )
    sampling_rate: Annotated[
        str | None, typer.Option(metavar="Q", help="Share of the units in a step: 256/60000 or 0.004.")
    ] = None
    steps: Annotated[int | None, typer.Option(min=1, help="Steps in all.")] = None
    epsilon: Annotated[str | None, typer.Option(help="The most that it may cost; solves what is left out.")] = None
    units: Annotated[
        int | None, typer.Option(min=1, help="Records (or users) in all: a solved sampling rate is a batch of them.")
    ] = None
    mechanism: Annotated[str, typer.Option(help="poisson-gaussian, gaussian, discrete-gaussian or laplace.")] = (
        "poisson-gaussian"
    )
    sampling: Annotated[str | None, typer.Option(help="poisson or none; anything else is refused with the reason.")] = (
        None
    )
    adjacency: Annotated[str, typer.Option(help="zero-out, add-or-remove or replace-one.")] = "zero-out"


@command(app, "account")
def account(options: AccountOptions, out: Output) -> None:
    """What a mechanism costs, by every accountant that applies. Leave out one of --noise-multiplier, --sampling-rate,
    --steps and --epsilon: it is solved. Ledgers admit by rdp (or gdp, for Gaussians without sampling); pld is tighter
    and is reported beside it."""
    question = _question(options)
    from ringfence.privacy.open_value import answers

    found = answers(question)
    document = _document(question, found)
    out.result(document, _lines(question, options.delta, document))


def _question(options: AccountOptions) -> Question:
    from ringfence.privacy.open_value import Question
    from ringfence.privacy.sampling import refuse

    sampled = options.mechanism == "poisson-gaussian" and options.sampling != "none"
    if options.sampling is not None:
        refuse(options.sampling, "--sampling")
        if options.sampling == "poisson" and not sampled:
            raise InvalidInput("only poisson-gaussian is accounted with sampling", where="--mechanism")
    if not sampled and options.sampling_rate is not None:
        raise InvalidInput(
            f"every unit takes part in a {options.mechanism} mechanism here",
            where="--sampling-rate",
            remedy="leave it out",
        )
    given = (options.noise_multiplier, options.sampling_rate if sampled else "1", options.steps, options.epsilon)
    if sum(value is None for value in given) != 1:
        names = "--noise-multiplier, --sampling-rate, --steps and --epsilon"
        names = names if sampled else names.replace("--sampling-rate, ", "")
        raise InvalidInput(f"give all of {names} but one, which is solved", where=_WHERE)
    delta = decimal(options.delta, "--delta")
    if options.units is not None and delta * options.units >= 1:
        raise InvalidInput(
            f"delta {options.delta} is at least 1 / {options.units} units: publishing one whole would satisfy it",
            where="--delta",
        )
    return Question(
        mechanism=options.mechanism,
        delta=delta,
        adjacency=options.adjacency,
        noise=None if options.noise_multiplier is None else decimal(options.noise_multiplier, "--noise-multiplier"),
        rate=_rate(options.sampling_rate) if sampled else Fraction(1),
        steps=options.steps,
        epsilon=None if options.epsilon is None else decimal(options.epsilon, "--epsilon"),
        units=options.units,
    )


def _rate(text: str | None) -> Fraction | None:
    if text is None:
        return None
    try:
        rate = Fraction(text)
    except (ValueError, ZeroDivisionError) as error:
        raise InvalidInput(
            f"{text[:40]!r} is not a share", where="--sampling-rate", remedy="write 256/60000"
        ) from error
    if not 0 < rate <= 1:
        raise InvalidInput(f"{text[:40]} does not lie in (0, 1]", where="--sampling-rate", remedy="write 256/60000")
    return rate


def _document(question: Question, found: dict[str, Answer]) -> dict[str, Any]:
    """What was given stands once; what was solved, by accountant."""
    from ringfence.privacy.account import gdp_epsilon, unamplified
    from ringfence.privacy.events import PoissonSampledGaussian

    events = {name: answer.event for name, answer in found.items()}
    rates = {n: e.sampling_rate for n, e in events.items() if isinstance(e, PoissonSampledGaussian)}
    document: dict[str, Any] = {
        "mechanism": question.mechanism,
        "epsilon": {name: answer.epsilon for name, answer in found.items()},
        "noiseMultiplier": {name: float(Decimal(event.noise_multiplier)) for name, event in events.items()},
        "delta": float(question.delta),
        "adjacency": question.adjacency,
        "steps": question.steps or {name: event.steps for name, event in events.items()},
        "admits": "rdp",
    }
    if question.rate != 1:
        solved = {name: str(rate) for name, rate in rates.items()}
        document["samplingRate"] = solved if question.rate is None else str(question.rate)
        if question.units is not None:
            document["expectedBatch"] = {name: float(rate * question.units) for name, rate in rates.items()}
        document["withoutAmplification"] = {
            name: gdp_epsilon(unamplified(event), question.delta, question.adjacency) for name, event in events.items()
        }
    return document


def _lines(question: Question, delta: str, document: dict[str, Any]) -> list[str]:
    """What was given in one line, then a row an accountant."""
    heads, columns = ["accountant", "epsilon", "noise multiplier"], []
    for name, title in (("steps", "steps"), ("samplingRate", "sampling rate"), ("expectedBatch", "batch")):
        if isinstance(document.get(name), dict):
            heads.append(title)
            columns.append(document[name])
    rows = [
        (
            name,
            f"{value:.4f}",
            f"{document['noiseMultiplier'][name]:.6g}",
            *(f"{column[name]:,.6g}" if isinstance(column[name], float) else str(column[name]) for column in columns),
            _ROLES[name],
        )
        for name, value in document["epsilon"].items()
    ]
    lines = [_head(question, delta), "", *table((*heads, "role"), rows)]
    if "withoutAmplification" in document:
        lines += ["", *_unamplified(document["withoutAmplification"])]
    return lines


def _head(question: Question, delta: str) -> str:
    rate = "every unit in every step" if question.rate == 1 else f"sampling rate {question.rate or 'solved'}"
    steps = "steps solved" if question.steps is None else f"{question.steps:,} steps"
    named = "" if question.mechanism == "poisson-gaussian" else f"{question.mechanism}, "
    return f"{named}{rate}, {steps}, delta {delta}, {question.adjacency}"


def _unamplified(found: dict[str, float]) -> list[str]:
    worst = max(found.values())
    return [f"if it were known who is in each sample, epsilon would be about {worst:.4g}: samples stay secret"]
