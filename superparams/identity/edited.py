"""Files that were edited after this process imported them: the run uses the code it started with.

What is on disk is then not what runs. Only files written after the process began are looked at;
of these the text is compiled and compared with the functions and literals in memory.
"""

from __future__ import annotations

import ast
import os
import sys
import time
import types
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from superparams.content import same
from superparams.identity.compiled import code_form, compiled_functions, plain_functions
from superparams.identity.names import class_of
from superparams.identity.project import Source
from superparams.identity.reach import Reach

__all__ = ["edited_since_import"]

_loaded_at = time.time()


def _process_start() -> float:
    """When this process began, in seconds since 1970; where unknown, when this was loaded."""
    try:
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        ticks = int(fields[19])  # field 22 of proc(5): start time after boot
        age = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, AttributeError, ValueError, IndexError):
        return _loaded_at
    return time.time() - age


def edited_since_import(reach: Reach) -> tuple[dict[str, bytes], list[str]]:
    """The parts that differ in memory, with what is there instead; and notes for the user."""
    start = _process_start()
    fresh = [source for path, source in reach.files.items() if _written(path) > start]
    edited: dict[str, bytes] = {}
    notes: list[str] = []
    modules = _modules_by_file() if fresh else {}
    for source in fresh:
        module = modules.get(source.path)
        found = dict(_edited(source, module, reach)) if module is not None else {}
        if found:
            edited.update(found)
            notes.append(
                f"{source.path.name} was edited after it was imported: the run uses "
                f"{', '.join(sorted(found))} as they were, and its outcomes will be stale"
            )
    return edited, notes


def _written(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:  # removed since it was read
        return 0.0


def _modules_by_file() -> dict[Path, types.ModuleType]:
    found: dict[Path, types.ModuleType] = {}
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        loader = getattr(getattr(module, "__spec__", None), "loader", None)
        loader = loader or getattr(module, "__loader__", None)
        # Other loaders change what they load (pytest rewrites assert): no comparison is possible.
        if file is not None and type(loader).__name__ == "SourceFileLoader":
            found[Path(file).resolve()] = module
    return found


def _edited(source: Source, module: types.ModuleType, reach: Reach) -> Iterator[tuple[str, bytes]]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            written = compiled_functions(source.text, str(source.path))
    except (SyntaxError, ValueError):
        written = {}
    for name, function in _functions(module, source.path):
        form = code_form(function.__code__)
        if form not in map(code_form, written.get(function.__qualname__, ())):
            part = _nearest(f"{source.name}.{name}", reach)
            if part is not None:
                yield part, b"in memory " + form
    for name, bindings in source.bindings.items():
        part = f"{source.name}.{name}"
        # A table that is filled later differs from its text without an edit.
        filled = any(chain[0] == name for chain, _ in source.effects)
        if part in reach.parts and len(bindings) == 1 and not filled:
            value = getattr(bindings[0].node, "value", None)
            if isinstance(value, ast.expr) and _is_other(value, getattr(module, name, value)):
                yield part, b"in memory " + repr(getattr(module, name)).encode()


def _functions(module: types.ModuleType, path: Path) -> Iterator[tuple[str, types.FunctionType]]:
    """The functions of `module` that come from the file at `path`, with their names."""
    for name, value in list(vars(module).items()):
        inner: dict[str, Any] = {name: value}
        if isinstance(value, type) and value.__module__ == module.__name__:
            inner = {f"{name}.{attribute}": item for attribute, item in vars(value).items()}
        for full, item in inner.items():
            for function in plain_functions(item):
                if Path(function.__code__.co_filename).resolve() == path:
                    yield full, function


def _nearest(name: str, reach: Reach) -> str | None:
    """The part that `name` belongs to: a method that the text no longer has is of its class."""
    if name in reach.parts:
        return name
    outer = name.rpartition(".")[0]
    is_class = f"{outer}." in "".join(f"{part}\n" for part in reach.parts)
    return outer if outer in reach.parts and is_class else None


def _is_other(written: ast.expr, value: object) -> bool:
    """Whether a literal in the text is not the value in memory; an empty one may be a cache."""
    try:
        literal: Any = ast.literal_eval(written)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return False
    is_empty = not literal and class_of(literal) in (list, dict, set)
    return class_of(literal) is not class_of(value) or not (is_empty or same(literal, value))
