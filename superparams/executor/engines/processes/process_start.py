"""How a fresh process becomes a template or a worker, also if the program is no Python.

A Python is started with ``-c``. A frozen application (PyInstaller, cx_Freeze, Nuitka) can only
start itself again. The new process runs the main module of the application. As soon as that imports
superparams, the process becomes a template or a worker, and so never runs the rest of the module.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from typing import Final, NoReturn, cast

__all__ = ["VARIABLE", "become", "command", "environ", "is_frozen", "search_path"]

# Set for a process that is started: what it is to become, and the numbers that its `main` takes.
VARIABLE: Final = "SUPERPARAMS_PROCESS"
_CODE: Final = (
    "import os, sys; os.environ.pop('SUPERPARAMS_PROCESS', None); sys.path[:] = eval(sys.argv[1]); "
    "from superparams.executor.engines.processes.{role} import main; main(*map(int, sys.argv[2:]))"
)


def is_frozen() -> bool:
    """Whether `sys.executable` is an application and no Python."""
    main = sys.modules.get("__main__")
    return bool(getattr(sys, "frozen", False)) or "__compiled__" in vars(main or sys)


def search_path() -> list[str]:
    """The folders that this process imports from; imports skip other entries, too."""
    path = cast("list[object]", sys.path)
    return [folder for folder in path if isinstance(folder, str)]


def command(role: str, path: Sequence[str], *numbers: int) -> list[str]:
    """The command of a fresh process that becomes a ``"template"`` or a ``"worker_main"``.

    It takes `environ` of the same role and numbers, those that `main` of that module takes.
    """
    if is_frozen():
        return [sys.executable]
    code = _CODE.format(role=role)
    return [sys.executable, *_flags(), "-c", code, repr(list(path)), *map(str, numbers)]


def environ(role: str, *numbers: int) -> dict[str, str]:
    """The variable by which a restarted application knows what to become."""
    return {VARIABLE: " ".join([role, *map(str, numbers)])}


def become() -> NoReturn:
    """Become a template or a worker; called when this process imports superparams."""
    _end_imports()
    role, *numbers = os.environ.pop(VARIABLE).split()
    *others, parent = map(int, numbers)
    if is_frozen():  # an application may have unpacked itself in a process between
        parent = os.getppid()
    importlib.import_module(f"superparams.executor.engines.processes.{role}").main(*others, parent)
    os._exit(0)


def _end_imports() -> None:
    """Forget half-imported modules, and mark superparams as imported."""
    for name, module in list(sys.modules.copy().items()):
        spec = getattr(module, "__spec__", None)
        if spec is not None and getattr(spec, "_initializing", False):
            if name == "superparams":
                vars(spec)["_initializing"] = False  # threads would wait for its end
            else:
                del sys.modules[name]


def _flags() -> list[str]:
    """The interpreter's own options."""
    flags = [f"-W{option}" for option in sys.warnoptions]
    for name, value in sys._xoptions.items():  # pyright: ignore[reportPrivateUsage]
        flags.append(f"-X{name}" if value is True else f"-X{name}={value}")
    for letter, on in (("O", sys.flags.optimize), ("E", sys.flags.ignore_environment)):
        flags += [f"-{letter * int(on)}"] if on else []
    for letter, on in (("B", sys.flags.dont_write_bytecode), ("s", sys.flags.no_user_site)):
        flags += [f"-{letter}"] if on else []
    return flags
