"""Reading what a job left under `<output>/<job uid>/`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ringfence.errors import InvalidInput, ObjectNotFound
from ringfence.federation import layout
from ringfence.store import Stores
from ringfence.store.interface import Store


def open_output(url: str, store: Path | None) -> Store:
    """The store at a job's output, `<output>/<job uid>`. Raises ObjectNotFound with what is near."""
    opened = Stores(store).open(url)
    if opened.exists(layout.STATEMENT):
        return opened
    near = sorted({item.key.split("/")[0] for item in opened.list("") if item.key.endswith(f"/{layout.STATEMENT}")})
    remedy = f"name a job's own folder: {url.rstrip('/')}/{near[-1]}" if near else "has the job ended well?"
    raise ObjectNotFound("no statement here", where=url, remedy=remedy)


def read_statement(store: Store) -> dict[str, Any]:
    """The signed statement, verified. Raises SignatureRejected."""
    from ringfence.privacy import statement

    return statement.read(store.get(layout.STATEMENT), f"{store.url}/{layout.STATEMENT}")


def read_json(store: Store, key: str) -> dict[str, Any]:
    """A JSON object of the output."""
    try:
        found = json.loads(store.get(key))
    except ValueError as error:
        raise InvalidInput("is not JSON", where=f"{store.url}/{key}") from error
    if not isinstance(found, dict):
        raise InvalidInput("is not a JSON object", where=f"{store.url}/{key}")
    return found


def write_file(path: Path, data: bytes) -> None:
    """Write a file of the user's. Raises InvalidInput naming it."""
    try:
        path.write_bytes(data)
    except OSError as error:
        raise InvalidInput(f"cannot be written ({error.strerror})", where=str(path)) from error
