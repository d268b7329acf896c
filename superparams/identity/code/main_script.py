"""The script or notebook of this process: its name, and the names that it sets in other modules.

In every notebook, the module is called ``__main__``. Jupyter and VS Code tell the kernel the file
name of the notebook. nbconvert and papermill have it on their command line. Other programs do not
pass on the name.
"""

from __future__ import annotations

import linecache
import os
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path, PurePath
from typing import Any, Final, cast

from superparams.identity.source_texts import loaded_text, resolved_file

__all__ = [
    "in_notebook",
    "notebook_file",
    "notebook_name",
    "script_name",
    "script_text",
    "set_by_script",
    "sets",
    "shell",
]

# Global variables in which VS Code and Jupyter put the path of the notebook.
_PATH_VARIABLES: Final = ("__vsc_ipynb_file__", "__session__")
_FILLING: Final = "append|add|update|extend|insert|setdefault|remove|discard|pop|clear"


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook; a forked child of a kernel is not."""
    kernel = getattr(shell(), "kernel", None)
    session = getattr(kernel, "session", None)
    return session is not None and getattr(session, "pid", 0) == os.getpid()


def shell() -> Any:
    """The shell of IPython if IPython is loaded; else None. This does not load it."""
    get_ipython = getattr(sys.modules.get("IPython"), "get_ipython", None)
    return None if get_ipython is None else get_ipython()


def notebook_name() -> str | None:
    """The file name of this notebook, such as ``fit.ipynb``; None if it is not known."""
    for path in _possible_paths():
        name = PurePath(path.replace("\\", "/")).name
        if name.endswith(".ipynb") and len(name) > len(".ipynb"):
            return name
    return None


def notebook_file() -> Path | None:
    """The path of this notebook; None if it is not known, or no file of this machine."""
    name = notebook_name()
    for server_path in _possible_paths():
        if name is not None and PurePath(server_path.replace("\\", "/")).name == name:
            # A server may give a path from its own root; a kernel begins in the notebook's folder.
            for path in (Path(server_path), Path(name)):
                with suppress(OSError):
                    if path.is_file():
                        return path.resolve()
    return None


def _possible_paths() -> Iterator[str]:
    variables = vars(sys.modules["__main__"])
    for name in _PATH_VARIABLES:
        if isinstance(variables.get(name), str):
            yield variables[name]
    yield os.environ.get("JPY_SESSION_NAME", "")
    with suppress(OSError):  # the program that started the kernel; only Linux has this file
        words = Path(f"/proc/{os.getppid()}/cmdline").read_bytes().split(b"\0")
        files = [word for word in words if word.endswith(b".ipynb")]
        # With several notebooks on the command line, it is not known which one this is. But
        # papermill first names the notebook that it reads, and then the one that it writes.
        if len(set(files)) == 1 or any(b"papermill" in word for word in words):
            yield from map(os.fsdecode, files[:1])


def script_name() -> str:
    """The name of the script in messages."""
    if in_notebook():
        return "the notebook"
    file = getattr(sys.modules["__main__"], "__file__", None)
    is_file = isinstance(file, str) and not file.startswith("<")
    return Path(cast("str", file)).name if is_file else "the script"


def set_by_script(name: str, *, if_unknown: bool) -> bool:
    """Whether the script sets an attribute of this name, or changes the table that it names.

    Args:
        name: The last part of the name, as ``K`` of ``lib.K``.
        if_unknown: The result if the text of the script is not known.
    """
    text = script_text()
    if text is None:
        return if_unknown
    word = re.escape(name)
    argument = rf"""["'](?:[\w.]*\.)?{word}["']|[(,]\s*{word}\s*=(?!=)"""
    call = rf"(?:setattr|patch[.\w]*)\s*(?=\()[^)]{{0,200}}?(?:{argument})"
    return sets(name, text) or re.search(call, text) is not None


def sets(name: str, text: str) -> bool:
    """Whether a text assigns an attribute of this name (not of ``self``), or changes a table."""
    word = re.escape(name)
    attribute = rf"(?<!\bself)\.{word}\s*(?:[-+*/%&|^@<>]*=(?!=)|,[^()\n]*=(?!=))"
    table = rf"\b{word}\s*(?:\[[^\n]*\]\s*[-+*/%&|^@<>]*=(?!=)|\.(?:{_FILLING})\()"
    return re.search(f"{attribute}|{table}", text) is not None


def script_text() -> str | None:
    """The text of the script, of ``-c`` or of the cells so far; None if it is not known."""
    main = vars(sys.modules["__main__"])
    cells = main.get("In")
    if isinstance(cells, list) and in_notebook():
        return "\n".join(map(str, cast("Iterable[object]", cells)))
    file = main.get("__file__")
    if isinstance(file, str):
        loaded = loaded_text(Path(resolved_file(file)))
        if loaded is not None:
            return loaded.text.decode("utf-8", "replace")
        return "".join(linecache.getlines(file)) or None
    words = sys.orig_argv
    return words[words.index("-c") + 1] if "-c" in words[:-1] else None
