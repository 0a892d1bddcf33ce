"""Rows are read as declared, and a file that is not what it seems is refused without quoting it."""

import gzip

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ringfence.errors import InvalidInput, InvalidRows
from ringfence.schema import DatasetSchema
from ringfence.schema.document import parse_schema
from ringfence.shards.sources import Source, read_source

SCHEMA = DatasetSchema.model_validate(
    {
        "columns": [
            {"name": "age", "type": "integer", "minimum": "0", "maximum": "120"},
            {"name": "weight", "type": "number", "minimum": "0", "maximum": "400"},
            {"name": "ward", "type": "category", "values": ["NA", "north", "2020-01-01"]},
            {"name": "ill", "type": "boolean", "role": "target"},
            {"name": "person", "type": "identifier", "role": "unit"},
            {"name": "note", "role": "ignore"},
        ]
    }
)
HEADER = "age,weight,ward,ill,person,note\n"
ROWS = "61,70.5,north,true,007,secret\n34,,NA,false,a,\n"
NAMES = ["age", "weight", "ward", "ill", "person"]


def write(path, text, encoding="utf-8"):
    path.write_bytes(text.encode(encoding))
    return path


def refused(kind, source, message, schema=SCHEMA):
    with pytest.raises(kind) as refusal:
        read_source(source, schema)
    assert str(refusal.value) == message
    assert "CANARY" not in str(refusal.value)


def test_a_csv_is_read_as_declared_and_not_as_it_looks(tmp_path):
    table = read_source(write(tmp_path / "a.csv", HEADER + ROWS), SCHEMA)
    assert table.select(NAMES).to_pylist() == [
        {"age": 61, "weight": 70.5, "ward": "north", "ill": True, "person": "007"},
        {"age": 34, "weight": None, "ward": "NA", "ill": False, "person": "a"},
    ]
    assert table.column("note").null_count == 2  # known by name, not read


@pytest.mark.parametrize("form", ["file://{}", "file://localhost{}", "{}"])
def test_a_url_and_a_path_are_the_same_file(tmp_path, form):
    path = write(tmp_path / "a b.csv", HEADER + ROWS)
    written = str(path).replace(" ", "%20") if form.startswith("file") else str(path)
    assert read_source(form.format(written), SCHEMA).num_rows == 2


def test_a_compressed_csv_is_read(tmp_path):
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress((HEADER + ROWS).encode()))
    assert read_source(tmp_path / "a.csv.gz", SCHEMA).num_rows == 2


def test_without_a_schema_every_column_is_read(tmp_path):
    table = read_source(write(tmp_path / "a.csv", HEADER + ROWS))
    assert table.column_names == [*NAMES, "note"] and table.column("age").type == pa.int64()
    assert table.column("note").to_pylist() == ["secret", None]


def test_missing_values_in_text_are_null_unless_declared(tmp_path):
    table = read_source(write(tmp_path / "a.csv", HEADER + '1,2,NA,true,NA,\n1,2,"",true,x,\n'), SCHEMA)
    assert table.column("ward").to_pylist() == ["NA", None] and table.column("person").to_pylist() == [None, "x"]


def test_a_word_among_numbers_is_left_to_the_declared_treatment(tmp_path):
    table = read_source(write(tmp_path / "a.csv", HEADER + "61,1,north,yes,p,\nCANARY,NA,north,no,q,\n"), SCHEMA)
    assert table.column("age").to_pylist() == ["61", "CANARY"] and table.column("ill").to_pylist() == ["yes", "no"]
    assert table.column("weight").to_pylist() == [1.0, None]


def test_an_absent_column_stays_absent(tmp_path):
    assert "age" not in read_source(write(tmp_path / "a.csv", "weight,agee\n1,2\n"), SCHEMA).column_names
    assert "age" not in read_source(write(tmp_path / "a.jsonl", '{"weight": 1}\n'), SCHEMA).column_names


def test_a_wrong_delimiter_is_refused(tmp_path):
    path = write(tmp_path / "a.csv", (HEADER + ROWS).replace(",", ";"))
    many = f"{path}: the header holds one column only, the schema declares 5; separate the columns by commas"
    refused(InvalidRows, path, many)
    refused(InvalidRows, path, f"{path}: the header holds one column only; separate the columns by commas", None)


@pytest.mark.parametrize(("encoding", "what"), [("latin-1", ", line 2: column 'ward' is"), ("utf-16", ": the file is")])
def test_a_wrong_encoding_is_refused(tmp_path, encoding, what):
    path = write(tmp_path / "a.csv", HEADER + "1,2,é,true,p,\n", encoding)
    refused(InvalidRows, path, f"{path}{what} not UTF-8 text; save the file as UTF-8")


def test_a_header_in_a_wrong_encoding_is_refused(tmp_path):
    path = write(tmp_path / "a.csv", "âge,weight\n1,2\n", "latin-1")
    refused(InvalidRows, path, f"{path}: the header is not UTF-8 text; save the file as UTF-8")


def test_a_line_with_too_many_fields_is_named_by_number(tmp_path):
    path = write(tmp_path / "a.csv", HEADER + ROWS + "1,2,CANARY,true,p,q,r\n")
    remedy = "separate fields by commas and put quotes around fields that hold one"
    refused(InvalidRows, path, f"{path}, line 4: a line has 7 fields, the header 6; {remedy}")


def test_mixed_types_are_refused_where_no_schema_says_what_is_right(tmp_path):
    path = write(tmp_path / "a.jsonl", '{"age": 1}\n{"age": "CANARY"}\n')
    refused(InvalidRows, path, f"{path}, line 2: column 'age' mixes types; correct the file", None)
    path = write(tmp_path / "a.csv", "age,x\n1,2\nCANARY,2\n")
    assert read_source(path).column("age").to_pylist() == ["1", "CANARY"]


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
def test_an_empty_file_is_refused(tmp_path, name):
    path = write(tmp_path / name, "")
    refused(InvalidRows, path, f"{path}: the file is empty")


def test_a_column_named_twice_is_refused(tmp_path):
    path = write(tmp_path / "a.csv", "age,age\n1,2\n")
    refused(InvalidRows, path, f"{path}: the header names column 'age' twice")


def test_json_lines_are_read_as_declared(tmp_path):
    lines = '{"age": 61, "weight": 70, "ward": "2020-01-01", "ill": true, "person": 7, "extra": {"a": 1}}\n'
    table = read_source(write(tmp_path / "a.jsonl", lines), SCHEMA)
    assert table.to_pylist() == [{"age": 61, "weight": 70.0, "ward": "2020-01-01", "ill": True, "person": "7"}]


def test_text_among_json_numbers_is_left_to_the_declared_treatment_unless_mixed(tmp_path):
    path = write(tmp_path / "a.jsonl", '{"age": "61"}\n{"age": "CANARY"}\n')
    assert read_source(path, SCHEMA).column("age").to_pylist() == ["61", "CANARY"]
    path = write(tmp_path / "b.jsonl", '{"age": 61}\n{"age": "CANARY"}\n')
    refused(InvalidRows, path, f"{path}, line 2: column 'age' mixes types; correct the file")


def test_json_that_ends_early_is_refused_by_line(tmp_path):
    path = write(tmp_path / "a.jsonl", '{"age": 1}\n{"age": "CANARY\n')
    refused(InvalidRows, path, f"{path}, line 2: the file does not parse as one JSON object a line")


def test_json_in_a_wrong_encoding_is_refused(tmp_path):
    path = write(tmp_path / "a.jsonl", '{"ward": "é"}\n', "latin-1")
    refused(InvalidRows, path, f"{path}: column 'ward' is not UTF-8 text; save the file as UTF-8")


def test_a_parquet_file_gives_its_kept_columns(tmp_path):
    pq.write_table(pa.table({"age": [1, 2], "note": ["x", "y"], "ill": [True, False]}), tmp_path / "a.parquet")
    table = read_source(tmp_path / "a.parquet", SCHEMA)
    assert table.column_names == ["age", "ill", "note"] and table.column("note").null_count == 2


@pytest.mark.parametrize("keep", [0, 3, 100, -1, -20])
def test_a_parquet_file_that_ends_early_is_refused(tmp_path, keep):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"age": list(range(1000))}), path)
    path.write_bytes(path.read_bytes()[:keep])
    refused(InvalidRows, path, f"{path}: the file is cut short, corrupt, or not what its name says")


def test_a_parquet_file_with_a_damaged_page_is_refused(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"age": list(range(1000))}), path)
    data = bytearray(path.read_bytes())
    data[100:300] = bytes(200)
    path.write_bytes(data)
    refused(InvalidRows, path, f"{path}: the file is cut short, corrupt, or not what its name says")


def test_a_parquet_file_with_text_that_is_not_utf_8_is_refused(tmp_path):
    path = tmp_path / "a.parquet"
    damaged = pa.array([b"\xff\xfe"], pa.binary()).view(pa.string())
    pq.write_table(pa.table({"ward": damaged}), path)
    refused(InvalidRows, path, f"{path}: column 'ward' is not UTF-8 text; save the file as UTF-8")


def test_a_folder_is_read_in_the_order_of_its_names(tmp_path):
    for number in (2, 1, 3):
        write(tmp_path / f"{number}.csv", f"{HEADER}{number},1,NA,true,p,\n")
    write(tmp_path / "_SUCCESS", "")
    write(tmp_path / ".hidden.json", "")
    assert read_source(tmp_path, SCHEMA).column("age").to_pylist() == [1, 2, 3]


def test_a_folder_with_an_uneven_column_or_type_is_refused(tmp_path):
    pq.write_table(pa.table({"age": [1], "ill": [True]}), tmp_path / "a.parquet")
    pq.write_table(pa.table({"age": [1]}), tmp_path / "b.parquet")
    refused(InvalidRows, tmp_path, f"{tmp_path}/b.parquet: column 'ill' is in a.parquet and not in b.parquet")
    pq.write_table(pa.table({"age": ["CANARY"], "ill": [True]}), tmp_path / "b.parquet")
    refused(InvalidRows, tmp_path, f"{tmp_path}/b.parquet: column 'age' is string here and int64 in a.parquet")


def test_columns_that_are_not_sealed_may_differ_between_files(tmp_path):
    pq.write_table(pa.table({"age": [1], "note": [1]}), tmp_path / "a.parquet")
    pq.write_table(pa.table({"age": [2], "other": ["x"]}), tmp_path / "b.parquet")
    assert read_source(tmp_path, SCHEMA).column("age").to_pylist() == [1, 2]


def test_a_folder_of_several_kinds_or_none_is_refused(tmp_path):
    kinds = "use Parquet (.parquet), CSV (.csv) or JSON lines (.jsonl)"
    refused(InvalidInput, tmp_path, f"{tmp_path}: the folder holds no file that can be sealed; {kinds}")
    write(tmp_path / "a.csv", HEADER)
    write(tmp_path / "b.jsonl", "")
    refused(
        InvalidInput, tmp_path, f"{tmp_path}: the folder mixes kinds of files (a.csv, b.jsonl); keep one kind in it"
    )


def test_what_is_not_there_or_of_no_known_kind_is_refused(tmp_path):
    refused(InvalidInput, tmp_path / "no.csv", f"{tmp_path}/no.csv: no such file or folder")
    path = write(tmp_path / "a.xlsx", "")
    remedy = "use Parquet (.parquet), CSV (.csv) or JSON lines (.jsonl)"
    refused(InvalidInput, path, f"{path}: not a kind of file that can be sealed; {remedy}")
    remedy = "give a path or file:///path; copy rows that lie elsewhere to this machine first"
    refused(InvalidInput, "s3://mercy/a.csv", f"s3://mercy/a.csv: rows are read from this machine only; {remedy}")


def test_a_mapping_file_stands_for_several_sources(tmp_path):
    (tmp_path / "stays.csv").write_text("PATIENT,WARD\n7,1\n8,2\n")
    (tmp_path / "labs.csv").write_text("patient,weight_lb\n8,100\n7,200\n")
    (tmp_path / "sources.yaml").write_text(
        """
sources: {stays: {path: stays.csv, key: PATIENT}, labs: {path: labs.csv, key: patient}}
columns:
  ward: {from: stays.WARD, codes: {"1": a, "2": b}}
  weight: {from: labs.weight_lb, multiply: "0.45359237"}
"""
    )
    schema = parse_schema(
        "columns: [{name: ward, type: category, values: [a, b]}, "
        "{name: weight, type: number, minimum: 0, maximum: 300}]",
        "schema",
    )
    source = Source(tmp_path / "sources.yaml", schema)
    rows = pa.concat_tables(source.tables()).to_pydict()
    assert rows == {"ward": ["a", "b"], "weight": pytest.approx([90.718474, 45.359237])}
    assert source.lineage == {"ward": "stays.WARD, 2 codes replaced", "weight": "labs.weight_lb, times 0.45359237"}
    assert read_source(tmp_path / "sources.yaml").column_names == ["ward", "weight"]


def test_an_image_in_a_text_file_is_refused_with_the_kind_that_holds_it(tmp_path):
    schema = DatasetSchema.model_validate({"columns": [{"name": "scan", "type": "image", "shape": [1, 1, 2]}]})
    for name, text in (("a.csv", "scan\nab\n"), ("a.jsonl", '{"scan": "ab"}\n')):
        path = write(tmp_path / name, text)
        message = f"{path}: column 'scan' is an image, which this kind of file cannot hold; "
        refused(InvalidRows, path, message + "write the rows as Parquet, the image as fixed-size binary", schema)


def test_images_in_parquet_are_read_as_they_are(tmp_path):
    schema = DatasetSchema.model_validate({"columns": [{"name": "scan", "type": "image", "shape": [1, 1, 2]}]})
    pq.write_table(pa.table({"scan": pa.array([b"ab", b"cd"], pa.binary(2))}), tmp_path / "a.parquet")
    read = read_source(tmp_path / "a.parquet", schema).column("scan")
    assert (read.to_pylist(), read.type) == ([b"ab", b"cd"], pa.binary(2))
