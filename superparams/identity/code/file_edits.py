"""Finds files that were edited after this process imported them. A run uses the imported text.

`superparams.identity.source_texts` keeps the text of imported modules. If a file may have been
written between its import and that moment, the kept text is compiled and compared with the
functions in memory.
"""

from __future__ import annotations

import ast
import functools
import types
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.util import decode_source
from pathlib import Path
from typing import Any

from superparams.adapters.content import same
from superparams.identity.code.compiled_functions import (
    code_form,
    compiled_functions,
    plain_functions,
)
from superparams.identity.code.project import Source
from superparams.identity.code.reach import Reach
from superparams.identity.code.script_text import set_by_script
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

__all__ = ["Edits", "edits_of", "take_in_place"]

_Functions = dict[Path, list[types.FunctionType]]


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


def take_in_place(reach: Reach, classes: Iterable[type[Any]]) -> bool:
    """Keep the new text of modules that were changed in place.

    Tools that reload automatically put new code into the functions of a loaded module.

    Returns:
        Whether there was such a module.
    """
    taken = False
    functions: _Functions | None = None
    for source, held in _possibly_edited(reach):
        disk = _read(source.path)
        if disk is None or disk == held.text:
            continue
        if functions is None:
            functions = _functions_by_file(reach, classes)
        own = functions.get(source.path, [])
        if _differing_functions(own, source, disk) or not _is_closer(source, own, held, disk):
            continue
        replace_loaded_text(source.path, disk)
        taken = True
    return taken


def edits_of(reach: Reach, classes: Iterable[type[Any]], on_disk: Callable[[], Reach]) -> Edits:
    """The edits of the files that `reach` has reached.

    Args:
        reach: The code that counts, by the imported texts.
        classes: The experiment classes.
        on_disk: Makes the same from the files as they are now; called only if a file was edited.
    """
    found = Edits()
    doubtful = list(_possibly_edited(reach))
    if not doubtful:
        return found
    functions = _functions_by_file(reach, classes)
    edited: list[Source] = []
    for source, held in doubtful:
        others = _differing_functions(functions.get(source.path, []), source, held.text)
        parts = {
            part: code_form(one.__code__) for one in others for part in _part(one, source, reach)
        }
        if not held.is_sure:
            parts |= dict(_other_constants(source, held, reach))
        if parts:
            found.unknown |= {part: b"in memory " + form for part, form in parts.items()}
            found.old_copies += [held.old_copy] if held.old_copy else []
            found.notes.append(
                f"{source.path.name} was edited after it was imported, and the imported text is "
                f"not known: {', '.join(sorted(parts))} in memory is not what the file holds"
            )
        elif _read(source.path) != held.text:
            edited.append(source)
    if edited:
        _compare(reach, on_disk(), edited, found)
    return found


def _compare(loaded: Reach, now: Reach, edited: Iterable[Source], found: Edits) -> None:
    names = {
        name
        for name in loaded.parts.keys() | now.parts.keys()
        if name not in loaded.parts
        or name not in now.parts
        or loaded.parts[name].forms != now.parts[name].forms
    }
    for source in edited:
        own = sorted(name for name in names if name.startswith(f"{source.name}."))
        if own:
            how = "edited" if source.path.is_file() else "removed"
            found.names.update(own)
            found.notes.append(
                f"{source.path.name} was {how} after it was imported: the run uses the imported "
                f"text of {', '.join(own)}; with the text of the file, its outcomes are stale"
            )


def _possibly_edited(reach: Reach) -> Iterator[tuple[Source, LoadedText]]:
    """The modules whose text in memory may differ from the kept text or from the file."""
    for path, source in reach.files.items():
        held = loaded_text(path)
        if held is not None and not (held.is_sure and held.stamp == file_stamp(str(path))):
            yield source, held


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


def _functions_by_file(reach: Reach, classes: Iterable[type[Any]]) -> _Functions:
    """All functions in memory of the reached modules, by the file that defines each function."""
    modules = dict(loaded_modules(reach.files))
    names = {module.__name__ for module in modules.values()}
    todo: list[object] = [x for module in modules.values() for x in vars(module).values()]
    todo += [parent for cls in classes for parent in cls.__mro__]
    done: dict[int, object] = {}
    found: _Functions = {}
    while todo:
        value = todo.pop()
        if id(value) in done:
            continue
        done[id(value)] = value
        if isinstance(value, type):
            todo += vars(value).values() if value.__module__ in names else ()
            continue
        if isinstance(value, functools.partial):
            todo.append(value.func)  # pyright: ignore[reportUnknownMemberType]
            continue
        for function in _plain(value):
            done[id(function)] = function
            found.setdefault(_resolved(function.__code__.co_filename), []).append(function)
            todo += (cell for cell in _closure_functions(function) if cell is not function)
    return found


def _plain(value: object) -> Iterator[types.FunctionType]:
    try:
        yield from plain_functions(value)
    except Exception:  # an object with dynamic attributes
        return


def _closure_functions(function: types.FunctionType) -> Iterator[types.FunctionType]:
    """The functions in the closure of a function, such as the one that a decorator wraps."""
    for cell in function.__closure__ or ():
        try:
            held = cell.cell_contents
        except ValueError:  # not assigned yet
            continue
        if isinstance(held, types.FunctionType):
            yield held


@functools.lru_cache(maxsize=4096)
def _resolved(file: str) -> Path:
    return Path(resolved_file(file))


def _differing_functions(
    functions: Iterable[types.FunctionType], source: Source, text: bytes
) -> list[types.FunctionType]:
    """The functions whose code differs from what `text` compiles to."""
    module = next((module for _, module in loaded_modules({source.path: None})), None)
    # Other loaders may change the code (pytest rewrites assert), so it cannot be compared.
    loader = class_of(getattr(module, "__loader__", None)).__name__
    if loader not in PLAIN_LOADERS:
        return []
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            written = compiled_functions(decode_source(text), str(source.path))
    except (SyntaxError, ValueError):
        return list(functions)
    forms = {name: set(map(code_form, codes)) for name, codes in written.items()}
    return [one for one in functions if code_form(one.__code__) not in _forms_in_text(one, forms)]


def _forms_in_text(function: types.FunctionType, forms: dict[str, set[bytes]]) -> set[bytes]:
    code: Any = function.__code__
    # A decorator may give a function another name; the code keeps its own name.
    name: str | None = getattr(code, "co_qualname", None)  # since Python 3.11
    if name is not None:
        return forms.get(name, set())
    last = code.co_name
    return set[bytes]().union(*(f for n, f in forms.items() if n.rpartition(".")[2] == last))


def _part(function: types.FunctionType, source: Source, reach: Reach) -> Iterator[str]:
    """The part that a function belongs to: itself, or its class if the text has it no longer."""
    code: Any = function.__code__
    name = getattr(code, "co_qualname", function.__qualname__).partition(".<locals>")[0]
    full = f"{source.name}.{name}"
    outer = full.rpartition(".")[0]
    if full in reach.parts:
        yield full
    elif outer in reach.parts and any(part.startswith(f"{outer}.") for part in reach.parts):
        yield outer


def _is_closer(
    source: Source, functions: list[types.FunctionType], held: LoadedText, disk: bytes
) -> bool:
    """Whether the module in memory matches the text on disk better than the kept text."""
    if _differing_functions(functions, source, held.text):
        return True
    module = held.module
    old, new = (_literals(text) for text in (held.text, disk))
    changed = [name for name in old.keys() & new.keys() if not same(old[name], new[name])]
    values = vars(module) if module is not None else {}
    return bool(changed) and all(
        name in values and same(new[name], values[name]) for name in changed
    )


def _other_constants(source: Source, held: LoadedText, reach: Reach) -> Iterator[tuple[str, bytes]]:
    """The reached constants whose value in memory differs from the text, with that value."""
    values = vars(held.module) if held.module is not None else {}
    assigned = {
        name
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Global)
        for name in node.names
    }
    assigned |= _set_elsewhere(source, reach)
    for name, x in _literals(held.text).items():
        part = f"{source.name}.{name}"
        # A function may assign a global variable, or fill a table: these are no constants.
        is_constant = name not in assigned and class_of(x) in _CONSTANTS and name in values
        if is_constant and part in reach.parts and len(source.bindings.get(name, ())) == 1:
            value = values[name]
            is_same = class_of(value) is class_of(x) and same(x, value)
            # What the script sets tells nothing of the file; a note of the run names it.
            if not is_same and not set_by_script(name, if_unknown=False):
                yield part, repr(value).encode()


def _set_elsewhere(source: Source, reach: Reach) -> set[str]:
    """The names of a module that another module sets, as ``lib.K = 1`` does."""
    found = (
        target
        for other in reach.files.values()
        for chain, _ in other.effects
        if len(chain) > 1
        for target in reach.locate(other, chain)
    )
    return {target.name for target in found if target.source is source and target.name}


_CONSTANTS = (int, float, complex, str, bytes, bool, tuple)
# Expressions of these nodes have no side effect and always the same value.
_SIMPLE = (
    *(ast.Constant, ast.UnaryOp, ast.BinOp, ast.operator, ast.unaryop, ast.Tuple, ast.List),
    *(ast.Dict, ast.Set, ast.Load),
)


def _literals(text: bytes) -> dict[str, Any]:
    """The values of module-level names that are assigned once, from constants alone."""
    found: dict[str, Any] = {}
    twice: set[str] = set()
    try:
        tree = ast.parse(decode_source(text))
    except (SyntaxError, ValueError):
        return found
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        value = getattr(node, "value", None)
        if isinstance(targets[0], ast.Name) and isinstance(value, ast.expr):
            name = targets[0].id
            twice |= {name} & found.keys()
            if all(isinstance(inner, _SIMPLE) for inner in ast.walk(value)):
                with suppress(Exception):
                    # The module has computed the same when it was imported.
                    found[name] = eval(compile(ast.Expression(value), "constant", "eval"), {})
    return {name: x for name, x in found.items() if name not in twice}
