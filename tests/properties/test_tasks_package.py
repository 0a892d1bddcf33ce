"""A package depends on names and contents alone, and encoding on the row alone."""

import tempfile
from pathlib import Path

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ringfence.schema import parse_schema
from ringfence.tasks import TabularClassifier
from ringfence.tasks.encode import encode_table
from ringfence.tasks.package import package
from ringfence.tasks.synthetic import synthetic_rows

FILES = st.dictionaries(
    st.from_regex(r"[a-z]{1,5}(/[a-z]{1,5})?\.py", fullmatch=True), st.binary(max_size=50), min_size=1, max_size=5
)
SCHEMA = parse_schema(
    """
columns:
- {name: a, type: number, minimum: 0, maximum: 5}
- {name: w, type: category, values: [p, q, r]}
- {name: y, type: boolean, role: target}
""",
    "schema",
)


def packed(files: dict[str, bytes]) -> tuple[bytes, str]:
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            path = Path(folder) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return package(Path(folder))


@settings(deadline=None, max_examples=40)
@given(FILES, st.randoms())
def test_a_package_depends_on_names_and_contents_alone(files: dict[str, bytes], random) -> None:
    shuffled = list(files.items())
    random.shuffle(shuffled)
    assert packed(files) == packed(dict(shuffled))
    name = min(files)
    assert packed(files)[1] != packed({**files, name: files[name] + b"#"})[1]


@settings(deadline=None, max_examples=30)
@given(st.permutations(range(9)), st.integers(0, 1000))
def test_encoding_follows_any_order_of_rows(order: list[int], seed: int) -> None:
    rows = synthetic_rows(SCHEMA, 9, seed)
    task = TabularClassifier()
    straight = encode_table(task, rows, SCHEMA)
    turned = encode_table(task, rows.take(order), SCHEMA)
    assert all(torch.equal(straight[name][order], turned[name]) for name in straight)
