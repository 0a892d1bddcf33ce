"""A class path, arguments and a code package become a task, or one line that says what to mend."""

import io
import sys
import zipfile

import pytest

from ringfence.errors import InvalidTask
from ringfence.tasks import TabularClassifier
from ringfence.tasks.load import load_task
from ringfence.tasks.package import package

HEAD = "from torch import nn\nfrom ringfence.tasks import Task\n"
BODY = """
class Mine(Task):
    def __init__(self, hidden, depth=1): self.hidden = hidden
    def model(self, schema): return nn.Linear(len(schema.features), 1)
    def encode(self, rows, schema): return {"x": schema.scaled(rows)}
    def predict(self, model, batch): return model(batch["x"]).squeeze(-1)
    def loss(self, model, batch): return self.predict(model, batch) ** 2
"""


@pytest.fixture
def pack(tmp_path):
    def make(**files: str) -> bytes:
        folder = tmp_path / f"code{len(list(tmp_path.iterdir()))}"
        for name, text in files.items():
            path = folder / (name.replace("__", "/") + ".py")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return package(folder)[0]

    return make


def refusal(path: str, args: dict[str, object], code: bytes | None) -> str:
    with pytest.raises(InvalidTask) as caught:
        load_task(path, args, code)
    line = str(caught.value)
    assert "\n" not in line
    return line


def test_a_built_in_task_is_made_with_its_arguments() -> None:
    task = load_task("ringfence.tasks:TabularClassifier", {"hidden": [3]})
    assert isinstance(task, TabularClassifier) and task.widths.hidden == (3,)


def test_a_task_of_ones_own_may_import_its_neighbours(pack) -> None:
    code = pack(mine_a="from helpers_a import Mine\n", helpers_a=HEAD + BODY)
    assert load_task("mine_a:Mine", {"hidden": 7}, code).hidden == 7


def test_a_package_with_folders_works(pack) -> None:
    code = pack(deep_b____init__="", deep_b__inner=HEAD + BODY)
    assert load_task("deep_b.inner:Mine", {"hidden": 7}, code).hidden == 7


def test_the_same_module_name_in_another_package_is_the_other_code(pack) -> None:
    first = pack(twice_c=HEAD + BODY + "    version = 1\n")
    second = pack(twice_c=HEAD + BODY + "    version = 2\n")
    versions = [load_task("twice_c:Mine", {"hidden": 1}, code).version for code in (first, second, first)]
    assert versions == [1, 2, 1]


def test_the_package_comes_before_a_file_of_the_same_name_in_the_working_folder(pack, tmp_path, monkeypatch) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "local_d.py").write_text("raise RuntimeError('the wrong file')\n")
    monkeypatch.syspath_prepend(str(tmp_path / "here"))
    assert load_task("local_d:Mine", {"hidden": 1}, pack(local_d=HEAD + BODY)).hidden == 1


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (
            "ringfence.tasks",
            "'ringfence.tasks' is not of the form module:Class; e.g. ringfence.tasks:TabularClassifier",
        ),
        ("ringfence.tasks:TabularClassifer", "there is no class 'TabularClassifer'; did you mean 'TabularClassifier'?"),
        ("ringfence.tasks:Task", "'Task' is not a Task"),
        (
            "ringfence.task:TabularClassifier",
            "module 'ringfence.task' is not a built-in one; did you mean 'ringfence.tasks'?",
        ),
        ("os:system", "module 'os' is not a built-in one"),
        ("ringfence.tasks.load:load_task", "module 'ringfence.tasks.load' is not a built-in one"),
    ],
)
def test_without_code_only_built_in_tasks_can_be_named(path: str, expected: str) -> None:
    assert expected in refusal(path, {}, None)


@pytest.mark.parametrize(
    ("path", "args", "expected"),
    [
        ("mine_e:Mine", {"hiden": 3}, "mine_e:Mine args: there is no argument 'hiden'; did you mean 'hidden'?"),
        ("mine_e:Mine", {}, "mine_e:Mine args: argument 'hidden' is required"),
        ("mine_e:Main", {"hidden": 3}, "there is no class 'Main'; did you mean 'Mine'?"),
        ("mine_f:Mine", {"hidden": 3}, "the code package has no module 'mine_f'; did you mean 'mine_e'?"),
        ("mine_e.inner:Mine", {"hidden": 3}, "cannot be imported: No module named 'mine_e.inner'"),
        ("mine_e:nn", {}, "'nn' is not a Task; write `class ...(Task)`"),
        ("json:loads", {}, "the code package has no module 'json'"),
    ],
)
def test_wrong_names_are_answered_with_the_nearest(pack, path: str, args: dict[str, object], expected: str) -> None:
    assert expected in refusal(path, args, pack(mine_e=HEAD + BODY))


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (
            "import pandass\n",
            "cannot be imported at broken_g.py:1: No module named 'pandass'; a package holds all it needs",
        ),
        ("x = 1\ny = 1 / 0\n", "cannot be imported: ZeroDivisionError at broken_g.py:2: division by zero"),
        ("x = (\n", "cannot be imported: SyntaxError at broken_g.py:1: '(' was never closed"),
        (HEAD + BODY.replace("def loss", "def los"), "lacks the method loss; write it; did you mean 'los'?"),
        (
            HEAD + BODY.replace("self.hidden = hidden", "raise ValueError('too deep')"),
            "the constructor raised ValueError at broken_g.py:5: too deep",
        ),
        (HEAD + BODY.replace("(Task)", ""), "'Mine' is not a Task"),
    ],
)
def test_code_that_fails_is_named_with_its_place(pack, source: str, expected: str) -> None:
    assert expected in refusal("broken_g:Mine", {"hidden": 1}, pack(broken_g=source))


def archive(name: str, content: str = "") -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as file:
        file.writestr(name, content)
    return data.getvalue()


@pytest.mark.parametrize("name", ["../escape_h.py", "/escape_h.py", "a/../../escape_h.py", "..\\escape_h.py"])
def test_a_package_cannot_write_outside_its_folder(name: str) -> None:
    assert "names a file outside itself" in refusal("escape_h:X", {}, archive(name))


@pytest.mark.parametrize("name", ["torch.py", "json.py", "ringfence/extra.py", "sys.py"])
def test_a_package_cannot_hide_an_installed_module(name: str) -> None:
    module = name.split("/")[0].removesuffix(".py")
    line = refusal(f"{module}:X" if module != "ringfence" else "other_i:X", {}, archive(name))
    assert f"module {module!r} has the name of an installed one; rename the file" in line
    assert "torch" in sys.modules


@pytest.mark.parametrize("data", [b"", b"not a zip", archive("a.py", "x" * 100)[:60]], ids=["empty", "text", "cut"])
def test_bytes_that_are_no_zip_are_refused(data: bytes) -> None:
    assert "the code package is not a readable zip; make it with `ringfence package DIR`" in refusal("a:X", {}, data)
