"""A code package is the same bytes everywhere, and holds code only."""

import os
import zipfile
from io import BytesIO
from pathlib import Path

import pytest

from ringfence.errors import InvalidTask
from ringfence.tasks.package import package


def names(data: bytes) -> list[str]:
    return zipfile.ZipFile(BytesIO(data)).namelist()


def fill(folder: Path) -> Path:
    for name in ("task.py", "lib/more.py", "lib/words.json", "words.txt", "shape.yaml"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"# {name}\n")
    return folder


def test_times_modes_and_order_of_creation_do_not_matter(tmp_path: Path) -> None:
    first = fill(tmp_path / "a")
    second = tmp_path / "b"
    for path in sorted(first.rglob("*.*"), reverse=True):
        copy = second / path.relative_to(first)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
        copy.chmod(0o600)
        os.utime(copy, (1, 1))
    assert package(first) == package(second)
    assert package(first)[1].startswith("sha256:")


def test_one_changed_byte_or_name_changes_the_digest(tmp_path: Path) -> None:
    folder = fill(tmp_path / "a")
    before = package(folder)[1]
    (folder / "task.py").write_text("# Task.py\n")
    after = package(folder)[1]
    (folder / "words.txt").rename(folder / "word.txt")
    assert len({before, after, package(folder)[1]}) == 3


def test_only_code_and_what_lies_beside_it_goes_in(tmp_path: Path) -> None:
    folder = fill(tmp_path / "a")
    for name in (".hidden.py", "__pycache__/task.py", ".git/x.py", "rows.csv", "mercy.key", "store/out/statement.json"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("x")
    (folder / "job.yaml").write_text("apiVersion: ringfence.dev/v1alpha1\n")
    assert names(package(folder)[0]) == ["lib/more.py", "lib/words.json", "shape.yaml", "task.py", "words.txt"]


def test_the_job_beside_the_task_may_name_the_digest_of_the_package(tmp_path: Path) -> None:
    folder = fill(tmp_path / "a")
    digest = package(folder)[1]
    (folder / "job.yaml").write_text(f"apiVersion: ringfence.dev/v1alpha1\nspec: {{task: {{code: 'x@{digest}'}}}}\n")
    assert package(folder)[1] == digest


@pytest.mark.parametrize("inside", ["link.py", "folder"])
def test_a_link_out_of_the_folder_is_refused(tmp_path: Path, inside: str) -> None:
    folder = fill(tmp_path / "a")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.py").write_text("secret = 1")
    (folder / inside).symlink_to(outside / "secret.py" if inside == "link.py" else outside)
    with pytest.raises(InvalidTask, match=f"'{inside}' is a link to elsewhere; copy what it points to"):
        package(folder)


def test_a_folder_without_code_and_no_folder_are_refused(tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("x")
    with pytest.raises(InvalidTask, match="holds no Python file"):
        package(tmp_path)
    with pytest.raises(InvalidTask, match=r"words\.txt: is not a folder"):
        package(tmp_path / "words.txt")


@pytest.mark.parametrize("sizes", [[11], [4, 4, 4]])
def test_more_than_ten_mebibytes_is_refused(tmp_path: Path, sizes: list[int]) -> None:
    for number, size in enumerate(sizes):
        (tmp_path / f"m{number}.py").write_bytes(b"#" * (size * 2**20))
    with pytest.raises(InvalidTask, match="a code package is at most 10 MiB; keep data out"):
        package(tmp_path)
