"""What runs a setting: the same code under every engine.

A `Program` is what a worker needs once: the space, what its factories made, and how to make the
keys. A `Worker` is a program in place: it has been set up, and runs one setting after another.
"""

from __future__ import annotations

import inspect
import time
import traceback
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from superparams.declare import fields_of
from superparams.experiment import Experiment, Place
from superparams.fields import Axis, Value, is_group
from superparams.identity import key_text
from superparams.identity.names import main_name, set_main_name
from superparams.keys import Keys
from superparams.outcome import Outcome, Status
from superparams.params import Params
from superparams.show import as_row, row_maker

__all__ = ["Place", "Program", "Worker"]


class Program:
    """A space and all that a worker needs to run its settings; packed once a run.

    Args:
        space: The experiment; a setting is a space of one.
        n_proc: How many workers there will be, which every setting can ask for.
        name: ``module.Class``, as the results folder is called.
    """

    def __init__(self, space: Experiment, n_proc: int, name: str, keys: Keys | None = None) -> None:
        self.space = space
        self.n_proc = n_proc
        self.name = name
        self.keys = Keys(space) if keys is None else keys
        self._main = main_name()

    def __len__(self) -> int:
        return len(self.space)

    def enter(self, place: Place) -> Worker:
        """A worker at `place`, set up and ready to run."""
        return Worker(self, place)

    def key(self, index: int) -> str:
        """The key of a setting, 32 hexadecimal digits."""
        return key_text(self.keys[index])

    def outcome_of_lost(self, index: int, *, status: Status, **known: Any) -> Outcome:
        """The outcome of a setting whose worker cannot tell it any more."""
        return Outcome(index, self.key(index), status, self.row(index), **known)

    def row(self, index: int) -> dict[str, Any]:
        """The columns of a setting, without anything of the user's that could fail."""
        try:
            layout = self.space.__dict__.get("~layout")
            if layout is None:
                return dict(as_row(self.space))
            raw = layout.kept.at(index) if layout.kept else index
            return dict(as_row(layout.bare(layout.product.at(raw))))
        except Exception:  # a derived field that cannot be computed
            return {}

    def __getstate__(self) -> dict[str, Any]:
        """Everything, with what the factories make: made now, once, in this process."""
        made = [(owner, x.made()) for owner, x in _factories(self.space)]
        return {**self.__dict__, "_made": made}

    def __setstate__(self, state: dict[str, Any]) -> None:
        set_main_name(state["_main"])
        for owner, made in state.pop("_made"):
            _declaration(owner).put(made)
        self.__dict__.update(state)


class Worker:
    """Runs settings, one at a time, at one place."""

    def __init__(self, program: Program, place: Place) -> None:
        self._program = program
        self._space = program.space
        self._common: dict[str, Any] = {"~place": place}
        self._place = place
        self._is_set_up = False
        self._row = row_maker(program.space)

    def run(self, index: int, attempt: int = 1) -> Outcome:
        """Run one setting; whatever it raises becomes its outcome, except KeyboardInterrupt."""
        started, begun = time.time(), time.perf_counter()
        result = error = trace = None
        params: dict[str, Any] | None = None
        status: Status = "done"
        try:
            setting = self._setting(index)
            result = checked(type(setting), setting.run())
            params = self._row(setting)
        except KeyboardInterrupt:
            raise
        except BaseException as raised:  # SystemExit too: a setting never ends its worker
            status, result = "failed", None
            error, trace = headline(raised), trace_of(raised)
        return Outcome(
            index,
            self._program.key(index),
            status,
            self._program.row(index) if params is None else params,
            result,
            error,
            trace,
            started,
            time.perf_counter() - begun,
            self._place.rank,
            attempt,
        )

    def _setting(self, index: int) -> Experiment:
        if not self._is_set_up:
            self._set_up()
        setting = self._space[index]
        setting.__dict__.update(self._common)
        return setting

    def _set_up(self) -> None:
        cls = type(self._space)
        self._is_set_up = True
        if cls.setup is Experiment.setup:
            return
        stage = self._stage()
        before = set(stage.__dict__)
        try:
            stage.setup()
        except BaseException:
            self._is_set_up = False
            raise
        self._common.update({k: x for k, x in stage.__dict__.items() if k not in before})

    def _stage(self) -> Experiment:
        """An instance with the fixed fields alone, for what is done once a worker."""
        stage = object.__new__(type(self._space))
        opened = self._space.__dict__.get("~open", {})
        skipped = {*opened, "~open", "~layout", "~own", "run"}
        stage.__dict__.update({k: x for k, x in self._space.__dict__.items() if k not in skipped})
        stage.__dict__.update(self._common)
        return stage

    def close(self) -> None:
        """Tear down what was set up."""
        if self._is_set_up and type(self._space).teardown is not Experiment.teardown:
            self._stage().teardown()
        self._is_set_up = False


def checked(cls: type[Any], result: Any) -> Any:
    """What ``run`` returned, as an outcome can hold it.

    Raises:
        TypeError: For anything but a dict, None, or a frame.
    """
    if result is None or type(result) is dict or hasattr(result, "__arrow_c_stream__"):
        return result
    if isinstance(result, Mapping):
        return dict(result)  # pyright: ignore[reportUnknownArgumentType,reportUnknownVariableType]
    if inspect.iscoroutine(result):
        result.close()
        raise TypeError(
            f"{cls.__name__}.run() is async; use asyncio.run(...) inside a plain run()"
        )
    raise TypeError(
        f"{cls.__name__}.run() returned {result!r:.80}, a {type(result).__name__}; return a dict "
        f'such as {{"score": ...}}, None, or a data frame'
    )


def headline(error: BaseException) -> str:
    """``Type: message`` of any exception, whatever its own methods do."""
    try:
        text = str(error)
    except Exception as broken:
        text = f"<its message raised {type(broken).__name__}>"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def trace_of(error: BaseException) -> str:
    """The traceback from the user's first frame on."""
    try:
        return "".join(traceback.format_exception(type(error), error, _users(error.__traceback__)))
    except Exception:  # an exception whose own methods fail
        return "".join(traceback.format_tb(_users(error.__traceback__))) + headline(error)


def _users(trace: TracebackType | None) -> TracebackType | None:
    at = trace
    while at is not None and at.tb_frame.f_globals.get("__name__") == __name__:
        at = at.tb_next
    return at or trace


# A declaration is named by its class and field, since a worker has that class by itself when it
# can import it; one that was given at the call travels with the space.
Owner = tuple[type[Params], str] | Value


def _factories(params: Params) -> Iterator[tuple[Owner, Value]]:
    held, lazy = params.__dict__, params.__dict__.get("~lazy", {})
    for name, field in fields_of(type(params)).items():
        if name in held:
            inner = held[name] if isinstance(held[name], Axis) else [held[name]]
            if not isinstance(getattr(inner, "points", None), range):
                for group in filter(is_group, inner):
                    yield from _factories(group)
        elif name in lazy:
            if lazy[name].factory is not None:
                yield lazy[name], lazy[name]
        elif isinstance(field.declared, Value) and field.declared.factory is not None:
            yield (type(params), name), field.declared


def _declaration(owner: Owner) -> Value:
    if isinstance(owner, Value):
        return owner
    declared = fields_of(owner[0])[owner[1]].declared
    assert isinstance(declared, Value)
    return declared
