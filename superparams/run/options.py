"""The options of a run, each with its type, its default and a sentence of help.

`Experiment.run_all`, the flags of the command and the tables in `docs/` have the options of
`RunOptions`: flags are made from them, and tests compare the others with them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, TypedDict, cast, get_args

from superparams.adapters.processors import cores
from superparams.declare.plain_attributes import has_resources
from superparams.errors import EngineError, RunError
from superparams.errors.user_lines import warn_user
from superparams.executor.engines.contract import (
    Engine,
    Options,
    has_processes,
)
from superparams.executor.engines.option_fields import BadValue, one_of, option, settle, whole
from superparams.executor.engines.registry import EngineName, check, find
from superparams.outcomes.outcome import FAILURES, Status
from superparams.outcomes.return_checks import is_async
from superparams.run.shards import checked_shard

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from superparams.executor.engines.processes.engine import StartMethod
    from superparams.strategies.stopper import Stopper
    from superparams.strategies.strategy import Strategy

__all__ = ["OldOptions", "OnError", "Only", "RunOptions", "in_new_words", "with_processes"]


class _Keys(Protocol):
    """Several keys, for type checkers: a text is refused, since it contains only texts."""

    def __iter__(self) -> Iterator[str]: ...
    def __contains__(self, x: object, /) -> bool: ...


OnError = Literal["continue", "raise"]
# The settings to which a run is limited: those that failed before, that a stopper has ended, that
# have no outcome yet, or those with these keys (32 hexadecimal digits each).
Only = Literal["failed", "stopped", "new"] | _Keys


def _only(value: object) -> object:
    """``"failed"``, ``"stopped"``, ``"new"``, or keys as `key_text` writes them."""
    if isinstance(value, str) and value in ("failed", "stopped", "new"):
        return value
    if isinstance(value, str | bytes) or not isinstance(value, Iterable):
        raise BadValue('give "failed", "stopped", "new", or a list of keys')
    from superparams.identity.digests.digest import key_of_text, key_text

    keys = map(str, cast("Iterable[object]", value))  # also a column of a table
    try:
        return tuple(dict.fromkeys(key_text(key_of_text(key)) for key in keys))
    except ValueError as error:
        raise RunError(f"only: {error}") from None


def _stopper(value: object) -> object:
    """A stopper, which is an instance."""
    from superparams.strategies.stopper import GoalStopper, Stopper  # most runs have none

    if isinstance(value, type) and issubclass(value, GoalStopper):
        raise BadValue(f"give an instance, {value.__name__}()")
    if not isinstance(value, Stopper):
        raise BadValue(
            "give a stopper of superparams.strategies, such as ASHA(), or an object with methods "
            "reached and goes_on"
        )
    return value


def _strategy(value: object) -> object:
    """A strategy, which is an instance."""
    from superparams.strategies.strategy import Strategy  # most runs have none

    if isinstance(value, type):
        raise BadValue(f"give an instance, {value.__name__}(trials=100)")
    if not isinstance(value, Strategy):
        raise BadValue(
            "give a strategy of superparams.strategies, such as Evolution(trials=100), or an "
            "object with methods begin, ask and tell"
        )
    return value


def _statuses(value: object) -> frozenset[str]:
    if isinstance(value, str):
        raise BadValue(f'give several, as in retry_on=("{value}",)')
    try:
        statuses = frozenset(cast("Iterable[str]", value))
    except TypeError:  # nothing to iterate, or lists in it
        statuses = frozenset({""})
    if not statuses <= frozenset(FAILURES):
        raise BadValue('give some of "failed", "killed", "timeout"')
    return statuses


# Options that a shard cannot have.
_NEEDS_ALL: Final = {
    "strategy": "a strategy learns from the outcomes of all settings",
    "stop": "a stopper compares the steps of all settings",
}


@dataclass(frozen=True)
class RunOptions:
    """All options of a run.

    Raises:
        RunError: For a value that an option cannot have.
        EngineError: The same for options of engines, and for what the engine cannot do.
    """

    num_proc: int | Literal["auto"] | None = option(
        None,
        'The number of workers; by default 1, on a cluster all. "auto" takes all cores.',
    )
    engine: EngineName | Engine | Executor | None = option(
        None,
        "What runs settings; by default worker processes, this process with one worker, or an "
        "event loop for async def run.",
    )
    resume: bool = option(True, "Whether to skip settings that are done by the same code.")
    only: Only | None = option(
        None,
        'The settings to run: "failed", "stopped" or "new" ones, or those with these keys.',
        check=_only,
    )
    shard: tuple[int, int] | None = option(
        None,
        "Run only part i of n, with i from 0 to n - 1, as one task of a job array.",
        check=checked_shard,
    )
    timeout: float | None = option(
        None, "Seconds that run() of a setting may take before its worker is killed."
    )
    setup_timeout: float | None = option(
        None, "Seconds that setup() may take; by default 10 times timeout, at least 60."
    )
    retries: int = option(0, "Extra attempts for a setting whose status is in retry_on.")
    retry_on: Iterable[Status] = option(
        ("killed", "timeout"),
        'Which statuses to try again: any of "failed", "killed" and "timeout".',
        check=_statuses,
    )
    retry_wait: float = option(
        0.0,
        "Seconds before a second attempt, twice as many before a third, and so on.",
    )
    on_error: OnError = option(
        "continue",
        'Whether to "continue" after a failure, or to "raise" an error at the first one.',
        check=one_of(get_args(OnError)),
    )
    max_failures: int | None = option(
        None,
        "Start no more settings after so many failures.",
        check=whole(1, "give a whole number, 1 or more, or None"),
    )
    stop: Stopper | None = option(
        None,
        "Decides at the steps of settings whether they go on, such as ASHA().",
        check=_stopper,
    )
    strategy: Strategy | None = option(
        None,
        "Proposes settings from the outcomes so far, such as Evolution(trials=100).",
        check=_strategy,
    )
    debug: bool = option(False, "Run one setting after another; stop in pdb where one raises.")
    results: str | Path = option("results", "The folder under which all results are kept.")
    progress: bool = option(True, "Whether to show the progress.")

    def __post_init__(self) -> None:
        """Check the values, also by the engine, if its name is given."""
        settle(self, RunError)
        if isinstance(self.engine, str) and self.engine not in get_args(EngineName):
            object.__setattr__(self, "engine", find(self.engine))  # of another package
        self._refuse_with_shard()
        _ = self.of_engine
        if isinstance(self.carrier, str):
            check(find(self.carrier), self.of_engine)

    def _refuse_with_shard(self) -> None:
        for name, why in _NEEDS_ALL.items() if self.shard is not None else ():
            chosen = getattr(self, name)
            if chosen is not None:
                raise RunError(
                    f"{name}={chosen!r} cannot be used with shard={self.shard}: {why}, and a shard "
                    "has only some of them; leave one of the two out"
                )

    @cached_property
    def of_engine(self) -> Options:
        """The options that the engine gets."""
        if self.debug:
            return Options()
        num_proc = 1 if self.num_proc is None else self.num_proc
        return Options(
            self._most_at_once() if self.is_auto else cast("int", num_proc),
            self.timeout,
            self.setup_timeout,
            self.retries,
            cast("frozenset[Status]", self.retry_on),
            self.retry_wait,
            may_grow=self.is_auto and self.is_on_cluster,
        )

    @cached_property
    def is_auto(self) -> bool:
        """Whether the number of workers is that of this machine, or of the cluster."""
        is_auto = isinstance(self.num_proc, str) and self.num_proc == "auto"
        return is_auto or (self.num_proc is None and self.is_on_cluster)

    @property
    def is_on_cluster(self) -> bool:
        """Whether the engine knows how many workers it can have."""
        return hasattr(self.engine, "most_at_once")

    def _most_at_once(self) -> int:
        """The number of workers by the engine or the executor, else the cores of this machine."""
        if self.is_on_cluster:
            engine: Any = self.engine
            return cast("int", engine.most_at_once())
        if not hasattr(self.engine, "submit") or hasattr(self.engine, "execute"):
            return cores()
        from superparams.executor.engines.futures.executor_facts import n_workers

        return n_workers(self.engine) or cores()

    def for_class(self, cls: type[Any]) -> RunOptions:
        """These options, with the default engine of a class.

        That is an event loop for a ``run`` that is a coroutine, and worker processes for a class
        that declares resources: only these can hold all of them.
        """
        if self.engine is not None or self.debug:
            return self
        if is_async(cls):
            return replace(self, engine="asyncio")
        return replace(self, engine="processes") if self._needs_processes(cls) else self

    def _needs_processes(self, cls: type[Any]) -> bool:
        return has_resources(cls) and has_processes()

    @cached_property
    def carrier(self) -> EngineName | Engine | Executor | None:
        """The engine; the default engine if the option is None.

        The result is None on a system without worker processes of ours: a pool of Python takes
        their place.
        """
        if self.debug:
            return self._engine_of_debug()
        if self.engine is not None:
            return self.engine
        options = self.of_engine
        alone = Options(
            retries=options.retries, retry_on=options.retry_on, retry_wait=options.retry_wait
        )
        if self.of_engine == alone:  # nothing needs a process to kill
            return "serial"
        return "processes" if has_processes() else None

    def _engine_of_debug(self) -> EngineName:
        if self.engine not in (None, "serial"):
            raise RunError(
                f"engine={self.engine!r} cannot be used with debug=True, which runs one setting "
                "after another in this process: leave engine= out"
            )
        return "serial"


class OldOptions(TypedDict, total=False):
    """Deprecated options of `run_all`, now options of `superparams.executor.Processes`."""

    start_method: StartMethod | None
    threads_per_worker: int | None
    gpus: Iterable[str | int] | int | None


# By their names in `Processes`.
NEW_NAMES: Final = {"start_method": "start_method", "threads_per_worker": "threads", "gpus": "gpus"}


# What other libraries call the number of workers.
NAMES_OF_WORKERS: Final = frozenset(
    {"n_jobs", "n_workers", "num_workers", "max_workers", "workers", "processes"}
)


def in_new_words(
    options: Mapping[str, object], old: Mapping[str, object], cls: type[Any] | None = None
) -> dict[str, Any]:
    """The options of a call of `run_all`, with deprecated ones moved to the engine.

    Args:
        options: By their names in `RunOptions`.
        old: Those that the signature does not name.
        cls: The class that runs; one of its fields may be meant.

    Raises:
        TypeError: For an option that never existed.
        EngineError: As `with_processes`.
    """
    unknown = next((name for name in old if name not in NEW_NAMES), None)
    if unknown is not None:
        raise TypeError(
            f"run_all() got an unexpected keyword argument {unknown!r}; {_hint(unknown, cls)}"
        )
    of_processes = {NEW_NAMES[name]: x for name, x in old.items()}
    if old:
        names = ", ".join(f"{name}=" for name in old)
        words = ", ".join(f"{name}={x!r}" for name, x in of_processes.items())
        warn_user(
            f"run_all({names}) is deprecated: write run_all(engine=Processes({words})), with "
            "Processes from superparams.executor",
            DeprecationWarning,
        )
    return with_processes(options, of_processes)


def _hint(name: str, cls: type[Any] | None) -> str:
    """What to write instead of an unknown option: a field of the class, or a similar option."""
    from superparams.declare.dotted_names import meant
    from superparams.declare.metaclass import recorded_fields

    if cls is not None and name in recorded_fields(cls):
        return f"{name} is a field: write {cls.__name__}({name}=...).run_all()"
    if name in NAMES_OF_WORKERS:
        return "the number of workers is num_proc=..."
    return meant(name, [option.name for option in fields(RunOptions)], "options")


def with_processes(options: Mapping[str, Any], of_processes: Mapping[str, Any]) -> dict[str, Any]:
    """Options for `RunOptions`, with those of worker processes moved to the engine.

    Args:
        options: By their names in `RunOptions`.
        of_processes: By their names in `Processes`; None means the default.

    Raises:
        EngineError: When another engine is given.
    """
    process_options = {name: x for name, x in of_processes.items() if x is not None}
    if not process_options or options.get("debug"):  # the debugger runs settings in this process
        return dict(options)
    engine = options.get("engine")
    if engine not in (None, "processes"):
        name, x = next(iter(process_options.items()))
        raise EngineError(
            f"{name}={x!r} cannot be used with engine={engine!r}: it is an option of worker "
            f"processes; give engine=Processes({name}={x!r}), from superparams.executor"
        )
    from superparams.executor.engines.processes.engine import Processes

    return {**options, "engine": Processes(**process_options)}
