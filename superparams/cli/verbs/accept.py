"""Accept results of earlier code as still valid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from superparams.cli import common_options, json_document
from superparams.cli.session import Named, Session
from superparams.cli.terminal import confirmed, diff_line, styled
from superparams.errors import CommandError, safe_text

if TYPE_CHECKING:
    from superparams.cli.recorded_experiments import RecordedExperiment
    from superparams.run.status import ExperimentStatus
    from superparams.store.results import Results
    from superparams.store.staleness.acceptances import Accepted
    from superparams.store.staleness.stale_rows import CodeChange

__all__ = ["command"]

CODE = 8  # digits that are shown


@click.command("accept")
@common_options.named
@click.argument("codes", metavar="[CODE]...", nargs=-1)
@click.option("--why", default="", metavar="TEXT", help="The reason, kept with the decision.")
@click.option("--withdraw", "is_withdrawn", is_flag=True, help="Withdraw earlier decisions.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@common_options.in_results
@common_options.as_json
@click.pass_context
def command(
    ctx: click.Context,
    /,
    target: str,
    codes: tuple[str, ...],
    why: str,
    is_withdrawn: bool,
    yes: bool,
    results: Path | None,
    is_json: bool,
) -> None:
    """Accept results of earlier code as still valid. Shows what changed, and asks first.

    The accepted results count as done by the current code, until the code changes again. The
    decision is recorded with your name, the time and --why; --withdraw takes it back. CODE is the
    beginning of a fingerprint. Without CODE, all stale results are accepted. The file of the
    experiment is imported only if its text does not tell its code.

    \b
    Example:
      experiment accept RQ1 --why "only the log messages changed"
    """
    session = ctx.ensure_object(Session)
    pairs = [
        (status, _decisions(status.results, codes, is_withdrawn))
        for status in _recorded(session, target, results)
    ]
    every = [decision for _, decisions in pairs for decision in decisions]
    _refuse_unknown(codes, every, is_withdrawn)
    if not is_json:
        _show(pairs, is_withdrawn)
    question = "Withdraw this decision?" if is_withdrawn else "Accept these results as still valid?"
    is_confirmed = bool(every) and (yes or (not is_json and confirmed(question)))
    for status, decisions in pairs if is_confirmed else ():
        decide = status.results.withdraw if is_withdrawn else status.results.accept_stale
        if decisions:
            decide(*(decision.code for decision in decisions), why=why)
    if is_json:
        json_document.write([_document(*each, is_confirmed) for each in pairs])
    elif is_confirmed:
        click.echo("Withdrawn." if is_withdrawn else "Accepted.")
    if every and not is_confirmed:
        click.echo("Nothing was recorded: --yes records it.", err=True)
        ctx.exit(2)


def _recorded(
    session: Session, target: str, option: Path | None
) -> Sequence[ExperimentStatus | RecordedExperiment]:
    """The experiments that have run. A file is imported only if its text does not tell its code."""
    read = [record for record in session.recorded_by_text(target, option) if record.has_records]
    if read and all(record.is_importable and record.now.code is not None for record in read):
        return read
    return [status for status in session.recorded(target, option) if status.has_records]


@dataclass(frozen=True)
class Decision:
    """A decision about results of other code.

    Attributes:
        code: The fingerprint of that code.
        lines: The decision for a person.
        document: The decision for a program.
    """

    code: str
    lines: Sequence[str]
    document: Mapping[str, Any]


def _decisions(results: Results, codes: Sequence[str], is_withdrawn: bool) -> list[Decision]:
    """The decisions to make. Results of unknown code cannot be accepted."""
    if is_withdrawn:
        decisions = [_of_accepted(acceptance) for acceptance in results.accepted]
    else:
        decisions = [_of_change(change, change.code) for change in results.changes() if change.code]
    return [
        decision for decision in decisions if not codes or decision.code.startswith(tuple(codes))
    ]


def _of_accepted(acceptance: Accepted) -> Decision:
    document = {
        "code": acceptance.old,
        "time": acceptance.time,
        "who": acceptance.who,
        "why": acceptance.why,
    }
    return Decision(
        acceptance.old, [safe_text.line(acceptance)], {**document, "parts": list(acceptance.what)}
    )


def _of_change(change: CodeChange, code: str) -> Decision:
    parts = change.parts or ()
    lines = [f"{safe_text.line(change.what)} by code {safe_text.line(code[:CODE])}:"]
    lines += [f"  {safe_text.line(part)}" for part in parts]
    if not parts:
        lines.append("  that code was not kept")
    lines += [diff_line(line) for line in change.diff.splitlines()]
    changed = [{"name": part.name, "how": part.how, "diff": part.diff} for part in parts]
    return Decision(code, lines, {"code": code, "settings": change.settings, "parts": changed})


def _refuse_unknown(
    codes: Sequence[str], decisions: Sequence[Decision], is_withdrawn: bool
) -> None:
    for code in codes:
        if not any(decision.code.startswith(code) for decision in decisions):
            what = "is accepted" if is_withdrawn else "made results that are stale"
            raise CommandError(f"no code that begins with {code!r} {what}")


def _show(pairs: Sequence[tuple[Named, Sequence[Decision]]], is_withdrawn: bool) -> None:
    for status, decisions in pairs:
        click.echo(styled(safe_text.line(status.name), bold=True))
        for line in (line for decision in decisions for line in decision.lines):
            click.echo(f"  {line}")
        if not decisions:
            click.echo("  nothing is accepted" if is_withdrawn else "  nothing is stale")


def _document(status: Named, decisions: Sequence[Decision], is_confirmed: bool) -> dict[str, Any]:
    return {
        "experiment": status.name,
        "codes": [decision.document for decision in decisions],
        "is_recorded": is_confirmed and bool(decisions),
    }
