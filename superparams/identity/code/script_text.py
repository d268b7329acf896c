"""What the text of the script or notebook of this process says that it changes."""

from __future__ import annotations

import linecache
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, cast

from superparams.identity.code.main_script import in_notebook
from superparams.identity.source_texts import loaded_text, resolved_file

__all__ = ["script_text", "set_by_script", "sets"]

_FILLING: Final = "append|add|update|extend|insert|setdefault|remove|discard|pop|clear"


def set_by_script(name: str, *, if_unknown: bool) -> bool:
    """Whether the script sets an attribute of this name, or changes the table that it names.

    Args:
        name: The last part of the name, as ``K`` of ``lib.K``.
        if_unknown: The answer if the text of the script is not known.
    """
    text = script_text()
    if text is None:
        return if_unknown
    named = re.escape(name)
    quoted = rf"""["'](?:[\w.]*\.)?{named}["']|[(,]\s*{named}\s*=(?!=)"""
    call = rf"(?:setattr|patch[.\w]*)\s*(?=\()[^)]{{0,200}}?(?:{quoted})"
    return sets(name, text) or re.search(call, text) is not None


def sets(name: str, text: str) -> bool:
    """Whether a text assigns an attribute of this name (not of ``self``), or changes a table."""
    named = re.escape(name)
    attribute = rf"(?<!\bself)\.{named}\s*(?:[-+*/%&|^@<>]*=(?!=)|,[^()\n]*=(?!=))"
    table = rf"\b{named}\s*(?:\[[^\n]*\]\s*[-+*/%&|^@<>]*=(?!=)|\.(?:{_FILLING})\()"
    return re.search(f"{attribute}|{table}", text) is not None


def script_text() -> str | None:
    """The text of the script, of ``-c`` or of the cells so far; None if it is not known."""
    main: Mapping[str, Any] = vars(sys.modules["__main__"])
    cells = main.get("In")
    if isinstance(cells, list) and in_notebook():
        return "\n".join(map(str, cast("Iterable[Any]", cells)))
    file = main.get("__file__")
    if isinstance(file, str):
        held = loaded_text(Path(resolved_file(file)))
        if held is not None:
            return held.text.decode("utf-8", "replace")
        return "".join(linecache.getlines(file)) or None
    words = sys.orig_argv
    return words[words.index("-c") + 1] if "-c" in words[:-1] else None
