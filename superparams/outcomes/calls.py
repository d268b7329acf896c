"""What a method of an experiment gave when it was called: whether it ran, and what nobody takes."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from superparams.content import never_ran

__all__ = ["called", "refuse_unrun"]


def refuse_unrun(name: str, answer: Any, remedy: str = "") -> None:
    """Complain about a method that did not run when it was called.

    Args:
        name: `Class.method()`.
        answer: What the call gave.
        remedy: What else to write.

    Raises:
        TypeError: When it has a ``yield``, or is async.
    """
    how = never_ran(answer)
    if how is not None:
        raise TypeError(
            f"{name} returned {how}, so nothing of it ran; write it without yield and without "
            f"async{remedy}"
        )


def called(name: str, method: Callable[[], Any]) -> None:
    """Call ``setup`` or ``teardown``, and say what was forgotten in it.

    Raises:
        TypeError: When it has a ``yield``, or is async.
    """
    answer = method()
    refuse_unrun(name, answer)
    if answer is not None:
        told = f"{name} returned {answer!r:.80}, which nobody takes; set it on self instead"
        warnings.warn(told, RuntimeWarning, stacklevel=2)
