"""Keeps the source text of the user's modules as this process loaded them.

Python does not keep the text of imported modules. This module reads the text when a class is
declared and when a run begins. So if a file is edited later, neither the record of a run nor the
imports in its workers change.
"""

from __future__ import annotations

import functools
import itertools
import os
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from pathlib import Path  # imported where it is used, since `import superparams` loads this

__all__ = [
    "INSTALLED",
    "PLAIN_LOADERS",
    "LoadedText",
    "importable_modules",
    "keep_texts",
    "loaded_files",
    "loaded_modules",
    "loaded_text",
    "replace_loaded_text",
    "resolved_file",
    "start_keeping_texts",
    "unload_other_texts",
]

# Folders of installed packages, without code of the user.
INSTALLED: Final = frozenset(
    ("site-packages", "dist-packages", "node_modules", "__pycache__", ".tox", ".nox")
)
_STDLIB = os.path.dirname(os.path.realpath(os.__file__)) + os.sep
_STDLIB_AS_NAMED = os.path.dirname(os.__file__) + os.sep
_OURS = os.path.dirname(os.path.dirname(os.path.realpath(__file__))) + os.sep
# Loaders that run the text of a file as it is; others may change it.
PLAIN_LOADERS: Final = ("SourceFileLoader", "KeptLoader")
_numbers = itertools.count(1)


@dataclass(eq=False)
class LoadedText:
    """The text of one loaded module.

    Attributes:
        text: The content of its file when it was read.
        is_sure: Whether this text was certainly loaded; otherwise the file may have been written
            between the import and the reading.
        stamp: The times, size and inode number of the file when it was read.
        old_copy: The path of Python's compiled copy if that is older than the file.
        number: A number that differs for each kept text.
    """

    text: bytes
    is_sure: bool
    stamp: tuple[int, ...]
    module: ModuleType | None = field(default=None, repr=False)
    spec: object = field(default=None, repr=False)
    old_copy: str | None = None
    number: int = field(default_factory=lambda: next(_numbers))


_held: dict[str, LoadedText] = {}  # by the resolved path of the file
# The resolved path of each `__file__`, as it was at the import: a link may lead elsewhere later.
# It is empty for modules of others.
_paths: dict[str, str] = {}
_checked_count: list[int] = [0]  # the number of loaded modules when all of them were last checked


def keep_texts(name: str | None = None) -> None:
    """Keep the text of modules that were loaded or reloaded since the last call.

    Args:
        name: A module in which a class was just declared: other modules are checked only if more
            modules are loaded than before. Without a name, all modules are checked.
    """
    if name is not None and name.partition(".")[0] == "superparams":
        return
    if name is not None and len(sys.modules) == _checked_count[0]:
        module = sys.modules.get(name)
        if module is not None:
            _look_at(module)
        return
    _checked_count[0] = len(sys.modules)
    for module in list(sys.modules.values()):
        _look_at(module)


def start_keeping_texts() -> None:
    """Keep the text of all loaded modules, and in IPython also of those that each cell loads."""
    keep_texts()
    get_ipython = getattr(sys.modules.get("IPython"), "get_ipython", None)
    shell = None if get_ipython is None else get_ipython()
    if shell is not None:
        shell.events.register("post_run_cell", _after_cell)


def _after_cell(result: object) -> None:
    keep_texts()


def loaded_text(path: Path) -> LoadedText | None:
    """The text of the module that was loaded from the file at this resolved path."""
    return _text_at(str(path))


def _text_at(path: str) -> LoadedText | None:
    held = _held.get(path)
    if held is None or held.module is None:
        return None
    return held if sys.modules.get(held.module.__name__) is held.module else None


def resolved_file(file: str) -> str:
    """The resolved path of the `__file__` of a module, as it was when the module was imported."""
    return _paths.get(file) or os.path.realpath(file)


def importable_modules(paths: Iterable[Path]) -> dict[str, tuple[str, str]]:
    """The names of the modules that Python itself loaded from these resolved paths.

    Returns:
        The `__file__` and the resolved path of each module, by its name. The script that was
        started is left out, and so are modules of other loaders, which change what they load.
    """
    found: dict[str, tuple[str, str]] = {}
    for path in paths:
        held = loaded_text(path)
        module = None if held is None else held.module
        if module is not None and not _is_main(module):
            names = vars(module)
            if type(names.get("__loader__")).__name__ in PLAIN_LOADERS:
                found[module.__name__] = (names["__file__"], str(path))
    return found


def replace_loaded_text(path: Path, text: bytes) -> None:
    """Record that the module loaded from `path` was changed in place and now runs this text."""
    before = _held[str(path)]
    _held[str(path)] = LoadedText(text, True, file_stamp(str(path)), before.module, before.spec)


def loaded_modules(paths: Mapping[Path, Any]) -> Iterator[tuple[Path, ModuleType]]:
    """The loaded modules of the files at these resolved paths, if their text is kept."""
    for path in paths:
        held = loaded_text(path)
        if held is not None and held.module is not None:
            yield path, held.module


def loaded_files() -> list[Path]:
    """The files of all modules whose text is kept, except the script that was started."""
    from pathlib import Path

    return [Path(path) for path, one in _held.items() if not _is_main(one.module)]


def unload_other_texts(texts: Mapping[str, bytes]) -> None:
    """Unload the modules of these files if one of them was loaded from another text.

    A process that was used for an earlier run then imports them again, from the present texts.
    """
    keep_texts()
    found = [(path, _text_at(path)) for path in texts]
    held = {path: one for path, one in found if one is not None and not _is_main(one.module)}
    if all(one.text == texts[path] for path, one in held.items()):
        return
    modules = [one.module for one in held.values()]
    for name, module in list(sys.modules.items()):
        if any(module is one for one in modules):
            del sys.modules[name]


def _is_main(module: ModuleType | None) -> bool:
    return module is None or module.__name__ in ("__main__", "__mp_main__")


def _look_at(module: ModuleType) -> None:
    # Not by an attribute of the module, since that would load a lazily loaded module.
    try:
        names: dict[str, Any] = object.__getattribute__(module, "__dict__")
    except AttributeError:
        return
    file = names.get("__file__")
    if not isinstance(file, str):
        return
    path = _paths.get(file)
    if path is None:
        path = _paths[file] = _own_path(file)
    if not path:
        return
    before, spec = _held.get(path), names.get("__spec__")
    if before is not None and before.spec is not spec:  # reloaded: a link may lead elsewhere now
        path = _paths[file] = _own_path(file)
        before = _held.get(path)
    if before is None or _is_replaced(before, module, spec):
        _hold_file(path, module, names, spec)


def _is_replaced(before: LoadedText, module: ModuleType, spec: object) -> bool:
    """Whether the module was reloaded, or another one has taken its place."""
    if before.module is module:
        return before.spec is not spec
    # A script can be loaded twice, as `__main__` and by its name: the first one counts.
    return all(one is not before.module for one in list(sys.modules.values()))


def _own_path(file: str) -> str:
    if not file.endswith(".py"):
        return ""
    if file.startswith(_STDLIB_AS_NAMED) and "-packages" not in file:
        return ""  # most loaded modules; to resolve all of their paths takes milliseconds
    folder, name = os.path.split(file)
    path = os.path.realpath(file) if os.path.islink(file) else _resolved(folder) + os.sep + name
    is_foreign = path.startswith((_STDLIB, _OURS))
    return "" if is_foreign or not INSTALLED.isdisjoint(path.split(os.sep)) else path


@functools.cache
def _resolved(folder: str) -> str:
    return os.path.realpath(folder).rstrip(os.sep)


def _hold_file(path: str, module: ModuleType, names: Mapping[str, Any], spec: Any) -> None:
    text = getattr(names.get("__loader__"), "kept_text", None)
    if isinstance(text, bytes):  # imported in a run, from the texts that the run keeps
        _held[path] = LoadedText(text, True, (), module, spec)
        return
    try:
        with open(path, "rb") as opened:
            status = os.fstat(opened.fileno())
            text = opened.read()
    except OSError:
        return
    copy = names.get("__cached__")
    old_copy = copy if isinstance(copy, str) and _is_older(copy, status) else None
    is_sure = old_copy is None and not _is_written_since(status)
    _held[path] = LoadedText(text, is_sure, _stamp(status), module, spec, old_copy)


def _is_older(compiled: str, status: os.stat_result) -> bool:
    """Whether compiled code is older than its file; Python itself compares whole seconds only."""
    try:
        return os.stat(compiled).st_mtime_ns < status.st_mtime_ns
    except OSError:
        return False


def file_stamp(path: str) -> tuple[int, ...]:
    """Times, size and inode number of a file; empty if it does not exist."""
    try:
        return _stamp(os.stat(path))
    except OSError:
        return ()


def _stamp(status: os.stat_result) -> tuple[int, ...]:
    return (status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino)


def _is_written_since(status: os.stat_result) -> bool:
    """Whether a file was written, renamed or touched after this process began."""
    return max(status.st_mtime, status.st_ctime) > _process_start()


_loaded_at = time.time()
_start: list[float] = []


def _process_start() -> float:
    """When this process began, in seconds since 1970; where unknown, when this was loaded."""
    if not _start:
        _start.append(_loaded_at)
        with suppress(OSError, AttributeError, ValueError, IndexError):
            with open("/proc/self/stat", encoding="utf-8") as stat:
                fields = stat.read().rpartition(")")[2].split()
            ticks = int(fields[19])  # field 22 of proc(5): start time after boot
            age = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
            _start[0] = time.time() - age
    return _start[0]
