"""`module:Class` and arguments -> a task.

Without a code package only the built-in tasks can be named. With one, the class comes from the package; whether its
digest is approved is for the caller to settle first, because importing runs it.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping
from pathlib import PurePath
from types import ModuleType
from typing import Any

from ringfence.errors import InvalidTask
from ringfence.schema.spelling import hint
from ringfence.tasks.code import unpacked
from ringfence.tasks.faults import at, one_line, task_step
from ringfence.tasks.task import Task

_BUILT_IN = "ringfence.tasks"


def load_task(class_path: str, args: Mapping[str, Any], code: bytes | None = None) -> Task:
    """The task that `class_path` names, made with `args`, from the zip `code` if given.

    Raises InvalidTask in one line: the class or an argument does not exist (with the nearest right spelling), a method
    is missing, the import or the constructor failed (with the place).
    """
    module_name, _, class_name = class_path.partition(":")
    if not module_name or not class_name.isidentifier():
        raise InvalidTask(
            f"{class_path!r} is not of the form module:Class", remedy=f"e.g. {_BUILT_IN}:TabularClassifier"
        )
    cls = _find(_module(module_name, class_path, code), class_name, class_path)
    absent = sorted(getattr(cls, "__abstractmethods__", ()))
    if absent:
        extra = [name for name in vars(cls) if not name.startswith("_")]
        close = hint(absent[0], extra) if extra else ""
        raise InvalidTask(
            f"lacks the method{'s' if len(absent) > 1 else ''} {', '.join(absent)}",
            where=class_path,
            remedy=f"write it; {close}"
            if close.startswith("did you mean")
            else "every task has model, encode, predict, loss",
        )
    _check_arguments(cls, args, class_path)
    with task_step("the constructor", class_path, show_text=True):
        return cls(**args)


def _module(name: str, class_path: str, code: bytes | None) -> ModuleType:
    if code is not None and name.partition(".")[0] != "ringfence":
        return _import(name, class_path, unpacked(code))
    if name != _BUILT_IN:
        raise InvalidTask(
            f"module {name!r} is not a built-in one",
            where=class_path,
            remedy=f"{hint(name, [_BUILT_IN])}, or give your own code (--code DIR, or task.code in the job)",
        )
    return importlib.import_module(name)


def _import(name: str, class_path: str, top_level: frozenset[str]) -> ModuleType:
    if name.partition(".")[0] not in top_level:
        raise InvalidTask(f"the code package has no module {name!r}", where=class_path, remedy=hint(name, top_level))
    importlib.invalidate_caches()
    try:
        return importlib.import_module(name)
    except SyntaxError as error:
        file = PurePath(error.filename or "").name
        raise InvalidTask(
            f"cannot be imported: SyntaxError at {file}:{error.lineno}: {error.msg}", where=class_path
        ) from error
    except ImportError as error:
        remedy = "a package holds all it needs; nothing is installed where it runs"
        place = at(error.__traceback__) if error.name != name else ""
        message = f"cannot be imported{place}: {one_line(error)}"
        raise InvalidTask(message, where=class_path, remedy=remedy) from error
    except Exception as error:
        message = f"cannot be imported: {type(error).__name__}{at(error.__traceback__)}: {one_line(error)}"
        raise InvalidTask(message, where=class_path) from error


def _find(module: ModuleType, name: str, class_path: str) -> type[Task]:
    found = getattr(module, name, None)
    tasks = [key for key, value in vars(module).items() if _is_task(value)]
    if found is None:
        raise InvalidTask(f"there is no class {name!r}", where=class_path, remedy=hint(name, tasks))
    if not _is_task(found):
        remedy = "write `class ...(Task)` with `from ringfence.tasks import Task`"
        raise InvalidTask(f"{name!r} is not a Task", where=class_path, remedy=remedy)
    cls: type[Task] = found
    return cls


def _is_task(value: object) -> bool:
    return inspect.isclass(value) and issubclass(value, Task) and value is not Task


def _check_arguments(cls: type[Task], args: Mapping[str, Any], class_path: str) -> None:
    parameters = inspect.signature(cls).parameters
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        return
    known = [name for name, parameter in parameters.items() if parameter.kind is not parameter.VAR_POSITIONAL]
    for name in args:
        if name not in known:
            raise InvalidTask(f"there is no argument {name!r}", where=f"{class_path} args", remedy=hint(name, known))
    for name in known:
        if parameters[name].default is inspect.Parameter.empty and name not in args:
            raise InvalidTask(f"argument {name!r} is required", where=f"{class_path} args")
