"""How a command is declared: a dataclass of its options and a function that takes it.

`@command(app, "seal")` on `def seal(options: SealOptions, out: Output) -> None` makes a command whose parameters are
the dataclass's fields (their types `Annotated` with typer's options), with `--json` and `-v` added, whose help is the
function's docstring, and whose exceptions become one line and an exit code.
"""

from __future__ import annotations

import dataclasses
import inspect
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from typing import Annotated, Any, TypeVar, get_type_hints

import typer

from ringfence.cli import failures
from ringfence.cli.output import Output
from ringfence.errors import RingfenceError

Options = TypeVar("Options")
Body = Callable[[Options, Output], None]

_JSON = Annotated[bool, typer.Option("--json", help="One JSON document on stdout; everything else on stderr.")]
_VERBOSE = Annotated[bool, typer.Option("-v", "--verbose", help="Show log records, and frames of a failure.")]


def command(app: typer.Typer, name: str) -> Callable[[Body[Options]], Body[Options]]:
    """Register the decorated function as the command `name` of `app`."""

    def register(body: Body[Options]) -> Body[Options]:
        kind = get_type_hints(body)["options"]

        def entry(**values: Any) -> None:
            out = Output(json=values.pop("json"), verbose=values.pop("verbose"))
            code = _guarded(body, kind, values, out)
            if code:
                raise typer.Exit(code)

        entry.__signature__ = _signature(kind)  # type: ignore[attr-defined]
        entry.__annotations__ = {}
        app.command(name, help=inspect.getdoc(body))(entry)
        return body

    return register


def _guarded(body: Body[Any], kind: Callable[..., Any], values: dict[str, Any], out: Output) -> int:
    """Run the body; the exit code of whatever happened. What a task prints goes to stderr: results stand alone."""
    out.logging()
    try:
        with redirect_stdout(sys.stderr):
            body(kind(**values), out)
    except RingfenceError as error:
        return failures.refused(error, out)
    except typer.Exit as ended:
        return int(ended.exit_code)
    except KeyboardInterrupt:
        return failures.interrupted(out, body.__name__)
    except BrokenPipeError:
        return failures.closed_pipe()
    except Exception as error:
        return failures.unexpected(error, out)
    return 0


def _signature(kind: Any) -> inspect.Signature:
    """Keyword parameters from the fields of a dataclass, then the two flags of every command."""
    hints = get_type_hints(kind, include_extras=True)
    parameters = [_parameter(field.name, hints[field.name], _default(field)) for field in dataclasses.fields(kind)]
    flags = [_parameter("json", _JSON, False), _parameter("verbose", _VERBOSE, False)]
    return inspect.Signature([*parameters, *flags])


def _parameter(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _default(field: dataclasses.Field[Any]) -> Any:
    if field.default is not dataclasses.MISSING:
        return field.default
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return inspect.Parameter.empty
