"""The arguments of every verb: a NAME, ``--results`` and ``--json``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from superparams.cli.click_types import NAME
from superparams.errors import CommandError

__all__ = ["as_json", "from_here", "in_results", "named", "output_file"]

_F = TypeVar("_F", bound=Callable[..., Any])


def named(verb: _F) -> _F:
    """Add the argument `target`, the NAME of experiments."""
    return click.argument("target", metavar="NAME", type=NAME)(verb)


def from_here(_: click.Context, __: click.Parameter, path: Path | None) -> Path | None:
    """Make a path absolute at once, since experiments may change the working directory."""
    if path is None:
        return None
    from superparams.store.runs.results_folder import full_path  # loads the store

    return full_path(path)


def output_file(context: click.Context, option: click.Parameter, path: Path | None) -> Path | None:
    """The file to write. A ``-`` is refused, since other commands take it for standard output."""
    if str(path) == "-":
        has_text = context.info_name == "results"
        without = "; without -o, the output goes to standard output" if has_text else ""
        raise CommandError(f"-o -: give the path of a file{without}")
    return from_here(context, option, path)


def in_results(verb: _F) -> _F:
    """Option `results`: the folder in which results are kept."""
    return click.option(
        "--results",
        metavar="DIR",
        type=click.Path(file_okay=False, path_type=Path),
        callback=from_here,
        help="The folder for results; by default results/ in the project.",
    )(verb)


def as_json(verb: _F) -> _F:
    """Option `is_json`: one JSON document for programs."""
    return click.option(
        "--json", "is_json", is_flag=True, help="Write one JSON document to standard output."
    )(verb)
