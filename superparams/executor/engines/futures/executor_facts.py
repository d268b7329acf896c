"""Tells what can be known about an executor before anything is submitted to it."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from concurrent.futures import Executor, Future
from typing import Any, Final

from superparams.errors import EngineError

__all__ = ["forks", "n_workers", "refuse_other_interfaces", "refused_task", "wrong_interface"]

# The attributes in which executors have the number of their workers: those of the standard library
# and loky, of executorlib, and of mpi4py.
_COUNTS: Final = ("_max_workers", "max_workers", "num_workers")


def n_workers(executor: object) -> int | None:
    """The number of workers of an executor; None if the executor does not tell."""
    for name in _COUNTS:
        count: object = getattr(executor, name, None)
        if isinstance(count, int) and count > 0:
            return count
    return _cores_of_client(getattr(executor, "_client", None))


def _cores_of_client(client: Any) -> int | None:
    """The threads of all workers of a Dask client, which its executor has."""
    try:
        cores: Mapping[str, int] = client.ncores()
        return sum(int(count) for count in cores.values()) or None
    except Exception:  # it is another kind of client, or it has lost its scheduler
        return None


def forks(executor: object) -> bool:
    """Whether the workers of an executor are forks of this process."""
    context: Any = getattr(executor, "_mp_context", None)
    return context is not None and context.get_start_method() == "fork"


def refuse_other_interfaces(executor: object) -> None:
    """Refuse an object whose `submit` does not return futures of `concurrent.futures`.

    Raises:
        EngineError: Names the object and what to give instead.
    """
    if isinstance(executor, Executor):
        return
    name = type(executor).__qualname__
    if hasattr(executor, "get_executor"):
        raise EngineError(
            f"engine={name}(...) is a client: give engine=Dask(client), from superparams.executor"
        )
    returned = _returned_by_submit(executor)
    if returned is not None:
        raise wrong_interface(executor, returned)


def wrong_interface(executor: object, returned: str) -> EngineError:
    """The error for an executor.

    Args:
        executor: What the user gave as the engine.
        returned: The name of the class whose objects its `submit` returns.
    """
    name = type(executor).__qualname__
    return EngineError(
        f"engine={name}(...) cannot be used: {name}.submit returns {returned}, and a "
        "concurrent.futures.Future is needed; give an executor whose submit returns one"
    )


def refused_task(executor: object, error: Exception) -> EngineError:
    """The error for an executor that takes no task, as one that has been shut down."""
    kind = type(error).__name__
    is_closed = isinstance(error, RuntimeError) or "Closed" in kind  # as Python and Dask call it
    remedy = "; give an executor that is open, as inside its `with` block" if is_closed else ""
    return EngineError(
        f"engine={type(executor).__qualname__}(...) takes no settings: {kind}: {error}{remedy}"
    )


def _returned_by_submit(executor: object) -> str | None:
    """The class that `submit` is annotated to return, if that is no `Future`; else None."""
    submit: Any = getattr(executor, "submit", None)
    try:
        try:
            kind: Any = inspect.signature(submit, eval_str=True).return_annotation
        except Exception:  # only type checkers know a name in the annotation
            kind = inspect.signature(submit).return_annotation
    except (TypeError, ValueError):
        return None
    if kind is inspect.Signature.empty or kind is Any:
        return None
    kind = getattr(kind, "__origin__", kind)
    if isinstance(kind, type):
        return None if issubclass(kind, Future) or kind is object else kind.__qualname__
    text = str(kind)
    return None if "Future" in text else text
