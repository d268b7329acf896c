"""What is different in a notebook: there is no terminal, but an output of a cell can be updated.

IPython is found among what is loaded and never loaded: in the kernel of a notebook it is there.
What is shown is plain text, which JupyterLab, VS Code, Colab and nbconvert all show alike.
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
    """One output of the cell that runs, whose text can be replaced from any thread."""

    def __init__(self) -> None:
        """Nothing is shown yet."""
        self._handle: Any = None
        self._text: str | None = None

    def show(self, text: str) -> None:
        """Show `text` in place of what was shown before."""
        if text == self._text:
            return
        with suppress(Exception):  # a frontend that is gone must not end a run
            data = {"text/plain": safe_text.lines(text)}
            if self._handle is None:
                display: Any = sys.modules["IPython.display"].display
                self._handle = display(data, raw=True, display_id=True)
            else:
                self._handle.update(data, raw=True)
            self._text = text


def in_one_line(error: E) -> E:
    """The same error, of which a notebook shows no traceback: where it was raised says nothing."""
    line = safe_text.lines(f"{type(error).__name__}: {error}")
    with suppress(AttributeError):  # a class with slots
        error._render_traceback_ = lambda: [line]  # type: ignore[attr-defined]
    return error
