"""An update on its way into the sum, straight from its sealed bytes.

They are gone over twice, a block at a time, from their file into one small buffer: first to check the cipher's tag, the
shape and every value, then to add. So memory holds no update, sealed or plain, and nothing unchecked reaches the sum.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator

import numpy as np
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from numpy.typing import NDArray

from ringfence.errors import InvalidInput
from ringfence.federation.aggregation import WeightedSum
from ringfence.federation.envelope import Message

_LENGTH = 8  # a safetensors file: length of its header (little endian), header (JSON), values
_LONGEST_HEADER = 4096


def add_update(
    total: WeightedSum, weight: int, message: Message, recipient: str, key: X25519PrivateKey, longest: float = math.inf
) -> None:
    """Add the update [P] in `message` to `total` [P].

    Raises InvalidInput, KeyRejected, with `total` as it was; also for an update of a norm above `longest`.
    """
    parameters, squares = len(total), 0.0
    for _, values in read_vector(message, recipient, key, parameters):
        if not np.isfinite(values).all():
            raise InvalidInput("an update with values that are not finite", where=message.where)
        if longest < math.inf:
            squares += float(np.square(values, dtype=np.float64).sum())
    if squares > longest**2:
        raise InvalidInput("an update longer than the clip", where=message.where)
    for at, values in read_vector(message, recipient, key, parameters):
        total.add(weight, values, at)
    total.weigh(weight)


def read_vector(
    message: Message, recipient: str, key: X25519PrivateKey, parameters: int
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """The vector [P] in a message, in order, as (index of the first, values), each valid until the next.

    Raises InvalidInput for anything else, KeyRejected as `Message.blocks` does.
    """
    if message.size < 4 * parameters:
        raise InvalidInput(f"not {parameters} float32 values", where=message.where)
    start, seen = 0, 0
    for block in message.blocks(recipient, key):
        if seen == 0:
            start = _header(block, message, parameters)
        at = max(0, seen - start) // 4
        yield at, np.frombuffer(block[max(0, start - seen) :], dtype="<f4")
        seen += len(block)


def _header(block: memoryview, message: Message, parameters: int) -> int:
    """Where the values begin. Raises InvalidInput unless the file holds one float32 vector [P] and nothing else."""
    size = int.from_bytes(block[:_LENGTH], "little")
    try:
        if size > _LONGEST_HEADER:
            raise ValueError
        header = json.loads(bytes(block[_LENGTH : _LENGTH + size]))
    except ValueError as error:
        raise InvalidInput("not an update", where=message.where) from error
    start = _LENGTH + size
    expected = {"update": {"dtype": "F32", "shape": [parameters], "data_offsets": [0, 4 * parameters]}}
    if header != expected or start % 4 or message.size != start + 4 * parameters:
        raise InvalidInput(f"not {parameters} float32 values", where=message.where)
    return start
