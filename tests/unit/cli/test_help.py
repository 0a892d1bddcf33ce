"""The front door opens at once, and says what each command does."""

from __future__ import annotations

import subprocess
import sys

import pytest

from ringfence.cli import main

COMMANDS = [
    "demo", "seal", "inspect", "account", "plan", "run", "watch", "package", "statement", "report", "pull", "crds",
    "keys new", "keys rotate", "erase", "access", "audit",
    "budget open", "budget raise", "budget lower", "budget transfer", "budget show", "budget history", "budget verify",
    "budget close", "budget pardon", "store init", "store renew",
]  # fmt: skip
SLOW = ("torch", "ray", "dp_accounting", "pyarrow", "numpy", "pydantic", "obstore")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_the_two_flags(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*command.split(), "--help"]) == 0
    text = capsys.readouterr().out
    assert f"Usage: ringfence {command} " in text
    assert "--json" in text
    assert "-v, --verbose" in text


def test_the_list_of_commands_is_complete(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--help"])
    listed = capsys.readouterr().out.split("Commands:")[1].splitlines()
    names = {
        line.split()[0] for line in listed if line.startswith("  ") and line.strip() != "Begin with: ringfence demo"
    }
    assert names == {command.split()[0] for command in COMMANDS}


def test_help_imports_nothing_slow() -> None:
    code = f"import sys; from ringfence.cli import main; main(['--help']); print(sorted({SLOW!r} & sys.modules.keys()))"
    code = code.replace(repr(SLOW), f"set({SLOW!r})")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_importing_the_library_imports_none_of_its_rooms() -> None:
    code = "import sys, ringfence; print(ringfence.__version__, [m for m in sys.modules if m.startswith('ringfence.')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "0.1.0 []\n"


def test_the_public_names_are_found_and_no_others() -> None:
    import ringfence

    assert set(ringfence.__all__) <= set(dir(ringfence))
    assert callable(ringfence.plan)
    assert callable(ringfence.run)
    assert callable(ringfence.load)
    with pytest.raises(AttributeError, match="no attribute 'plann'"):
        ringfence.plann  # noqa: B018


def test_planning_imports_neither_torch_nor_ray() -> None:
    code = (
        "import sys; from ringfence.cli import main; main(['plan', 'none.yaml']);"
        "import ringfence.federation.foresee; print({'torch', 'ray'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "set()"
