"""Steps: rows that a setting tells while it runs, each of which has an answer.

A place says how a step is told where it runs its settings, by `step_teller`. The answer is whether
the setting goes on.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from typing import Any

from superparams.errors import EngineError

__all__ = ["Row", "Teller", "step_teller", "tell_step", "tell_step_async"]

Row = Mapping[str, Any]
Teller = Callable[[Row], "bool | Awaitable[bool]"]

# Tells a step of the setting that runs in this context; None where no engine carries steps.
step_teller: ContextVar[Teller | None] = ContextVar("step_teller", default=None)


def tell_step(row: Row) -> bool:
    """Tell a step and wait for the answer: whether the setting goes on.

    Raises:
        EngineError: Where the engine carries no steps, or `tell_step_async` has to be used.
    """
    answer = _teller()(row)
    if not isinstance(answer, bool):
        raise EngineError("a coroutine tells its steps by: await tell_step_async(row)")
    return answer


async def tell_step_async(row: Row) -> bool:
    """The same in a coroutine, while other settings run."""
    answer = _teller()(row)
    return answer if isinstance(answer, bool) else await answer


def _teller() -> Teller:
    teller = step_teller.get()
    if teller is None:
        raise EngineError(
            "this engine carries no steps of settings that run; give another one, such as "
            'engine="processes"'
        )
    return teller
