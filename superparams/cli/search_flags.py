"""The flags that search a space: ``--strategy``, ``--stop``, and the goal and budget of these."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import click

__all__ = ["SEARCH_FLAGS", "SearchFlags", "name_and_options", "search_of"]

SEARCH_FLAGS: Final = (
    click.option(
        "--strategy",
        default=None,
        metavar="NAME",
        help="Proposes settings from the outcomes so far, such as evolution or tpe(seed=1).",
    ),
    click.option("--trials", type=click.IntRange(1), metavar="N", help="Search with N trials."),
    click.option(
        "--warm",
        is_flag=True,
        help="Start the search with what other runs of the same code have recorded.",
    ),
    click.option("--maximize", metavar="COLUMN", help="The result to maximize."),
    click.option("--minimize", metavar="COLUMN", help="The result to minimize."),
    click.option(
        "--stop",
        default=None,
        metavar="NAME",
        help="Ends settings early by their steps, such as asha or threshold(lower=0.1).",
    ),
)


@dataclass(frozen=True)
class SearchFlags:
    """The strategy and the stopper that flags name.

    Attributes:
        strategy: A strategy; None without a search.
        stop: A stopper; None without one.
        note: Says which strategy was chosen, if no flag names one.
    """

    strategy: Any = None
    stop: Any = None
    note: str | None = None


def name_and_options(text: str) -> tuple[str, dict[str, Any]]:
    """The name in a text such as ``asha`` or ``threshold(lower=0.1)``, and its options.

    Raises:
        UsageError: For a text that is neither, and for an option that is no plain value.
    """
    if "(" not in text:
        return text, {}
    try:
        call = ast.parse(text.strip(), mode="eval").body
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name) or call.args:
            raise ValueError
        options = {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in call.keywords}
        if any(keyword.arg is None for keyword in call.keywords):
            raise ValueError
    except (SyntaxError, ValueError):
        raise click.UsageError(
            f"{text!r}: give a name, or a name with options that are plain values, as in "
            "threshold(lower=0.1)"
        ) from None
    return call.func.id, options


def search_of(flags: dict[str, Any], others: Mapping[str, bool]) -> SearchFlags:
    """The strategy and the stopper of the flags, which are removed from `flags`.

    Args:
        flags: The flags by name.
        others: Flags that exclude a search, as they are written, and whether each is given.

    Raises:
        UsageError: For flags that do not go together.
        StrategyError: For unknown names, and for options that a class refuses.
    """
    name, trials, stop = (flags.pop(flag) for flag in ("strategy", "trials", "stop"))
    goal = {
        direction: x
        for direction in ("maximize", "minimize")
        if (x := flags.pop(direction)) is not None
    }
    is_search, warm = name is not None or trials is not None, flags.pop("warm")
    if warm and not is_search:
        raise click.UsageError(
            "--warm needs a search: give --trials as well, such as --trials 100."
        )
    if goal and not is_search and stop is None:
        raise click.UsageError(f"--{next(iter(goal))} needs --trials N or --stop NAME.")
    for other_flag in [flag for flag, is_given in others.items() if is_given and is_search]:
        search_flag = "--strategy" if name is not None else "--trials"
        raise click.UsageError(f"{search_flag} and {other_flag} exclude each other: give one.")
    if name is not None and trials is None:
        raise click.UsageError("--strategy needs a budget: give --trials, such as --trials 100.")
    if not is_search and stop is None:
        return SearchFlags()
    from superparams.strategies.strategy_registry import (
        STOPPERS,
        STRATEGIES,
        default_strategy,
        find_named,
    )

    stopper = strategy = note = None
    if stop is not None:
        stopper_name, options = name_and_options(stop)
        stopper = find_named(STOPPERS, stopper_name)(**{**options, **goal})
    if is_search:
        chosen, warm_options = name or default_strategy(), {"warm": True} if warm else {}
        strategy_name, options = name_and_options(chosen)
        strategy = find_named(STRATEGIES, strategy_name)(
            **{**options, **warm_options, "trials": trials, **goal}
        )
        note = None if name is not None else f"strategy: {chosen} (choose another with --strategy)"
    return SearchFlags(strategy, stopper, note)
