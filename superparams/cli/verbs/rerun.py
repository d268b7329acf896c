"""Run settings again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from superparams.cli import common_options, json_document
from superparams.cli.click_types import KEY
from superparams.cli.run_flags import flag, run_options
from superparams.cli.session import Session
from superparams.cli.streams import stdout_for_people
from superparams.cli.terminal import lines_of, room, styled
from superparams.cli.verbs.run import NO_PROGRESS
from superparams.errors import safe_text
from superparams.outcomes.outcome import FAILURES

if TYPE_CHECKING:
    from superparams.cli.runner import ImpossibleRun
    from superparams.declare.experiment import Experiment
    from superparams.run.options import RunOptions
    from superparams.store.results import Results

__all__ = ["command"]


@click.command("rerun")
@common_options.named
@click.argument("words", metavar="KEY... [FIELD=VALUES]...", nargs=-1, required=True, type=KEY)
@flag("num_proc", "-n", "--num-proc")
@flag("engine")
@flag("timeout")
@flag("setup_timeout")
@flag("debug")
@NO_PROGRESS
@common_options.in_results
@common_options.as_json
@click.pass_context
def command(
    ctx: click.Context,
    /,
    target: str,
    words: tuple[str, ...],
    results: Path | None,
    is_json: bool,
    no_progress: bool,
    **how: Any,
) -> None:
    """Run settings again, whatever their recorded outcome is, and record the new outcome.

    KEY is the beginning of a key that `experiment results` shows. If a setting is not in the space
    that the file declares, give the values again that it was run with.

    \b
    Examples:
      experiment rerun RQ1 3f2a 9c01
      experiment rerun RQ1 3f2a C=100
    """
    from superparams.cli.space_lookup import spaces_with_keys

    session = ctx.ensure_object(Session)
    outcomes: list[RepeatedSettings | ImpossibleRun] = []
    with stdout_for_people(is_json):
        for space, keys in spaces_with_keys(session, target, words, results):
            folder = session.results(results)
            call = {**how, "resume": False, "results": folder, "progress": not no_progress}
            outcomes.append(_run(space, run_options({**call, "only": keys}), keys))
    if is_json:
        json_document.write([outcome.document for outcome in outcomes])
    else:
        for line in (
            line
            for outcome in outcomes
            if isinstance(outcome, RepeatedSettings)
            for line in outcome.lines
        ):
            click.echo(line)
    ctx.exit(max(outcome.code for outcome in outcomes))


@dataclass(frozen=True)
class RepeatedSettings:
    """The settings of one experiment that have run again, and their rows."""

    name: str
    rows: Results

    @property
    def code(self) -> int:
        """1 if a setting failed, else 0."""
        return int(not self.rows.counts.keys().isdisjoint(FAILURES))

    @property
    def lines(self) -> Iterator[str]:
        """As text, for people."""
        from superparams.cli.table_formats import as_table, for_people

        yield styled(safe_text.line(self.name), bold=True)
        every = self.rows.to_arrow(stale=True)
        table = as_table(self.rows, for_people(self.rows, every), every=every)
        table = table.fitted(room())
        yield from [*lines_of(table), *table.notes(room=room())]

    @property
    def document(self) -> dict[str, Any]:
        """As types of JSON, for programs."""
        from superparams.cli.table_formats import rows

        return {
            "experiment": self.name,
            "counts": self.rows.counts,
            "table": str(self.rows.path),
            "rows": list(rows(self.rows.to_arrow())),
        }


def _run(
    space: Experiment, options: RunOptions, keys: Sequence[str]
) -> RepeatedSettings | ImpossibleRun:
    from superparams.cli.runner import ImpossibleRun, run_or_report
    from superparams.declare.experiment_place import name_of
    from superparams.run.loop import run_all
    from superparams.store.table.arrow_arrays import keys_of

    name = name_of(type(space))
    ran = run_or_report(name, lambda: run_all(space, options))
    return (
        ran
        if isinstance(ran, ImpossibleRun)
        else RepeatedSettings(name, ran.of_keys(keys_of(keys)))
    )
