"""Finds the name of the notebook whose kernel is this process, if that is known.

In every notebook, the module is called ``__main__``. Jupyter and VS Code tell the kernel the file
name of the notebook. nbconvert and papermill have it on their command line. Other programs do not
tell it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePath
from typing import Any

__all__ = ["in_notebook", "notebook_name", "shell"]

# Global variables in which VS Code and Jupyter put the path of the notebook.
_VARIABLES = ("__vsc_ipynb_file__", "__session__")


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook; a forked child of a kernel is not."""
    kernel = getattr(shell(), "kernel", None)
    session = getattr(kernel, "session", None)
    return session is not None and getattr(session, "pid", 0) == os.getpid()


def shell() -> Any:
    """The shell of IPython if IPython is loaded; else None. It is never loaded for this."""
    get_ipython = getattr(sys.modules.get("IPython"), "get_ipython", None)
    return None if get_ipython is None else get_ipython()


def notebook_name() -> str | None:
    """The file name of this notebook, such as ``fit.ipynb``; None if it is not known."""
    for told in _possible_paths():
        name = PurePath(told.replace("\\", "/")).name
        if name.endswith(".ipynb") and len(name) > len(".ipynb"):
            return name
    return None


def _possible_paths() -> Iterator[str]:
    variables = vars(sys.modules["__main__"])
    for name in _VARIABLES:
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
