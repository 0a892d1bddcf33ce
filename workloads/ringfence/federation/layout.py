"""Where a job's objects lie under `<output>/<job uid>/`, and a silo's staging under its dataset."""

from __future__ import annotations

STATEMENT = "statement.json"
REPORT = "report.html"
CARD = "README.md"
MODEL = "model.safetensors"
CONFIG = "config.json"
FIGURES = "figures.json"


def code(digest: str) -> str:
    """The task's code package, copied at acceptance."""
    return f"code/{_hex(digest)}.zip"


def model(round_: int) -> str:
    """The global model that round `round_` (from 1) starts from."""
    return f"rounds/{round_}/model"


def update(round_: int, silo: str) -> str:
    """A silo's sealed update of a round."""
    return f"rounds/{round_}/updates/{silo}"


def absence(round_: int, silo: str) -> str:
    """A silo's signed word that it sits this round out: it was charged and its bytes are lost."""
    return f"rounds/{round_}/absent/{silo}"


def noised(round_: int) -> str:
    """The one noised mean of a round, sealed to the coordinator itself, for jobs whose unit is Silo."""
    return f"rounds/{round_}/noised"


def commit(round_: int) -> str:
    """The one commit of a round."""
    return f"rounds/{round_}/commit"


def checkpoint(round_: int, digest: str) -> str:
    """The sealed model after a round."""
    return f"checkpoints/{round_}-{_hex(digest)}"


def state(round_: int, digest: str) -> str:
    """The sealed state of the server optimizer after a round, for those that have one."""
    return f"checkpoints/{round_}-{_hex(digest)}-state"


def staging(job: str, round_: int | None = None, digest: str = "") -> str:
    """Staged bytes of a round in the dataset's private prefix; with less than all, the folder of a round or a job."""
    parts = ["staging", job, *([] if round_ is None else [str(round_)]), *([_hex(digest)] if digest else [])]
    return "/".join(parts)


def _hex(digest: str) -> str:
    return digest.removeprefix("sha256:")
