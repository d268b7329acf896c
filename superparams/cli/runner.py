"""Runs one experiment after another, and keeps the outcome of each."""

from __future__ import annotations

import contextlib
import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

import click

from superparams.cli import user_errors
from superparams.cli.draw_flags import Draw
from superparams.cli.table_formats import as_table, for_people
from superparams.cli.terminal import is_terminal, lines_of, room, styled
from superparams.declare.experiment import Experiment
from superparams.declare.experiment_place import name_of
from superparams.declare.layout import has_range
from superparams.declare.place import from_words
from superparams.errors import SuperparamsError, safe_text
from superparams.executor.engines.contract import Control
from superparams.outcomes.outcome import FAILURES
from superparams.run.loop import run_all
from superparams.run.options import RunOptions
from superparams.run.shards import Shard, shard_text
from superparams.space.groups import size_of
from superparams.store.results import Results
from superparams.views.failures import Failures, failures_of
from superparams.views.result_tables import summary_of

__all__ = [
    "EndedExperiment",
    "ExperimentOutcome",
    "ImpossibleRun",
    "run_each",
    "run_or_report",
    "spaces_to_run",
]

MOST_KINDS = 5  # kinds of failures that are shown
TIMED_SECONDS = 60.0  # a run of so many seconds shows its duration also in a log
ERROR = 120  # characters of an error in a list
ROWS = 20  # rows of a table that is shown at once


class ExperimentOutcome(Protocol):
    """The outcome of one experiment of a command line."""

    @property
    def code(self) -> int:
        """The exit code for this experiment; the command exits with the highest one."""
        ...

    @property
    def document(self) -> dict[str, Any]:
        """As types of JSON, for programs."""
        ...

    @property
    def lines(self) -> Iterable[str]:
        """As text, for people."""
        ...


@dataclass(frozen=True)
class ImpossibleRun:
    """An experiment that cannot run; its error has been shown.

    why: the error, with its traceback if it is an error of the user's code.
    """

    name: str
    why: str
    code = 2
    lines = ()

    @property
    def document(self) -> dict[str, Any]:
        """As types of JSON, for programs."""
        return {"experiment": self.name, "error": self.why}


@dataclass(frozen=True)
class EndedExperiment:
    """An experiment that has run.

    Attributes:
        size: settings of the space.
        results: the recorded results of these settings, or of those of the shard.
        program: the command that the user typed.
        shard: the shard that ran; None for all settings.
    """

    name: str
    size: int
    results: Results
    program: str
    shard: Shard | None = None

    @property
    def failed(self) -> int:
        """How many settings failed, were killed or timed out."""
        return sum(n for name, n in self.results.counts.items() if name in FAILURES)

    @property
    def code(self) -> int:
        """1 if a setting failed, else 0."""
        return int(self.failed > 0)

    @property
    def document(self) -> dict[str, Any]:
        """As types of JSON, for programs."""
        report = self.results.report
        rows = self._failures()
        return {
            "experiment": self.name,
            "settings": self.size,
            **({} if self.shard is None else {"shard": self.shard}),
            "counts": self.results.counts,
            "failed": self.failed,
            "seconds": self.results.elapsed,
            "failures": rows,
            "failures_alike": [vars(failures) for failures in failures_of(self.results)]
            if rows
            else [],
            "table": str(self.results.path),
            "report": None if report is None else str(report),
        }

    @property
    def lines(self) -> Iterator[str]:
        """Text for people: at a terminal the rows of a small table, the counts, the failures."""
        rows = self._table() if is_terminal() else []
        yield from rows
        elapsed = self.results.elapsed or 0
        is_timed = is_terminal() or elapsed >= TIMED_SECONDS
        summary = summary_of(self.results, self.results.elapsed if is_timed else None)
        yield summary if self.shard is None else f"{shard_text(self.shard)}, {summary}"
        kinds = failures_of(self.results, MOST_KINDS + 1) if self.failed else []
        for failures in kinds[:MOST_KINDS] if not rows else ():
            yield from safe_text.wrapped(
                f"  {safe_text.line(shortened(failures))}", room(), indent="    "
            )
        if len(kinds) > MOST_KINDS and not rows:
            rest = self.failed - sum(kind.settings for kind in kinds[:MOST_KINDS])
            yield f"  … and {rest:,} with other errors"
        if kinds:
            yield from self._remedy(kinds[0])
        if self.results.report is not None:
            yield f"report: {safe_text.line(_short(self.results.report))}"

    def _table(self) -> list[str]:
        results = self.results
        if not 0 < len(results) <= ROWS:
            return []
        every = results.to_arrow(stale=True)
        table = as_table(results, for_people(results, every), every=every).fitted(room())
        return [*lines_of(table), *table.notes(room=room())]

    def _failures(self) -> list[dict[str, Any]]:
        if not self.failed:
            return []
        table = self.results.failures.to_arrow().select(["key", "status", "error"])
        rows: list[dict[str, Any]] = table.to_pylist()
        return rows

    def _remedy(self, failures: Failures) -> Iterator[str]:
        what = safe_text.line(f"{self.name} {failures.key[:8]}")
        logs = f", `{self.program} logs {what}` what it printed" if failures.has_log else ""
        sentence = f"  `{self.program} show {what}` has the traceback{logs}"
        yield from safe_text.wrapped(sentence, room(), indent="    ")


def shortened(failures: Failures) -> str:
    """A group of failures, with as much of the error as a list has room for."""
    return str(replace(failures, error=textwrap.shorten(failures.error, ERROR, placeholder=" …")))


def _short(path: Path) -> Path:
    """A path for messages, relative to the working directory if it is below that."""
    with contextlib.suppress(ValueError, OSError):  # elsewhere, or no working directory
        return path.relative_to(Path.cwd())
    return path


T = TypeVar("T")


def run_or_report(name: str, act: Callable[[], T]) -> T | ImpossibleRun:
    """The result of `act`, or why the experiment of that name cannot run, which is shown at once.

    An error of superparams itself is not handled here and is raised again.
    """
    try:
        return act()
    except BrokenPipeError:  # the reader of the output is gone
        raise
    except SuperparamsError as error:
        why = "\n".join([str(error), *getattr(error, "__notes__", ())])
    except (Exception, SystemExit) as error:
        traceback = user_errors.text_for_user(error)
        if traceback is None:
            raise
        why = f"{name} cannot run\n{traceback}"
    click.echo(f"Error: {safe_text.lines(why)}", err=True)
    return ImpossibleRun(name, why)


ALL: Final = Draw()


def spaces_to_run(
    experiments: Sequence[type[Experiment]], words: Sequence[str], draw: Draw = ALL
) -> list[Experiment] | None:
    """The spaces to run, all of which are created before the first one runs.

    None if one of them cannot be created, since it does not take a word or lacks a field.
    """
    spaces = [run_or_report(name_of(cls), partial(_space, cls, words, draw)) for cls in experiments]
    right = [space for space in spaces if not isinstance(space, ImpossibleRun)]
    return right if len(right) == len(spaces) else None


def _space(cls: type[Experiment], words: Sequence[str], draw: Draw) -> Experiment:
    space = draw.of(from_words(cls, words))
    if not has_range(space):
        size_of(space)  # `valid` may fail
    return space


def run_each(
    spaces: Sequence[Experiment], options: RunOptions, program: str
) -> Iterator[EndedExperiment | ImpossibleRun]:
    """Run one experiment after another, also after one that cannot run.

    Raises:
        KeyboardInterrupt: After Ctrl-C, even if it came too late to end the last experiment.
    """
    for index, space in enumerate(spaces):
        name = name_of(type(space))
        if len(spaces) > 1 and options.progress:
            click.echo(styled(safe_text.line(name), bold=True), err=True)
        control = Control()
        act = partial(run_all, space, options, control=control, has_summary=False)
        outcome = run_or_report(name, act)
        if isinstance(outcome, ImpossibleRun):
            yield outcome
        else:
            size = len(outcome) if options.strategy is not None else size_of(space)
            yield EndedExperiment(name, size, outcome, program, options.shard)
        left = len(spaces) - index - 1
        if control.interrupted and left:
            was = "experiment was" if left == 1 else "experiments were"
            raise KeyboardInterrupt(f"{left:,} more {was} to run; run it again for the rest")
