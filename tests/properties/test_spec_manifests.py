"""Hundreds of malformed manifests: each is refused in one line with its path, or reads as an equal resource."""

import copy
import json
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from ringfence.errors import InvalidManifest
from ringfence.spec import FederatedJob, PrivacyBudget, dump, load_manifests, parse_document
from ringfence.spec.crds import crd

JOB = """
apiVersion: ringfence.dev/v1alpha1
kind: FederatedJob
metadata: {name: readmission, namespace: research, labels: {team: a}}
spec:
  task: {class: "readmit:Net", args: {hidden: [64, 32]}, code: "s3://research/r.zip@sha256:%s"}
  silos:
  - {name: mercy, budgetRef: {namespace: mercy, name: patients}}
  - {name: open, dataset: "s3://open/rows"}
  purpose: readmission
  rounds: 50
  quorum: 2
  roundDeadlineSeconds: 600
  local: {epochs: "0.5", batchSize: 64, optimizer: {name: sgd, learningRate: "0.1", momentum: "0.9"}}
  strategy: {name: fedavg}
  privacy: {epsilon: "2", delta: "1e-6", maxGradNorm: "1"}
  evaluation: {dataset: "s3://research/public-holdout", everyRounds: 5, metrics: [auc, loss]}
  output: s3://research/models/readmission
  seed: 7
  backoffLimit: 3
  activeDeadlineSeconds: 21600
""" % ("0" * 64)
BUDGET = """
apiVersion: ringfence.dev/v1alpha1
kind: PrivacyBudget
metadata: {name: patients, namespace: mercy}
spec:
  dataset: s3://mercy/readmissions
  signer: "ed25519:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
  keySecretRef: {name: shard-key}
  unit: Record
  epsilon: "8"
  delta: "1e-6"
  accountant: rdp
  consumers: [{namespace: research, maxEpsilon: "4", maxEpsilonPerJob: "2"}]
  purposes: [readmission]
  runtime: {allowedCode: [builtin, "sha256:%s"]}
""" % ("f" * 64)
BASES = [yaml.safe_load(JOB), yaml.safe_load(BUDGET)]
GONE = object()


def deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


WRONG = [
    *(None, True, 0, -1, 1, 2**53, 10**400, -(10**400), 0.5, float("nan"), float("inf"), 1e308),
    *("", " ", "0", "-1", "NaN", "inf", "1e999999999", "9" * 10_000, "\u2028", "\ud800", "\x00", "é" * 600, "a\nb"),
    *([], {}, [1], ["a", "a"], {"a": 1}, {1: 2}, {"\n": {}}, deep(40), deep(2000), b"x", {1}, 1j, object, GONE),
]
TOO_DEEP = WRONG[WRONG.index(b"x") - 1]
Path_ = tuple[str | int, ...]


def places(value: Any, path: Path_ = ()) -> Iterator[Path_]:
    if path:
        yield path
    if len(path) > 8:
        return
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from places(item, (*path, key))


def mutated(base: Any, path: Path_, value: Any) -> Any:
    """`base` with the value at `path` replaced or removed; only what lies on the path is copied."""
    copied = base.copy()
    key = path[0]
    if len(path) > 1:
        copied[key] = mutated(base[key], path[1:], value)
    elif value is GONE:
        del copied[key]
    else:
        copied[key] = value
    return copied


def dotted(path: Path_) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")


def outcome(document: Any) -> str | None:
    """None for a resource that survives writing and reading, else the refusal's line; any other exception fails."""
    try:
        resource = parse_document(document, "m.yaml")
    except InvalidManifest as refused:
        line = str(refused)
        assert "\n" not in line
        assert len(line) < 2000
        assert re.match(r"m\.yaml: [A-Za-z]+[^ ]*: .", line), line
        return line
    assert parse_document(yaml.safe_load(dump(resource)), "again") == resource
    return None


@pytest.mark.parametrize("base", BASES, ids=["job", "budget"])
def test_every_wrong_value_at_every_place_is_refused_with_its_path(base: Any) -> None:
    refused = 0
    for path in places(base):
        for value in WRONG:
            line = outcome(mutated(base, path, value))
            if line is None:
                continue
            refused += 1
            names = [dotted(path[:length]) for length in range(1, len(path) + 1)]
            # A wrong silo can also show in the fields that must agree with the silos.
            assert any(name in line for name in [*names[1:], *names[len(path) - 1 :], "spec.privacy", "spec.quorum"]), (
                line
            )
    assert refused > 300


@pytest.mark.parametrize("base", BASES, ids=["job", "budget"])
def test_a_stray_field_at_every_place_is_refused_by_name(base: Any) -> None:
    for path in [(), *places(base)]:
        owner = base
        for part in path:
            owner = owner[part]
        free = path[:3] == ("spec", "task", "args") or path[:2] == ("metadata", "labels")
        if isinstance(owner, dict) and not free:
            line = outcome(mutated(base, (*path, "epsilonn"), "1"))
            assert line is not None
            assert f"{dotted((*path, 'epsilonn'))}: unknown field" in line


noise = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3),
)


@settings(deadline=None, max_examples=150)
@given(st.sampled_from(BASES), st.data())
def test_several_random_mutations_never_end_in_another_exception(base: Any, data: st.DataObject) -> None:
    document = base
    for _ in range(data.draw(st.integers(1, 4))):
        path = data.draw(st.sampled_from(list(places(document)) or [("kind",)]))
        value = data.draw(st.sampled_from(WRONG) | noise)
        document = mutated(document, path, value)
    outcome(document)


@settings(deadline=None, max_examples=150)
@given(st.sampled_from([JOB.encode(), BUDGET.encode()]), st.data())
def test_damaged_files_never_end_in_another_exception(text: bytes, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text)))
    end = min(len(text), start + data.draw(st.integers(0, 40)))
    damage = data.draw(
        st.binary(max_size=8) | st.sampled_from([b"[" * 3000, b"\t", b"&a ", b"*a", b"!!x ", b"---\n", b": "])
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "m.yaml"
        path.write_bytes(text[:start] + damage + text[end:])
        try:
            load_manifests([path])
        except InvalidManifest as refused:
            assert str(refused).startswith(str(path))
            assert "\n" not in str(refused)


names = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,8}[a-z0-9])?", fullmatch=True)
decimals = st.from_regex(r"[1-9][0-9]{0,5}(\.[0-9]{1,12})?|[1-9](\.[0-9]{1,3})?e-([1-9]|1[0-2])", fullmatch=True)
urls = st.builds("s3://{}/{}".format, st.from_regex(r"[a-z0-9]{3,9}", fullmatch=True), names)
texts = st.text(st.characters(codec="utf-8"), max_size=8)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)


@settings(deadline=None, max_examples=150)
@given(
    silos=st.lists(names, min_size=1, max_size=5, unique=True),
    private=st.booleans(),
    epsilon=decimals,
    output=urls,
    args=st.dictionaries(st.sampled_from(["a", "b"]), values),
    labels=st.dictionaries(texts, texts, max_size=2),
)
def test_what_is_written_reads_back_equal_with_the_same_digest(
    silos: list[str], private: bool, epsilon: str, output: str, args: Any, labels: dict[str, str]
) -> None:
    document = copy.deepcopy(BASES[0])
    rows = [
        {"name": n, "budgetRef": {"namespace": n, "name": "b"}} if private else {"name": n, "dataset": f"s3://abc/{n}"}
        for n in silos
    ]
    document["metadata"]["labels"] = labels
    document["spec"].update(silos=rows, quorum=len(silos), output=output)
    document["spec"]["task"]["args"] = args
    document["spec"]["privacy"]["epsilon"] = epsilon
    if not private:
        del document["spec"]["privacy"]
    job = parse_document(document, "m.yaml")
    assert isinstance(job, FederatedJob)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "m.yaml"
        path.write_text(dump(job), encoding="utf-8")
        again = load_manifests([path]).job()
    assert again == job
    assert again.digest() == job.digest()
    assert parse_document(json.loads(json.dumps(job.to_document())), "served") == job


@pytest.mark.parametrize("base", BASES, ids=["job", "budget"])
def test_what_the_crd_refuses_the_laptop_refuses_too(base: Any) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    schema = crd(base["kind"])["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    validator = jsonschema.Draft4Validator(schema)
    assert validator.is_valid(base)
    refused = 0
    for path in places(base):
        for value in WRONG:
            if isinstance(value, (bytes, set, complex, type)) or value is TOO_DEEP:
                continue
            document = mutated(base, path, value)
            if not validator.is_valid(document):
                refused += 1
                assert outcome(document) is not None
    assert refused > 300


DECIMALS = [
    "0",
    "0.0",
    "00",
    "-1",
    "+1",
    "1e6",
    "NaN",
    "inf",
    "1234567",
    "0.0000000000001",
    "2.",
    ".5",
    "1E-6",
    " 1",
    2,
    0.5,
]


@pytest.mark.parametrize(
    "path", [("spec", "privacy", "epsilon"), ("spec", "privacy", "delta"), ("spec", "local", "epochs")]
)
@pytest.mark.parametrize("value", DECIMALS)
def test_a_decimal_that_the_laptop_refuses_the_crd_refuses_too(path: Path_, value: Any) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    schema = crd("FederatedJob")["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    document = mutated(BASES[0], path, value)
    assert outcome(document) is not None
    assert not jsonschema.Draft4Validator(schema).is_valid(document)


def test_the_untouched_bases_are_accepted() -> None:
    assert outcome(BASES[0]) is None
    assert outcome(BASES[1]) is None
    assert isinstance(parse_document(BASES[1], "m.yaml"), PrivacyBudget)
