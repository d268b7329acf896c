"""Which notebook this process is the kernel of, as far as its program tells that.

All notebooks call their module ``__main__``. Jupyter and VS Code tell the kernel the file of the
notebook, nbconvert and papermill have it on their command line, and others do not tell it at all.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePath
from typing import Any

__all__ = ["in_notebook", "notebook_name", "shell"]

# What VS Code and Jupyter put among the variables of the user.
_VARIABLES = ("__vsc_ipynb_file__", "__session__")


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook; a process that it forked is none."""
    kernel = getattr(shell(), "kernel", None)
    session = getattr(kernel, "session", None)
    return session is not None and getattr(session, "pid", 0) == os.getpid()


def shell() -> Any:
    """The shell of IPython, found among what is loaded and never loaded; else None."""
    get_ipython = getattr(sys.modules.get("IPython"), "get_ipython", None)
    return None if get_ipython is None else get_ipython()


def notebook_name() -> str | None:
    """The name of the file of this notebook, such as ``fit.ipynb``; None where nobody tells it."""
    for told in _told():
        name = PurePath(told.replace("\\", "/")).name
        if name.endswith(".ipynb") and len(name) > len(".ipynb"):
            return name
    return None


def _told() -> Iterator[str]:
    variables = vars(sys.modules["__main__"])
    for name in _VARIABLES:
        if isinstance(variables.get(name), str):
            yield variables[name]
    yield os.environ.get("JPY_SESSION_NAME", "")
    with suppress(OSError):  # the program that started the kernel; only Linux has this file
        words = Path(f"/proc/{os.getppid()}/cmdline").read_bytes().split(b"\0")
        files = [word for word in words if word.endswith(b".ipynb")]
        # One that runs several notebooks does not tell which of them this is; papermill names
        # the notebook that it reads, then the one that it writes.
        if len(set(files)) == 1 or any(b"papermill" in word for word in words):
            yield from map(os.fsdecode, files[:1])
