"""Real rows become tensors in bounded batches, and no error quotes a value of them."""

import pyarrow as pa
import pytest
import torch

from ringfence.errors import InvalidRows, InvalidTask
from ringfence.schema import parse_schema
from ringfence.tasks import TabularClassifier
from ringfence.tasks import encode as encode_module
from ringfence.tasks.encode import encode_table
from ringfence.tasks.synthetic import synthetic_rows

SCHEMA = parse_schema(
    """
columns:
- {name: a, type: number, minimum: 0, maximum: 5}
- {name: w, type: category, values: [p, q]}
- {name: y, type: boolean, role: target}
""",
    "schema",
)
CANARY = "canary-4711"


def test_batches_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = synthetic_rows(SCHEMA, 100)
    whole = encode_table(TabularClassifier(), rows, SCHEMA)
    monkeypatch.setattr(encode_module, "BATCH_RECORDS", 7)
    chunked = pa.concat_tables([rows.slice(0, 33), rows.slice(33)])
    parts = encode_table(TabularClassifier(), chunked, SCHEMA)
    assert {name: values.shape for name, values in whole.items()} == {
        "numbers": (100, 1),
        "codes": (100, 1),
        "target": (100,),
    }
    assert all(torch.equal(whole[name], parts[name]) for name in whole)


def test_the_built_in_task_sees_what_the_schema_gives() -> None:
    rows = synthetic_rows(SCHEMA, 30)
    tensors = encode_table(TabularClassifier(), rows, SCHEMA)
    assert tensors["codes"].tolist() == SCHEMA.codes(rows).tolist() and tensors["codes"].unique().numel() == 2
    assert tensors["numbers"].tolist() == SCHEMA.scaled(rows, SCHEMA.numeric).tolist()
    assert tensors["target"].tolist() == SCHEMA.target(rows).tolist()


def test_no_rows_give_empty_tensors_of_the_right_shape() -> None:
    tensors = encode_table(TabularClassifier(), synthetic_rows(SCHEMA, 5).slice(0, 0), SCHEMA)
    assert tensors["numbers"].shape == (0, 1) and tensors["codes"].dtype == torch.int64


def test_doubles_become_floats() -> None:
    class Doubles(TabularClassifier):
        def encode(self, rows, schema):
            return {"x": schema.scaled(rows).astype("float64"), "z": torch.zeros(rows.num_rows, dtype=torch.float64)}

    tensors = encode_table(Doubles(), synthetic_rows(SCHEMA, 5), SCHEMA)
    assert tensors["x"].dtype == tensors["z"].dtype == torch.float32


def leak_value(self, rows, schema):
    raise ValueError(CANARY)


def leak_own_error(self, rows, schema):
    raise InvalidRows(CANARY, remedy=CANARY)


def leak_key(self, rows, schema):
    return {}[CANARY]


def leak_cause(self, rows, schema):
    try:
        raise ValueError(CANARY)
    except ValueError as error:
        raise RuntimeError("no") from error


@pytest.mark.parametrize("encode", [leak_value, leak_own_error, leak_key, leak_cause])
def test_an_exception_on_real_rows_is_its_type_and_place_only(encode) -> None:
    task = type("Leaky", (TabularClassifier,), {"encode": encode})()
    with pytest.raises(InvalidTask) as caught:
        encode_table(task, synthetic_rows(SCHEMA, 5), SCHEMA)
    assert CANARY not in str(caught.value)
    assert "encode raised " in str(caught.value) and " at test_task_encode.py:" in str(caught.value)
    assert caught.value.__cause__ is None and caught.value.__suppress_context__


def test_our_own_refusals_keep_their_words() -> None:
    with pytest.raises(InvalidTask, match="encode: the rows have no column 'a'"):
        encode_table(TabularClassifier(), synthetic_rows(SCHEMA, 5).drop_columns(["a"]), SCHEMA)


def test_batches_of_different_shape_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    class Ragged(TabularClassifier):
        def encode(self, rows, schema):
            return {"x": torch.zeros(rows.num_rows, rows.num_rows)}

    monkeypatch.setattr(encode_module, "BATCH_RECORDS", 3)
    with pytest.raises(InvalidTask, match="encode gives other names, types or shapes for another batch"):
        encode_table(Ragged(), synthetic_rows(SCHEMA, 5), SCHEMA)
