"""Images and texts as declared columns: what is accepted, what a task gets, what two silos must agree on."""

import numpy as np
import pyarrow as pa
import pytest

from ringfence.errors import InvalidRows, InvalidSchema, SchemaMismatch
from ringfence.schema import check_same, dump_schema, parse_schema

TEXT = """
columns:
- {name: scan, type: image, shape: [2, 3, 4]}
- {name: note, type: text, max_length: 10}
- {name: age, type: integer, minimum: 0, maximum: 9}
- {name: ill, type: boolean, role: target}
"""
SCHEMA = parse_schema(TEXT, "schema")
BYTES = np.arange(48, dtype=np.uint8).reshape(2, 2, 3, 4)
ROWS = pa.table(
    {
        "scan": pa.array([image.tobytes() for image in BYTES], pa.binary(24)),
        "note": ["well", "ill"],
        "age": [1, 2],
        "ill": [False, True],
    }
)


def test_an_image_is_channels_height_width_of_bytes() -> None:
    found = SCHEMA.pixels(ROWS)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, BYTES)
    np.testing.assert_array_equal(SCHEMA.pixels(ROWS.to_batches()[0].slice(1), "scan"), BYTES[1:])
    assert SCHEMA.pixels(ROWS.slice(0, 0)).shape == (0, 2, 3, 4)


def test_texts_are_what_was_written() -> None:
    assert SCHEMA.texts(ROWS) == ["well", "ill"]


def test_an_image_is_no_number_and_is_not_taken_for_one() -> None:
    assert [column.name for column in SCHEMA.numeric] == ["age"]
    assert SCHEMA.scaled(ROWS, SCHEMA.numeric).shape == (2, 1)
    with pytest.raises(InvalidSchema, match=r"column 'scan' is image and not a number; ask schema\.pixels\(rows\)"):
        SCHEMA.scaled(ROWS)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (lambda: SCHEMA.pixels(ROWS, "scam"), "the schema declares no image 'scam'; did you mean 'scan'?"),
        (lambda: SCHEMA.texts(ROWS, "age"), "the schema declares no text 'age'; known: note"),
        (
            lambda: parse_schema("columns: [{name: x, type: boolean}]", "s").pixels(ROWS),
            "the schema declares no feature of type image; declare one `type: image`",
        ),
    ],
    ids=["misspelt", "another type", "none"],
)
def test_an_image_that_is_not_declared_is_refused_by_name(asked, message) -> None:
    with pytest.raises(InvalidSchema) as refusal:
        asked()
    assert str(refusal.value) == message


def test_rows_with_images_of_another_size_are_not_clean() -> None:
    rows = ROWS.set_column(0, "scan", pa.array([b"short", b"long"], pa.binary()))
    with pytest.raises(InvalidRows, match="column 'scan' holds values that its declaration does not allow"):
        SCHEMA.pixels(rows)


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ("type: image", "an image column needs shape: [channels, height, width], and no other type has one"),
        ("type: boolean, shape: [1, 2, 3]", "an image column needs shape: [channels, height, width]"),
        ("type: image, shape: [1, 2]", "shape[2]: is required"),
        ("type: image, shape: [3, 8192, 8192]", "an image of 201326592 bytes is larger than 16 MiB"),
        ("type: image, shape: [1, 2, 3], out_of_range: clip", "out_of_range 'clip' is not one of refuse, drop"),
        ("type: image, shape: [1, 2, 3], missing: '0'", "missing '0' is not refuse, drop or a constant"),
        ("type: image, shape: [1, 2, 3], role: target", "a column of type image cannot be the target"),
        ("type: text", "a text column needs max_length in characters, and no other type has one"),
        ("type: text, max_length: 9, role: target", "a column of type text cannot be the target"),
    ],
)
def test_a_faulty_declaration_is_refused(column, message) -> None:
    with pytest.raises(InvalidSchema) as refusal:
        parse_schema(f"columns: [{{name: x, {column}}}]", "s")
    assert f"column 'x'{'.' if message.startswith('shape') else ': '}{message}" in str(refusal.value)


def test_it_reads_back_as_written() -> None:
    assert parse_schema(dump_schema(SCHEMA), "again") == SCHEMA
    assert SCHEMA.document()["columns"][0]["shape"] == [2, 3, 4]


def test_other_schemas_have_the_digest_they_always_had() -> None:
    plain = parse_schema("columns: [{name: x, type: boolean}]", "s")
    assert {"shape", "max_length"}.isdisjoint(plain.document()["columns"][0])


def test_silos_with_images_of_other_shapes_do_not_fit() -> None:
    other = parse_schema(TEXT.replace("[2, 3, 4]", "[2, 4, 3]").replace("10", "20"), "other")
    with pytest.raises(SchemaMismatch) as refusal:
        check_same({"mercy": SCHEMA, "stjude": other})
    expected = "column 'scan' has shape 2 x 4 x 3, not 2 x 3 x 4; column 'note' has max_length 20, not 10"
    assert expected in str(refusal.value)
