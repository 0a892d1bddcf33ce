"""A file that cannot be a manifest is refused in one line that names it, and nothing in it can exhaust the reader."""

import time
from pathlib import Path

import pytest

from ringfence.errors import InvalidManifest
from ringfence.spec import load_manifests
from ringfence.spec.job import BudgetRef

JOB = """apiVersion: ringfence.dev/v1alpha1
kind: FederatedJob
metadata: {name: %s, namespace: research}
spec:
  task: {class: "ringfence.tasks:TabularClassifier"}
  silos: [{name: a, dataset: "s3://open/a"}]
  rounds: 1
  local: {batchSize: 1, optimizer: {name: sgd, learningRate: "1"}}
  strategy: {name: fedavg}
  output: file:///tmp/out
"""
BUDGET = """apiVersion: ringfence.dev/v1alpha1
kind: PrivacyBudget
metadata: {name: patients, namespace: mercy}
spec: {dataset: "s3://mercy/x", signer: "ed25519:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
  keySecretRef: {name: k}, unit: Record, epsilon: "8", delta: "1e-6"}
"""


def written(folder: Path, content: str | bytes, name: str = "job.yaml") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def refusal(*paths: Path) -> str:
    with pytest.raises(InvalidManifest) as caught:
        load_manifests(paths)
    line = str(caught.value)
    assert "\n" not in line
    return line


def test_jobs_and_budgets_of_several_files_and_documents(tmp_path: Path) -> None:
    first = written(tmp_path, (JOB % "one") + "---\n---\n" + BUDGET)
    second = written(tmp_path, "\ufeff" + JOB % "two", "b.yaml")
    manifests = load_manifests([first, second])
    assert [job.metadata.name for job in manifests.jobs] == ["one", "two"]
    assert manifests.budget(BudgetRef(namespace="mercy", name="patients")) is manifests.budgets[0]
    assert load_manifests([second]).job() is not None


def test_exactly_one_job_is_asked_for(tmp_path: Path) -> None:
    both = load_manifests([written(tmp_path, (JOB % "one") + "---\n" + JOB % "two")])
    with pytest.raises(InvalidManifest, match=r"expected one FederatedJob, found 2 FederatedJobs \(one, two\)"):
        both.job()
    none = load_manifests([written(tmp_path, BUDGET)])
    with pytest.raises(InvalidManifest, match=r"job\.yaml: expected one FederatedJob, found no FederatedJob"):
        none.job()


def test_a_budget_that_is_not_there_is_answered_with_the_nearest(tmp_path: Path) -> None:
    manifests = load_manifests([written(tmp_path, BUDGET)])
    with pytest.raises(InvalidManifest, match=r"no PrivacyBudget mercy/patient .*did you mean mercy/patients\?"):
        manifests.budget(BudgetRef(namespace="mercy", name="patient"))


def test_the_same_resource_twice_is_refused(tmp_path: Path) -> None:
    first, second = written(tmp_path, JOB % "one"), written(tmp_path, JOB % "one", "b.yaml")
    assert f"FederatedJob research one is already in {first}" in refusal(first, second)


def test_missing_directory_empty_large_and_foreign_files_are_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path / "no.yaml").endswith("no.yaml: no such file")
    assert "is a directory; name the files in it" in refusal(tmp_path)
    assert "holds no document" in refusal(written(tmp_path, "# nothing\n---\n"))
    assert "is larger than 1024 KiB" in refusal(written(tmp_path, b"#" * (1024 * 1024 + 1)))
    assert "is not UTF-8 text (byte 2); save it as UTF-8" in refusal(written(tmp_path, b"a:\xff\xfe"))
    assert "cannot be read (not a usable path)" in refusal(Path("a\0b"))
    assert "cannot be read" in refusal(Path("x" * 5000))


def test_the_document_with_the_fault_is_named(tmp_path: Path) -> None:
    path = written(tmp_path, (JOB % "one") + "---\n" + (JOB % "two").replace("rounds: 1", "rounds: 0"))
    assert refusal(path) == f"{path} document 2: spec.rounds: 0 is below 1"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [1", "line 2: not valid YAML"),
        ("a: 1\nb: {c: 1\n", "not valid YAML"),
        ("a: 1\n\tb: 2\n", "line 2: not valid YAML"),
        ("a: 1\nb: 2\na: 3\n", "line 3: field 'a' appears twice in one mapping; keep one of them"),
        ("a: &x [1]\n", "line 1: anchors and aliases are not accepted; write the value out"),
        ("a: *x\n", "not accepted"),
        ("a: !!python/object:os.system x\n", "is not accepted; remove it"),
        ("a: !!binary aGk=\n", "tag 'tag:yaml.org,2002:binary' is not accepted; remove it"),
        ("1: x\n", "line 1: a field name must be text; quote it"),
        ("? [a, b]\n: x\n", "line 1: a field name must be text; quote it"),
        ("a: \x00", "not valid YAML"),
        ("a: \x07", "not valid YAML"),
        ("a: " + "9" * 5000, "a number has more than 100 digits"),
        ("<<: {a: 1}\n", "apiVersion: is required"),
    ],
)
def test_yaml_that_is_broken_or_not_plain_is_refused(tmp_path: Path, text: str, message: str) -> None:
    line = refusal(written(tmp_path, text))
    assert message in line


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        "a: " + "[" * 100_000 + "]" * 100_000,
        "{a: " * 50_000,
        "- " * 100_000,
        "\n".join(" " * depth + "a:" for depth in range(500)),
        "a: [" + "1," * 400_000 + "1]",
        "".join(f"k{n}: 1\n" for n in range(80_000)),
        "--- {}\n" * 100_000,
        "a: &a [x]\nb: &b [*a,*a]\nc: &c [*b,*b]\n",
    ],
    ids=["open", "nested", "mappings", "dashes", "indented", "wide", "keys", "documents", "laughs"],
)
def test_a_bomb_is_refused_quickly(tmp_path: Path, text: str) -> None:
    started = time.monotonic()
    refusal(written(tmp_path, text))
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    ("scalar", "reason"),
    [
        ("1e-6", 'must be a string, found the number 1e-06, write "1e-6"'),
        ("2", 'must be a string, found the number 2, write "2"'),
        ("0x10", 'must be a string, found the number 16, write "16"'),
        ("010", 'must be a string, found the number 8, write "8"'),
        ("yes", "must be text, found true; quote the word if it was meant"),
        ("n", "must be text, found false; quote the word if it was meant"),
        (".nan", "is not a finite number"),
        ("-.Inf", "is not a finite number"),
        ("1e999", "is not a finite number"),
        ("089", 'must be a string, found the number 89.0, write "89"'),
        ("~", "has no value; give one or leave the field out"),
        ("1:30", "'1:30' is not a decimal number"),
        ("2024-01-01", "'2024-01-01' is not a decimal number"),
    ],
)
def test_unquoted_scalars_mean_what_they_mean_to_kubectl(tmp_path: Path, scalar: str, reason: str) -> None:
    path = written(tmp_path, BUDGET.replace('"8"', scalar))
    assert refusal(path) == f"{path}: spec.epsilon: {reason}"


def test_a_quoted_or_tagged_text_stays_text(tmp_path: Path) -> None:
    path = written(tmp_path, BUDGET.replace('"8"', "!!str 8"))
    assert load_manifests([path]).budgets[0].spec.epsilon == "8"
