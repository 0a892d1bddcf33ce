"""A schema file means what is written, and every fault is one line with column and nearest right spelling."""

from pathlib import Path

import pytest

from ringfence.errors import InvalidSchema
from ringfence.schema import DatasetSchema, dump_schema, load_schema, parse_schema

GOOD = """
description: "readmissions"
columns:
- {name: age, type: integer, minimum: 0, maximum: 110, unit: years}
- {name: dose, type: number, minimum: -0.50, maximum: 1e3, missing: "0"}
- {name: sure, type: category, values: [no, yes, 1.0], out_of_range: "no"}
- {name: smoker, type: boolean, missing: drop}
- {name: patient, type: identifier, role: unit}
- {name: note, role: ignore}
- {name: readmitted, type: boolean, role: target}
"""


def one_column(fields: str) -> str:
    return f"columns: [{{name: x, type: boolean}}, {{{fields}}}]"


def fault(text: str) -> str:
    with pytest.raises(InvalidSchema) as caught:
        parse_schema(text, "schema.yaml")
    line = str(caught.value)
    assert line.startswith("schema.yaml: ") and "\n" not in line
    return line


def test_yaml_words_and_numbers_stay_the_text_that_was_written() -> None:
    schema = parse_schema(GOOD, "schema.yaml")
    assert schema.column("sure").values == ("no", "yes", "1.0")
    assert (schema.column("dose").minimum, schema.column("dose").maximum) == ("-0.5", "1000")


def test_roles_divide_the_columns() -> None:
    schema = parse_schema(GOOD, "schema.yaml")
    assert [column.name for column in schema.features] == ["age", "dose", "sure", "smoker"]
    assert [column.name for column in schema.numeric] == ["age", "dose", "smoker"]
    assert [column.name for column in schema.categorical] == ["sure"]
    assert schema.target_column is schema.column("readmitted") and schema.unit_column is schema.column("patient")
    assert "note" not in [column.name for column in schema.kept]


def test_dump_then_parse_is_the_identity_and_keeps_the_digest() -> None:
    schema = parse_schema(GOOD, "schema.yaml")
    again = parse_schema(dump_schema(schema), "again")
    assert again == schema and again.digest() == schema.digest()
    assert DatasetSchema.model_validate(schema.document()) == schema


def test_equal_bounds_written_differently_have_one_digest() -> None:
    first = parse_schema('columns: [{name: x, type: number, minimum: "0.10", maximum: "1e2"}]', "a")
    second = parse_schema('columns: [{name: x, type: number, minimum: "0.1", maximum: "100.0"}]', "b")
    assert first.digest() == second.digest()


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ("name: age, typ: integer", "column 'age'.typ: unknown field; did you mean 'type'?"),
        (
            "name: age, type: intger",
            "'intger' is not one of number, integer, category, boolean, image, text, identifier; "
            "did you mean 'integer'?",
        ),
        (
            "name: age, type: boolean, role: taget",
            "column 'age'.role: 'taget' is not one of feature, target, unit, ignore; did you mean 'target'?",
        ),
        ("name: age", "column 'age': type is required unless the role is ignore"),
        ("type: boolean", "columns[1].name: is required"),
        ("name: age, type: number, minimum: 0", "column 'age': a number column needs minimum and maximum"),
        ("name: age, type: number, minimum: 5, maximum: 5", "column 'age': minimum 5 is not below maximum 5"),
        (
            "name: age, type: number, minimum: x, maximum: 5",
            "column 'age'.minimum: 'x' is not a decimal number such as",
        ),
        (
            "name: age, type: number, minimum: nan, maximum: 5",
            "column 'age'.minimum: nan is not finite or not below 1e15",
        ),
        (
            "name: age, type: number, minimum: -1e15, maximum: 5",
            "column 'age'.minimum: -1e15 is not finite or not below 1e15",
        ),
        ("name: age, type: number, minimum: 1e-13, maximum: 5", "column 'age'.minimum: 1e-13 has more than 12 digits"),
        (
            "name: age, type: integer, minimum: 0.5, maximum: 5",
            "column 'age': the bounds of an integer column are whole numbers",
        ),
        ("name: age, type: boolean, maximum: 5", "column 'age': minimum and maximum belong to numbers"),
        ("name: age, type: category", "column 'age': a category column needs values"),
        ("name: age, type: category, values: [a, a]", "column 'age': values are repeated"),
        ("name: age, type: category, values: [' a']", "column 'age'.values[0]: ' a' has space at its ends"),
        (
            "name: age, type: category, values: [a], missing: b",
            "column 'age': missing 'b' is not refuse, drop or a constant",
        ),
        (
            "name: age, type: integer, minimum: 0, maximum: 5, missing: 6",
            "column 'age': missing '6' is not refuse, drop or a constant",
        ),
        (
            "name: age, type: integer, minimum: 0, maximum: 5, missing: 1.5",
            "column 'age': missing '1.5' is not refuse, drop or a constant",
        ),
        (
            "name: age, type: category, values: [a], out_of_range: clip",
            "column 'age': out_of_range 'clip' is not one of refuse, drop, a",
        ),
        ("name: age, type: boolean, role: unit", "column 'age': a unit column has type identifier, not boolean"),
        ("name: age, type: identifier", "column 'age': an identifier cannot be a feature"),
        ("name: x, type: boolean", "columns declared twice: x"),
    ],
)
def test_a_faulty_column_is_refused_by_name(fields: str, expected: str) -> None:
    assert expected in fault(one_column(fields))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("colums: []", "colums: unknown field; did you mean 'columns'?"),
        ("- a", "a schema is a mapping with `columns`"),
        ("", "a schema is a mapping with `columns`"),
        ("a: [", "is not YAML: line 1:"),
        ("a: 1\na: 2", "is not YAML: line 1: 'a' is given twice"),
        ("columns: [3]", "columns[0]"),
        ("columns: []", "columns: "),
        ("columns: [{name: x, type: boolean, role: target}]", "no column has the role feature"),
        (
            "columns: [{name: x, type: boolean}, {name: y, type: boolean, role: target},"
            " {name: z, type: boolean, role: target}]",
            "more than one column has the role target",
        ),
        ("[" * 3000, "is not YAML"),
    ],
)
def test_a_faulty_document_is_refused(text: str, expected: str) -> None:
    assert expected in fault(text)


def test_all_faults_stand_on_one_line() -> None:
    line = fault("columns: [{name: a, typ: number}, {name: b, type: nmber}]")
    assert "column 'a'.typ" in line and "column 'b'.type" in line and "; " in line


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidSchema, match=r"nothing\.yaml: cannot be read \(No such file or directory\)"):
        load_schema(tmp_path / "nothing.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InvalidSchema, match=r"latin\.yaml: is not UTF-8 text"):
        load_schema(tmp_path / "latin.yaml")


def test_an_unknown_column_is_answered_with_the_nearest() -> None:
    with pytest.raises(InvalidSchema, match=r"declares no column 'Agee'; did you mean 'age'\?"):
        parse_schema(GOOD, "schema.yaml").column("Agee")
