"""The flags of `run` and `rerun`, made from the options of `run_all` and of worker processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from typing import Any, Final, get_args

import click
from click.shell_completion import CompletionItem

from superparams.executor.engines.contract import Options
from superparams.executor.engines.option_fields import BadValue
from superparams.executor.engines.processes.engine import Processes, StartMethod
from superparams.executor.engines.registry import EngineName, registered_names
from superparams.run.options import RunOptions, with_processes
from superparams.run.shards import shard_of_word

__all__ = ["Flag", "flag", "flags_of_options", "run_options"]

SHOWN: Final = 40  # characters of a wrong word in a message
Flag = Callable[[Any], Any]  # decorates the function of a verb

_OWNERS: Final = (Options, RunOptions, Processes)
_FIELDS: Final = {option.name: option for owner in _OWNERS for option in fields(owner)}
_CHECKS: Final = {
    option.name: option.metadata["check"]
    for owner in _OWNERS
    for option in fields(owner)
    if option.metadata.get("check") is not None
}


class OptionWord(click.ParamType):  # type: ignore[type-arg]  # generic from click 8.3 on
    """A word that means a value of an option.

    Args:
        name: The option, whose own check says what is wrong.
        read: Makes a value of the word, or raises ValueError.
        remedy: What to write instead; by default the remedy of the check.
    """

    def __init__(self, name: str, read: Callable[[str], object], remedy: str = "") -> None:
        self.name = name
        self._read = read
        self._remedy = remedy

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The value."""
        if not isinstance(value, str):
            return value
        try:
            parsed_value = self._read(value)
        except ValueError:
            parsed_value = value  # which the check refuses
        try:
            return parsed_value if parsed_value == "auto" else _CHECKS[self.name](parsed_value)
        except BadValue as why:
            text = repr(value if len(value) <= SHOWN else f"{value[:SHOWN]}…")
            remedy = self._remedy or str(why).partition(", or None")[0]
            self.fail(f"{text}: {remedy}.", param, ctx)


def _names(word: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in word.split(",") if name.strip())


def _devices(word: str) -> int | tuple[str, ...]:
    """``2`` devices, or those called ``0,2``; ``0,`` is the one called 0."""
    return int(word) if word.isdecimal() else _names(word)


class ShardWord(click.ParamType):  # type: ignore[type-arg]  # generic from click 8.3 on
    """A shard, such as ``3/16``: its number, and how many shards there are."""

    name = "shard"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The two numbers."""
        if not isinstance(value, str):
            return value
        try:
            return shard_of_word(value)
        except BadValue as why:
            self.fail(f"{value[:SHOWN]!r}: {why}.", param, ctx)


class EngineWord(click.Choice):  # type: ignore[type-arg]  # generic from click 8.2 on
    """The name of an engine: one of ours, or one that an installed package registers."""

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        """All names, for the help."""
        return f"[{'|'.join(_engine_names())}]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The name."""
        if value in get_args(EngineName):
            return value
        scheme = str(value).partition("://")[0]  # of an address, as in dask://host:8786
        if scheme in registered_names():
            return value
        names = ", ".join(map(repr, _engine_names()))
        self.fail(f"{str(value)[:SHOWN]!r} is not one of {names}.", param, ctx)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """All names that begin so."""
        names = [name for name in _engine_names() if name.startswith(incomplete)]
        return [*map(CompletionItem, names)]


def _engine_names() -> list[str]:
    return [*get_args(EngineName), *registered_names()]


# Arguments that flags of one type have in common, by the annotation of the option.
_BY_TYPE: Final[Mapping[str, dict[str, Any]]] = {
    "bool": {"is_flag": True},
    "int": {"metavar": "N", "show_default": True},
    "int | None": {"metavar": "N"},
    "float": {"metavar": "SECONDS", "show_default": True},
    "float | None": {"metavar": "SECONDS"},
}
_READERS: Final[Mapping[str, Callable[[str], object]]] = {
    "int": int,
    "int | None": int,
    "float": float,
    "float | None": float,
}
# Further arguments of single flags.
_BY_NAME: Final[Mapping[str, dict[str, Any]]] = {
    "num_proc": {"type": OptionWord("num_proc", int), "metavar": "N|auto", "show_default": True},
    "engine": {"type": EngineWord(get_args(EngineName))},
    "shard": {"type": ShardWord(), "metavar": "I/N"},
    "retry_on": {
        "type": OptionWord("retry_on", _names),
        "metavar": "STATUS,...",
        "default": "killed,timeout",
        "show_default": True,
    },
    "start_method": {"type": click.Choice(get_args(StartMethod))},
    "gpus": {
        "type": OptionWord(
            "gpus",
            _devices,
            "give how many devices, 1 or more, or their names as in 0,2 (and 0, for the one "
            "called 0)",
        ),
        "metavar": "N|NAME,...",
    },
}


def flag(name: str, *flags: str) -> Flag:
    """The flag of an option, a decorator for the function of a verb.

    Args:
        name: The option of `run_all` or `Processes`.
        flags: How to write it, if not as ``--name``.
    """
    option = _FIELDS[name]
    annotation = str(option.type)
    how: dict[str, Any] = {"default": option.default, "help": option.metadata["text"]}
    if annotation in _READERS:
        how["type"] = OptionWord(name, _READERS[annotation])
    how |= {**_BY_TYPE.get(annotation, {}), **_BY_NAME.get(name, {})}
    return click.option(name, *(flags or (f"--{name.replace('_', '-')}",)), **how)


# Options without a flag of their name: verbs have other flags for them.
_ASKED_OTHERWISE: Final = {
    "num_proc",
    "engine",
    "resume",
    "only",
    "on_error",
    "stop",
    "strategy",
    "results",
    "progress",
}


def flags_of_options() -> Iterator[Flag]:
    """A flag for each option of `run_all` that its name, type and help describe completely."""
    for option in fields(RunOptions):
        if option.name not in _ASKED_OTHERWISE:
            yield flag(option.name)


def run_options(flags: Mapping[str, Any]) -> RunOptions:
    """The options of a run, from the flags by the names of their options.

    Raises:
        SuperparamsError: For values that do not go together.
    """
    names = {option.name for option in fields(Processes)}
    of_processes = {name: x for name, x in flags.items() if name in names}
    others = {name: x for name, x in flags.items() if name not in names}
    return RunOptions(**with_processes(others, of_processes))
