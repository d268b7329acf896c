"""Keeps the source text of the user's modules as this process loaded them.

Python does not keep the text of imported modules. This module reads the text when a class is
declared and when a run begins. A later edit of the file then changes neither the record of a run
nor the imports in its workers.
"""

from __future__ import annotations

import functools
import itertools
import os
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from pathlib import Path  # imported on use, since `import superparams` loads this module

__all__ = [
    "INSTALLED",
    "PLAIN_LOADERS",
    "LoadedText",
    "file_stamp",
    "importable_modules",
    "is_loaded_or_on_disk",
    "is_of_project",
    "keep_texts",
    "loaded_files",
    "loaded_modules",
    "loaded_text",
    "project_modules",
    "replace_loaded_text",
    "resolved_file",
    "start_keeping_texts",
    "unload_other_texts",
]

# Names of folders with installed packages, which are not the user's code.
INSTALLED: Final = frozenset(
    ("site-packages", "dist-packages", "node_modules", "__pycache__", ".tox", ".nox")
)
_STDLIB = os.path.dirname(os.path.realpath(os.__file__)) + os.sep
_UNRESOLVED_STDLIB = os.path.dirname(os.__file__) + os.sep
_SUPERPARAMS = os.path.dirname(os.path.dirname(os.path.realpath(__file__))) + os.sep
# Loaders that run the text of a file as it is; others may change it.
PLAIN_LOADERS: Final = ("SourceFileLoader", "KeptLoader")
_numbers = itertools.count(1)
_loaded_at = time.time()


class LoadedText:
    """The text of one loaded module.

    Attributes:
        text: The content of the file when it was read.
        is_sure: Whether this text was certainly loaded. Otherwise the file may have been written
            between the import and the reading.
        stamp: The `file_stamp` of the file when it was read.
        module: The module.
        spec: The `__spec__` of the module, which is another one after a reload.
        old_copy: The path of Python's compiled copy if the copy is older than the file.
        number: A number that differs for each kept text.
    """

    __slots__ = ("is_sure", "module", "number", "old_copy", "spec", "stamp", "text")

    def __init__(
        self,
        text: bytes,
        is_sure: bool,
        stamp: tuple[int, ...],
        module: ModuleType | None = None,
        spec: object = None,
        old_copy: str | None = None,
    ) -> None:
        self.text = text
        self.is_sure = is_sure
        self.stamp = stamp
        self.module = module
        self.spec = spec
        self.old_copy = old_copy
        self.number = next(_numbers)


_texts: dict[str, LoadedText] = {}  # by the resolved path of the file
# The resolved path of each `__file__` at the import, since a link may change later. It is empty for
# modules that are not the user's.
_paths: dict[str, str] = {}
# Modules that are not the user's, by the names in `sys.modules`. Most modules are here: checking
# them again would take a millisecond, and several in a fork, which copies the memory that it reads.
_others: dict[str, ModuleType] = {}
_n_checked: list[int] = [0]  # the number of loaded modules when all of them were last checked


def keep_texts(name: str | None = None) -> None:
    """Keep the text of modules that were loaded or reloaded since the last call.

    Args:
        name: A module in which a class was just declared. Of the other modules, only those that
            were loaded since are then checked.
    """
    if name is not None and name.partition(".")[0] == "superparams":
        return
    n_new = len(sys.modules) - _n_checked[0]
    if name is None or n_new < 0:
        modules = list(sys.modules.copy().items())
    else:  # the newest modules come last
        modules = list(itertools.islice(reversed(sys.modules.items()), n_new))[::-1]
        modules += [(name, sys.modules[name])] if name in sys.modules else []
    _n_checked[0] += n_new
    for imported_as, module in modules:
        if _others.get(imported_as) is not module:
            _keep_text(module, imported_as)


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
    return _loaded_text(str(path))


def _loaded_text(path: str) -> LoadedText | None:
    text = _texts.get(path)
    if text is None or text.module is None:
        return None
    return text if sys.modules.get(text.module.__name__) is text.module else None


def is_loaded_or_on_disk(path: Path) -> bool:
    """Whether there is a file at this resolved path, or was when a module was loaded from it."""
    return path.is_file() or loaded_text(path) is not None


def resolved_file(file: str) -> str:
    """The resolved path of the `__file__` of a module at the time of its import."""
    return _paths.get(file) or os.path.realpath(file)


def importable_modules(paths: Iterable[Path]) -> dict[str, tuple[str, str]]:
    """The names of the modules that Python itself loaded from these resolved paths.

    Returns:
        The `__file__` and the resolved path of each module, by its name. The script that was
        started is left out, and so are modules of other loaders, which may change the text.
    """
    modules = {path: module for path, module in loaded_modules(paths) if not _is_main(module)}
    return {
        module.__name__: (vars(module)["__file__"], str(path))
        for path, module in modules.items()
        if type(vars(module).get("__loader__")).__name__ in PLAIN_LOADERS
    }


def replace_loaded_text(path: Path, text: bytes) -> None:
    """Record that the module loaded from `path` was changed in place and now runs this text."""
    old = _texts[str(path)]
    _texts[str(path)] = LoadedText(text, True, file_stamp(str(path)), old.module, old.spec)


def loaded_modules(paths: Iterable[Path]) -> Iterator[tuple[Path, ModuleType]]:
    """The loaded modules of the files at these resolved paths, if their text is kept."""
    for path in paths:
        text = loaded_text(path)
        if text is not None and text.module is not None:
            yield path, text.module


def loaded_files() -> list[Path]:
    """The files of all modules whose text is kept, except the script that was started."""
    from pathlib import Path

    return [Path(path) for path, text in _texts.items() if not _is_main(text.module)]


def project_modules() -> list[str]:
    """The names of the loaded modules that are neither installed nor of Python itself."""
    keep_texts()
    loaded = [text.module for text in _texts.values() if not _is_main(text.module)]
    return [
        module.__name__
        for module in loaded
        if module and sys.modules.get(module.__name__) is module
    ]


def is_of_project(file: str) -> bool:
    """Whether a module of this file would be the user's, and not an installed one."""
    return bool(_own_path(file))


def unload_other_texts(texts: Mapping[str, bytes]) -> None:
    """Unload the modules of these files if one of them was loaded from another text.

    A process that was used for an earlier run then imports them again, from the present texts.
    """
    if _texts or len(sys.modules) != _n_checked[0]:
        keep_texts()
    loaded = [(path, _loaded_text(path)) for path in texts]
    own = {path: text for path, text in loaded if text is not None and not _is_main(text.module)}
    if all(text.text == texts[path] for path, text in own.items()):
        return
    for name, module in list(sys.modules.copy().items()):
        if any(module is text.module for text in own.values()):
            del sys.modules[name]


def _is_main(module: ModuleType | None) -> bool:
    return module is None or module.__name__ in ("__main__", "__mp_main__")


def _keep_text(module: ModuleType, imported_as: str) -> None:
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
        _others[imported_as] = module
        return
    old, spec = _texts.get(path), names.get("__spec__")
    if old is not None and old.spec is not spec:  # reloaded: a link may have another target now
        path = _paths[file] = _own_path(file)
        old = _texts.get(path)
    if old is None or _is_replaced(old, module, spec):
        text = _read_text(module, names, path)
        if text is not None:
            _texts[path] = text


def _is_replaced(old: LoadedText, module: ModuleType, spec: object) -> bool:
    """Whether the module was reloaded, or replaced by another module."""
    if old.module is module:
        return old.spec is not spec
    # A script can be loaded twice, as `__main__` and by its name: the first one counts.
    return all(x is not old.module for x in list(sys.modules.values()))


def _own_path(file: str) -> str:
    """The resolved path of a file of the user; empty for other files."""
    if not file.endswith(".py"):
        return ""
    if file.startswith(_UNRESOLVED_STDLIB) and "-packages" not in file:
        return ""  # most modules; to resolve all of their paths would take milliseconds
    folder, name = os.path.split(file)
    path = os.path.realpath(file) if os.path.islink(file) else _resolved(folder) + os.sep + name
    if path.startswith((_STDLIB, _SUPERPARAMS)) or not INSTALLED.isdisjoint(path.split(os.sep)):
        return ""
    return path


@functools.cache
def _resolved(folder: str) -> str:
    return os.path.realpath(folder).rstrip(os.sep)


def _read_text(module: ModuleType, names: Mapping[str, object], path: str) -> LoadedText | None:
    spec = names.get("__spec__")
    text = getattr(names.get("__loader__"), "kept_text", None)
    if isinstance(text, bytes):  # imported in a run, from the texts that the run keeps
        return LoadedText(text, True, (), module, spec)
    try:
        with open(path, "rb") as file:
            status = os.fstat(file.fileno())
            text = file.read()
    except OSError:
        return None
    copy = names.get("__cached__")
    old_copy = copy if isinstance(copy, str) and _is_older(copy, status) else None
    # A file that was written, renamed or touched after this process began may be a newer one.
    is_newer = max(status.st_mtime, status.st_ctime) > _process_start()
    is_sure = old_copy is None and not is_newer
    return LoadedText(text, is_sure, _stamp(status), module, spec, old_copy)


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


@functools.cache
def _process_start() -> float:
    """When this process began, in seconds since 1970; if unknown, when this module was loaded."""
    with suppress(OSError, AttributeError, ValueError, IndexError):
        with open("/proc/self/stat", encoding="utf-8") as stat:
            fields = stat.read().rpartition(")")[2].split()
        ticks = int(fields[19])  # field 22 of proc(5): start time after boot
        age = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
        return time.time() - age
    return _loaded_at
