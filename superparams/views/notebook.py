"""Output in a notebook: an output of a cell, which can be updated.

IPython is never imported, since the kernel of a notebook has loaded it. The output is plain text,
which JupyterLab, VS Code, Colab and nbconvert show in the same way.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import Any, TypeVar

from superparams.errors import safe_text
from superparams.identity.code.main_script import in_notebook

__all__ = ["CellOutput", "in_notebook", "in_one_line"]

E = TypeVar("E", bound=BaseException)


class CellOutput:
    """An output of the running cell, whose text any thread can replace."""

    def __init__(self) -> None:
        """Show nothing yet."""
        self._handle: Any = None
        self._text: str | None = None

    def show(self, text: str) -> None:
        """Show `text` in place of the text before."""
        if text == self._text:
            return
        with suppress(Exception):  # a closed frontend must not end a run
            data = {"text/plain": safe_text.lines(text)}
            if self._handle is None:
                display: Any = sys.modules["IPython.display"].display
                self._handle = display(data, raw=True, display_id=True)
            else:
                self._handle.update(data, raw=True)
            self._text = text


def in_one_line(error: E) -> E:
    """The same error, which a notebook shows without a traceback."""
    line = safe_text.lines(f"{type(error).__name__}: {error}")
    with suppress(AttributeError):  # a class with slots
        error._render_traceback_ = lambda: [line]  # type: ignore[attr-defined]
    return error
