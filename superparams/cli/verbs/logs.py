"""Show what a setting printed."""

from __future__ import annotations

import codecs
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from superparams.cli import common_options, json_document
from superparams.cli.followed_logs import conclude, follow, follow_setting, terminal_text
from superparams.cli.session import Session, single
from superparams.cli.terminal import is_terminal
from superparams.errors import SuperparamsError, safe_text

if TYPE_CHECKING:
    from superparams.store.runs.run_records import Run
    from superparams.store.runs.setting_logs import Log

__all__ = ["command"]

OF_SETTING: Final = "`experiment logs NAME KEY` shows what a setting printed."
NOT_KEPT: Final = "The setting ran in the process of the run itself, so its output was not kept."
NO_NOTES: Final = f"The run has no notes. {OF_SETTING}"


@click.command("logs")
@common_options.named
@click.argument("words", metavar="[KEY]", nargs=-1)
@click.option("--run", "called", metavar="RUN", help="The run; the newest by default.")
@click.option(
    "--worker",
    "rank",
    type=click.IntRange(min=0),
    metavar="RANK",
    help="Show all output of this worker.",
)
@click.option("--tail", type=click.IntRange(min=0), metavar="N", help="The last N lines.")
@click.option(
    "-f",
    "--follow",
    "follows",
    is_flag=True,
    help="Show what a setting or the workers of a run print, until it ends.",
)
@common_options.in_results
@common_options.as_json
@click.pass_context
def command(
    ctx: click.Context,
    target: str,
    words: Sequence[str],
    called: str | None,
    rank: int | None,
    tail: int | None,
    follows: bool,
    results: Path | None,
    is_json: bool,
) -> None:
    """Show what a setting printed.

    In a worker process, that includes output of C code and child processes. With one worker, and
    with the engines threads and asyncio, it is what Python code prints.

    A file or a pipe gets the output unchanged. A terminal gets it without colours, and with other
    control characters written out, as in \\x1b.

    KEY is the beginning of a key that `experiment results` or `experiment status` shows, or
    conditions that hold for one setting only. Without KEY, or with -, it shows the notes of the
    newest run.

    With -f and a KEY, it follows a setting that runs now until that has ended. The exit code is 1
    if the setting failed, was killed or timed out, or if its run ended first.

    \b
    Examples:
      experiment logs RQ1 3f2a
      experiment logs RQ1 kernel=rbf C=1
      experiment logs RQ1 --worker 0 --tail 20
      experiment logs RQ1 -f
      experiment logs RQ1 -f C=1
    """
    is_of_run = tuple(words) in ((), ("-",))
    if not is_of_run and (called is not None or rank is not None):
        raise click.UsageError("--run and --worker select the log of a run: leave out the KEY")
    if follows and is_json:
        raise click.UsageError("--follow cannot be used with --json")
    session: Session = ctx.obj
    if follows and is_of_run:
        follow(_found_run(session, target, called, results), rank, tail)
        return
    if follows:
        ctx.exit(_follow_setting(session, target, words, results, tail))
    find = _of_run(session, target, called, rank, results) if is_of_run else None
    about, log = find or _of_setting(session, target, words, results)
    if is_json:
        json_document.write({**about, "log": None if log is None else _text(log, tail)})
    elif log is None:
        click.echo(NOT_KEPT, err=True)
    elif is_of_run and rank is None and not log.exists:
        click.echo(NO_NOTES, err=True)
    else:
        _print(log, tail)
        if is_of_run and rank is None and is_terminal():
            click.echo(OF_SETTING, err=True)


def _follow_setting(
    session: Session, target: str, words: Sequence[str], results: Path | None, tail: int | None
) -> int:
    """Show what a setting prints until it has ended; returns the exit code."""
    from superparams.cli.running_lookup import RunningNow, find_or_wait
    from superparams.store.runs.setting_logs import log_of

    selected_setting = find_or_wait(session, target, words, results)
    if isinstance(selected_setting, RunningNow):
        return follow_setting(selected_setting, tail)
    log = log_of(selected_setting.results.root, selected_setting.row)
    if log is None:
        click.echo(NOT_KEPT, err=True)
    else:
        _print(log, tail)
    return conclude(selected_setting.row)


def _found_run(session: Session, target: str, called: str | None, results: Path | None) -> Run:
    from superparams.store.runs.run_records import find_run

    status = single(session.recorded_by_text(target, results), "a run belongs to")
    return find_run(status.root, called or "last")


def _of_run(
    session: Session, target: str, called: str | None, rank: int | None, results: Path | None
) -> tuple[dict[str, str], Log]:
    from superparams.store.runs.setting_logs import log_of_run

    status = single(session.recorded_by_text(target, results), "a run belongs to")
    run = _found_run(session, target, called, results)
    return {"experiment": status.name, "run": run.name}, log_of_run(run.folder, rank)


def _of_setting(
    session: Session, target: str, words: Sequence[str], results: Path | None
) -> tuple[dict[str, str], Log | None]:
    from superparams.cli.running_lookup import find_running
    from superparams.cli.setting_lookup import find_setting
    from superparams.store.runs.setting_logs import log_of, log_of_running

    try:
        recorded_setting = find_setting(session, target, words, results)
    except SuperparamsError:
        now = find_running(session, target, words, results)
        if now is None:
            raise
        about = {"experiment": now.of.name, "run": now.run.name, "key": now.entry.key}
        return about, log_of_running(now.run.folder, now.entry)
    about = {
        "experiment": recorded_setting.status.name,
        "run": recorded_setting.row["run"],
        "key": recorded_setting.key,
    }
    return about, log_of(recorded_setting.results.root, recorded_setting.row)


def _text(log: Log, tail: int | None) -> str:
    if tail is not None:
        return log.tail(tail)[0]
    return b"".join(log.chunks()).decode("utf-8", "replace")


def _print(log: Log, tail: int | None) -> None:
    """Write a log: unchanged to files and pipes, without control characters to a terminal."""
    if not log.exists:
        click.echo(f"There is no log {safe_text.line(log.path)}.", err=True)
        return
    is_empty = True
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    for part in log.chunks() if tail is None else _last(log, tail):
        if is_terminal():
            click.echo(terminal_text(decoder.decode(part)), nl=False)
        else:
            sys.stdout.buffer.write(part)
        is_empty = False
    sys.stdout.buffer.flush()
    if is_empty and tail != 0:
        click.echo("It printed nothing.", err=True)


def _last(log: Log, lines: int) -> Iterator[bytes]:
    text, _ = log.tail(lines)
    if text:
        yield f"{text}\n".encode("utf-8", "replace")
