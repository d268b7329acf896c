"""Which installed packages the settings of a space will need: loaded ahead, while it is packed."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from superparams.identity.code.roots import is_installed
from superparams.identity.module_names import is_fileless, library_of

__all__ = ["libraries_of"]


def libraries_of(cls: type[Any], values: Iterable[object]) -> list[str]:
    """Modules of installed packages, loaded here, that the code and the values of `cls` name.

    An experiment whose module is imported brings all that this module imports; one of a script
    or a notebook brings what its own methods name, and cloudpickle, which carries its class.
    """
    names = dict.fromkeys([*map(_library, values), *_of_code(cls)])
    carriers = ["cloudpickle"] if _is_by_value(cls) else []
    return [*carriers, *(name for name in names if _is_installed(name))]


def _library(x: object) -> str:
    return library_of(x if isinstance(x, type) else type(x))


def _of_code(cls: type[Any]) -> Iterator[str]:
    for one in cls.__mro__:
        module = sys.modules.get(one.__module__)
        if module is None or library_of(one) in ("superparams", "builtins"):
            continue
        held = vars(module)
        named = _named_by(one) if _is_by_value(one) else list(held)
        for name in named:
            yield from _module_of(held.get(name))


def _is_by_value(cls: type[Any]) -> bool:
    """Whether no other process can import it."""
    return cls.__module__ == "__main__" or is_fileless(cls.__module__)


def _named_by(cls: type[Any]) -> list[str]:
    codes = [x.__code__ for x in vars(cls).values() if isinstance(x, types.FunctionType)]
    names: dict[str, None] = {}
    while codes:
        code = codes.pop()
        names.update(dict.fromkeys(code.co_names))
        codes += [x for x in code.co_consts if isinstance(x, types.CodeType)]
    return list(names)


def _module_of(x: object) -> Iterator[str]:
    if isinstance(x, types.ModuleType):
        yield x.__name__
    elif isinstance(x, type | types.FunctionType):
        yield str(x.__module__)


def _is_installed(name: str) -> bool:
    file = getattr(sys.modules.get(name), "__file__", None)
    return isinstance(file, str) and is_installed(Path(file))
