"""Which alternatives of an experiment a setting holds, by the classes of its groups."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

from superparams.identity.code.fingerprint import Code
from superparams.identity.code.roots import is_installed
from superparams.identity.module_names import module_file

__all__ = ["held_alternatives"]


def held_alternatives(code: Code, classes: Iterable[type[Any]]) -> tuple[str, ...] | None:
    """The names of the alternatives that a setting holds, by its instances, in order.

    Args:
        code: The code of the experiment.
        classes: The classes of all groups that the setting holds.

    Returns:
        None if the code does not cover a class: then all of the code counts for the setting.
    """
    held: set[str] = set()
    others: set[str] = set()
    for cls in dict.fromkeys(parent for each in classes for parent in each.__mro__):
        top = cls.__module__.partition(".")[0]
        if top in ("builtins", "superparams") or top in sys.stdlib_module_names:
            continue
        file = module_file(cls.__module__)
        module = None if file is None else code.modules.get(file)
        name = f"{module}.{cls.__qualname__}"
        if module is not None:
            alternative = code.alternatives.get(name)
            is_held = alternative is not None and alternative.file == file
            (held if is_held else others).add(name)
        elif file is None or not is_installed(file):
            return None
    is_covered = others <= code.parts_of(held).keys() - code.alternatives.keys()
    return tuple(sorted(held)) if is_covered else None
