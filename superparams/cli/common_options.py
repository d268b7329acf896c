"""What every verb takes: a NAME, ``--results`` and ``--json``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from superparams.cli.click_types import NAME

if TYPE_CHECKING:
    from superparams.cli.session import Session
    from superparams.declare.experiment import Experiment

__all__ = ["as_json", "from_here", "in_results", "named", "one", "root_of"]

_F = TypeVar("_F", bound=Callable[..., Any])


def named(verb: _F) -> _F:
    """Argument `target`: which experiments are meant."""
    return click.argument("target", metavar="NAME", type=NAME)(verb)


def from_here(_: click.Context, __: click.Parameter, path: Path | None) -> Path | None:
    """Make a path absolute at once, since experiments may change the working directory."""
    if path is None:
        return None
    from superparams.store.runs.results_path import full_path  # loads the store

    return full_path(path)


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


def root_of(session: Session, cls: type[Experiment], results: Path | None) -> Path:
    """The folder in which all of an experiment's results are kept."""
    from superparams.declare.experiment import name_of
    from superparams.store.runs.folder import experiment_folder

    return experiment_folder(session.results(results), name_of(cls))


def one(experiments: Sequence[type[Experiment]], what: str) -> type[Experiment]:
    """The one experiment that is meant.

    Raises:
        CommandError: When the name means several.
    """
    from superparams.declare.experiment import name_of
    from superparams.errors import CommandError

    if len(experiments) > 1:
        names = ", ".join(map(name_of, experiments))
        raise CommandError(f"{what} is of one experiment, and that name means {names}; give one")
    return experiments[0]
