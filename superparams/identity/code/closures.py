"""What the text of a class does not tell of it: what its functions closed over, and which of
several definitions of its name it is.

``def make(k): class Scaled(Experiment): ...`` makes classes with one text and different code.
"""

from __future__ import annotations

import ast
import types
from collections.abc import Iterator
from typing import Any

from superparams.errors import IdentityError
from superparams.identity.code.compiled_functions import code_form, plain_functions
from superparams.identity.code.project import Source
from superparams.identity.digests.digest import digest

__all__ = ["closure_forms"]


def closure_forms(cls: type[Any], source: Source | None) -> list[bytes]:
    """What tells `cls` from other classes of the same text or the same name; mostly nothing.

    Where the file defines the name more than once, the compiled methods count, which differ between
    versions of Python.
    """
    is_one_of_several = source is not None and _times_defined(source, cls.__name__) > 1
    forms: list[bytes] = []
    for name, function in _own_functions(cls):
        if is_one_of_several:
            forms.append(name.encode() + b"\0" + code_form(function.__code__))
        forms += [name.encode() + b"\0" + form for form in _closed_over(function)]
    return forms


def _times_defined(source: Source, name: str) -> int:
    nodes = ast.walk(source.tree)
    return sum(isinstance(node, ast.ClassDef) and node.name == name for node in nodes)


def _own_functions(cls: type[Any]) -> Iterator[tuple[str, types.FunctionType]]:
    for name, value in sorted(vars(cls).items()):
        for function in plain_functions(value):
            if function.__module__ == cls.__module__:
                yield name, function


def _closed_over(function: types.FunctionType) -> Iterator[bytes]:
    cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
    for name, cell in cells:
        if name == "__class__":  # what super() needs
            continue
        try:
            held = cell.cell_contents
        except ValueError:  # not assigned yet
            continue
        yield name.encode() + b"=" + _form(held)


def _form(held: Any) -> bytes:
    if isinstance(held, types.FunctionType):
        return b"\0".join([code_form(held.__code__), *_closed_over(held)])
    try:
        return digest(held).to_bytes(16, "little")
    except IdentityError:  # a thing without content of its own: its kind has to do
        return f"{type(held).__module__}.{type(held).__qualname__}".encode()
