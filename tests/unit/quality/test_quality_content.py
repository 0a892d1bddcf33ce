"""Images and texts are cleaned by record as declared, and what the report says of them makes sense."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from ringfence.errors import InvalidRows
from ringfence.quality import clean, proposal_text, propose_schema, report
from ringfence.schema import DatasetSchema, parse_schema

IMAGE = {"name": "scan", "type": "image", "shape": [1, 2, 2]}
NOTE = {"name": "note", "type": "text", "max_length": 5}
LABEL = {"name": "ill", "type": "boolean", "role": "target"}


def schema(**changes: object) -> DatasetSchema:
    """A schema of image, text and label, with changes to image and text."""
    return DatasetSchema.model_validate({"columns": [IMAGE | changes, NOTE | changes, LABEL]})


def rows(images, notes=None) -> pa.Table:
    notes = ["ok"] * len(images) if notes is None else notes
    return pa.table({"scan": images, "note": notes, "ill": [place % 2 == 0 for place in range(len(images))]})


def test_images_of_another_size_are_refused_with_their_number():
    with pytest.raises(InvalidRows) as refusal:
        clean(rows([b"1234", b"12345", b"12"]), schema())
    assert "column 'scan': 2 of 3 values are not images of 1 x 2 x 2, 4 bytes" in str(refusal.value)


def test_images_of_another_size_and_missing_ones_are_dropped_and_counted_where_declared():
    cleaned = clean(rows([b"1234", b"12345", None, b"abcd"]), schema(missing="drop", out_of_range="drop"))
    assert cleaned.table.column("scan").to_pylist() == [b"1234", b"abcd"]
    assert cleaned.table.column("scan").type == pa.binary(4)
    counts = cleaned.columns["scan"]
    assert (counts.missing, counts.out_of_range, counts.dropped, cleaned.dropped) == (1, 1, 2, 2)


@pytest.mark.parametrize("kind", [pa.binary(4), pa.binary(), pa.large_binary(), pa.binary_view()])
def test_images_are_read_from_every_kind_of_bytes(kind):
    assert clean(rows(pa.array([b"1234", b"abcd"], kind)), schema()).table.column("scan").to_pylist()[1] == b"abcd"


def test_text_for_an_image_cannot_be_read():
    with pytest.raises(InvalidRows, match="column 'scan' holds string, which cannot be read as image"):
        clean(rows(["1234", "abcd"]), schema())


def test_bytes_that_are_not_utf_8_are_refused_dropped_or_never_quoted():
    latin = rows([b"1234"] * 3, pa.array([b"caf\xc3\xa9", b"caf\xe9", None], pa.binary()))
    with pytest.raises(InvalidRows) as refusal:
        clean(latin, schema(missing="drop"))
    assert "column 'note': 1 of 3 values are not UTF-8 text of at most 5 characters" in str(refusal.value)
    assert "caf" not in str(refusal.value)
    cleaned = clean(latin, schema(missing="drop", out_of_range="drop"))
    assert cleaned.table.column("note").to_pylist() == ["café"]
    assert (cleaned.columns["note"].out_of_range, cleaned.columns["note"].missing) == (1, 1)


def test_long_texts_are_cut_only_where_declared():
    long = rows([b"1234", b"abcd"], ["résumé", "ok"])
    with pytest.raises(InvalidRows, match="1 of 2 values are not UTF-8 text of at most 5 characters"):
        clean(long, schema())
    cutting = DatasetSchema.model_validate({"columns": [IMAGE, NOTE | {"out_of_range": "clip"}, LABEL]})
    cleaned = clean(long, cutting)
    assert cleaned.table.column("note").to_pylist() == ["résum", "ok"]
    assert (cleaned.columns["note"].out_of_range, cleaned.columns["note"].replaced) == (1, 1)


def test_the_report_tells_bright_from_dark_blank_images_and_damaged_texts():
    table = rows([bytes(4), bytes([255] * 4), bytes([0, 0, 0, 255])], ["a", "bc\ufffd", "abcde"])
    found = report(table, clean(table, schema()), schema())
    scan, note = found["columns"]["scan"], found["columns"]["note"]
    assert (scan["blank"], scan["histogram"]) == (2, [1, 0, 1, 0, 0, 0, 0, 0, 0, 1])
    assert (note["damaged"], note["quantiles"]) == (1, ["1", "2", "3", "4", "5"])
    assert note["histogram"] == [0, 0, 1, 0, 0, 0, 1, 0, 0, 1]


def test_records_that_differ_in_their_image_only_are_no_near_copies():
    different = pa.table({"scan": [b"1234", b"abcd"], "note": ["ok", "ok"], "ill": [True, True]})
    two_labels = pa.table({"scan": [b"1234", b"1234"], "note": ["ok", "ok"], "ill": [True, False]})
    counted = [report(t, clean(t, schema()), schema())["near_duplicates"]["records"] for t in (different, two_labels)]
    assert counted == [0, 2]


def test_exact_copies_of_images_are_found():
    twice = pa.table({"scan": [b"1234", b"1234", b"abcd"], "note": ["ok"] * 3, "ill": [True, True, False]})
    assert clean(twice, schema().model_copy(update={"drop_exact_duplicates": True})).duplicates == 1


@pytest.mark.parametrize(("size", "shape"), [(64, (1, 8, 8)), (192, (3, 8, 8)), (256, (1, 16, 16)), (50, (1, 1, 50))])
def test_fixed_size_bytes_are_proposed_as_an_image(size, shape):
    draw = np.random.default_rng(0)
    images = pa.array([draw.bytes(size) for _ in range(30)], pa.binary(size))
    table = pa.table({"scan": images, "ill": [place % 2 == 0 for place in range(30)]})
    proposed = propose_schema(table, target="ill")
    assert proposed.columns[0].shape == shape
    text = proposal_text(proposed)
    assert "guessed from the bytes: is it so?" in text and parse_schema(text, "s") == proposed
