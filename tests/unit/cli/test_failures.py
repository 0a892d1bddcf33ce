"""Whatever happens, a person gets one line, a machine one document, and nobody a value of a row."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest
import typer
from typer.testing import CliRunner

from ringfence.cli import main
from ringfence.cli.command import command
from ringfence.cli.output import Output
from ringfence.errors import BudgetExhausted, RingfenceError

CANARY = "patient-4711"


@dataclass(frozen=True)
class Nothing:
    pass


def _fail(error: BaseException, *flags: str, name: str = "fail") -> tuple[int, str, str]:
    """Exit code, stdout, stderr of a command that ends with `error`."""
    app = typer.Typer()

    def body(options: Nothing, out: Output) -> None:
        """Fail."""
        raise error

    body.__name__ = name
    command(app, name)(body)
    done = CliRunner().invoke(app, list(flags))
    return done.exit_code, done.stdout, done.stderr


def test_a_refusal_is_one_line_with_reason_place_and_remedy() -> None:
    error = BudgetExhausted("needs 3", where="dataset a", remedy="ask for less")
    assert _fail(error) == (1, "", "ringfence: BudgetExhausted: dataset a: needs 3; ask for less\n")


def test_a_refusal_is_also_a_document() -> None:
    code, out, err = _fail(BudgetExhausted("needs 3", where="dataset a", remedy="ask for less"), "--json")
    parts = {"reason": "BudgetExhausted", "message": "needs 3", "where": "dataset a", "remedy": "ask for less"}
    assert (code, json.loads(out)) == (1, {"error": parts})
    assert err == "ringfence: BudgetExhausted: dataset a: needs 3; ask for less\n"


def test_a_message_with_line_breaks_stays_one_line() -> None:
    _, _, err = _fail(RingfenceError("a\nb", where="c\nd"))
    assert err == "ringfence: Failed: c d: a b\n"


@pytest.mark.parametrize("flags", [(), ("-v",), ("--json",), ("-v", "--json")])
def test_an_unexpected_fault_names_type_and_place_and_never_its_message(flags: tuple[str, ...]) -> None:
    code, out, err = _fail(ValueError(CANARY), *flags)
    assert code == 1
    assert CANARY not in out + err
    assert err.startswith("ringfence: internal error: ValueError at command.py:")


def test_verbose_shows_frames_of_the_whole_chain_without_messages() -> None:
    error = RingfenceError("known")
    error.__cause__ = ValueError(CANARY)
    _, _, err = _fail(error, "-v")
    assert "ValueError" in err
    assert 'File "' in err
    assert CANARY not in err


def test_a_plain_failure_shows_no_frame() -> None:
    assert 'File "' not in _fail(RingfenceError("known"))[2]


def test_an_interrupted_run_says_how_to_go_on() -> None:
    line = "ringfence: Interrupted: interrupted; continue with the same command and --resume\n"
    assert _fail(KeyboardInterrupt(), name="run") == (130, "", line)


def test_another_interrupted_command_promises_no_resume() -> None:
    assert _fail(KeyboardInterrupt(), name="seal") == (130, "", "ringfence: Interrupted: interrupted\n")


@pytest.mark.parametrize(
    "words", [["account", "--bogus"], ["bogus"], ["inspect"], ["keys"], ["account", "--steps", "x"]]
)
def test_a_wrong_command_line_is_one_line_and_exit_2(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    seen = capsys.readouterr()
    assert seen.out == ""
    assert seen.err.startswith(("ringfence: InvalidUsage: ringfence", "Usage: "))


def test_a_wrong_command_line_is_a_document_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["account", "--bogus", "--json"]) == 2
    error = json.loads(capsys.readouterr().out)["error"]
    assert (error["reason"], error["where"]) == ("InvalidUsage", "ringfence account")
    assert "--bogus" in error["message"]


@pytest.mark.parametrize("name", ["torch", "ray"])
def test_a_missing_extra_is_named(name: str) -> None:
    code, _, err = _fail(ModuleNotFoundError(f"No module named {name!r}", name=name))
    expected = f"this needs {name}, which is not installed; install it with: pip install 'ringfence[train]'"
    assert (code, err) == (2, f"ringfence: InvalidInput: {expected}\n")


def test_a_module_of_ours_that_is_missing_is_a_fault() -> None:
    assert _fail(ModuleNotFoundError("No module named 'ringfence.x'", name="ringfence.x"))[0] == 1
