"""Run experiments."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from superparams.cli import common_options
from superparams.cli.click_types import NAME, OVERRIDE
from superparams.cli.draw_flags import Draw
from superparams.cli.run_flags import flag, flags_of_options, run_options
from superparams.cli.search_flags import SEARCH_FLAGS, SearchFlags, search_of
from superparams.cli.session import Session

if TYPE_CHECKING:
    from superparams.cli.runner import ExperimentOutcome
    from superparams.declare.experiment import Experiment
    from superparams.run.options import RunOptions

__all__ = ["command"]

EXAMPLES: Final = (
    ("experiment RQ1", "all experiments of RQ1.py"),
    ("experiment RQ1.Digits -n 4", "one class, on four workers"),
    ("experiment RQ1 lr=1e-3,1e-4 seed=0..9", "another space"),
    ("experiment RQ1 lr=1e-5..0.1:log --sample 100", "100 random points of a range"),
    ("experiment RQ1 --minimize loss --trials 200", "a search: outcomes decide what runs next"),
    ("experiment RQ1 --shard 3/16", "one of the 16 parts 0/16 to 15/16, as a task of a job array"),
    ("experiment RQ1 --plan", "what is done, and what there is to do"),
)
CODES: Final = (
    ("0", "no setting failed: all are done or stopped"),
    ("1", "some failed, were killed or took too long"),
    ("2", "the command or an experiment is wrong, and did not run"),
    ("130, 143", "ended by Ctrl-C, by SIGTERM: recorded outcomes are kept"),
)


class RunCommand(click.Command):
    """The verb `run`, whose help also shows the fields of the experiments that NAME means."""

    def get_help_option(self, ctx: click.Context) -> click.Option | None:
        """No option of click: our own ``--help`` waits for NAME."""
        return None

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Examples, and what the exit codes mean."""
        for title, rows in (("Examples", EXAMPLES), ("Exit codes", CODES)):
            with formatter.section(title):
                formatter.write_dl(rows)


NO_PROGRESS: Final = click.option("--no-progress", is_flag=True, help="Do not show the progress.")
# In the order of the help.
OPTIONS: Final = (
    flag("num_proc", "-n", "--num-proc"),
    flag("engine"),
    click.option("--plan", "is_plan", is_flag=True, help="Show what would run, and run nothing."),
    click.option("--rerun", is_flag=True, help="Run all settings, done or not."),
    click.option("--failed", is_flag=True, help="Run only settings that failed before."),
    click.option("--stopped", is_flag=True, help="Run only settings that a stopper has ended."),
    click.option("--new", is_flag=True, help="Run only settings without an outcome."),
    click.option("--sample", type=click.IntRange(1), metavar="N", help="Run N random points."),
    click.option(
        "--sobol", type=click.IntRange(1), metavar="N", help="Run N points that are spread evenly."
    ),
    click.option(
        "--grid", type=click.IntRange(1), metavar="K", help="Run at most K values of each range."
    ),
    click.option(
        "--draw-seed",
        type=int,
        default=0,
        show_default=True,
        metavar="N",
        help="The seed: another one draws other points.",
    ),
    *SEARCH_FLAGS,
    *flags_of_options(),
    flag("gpus"),
    flag("threads", "--threads-per-worker"),
    flag("start_method"),
    NO_PROGRESS,
)


def options(verb: Any) -> Any:
    """The options of the verb that say how to run."""
    for option in reversed(OPTIONS):
        verb = option(verb)
    return verb


@click.command("run", cls=RunCommand, short_help="Run experiments.")
@click.argument("target", metavar="NAME", type=NAME, required=False)
@click.argument("overrides", metavar="[FIELD=VALUES]...", nargs=-1, type=OVERRIDE)
@options
@common_options.in_results
@common_options.as_json
@click.option(
    "-h", "--help", "is_help", is_flag=True, help="Show this help, and the fields of NAME."
)
@click.pass_context
def command(
    ctx: click.Context,
    /,
    target: str | None,
    overrides: tuple[str, ...],
    results: Path | None,
    is_json: bool,
    is_help: bool,
    is_plan: bool,
    **flags: Any,
) -> None:
    """Run all experiments of NAME. Settings that are done by the same code are skipped.

    FIELD=VALUES changes the space: one value fixes a field, several values search it. `experiment
    NAME --help` shows the fields.
    """
    session = ctx.ensure_object(Session)
    if is_help:
        _help(ctx, session, target)
        return
    if target is None:
        raise click.UsageError("Missing NAME: `experiment list` lists all experiments.", ctx)
    draw = _draw(flags)
    search = _search(flags, draw)
    draw = draw if search.strategy is None else Draw("search")
    options = run_options(
        _options_of_flags(flags) | {"strategy": search.strategy, "stop": search.stop}
    )  # wrong options are reported before anything is imported
    from superparams.cli import json_document
    from superparams.cli.streams import stdout_for_people

    options = replace(options, results=session.results(results))
    outcomes: list[ExperimentOutcome] = []
    if search.note is not None and options.progress:
        click.echo(search.note, err=True)
    with stdout_for_people(is_json):
        ahead = None if is_plan else options
        spaces = _spaces(session.experiments(target), overrides, draw, ahead)
        if spaces is None:
            ctx.exit(2)
        each = _plans(spaces, options) if is_plan else _runs(session, spaces, options)
        for outcome in each:
            outcomes.append(outcome)
            for line in () if is_json else outcome.lines:
                click.echo(line)
    if is_json:
        json_document.write([outcome.document for outcome in outcomes])
    ctx.exit(max(outcome.code for outcome in outcomes))


def _spaces(
    classes: Sequence[type[Experiment]],
    overrides: Sequence[str],
    draw: Draw,
    options: RunOptions | None,
) -> list[Experiment] | None:
    """The spaces; see `spaces_to_run`. Meanwhile, workers may start for the options of a run."""
    from superparams.run.workers_ahead import start_ahead

    if options is not None:
        start_ahead(options, classes[0])
    from superparams.cli.runner import spaces_to_run

    return spaces_to_run(classes, overrides, draw)


def _help(ctx: click.Context, session: Session, target: str | None) -> None:
    """The help of the verb, with the fields of the experiments that NAME means."""
    from superparams.errors import CommandError

    formatter = ctx.make_formatter()
    if target is not None:
        try:
            _write_experiments(formatter, ctx, session, target)
        except CommandError:  # the general help is shown nevertheless
            click.echo(ctx.get_help() + "\n")
            raise
        ctx.command.format_options(ctx, formatter)
    else:
        ctx.command.format_help(ctx, formatter)
    click.echo(formatter.getvalue().rstrip("\n"))


def _write_experiments(
    formatter: click.HelpFormatter, ctx: click.Context, session: Session, target: str
) -> None:
    from superparams.cli.field_table import write_fields
    from superparams.errors import safe_text

    classes = session.experiments(target)
    name = safe_text.line(f"{session.program} {target}")
    formatter.write_usage(name, "[OPTIONS] [FIELD=VALUES]...")
    for cls in classes:
        write_fields(formatter, cls)


def _options_of_flags(flags: Mapping[str, Any]) -> dict[str, Any]:
    """The options of the run by their names in `run_all`.

    Raises:
        UsageError: For two that exclude each other.
    """
    how = dict(flags)
    only = [name for name in ("rerun", "failed", "stopped", "new") if how.pop(name)]
    if len(only) > 1:
        raise click.UsageError(f"--{only[0]} and --{only[1]} exclude each other: give one.")
    how["resume"] = only != ["rerun"]
    how["only"] = only[0] if only and only != ["rerun"] else None
    how["progress"] = not how.pop("no_progress")
    return how


def _draw(flags: dict[str, Any]) -> Draw:
    """How to draw settings of a space, by the flags, which are removed from `flags`.

    Raises:
        UsageError: For two ways to draw.
    """
    seed = flags.pop("draw_seed")
    draws = {name: n for name in ("sample", "sobol", "grid") if (n := flags.pop(name)) is not None}
    if len(draws) > 1:
        first, second, *_ = draws
        raise click.UsageError(f"--{first} and --{second} exclude each other: give one.")
    if seed and not draws.keys() & {"sample", "sobol"}:
        raise click.UsageError("--draw-seed needs --sample N or --sobol N: give one of them.")
    for call, n in draws.items():
        return Draw(call, n, seed)
    return Draw()


def _search(flags: dict[str, Any], draw: Draw) -> SearchFlags:
    """The strategy and the stopper of the flags, which are removed from `flags`."""
    others = {f"--{name}": bool(flags[name]) for name in ("failed", "stopped", "new")}
    return search_of(flags, {f"--{draw.call}": draw.call is not None, **others})


def _plans(spaces: Sequence[Experiment], options: RunOptions) -> Iterator[ExperimentOutcome]:
    from superparams.cli.plan_text import planned
    from superparams.cli.runner import run_or_report
    from superparams.declare.experiment_place import name_of

    for space in spaces:
        name = name_of(type(space))
        yield run_or_report(name, partial(planned, space, options))


def _runs(
    session: Session, spaces: Sequence[Experiment], options: RunOptions
) -> Iterator[ExperimentOutcome]:
    from superparams.cli.runner import run_each

    yield from run_each(spaces, options, session.program)
