"""The folder that the story is told in, and left to the user:

rows/      what each airport has, and the hold-out          schema.yaml   what they declare
keys/      one folder an owner                              store/        the buckets
*.yaml     the jobs and the budgets                         report.html   of the federated job with privacy
task/      the task it ran, as one's own to edit
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ringfence.errors import InvalidInput
from ringfence.spec import FederatedJob, PrivacyBudget, dump


@dataclass(frozen=True)
class Folder:
    """Paths under the demo's folder."""

    root: Path

    @property
    def keys(self) -> Path:
        return self.root / "keys"

    @property
    def store(self) -> Path:
        return self.root / "store"

    @property
    def state(self) -> Path:
        return self.root / "state"

    @property
    def schema(self) -> Path:
        return self.root / "schema.yaml"

    def key(self, owner: str) -> Path:
        """The key file of a namespace, where `--keys` looks for it."""
        return self.keys / owner / "shard-key"

    def rows(self, name: str) -> Path:
        return self.root / "rows" / f"{name}.parquet"

    def write_rows(self, name: str, rows: pa.Table) -> None:
        self.rows(name).parent.mkdir(exist_ok=True)
        pq.write_table(rows, self.rows(name))

    def write_schema(self, name: str) -> None:
        self.schema.write_bytes(files("ringfence.demo").joinpath("schemas", f"{name}.yaml").read_bytes())

    def write_task(self) -> None:
        """The source of the task that the jobs ran, as a package of one's own: `own.yaml` names it."""
        folder = self.root / "task"
        folder.mkdir()
        (folder / "late_arrivals.py").write_bytes(files("ringfence.tasks").joinpath("tabular.py").read_bytes())

    def write_manifest(self, name: str, *resources: FederatedJob | PrivacyBudget) -> Path:
        path = self.root / name
        path.write_text("---\n".join(dump(resource) for resource in resources), encoding="utf-8")
        return path


def make_folder(wanted: Path | None, name: str) -> Folder:
    """A new folder: `wanted`, or the first free one of demo-NAME, demo-NAME-2, ... Raises InvalidInput if in use."""
    if wanted is None:
        numbered = (Path(f"demo-{name}" if number == 1 else f"demo-{name}-{number}") for number in range(1, 10_000))
        wanted = next(path for path in numbered if not path.exists())
    try:
        wanted.mkdir(parents=True, exist_ok=True)
        if any(wanted.iterdir()):
            raise InvalidInput("is not empty", where=str(wanted), remedy="name another folder with --dir")
    except OSError as error:
        raise InvalidInput(f"cannot be used as a folder ({error.strerror})", where=str(wanted)) from error
    return Folder(wanted.absolute())
