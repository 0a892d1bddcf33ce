"""Every way a command ends badly, as one line and an exit code. A traceback is shown to nobody who did not ask."""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

from ringfence.cli.output import Output
from ringfence.errors import InvalidInput, RingfenceError

INTERRUPTED = 130
_RESUMABLE = "run"
_EXTRAS = {"torch": "train", "ray": "train", "kubernetes": "operator"}  # module -> the extra that brings it


def refused(error: RingfenceError, out: Output) -> int:
    """A refusal of ours: `ringfence: REASON: where: message; remedy`."""
    parts = {"reason": error.reason, "message": error.message, "where": error.where, "remedy": error.remedy}
    _say(out, f"{error.reason}: {error}", parts)
    if out.verbose:
        _say_frames(error)
    return error.exit_code


def unexpected(error: BaseException, out: Output) -> int:
    """A fault of ours: the type and the place, no message, because a lower layer's message may quote a row.

    A package that an extra brings and that is not installed is no fault: the extra is named.
    """
    if isinstance(error, ModuleNotFoundError) and error.name in _EXTRAS:
        remedy = f"install it with: pip install 'ringfence[{_EXTRAS[error.name]}]'"
        return refused(InvalidInput(f"this needs {error.name}, which is not installed", remedy=remedy), out)
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if f"{os.sep}ringfence{os.sep}" in frame.filename]
    last = (ours or frames)[-1:]
    place = f"{Path(last[0].filename).name}:{last[0].lineno}" if last else "an unknown place"
    message = f"{type(error).__name__} at {place}"
    remedy = "run it again with -v and report what it prints"
    parts = {"reason": "InternalError", "message": message, "where": "", "remedy": remedy}
    _say(out, f"internal error: {message}; {remedy}", parts)
    if out.verbose:
        _say_frames(error)
    return 1


def interrupted(out: Output, command: str = "") -> int:
    """Ctrl-C: what was committed stays, and the user is told how to go on."""
    remedy = "continue with the same command and --resume" if command.endswith(_RESUMABLE) else ""
    parts = {"reason": "Interrupted", "message": "interrupted", "where": "", "remedy": remedy}
    _say(out, "Interrupted: interrupted" + (f"; {remedy}" if remedy else ""), parts)
    return INTERRUPTED


def closed_pipe() -> int:
    """The reader of stdout went away (`| head`): no complaint, and none from the interpreter at exit either."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def usage(error: Exception, words: Sequence[str], out: Output) -> int:
    """A command line that the parser refuses: unknown option, missing argument, unknown command."""
    message = " ".join(str(getattr(error, "format_message", lambda: error)()).split()).rstrip(".")
    code = int(getattr(error, "exit_code", 2))
    context = getattr(error, "ctx", None)
    where = context.command_path if context is not None else "ringfence"
    if not words or not message:
        sys.stderr.write((context.get_help() if context is not None else message) + "\n")
        return code
    remedy = f"see: {where} --help"
    parts = {"reason": "InvalidUsage", "message": message, "where": where, "remedy": remedy}
    _say(out, f"InvalidUsage: {where}: {message}; {remedy}", parts)
    return code


def _say(out: Output, line: str, parts: dict[str, str]) -> None:
    out.note(f"ringfence: {' '.join(line.split())}")
    if out.json:
        sys.stdout.write(json.dumps({"error": parts}, ensure_ascii=False) + "\n")
        sys.stdout.flush()


def _say_frames(error: BaseException) -> None:
    """Frames and types of the chain of causes, without messages (see `unexpected`)."""
    chain: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in chain:
        chain.append(cause)
        cause = cause.__cause__ or cause.__context__
    for link in reversed(chain):
        sys.stderr.writelines(traceback.format_tb(link.__traceback__))
        sys.stderr.write(f"{type(link).__module__}.{type(link).__qualname__}\n")
    sys.stderr.flush()
