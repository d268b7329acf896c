"""What a call of a method gives: a result, a coroutine, or something that is ignored."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from superparams.adapters.content import never_ran
from superparams.errors.user_lines import warn_user

__all__ = ["called", "heed_answer", "is_async", "refuse_unrun"]


def is_async(cls: type[Any]) -> bool:
    """Whether ``run`` of an experiment is ``async def``."""
    return inspect.iscoroutinefunction(cls.run) or inspect.isasyncgenfunction(cls.run)


def refuse_unrun(name: str, answer: object, remedy: str = "") -> None:
    """Refuse a method that did not run when it was called.

    Args:
        name: `Class.method()`.
        answer: The value that the call returned.
        remedy: The end of the message: what else to write.

    Raises:
        TypeError: When the method has a ``yield``, or is async.
    """
    how = never_ran(answer)
    if how is not None:
        raise TypeError(
            f"{name} returned {how}, so none of its code ran; write it without yield and without "
            f"async{remedy}"
        )


def called(name: str, method: Callable[[], Any]) -> None:
    """Call ``setup`` or ``teardown``, and warn if it returns a value.

    Raises:
        TypeError: When the method has a ``yield``, or is async.
    """
    heed_answer(name, method(), method)


def heed_answer(name: str, answer: object, method: Callable[[], Any]) -> None:
    """Refuse or warn of what ``setup`` or ``teardown`` returned; see `called`."""
    refuse_unrun(name, answer)
    if answer is not None:
        message = (
            f"{name} returned {answer!r:.80}, which is ignored; set attributes of self instead"
        )
        warn_user(message, RuntimeWarning, method=method)
