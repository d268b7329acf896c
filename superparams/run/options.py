"""The options of a run: the engine, and what to do with recorded and with failed settings."""

from __future__ import annotations

import contextlib
import operator
from collections.abc import Iterable
from concurrent.futures import Executor
from dataclasses import dataclass, fields, replace
from typing import Any, Final, Literal, SupportsIndex, cast, get_args

from superparams.adapters.processors import cores
from superparams.errors import EngineError, RunError
from superparams.executor.engines.contract import (
    Engine,
    EngineName,
    Options,
    has_processes,
)
from superparams.executor.engines.registry import check, find
from superparams.identity.digests.digest import key_of_text, key_text
from superparams.outcomes.outcome import Status
from superparams.run.plan import OnError, Only

__all__ = ["Policy", "RunOptions", "asked"]

ON_ERROR: Final = get_args(OnError)
NAMED: Final = ("failed", "new")
ALONE: Final = Options()


@dataclass(frozen=True)
class Policy:
    """Options that only the driver uses; `Experiment.run_all` describes them."""

    resume: bool = True
    only: Only | None = None
    on_error: OnError = "continue"
    max_failures: int | None = None
    debug: bool = False
    progress: bool = True

    def __post_init__(self) -> None:
        """Refuse what means nothing, and settle the keys of `only`."""
        if self.on_error not in ON_ERROR:
            raise RunError(f'on_error={self.on_error!r}: give "continue" or "raise"')
        object.__setattr__(self, "only", _only(self.only))
        if self.max_failures is not None:
            object.__setattr__(self, "max_failures", _most(self.max_failures))


POLICY_NAMES: Final = frozenset(one.name for one in fields(Policy))


def _only(given: Any) -> Only | None:
    """Keys as `key_text` writes them, from a list, a column of a table, or another iterable."""
    if given is None or (isinstance(given, str) and given in NAMED):
        return cast("Only | None", given)
    if isinstance(given, (str, bytes)) or not isinstance(given, Iterable):
        raise RunError(f'only={given!r}: give "failed", "new", or a list of keys')
    keys: dict[str, None] = {}
    for one in cast("Iterable[object]", given):
        try:
            keys[key_text(key_of_text(str(one)))] = None
        except ValueError as error:
            raise RunError(f"only: {error}") from None
    return tuple(keys)


def _most(given: object) -> int:
    """A whole number, also of numpy, but not `True`."""
    with contextlib.suppress(TypeError):  # an array of numpy has the method, and refuses
        most = operator.index(given) if isinstance(given, SupportsIndex) else 0
        if most >= 1 and not isinstance(given, bool):
            return most
    raise RunError(f"max_failures={given!r}: give a whole number, 1 or more, or None")


@dataclass(frozen=True)
class RunOptions:
    """All options of a run.

    engine: its name, an executor, or an engine; None for worker processes where there cannot be
    ours, so that those of Python itself take their place.
    """

    policy: Policy
    options: Options
    engine: EngineName | Engine | Executor | None


def asked(
    num_proc: int | Literal["auto"] = 1,
    *,
    engine: EngineName | Engine | Executor | None = None,
    retry_on: Iterable[Status] = ALONE.retry_on,
    **others: Any,
) -> RunOptions:
    """Check the arguments of `Experiment.run_all` before anything is done.

    Args:
        num_proc: The number of workers.
        engine: As for `run_all`.
        retry_on: Statuses after which a setting is tried again.
        others: Attributes of `Policy` and of `Options`, which have the defaults.

    Raises:
        RunError: For a value that means nothing.
        EngineError: Likewise, and for an option that the engine of that name does not support.
    """
    of_policy = {name: others.pop(name) for name in POLICY_NAMES & others.keys()}
    policy = Policy(**of_policy)
    options = Options(num_proc=_workers(num_proc), retry_on=_statuses(retry_on), **others)
    if policy.debug:
        return RunOptions(policy, ALONE, _debugged(engine))
    used = _usual(options) if engine is None else engine
    if isinstance(used, str):  # a run checks the others, which no command line can name
        check(find(used), options)
    return RunOptions(policy, options, used)


def _workers(num_proc: Any) -> Any:
    if isinstance(num_proc, str):
        if num_proc != "auto":
            raise EngineError(f'num_proc={num_proc!r}: give a number of workers, or "auto"')
        return cores()
    return num_proc


def _usual(options: Options) -> EngineName | None:
    """One worker runs here, unless something is asked that needs a process to kill or to shape."""
    if options == replace(ALONE, retries=options.retries, retry_on=options.retry_on):
        return "serial"
    return "processes" if has_processes() else None


def _debugged(engine: object) -> EngineName:
    if engine not in (None, "serial"):
        raise RunError(
            f"engine={engine!r} cannot be used with debug=True, which runs one setting after "
            f"another in this process: leave engine= out"
        )
    return "serial"


def _statuses(retry_on: Iterable[Status]) -> frozenset[Status]:
    """The statuses after which a setting is tried again."""
    if isinstance(retry_on, str):
        raise RunError(f'retry_on={retry_on!r}: give several, as in retry_on=("{retry_on}",)')
    try:
        found = frozenset(retry_on)
    except TypeError:  # nothing to iterate, or lists in it
        raise RunError(
            f'retry_on={retry_on!r}: give some of "failed", "killed", "timeout"'
        ) from None
    unknown = found - (set(get_args(Status)) - {"done"})
    if unknown:
        strange = sorted(unknown, key=repr)
        raise RunError(f'retry_on={strange}: give any of "failed", "killed", "timeout"')
    return found
