"""Finds files that were edited after this process imported them. A run uses the imported text.

`superparams.identity.source_texts` keeps the text of imported modules. If a file may have been
written between its import and the reading, the kept text is compiled and compared with the
functions in memory.
"""

from __future__ import annotations

import ast
import functools
import marshal
import os
import struct
import types
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.util import decode_source
from pathlib import Path
from typing import Any, cast

from superparams.adapters.content import holds_mutable, same
from superparams.identity.code.compiled_functions import (
    closure_values,
    code_form,
    compiled_functions,
    plain_functions,
)
from superparams.identity.code.main_script import set_by_script
from superparams.identity.code.module_source import Source
from superparams.identity.code.reach import Reach
from superparams.identity.code.syntax import parsed
from superparams.identity.module_names import class_of
from superparams.identity.source_texts import (
    PLAIN_LOADERS,
    LoadedText,
    file_stamp,
    loaded_modules,
    loaded_text,
    replace_loaded_text,
    resolved_file,
)

__all__ = ["Edits", "find_edits", "take_new_texts"]

_Functions = dict[Path, list[types.FunctionType]]
# What precedes the code in a compiled copy: flags, and the time and size of its file; see PEP 552.
_HEADER_OF_COPY = struct.Struct("<4xIII")
_CONSTANTS = (int, float, complex, str, bytes, bool, tuple)
# Expressions of these nodes have no side effect and always the same value.
_CONSTANT_NODES = (
    *(ast.Constant, ast.UnaryOp, ast.BinOp, ast.operator, ast.unaryop, ast.Tuple, ast.List),
    *(ast.Dict, ast.Set, ast.Load),
)


@dataclass
class Edits:
    """The differences between the imported modules and their files now.

    Attributes:
        names: The parts that differ.
        unknown: The parts in memory whose text is not known, with a form of their code or value.
        notes: Sentences for the user about both.
        old_copies: Compiled copies that Python has loaded although they are older than the file.
    """

    names: set[str] = field(default_factory=set[str])
    unknown: dict[str, bytes] = field(default_factory=dict[str, bytes])
    notes: list[str] = field(default_factory=list[str])
    old_copies: list[str] = field(default_factory=list[str])


def take_new_texts(reach: Reach, classes: Iterable[type[Any]]) -> bool:
    """Keep the new text of modules that were changed in place.

    Tools that reload automatically put new code into the functions of a loaded module.

    Returns:
        Whether there was such a module.
    """
    has_changed = False
    functions: _Functions | None = None
    for source, loaded in _possibly_edited(reach):
        new = _read(source.path)
        if new is None or new == loaded.text:
            continue
        if functions is None:
            functions = _functions_by_file(reach, classes)
        own = functions.get(source.path, [])
        if not _differing_functions(own, source, new) and _is_closer(source, own, loaded, new):
            replace_loaded_text(source.path, new)
            has_changed = True
    return has_changed


def find_edits(reach: Reach, classes: Iterable[type[Any]], on_disk: Callable[[], Reach]) -> Edits:
    """The edits of the files that `reach` has reached.

    Args:
        reach: The code that counts, by the imported texts.
        classes: The experiment classes.
        on_disk: Reaches the same code in the present files; called only if a file was edited.
    """
    edits = Edits()
    doubtful = list(_possibly_edited(reach))
    if not doubtful:
        return edits
    functions = _functions_by_file(reach, classes)
    edited: list[Source] = []
    for source, loaded in doubtful:
        others = _differing_functions(functions.get(source.path, []), source, loaded.text)
        parts = {name: code_form(x.__code__) for x in others for name in _part_of(x, source, reach)}
        if not loaded.is_sure:
            parts |= dict(_differing_constants(source, loaded, reach))
        if loaded.old_copy and not parts and _has_plain_loader(loaded):
            parts |= dict(_of_outdated_copy(source, loaded.old_copy, loaded.text))
        if parts:
            edits.unknown |= {name: b"in memory " + form for name, form in parts.items()}
            edits.old_copies += [loaded.old_copy] if loaded.old_copy else []
            edits.notes.append(
                f"{source.path.name} was edited after it was imported, and the imported text is "
                f"not known: {', '.join(sorted(parts))} in memory differs from the file"
            )
        elif _read(source.path) != loaded.text:
            edited.append(source)
    if edited:
        _compare(reach, on_disk(), edited, edits)
    return edits


def _has_plain_loader(loaded: LoadedText) -> bool:
    """Whether Python's own loader has loaded the module; others may not use compiled copies."""
    return type(getattr(loaded.spec, "loader", None)).__name__ in PLAIN_LOADERS


def _of_outdated_copy(source: Source, copy: str, text: bytes) -> Iterator[tuple[str, bytes]]:
    """The module itself, with a form of its code, if Python has loaded code of another text.

    Statements in the body of a class, such as points, are in no function and no constant.
    """
    with suppress(OSError, ValueError, EOFError, TypeError, SyntaxError):
        status, data = os.stat(source.path), Path(copy).read_bytes()
        flags, seconds, size = _HEADER_OF_COPY.unpack_from(data)
        stamp = int(status.st_mtime) & 0xFFFFFFFF, status.st_size & 0xFFFFFFFF
        if flags or (seconds, size) != stamp:
            return  # Python has not used the copy, and has compiled the text
        code = marshal.loads(data[_HEADER_OF_COPY.size :])
        now = compile(text, str(source.path), "exec", dont_inherit=True)
        if code_form(code) != code_form(now):
            yield source.name, code_form(code)


def _compare(loaded: Reach, now: Reach, edited: Iterable[Source], edits: Edits) -> None:
    before, after = ({n: x.forms for n, x in reach.parts.items()} for reach in (loaded, now))
    names = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    for source in edited:
        own = sorted(name for name in names if name.startswith(f"{source.name}."))
        if own:
            how = "edited" if source.path.is_file() else "removed"
            edits.names.update(own)
            edits.notes.append(
                f"{source.path.name} was {how} after it was imported: the run uses the imported "
                f"text of {', '.join(own)}; with the text of the file, its outcomes are stale"
            )


def _possibly_edited(reach: Reach) -> Iterator[tuple[Source, LoadedText]]:
    """The modules whose text in memory may differ from the kept text or from the file."""
    for path, source in reach.files.items():
        loaded = loaded_text(path)
        if loaded and not (loaded.is_sure and loaded.stamp == file_stamp(str(path))):
            yield source, loaded


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


def _functions_by_file(reach: Reach, classes: Iterable[type[Any]]) -> _Functions:
    """All functions in memory of the reached modules, by the file that defines each function."""
    modules = dict(loaded_modules(reach.files))
    names = {module.__name__ for module in modules.values()}
    todo: list[object] = [x for module in modules.values() for x in vars(module).copy().values()]
    todo += [parent for cls in classes for parent in cls.__mro__]
    done: dict[int, object] = {}
    functions: _Functions = {}
    while todo:
        value = todo.pop()
        if id(value) in done:
            continue
        done[id(value)] = value
        if isinstance(value, type):
            todo += vars(value).values() if value.__module__ in names else ()
            continue
        if isinstance(value, functools.partial):
            todo.append(cast("Any", value).func)
            continue
        for function in _plain_functions(value):
            done[id(function)] = function
            functions.setdefault(_resolved(function.__code__.co_filename), []).append(function)
            # A decorator closes over the function that it wraps.
            inner = (x for _, x in closure_values(function) if isinstance(x, types.FunctionType))
            todo += (x for x in inner if x is not function)
    return functions


def _plain_functions(value: object) -> Iterator[types.FunctionType]:
    with suppress(Exception):  # an object with dynamic attributes
        yield from plain_functions(value)


@functools.lru_cache(maxsize=4096)
def _resolved(file: str) -> Path:
    return Path(resolved_file(file))


def _differing_functions(
    functions: Iterable[types.FunctionType], source: Source, text: bytes
) -> list[types.FunctionType]:
    """The functions whose code differs from the compiled `text`."""
    loaded = loaded_text(source.path)
    # Other loaders may change the code (pytest rewrites assert), so it cannot be compared.
    loader = getattr(loaded and loaded.module, "__loader__", None)
    if type(loader).__name__ not in PLAIN_LOADERS:
        return []
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compiled = compiled_functions(decode_source(text), str(source.path))
    except (SyntaxError, ValueError):
        return list(functions)
    forms = {name: set(map(code_form, codes)) for name, codes in compiled.items()}
    return [x for x in functions if code_form(x.__code__) not in _forms_of_name(x, forms)]


def _forms_of_name(function: types.FunctionType, forms: dict[str, set[bytes]]) -> set[bytes]:
    code = function.__code__
    # A decorator may give a function another name; the code keeps its own name.
    name: str | None = getattr(code, "co_qualname", None)  # since Python 3.11
    if name is not None:
        return forms.get(name, set())
    last = code.co_name
    return set[bytes]().union(*(f for n, f in forms.items() if n.rpartition(".")[2] == last))


def _part_of(function: types.FunctionType, source: Source, reach: Reach) -> Iterator[str]:
    """The part of a function: itself, or its class if the function is no longer in the text."""
    code = function.__code__
    name = getattr(code, "co_qualname", function.__qualname__).partition(".<locals>")[0]
    full = f"{source.name}.{name}"
    outer = full.rpartition(".")[0]
    if full in reach.parts:
        yield full
    elif outer in reach.parts and any(part.startswith(f"{outer}.") for part in reach.parts):
        yield outer


def _is_closer(
    source: Source, functions: list[types.FunctionType], loaded: LoadedText, new: bytes
) -> bool:
    """Whether the module in memory matches the text on disk better than the kept text."""
    if _differing_functions(functions, source, loaded.text):
        return True
    old_values, new_values = _constants(loaded.text), _constants(new)
    values = vars(loaded.module) if loaded.module is not None else {}
    changed = [
        name
        for name in old_values.keys() & new_values.keys()
        if not same(old_values[name], new_values[name])
    ]
    return bool(changed) and all(
        name in values and same(new_values[name], values[name]) for name in changed
    )


def _differing_constants(
    source: Source, loaded: LoadedText, reach: Reach
) -> Iterator[tuple[str, bytes]]:
    """The reached constants whose value in memory differs from the text, with that value."""
    values = vars(loaded.module) if loaded.module is not None else {}
    # A function may assign a global variable: this is no constant.
    assigned = source.globals_in_functions | _set_by_others(source, reach)
    for name, x in _constants(loaded.text).items():
        part = f"{source.name}.{name}"
        # Functions may fill a table: this is no constant either.
        is_constant = name not in assigned and class_of(x) in _CONSTANTS and name in values
        is_constant = is_constant and not holds_mutable(x)
        if is_constant and part in reach.parts and len(source.bindings.get(name, ())) == 1:
            value = values[name]
            is_same = class_of(value) is class_of(x) and same(x, value)
            # Values that the script sets are no edits of the file; a note of the run names them.
            if not is_same and not set_by_script(name, if_unknown=False):
                yield part, repr(value).encode()


def _set_by_others(source: Source, reach: Reach) -> set[str]:
    """The names of a module that another module sets, as ``lib.K = 1`` does."""
    targets = (
        target
        for other in reach.files.values()
        for chain, _ in other.effects
        if len(chain) > 1
        for target in reach.locate(other, chain)
    )
    return {target.name for target in targets if target.source is source and target.name}


@functools.lru_cache(maxsize=1024)
def _constants(text: bytes) -> Mapping[str, Any]:
    """The values of module-level names that are assigned once, from constants alone."""
    constants: dict[str, Any] = {}
    repeated: set[str] = set()
    try:
        tree = parsed(decode_source(text))
    except (SyntaxError, ValueError):
        return constants
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        value = getattr(node, "value", None)
        if isinstance(targets[0], ast.Name) and isinstance(value, ast.expr):
            name = targets[0].id
            repeated |= {name} & constants.keys()
            if all(isinstance(inner, _CONSTANT_NODES) for inner in ast.walk(value)):
                with suppress(Exception):
                    # The module has computed the same value when it was imported.
                    constants[name] = eval(compile(ast.Expression(value), "constant", "eval"), {})
    return {name: x for name, x in constants.items() if name not in repeated}
