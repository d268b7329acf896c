"""Accept results of earlier code as still valid."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from superparams.cli import common_options
from superparams.cli.session import Session
from superparams.cli.terminal import styled
from superparams.errors import safe_text
from superparams.errors.units import counted

if TYPE_CHECKING:
    from superparams.declare.experiment import Experiment
    from superparams.store.results import Results
    from superparams.store.staleness.acceptances import Accepted
    from superparams.store.staleness.code_changes import CodeChange

__all__ = ["command"]

COLOURS: Mapping[str, str] = {"-": "red", "+": "green", "@": "cyan"}
CODE = 8  # digits that are shown


@click.command("accept")
@common_options.named
@click.argument("codes", metavar="[CODE]...", nargs=-1)
@click.option("--why", default="", metavar="TEXT", help="The reason, kept with the decision.")
@click.option("--withdraw", "is_withdrawn", is_flag=True, help="Take earlier decisions back.")
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
    beginning of a fingerprint. Without CODE, all stale results are accepted.

    \b
    Example:
      experiment accept RQ1 --why "only the log messages changed"
    """
    from superparams.cli import json_document

    session = ctx.ensure_object(Session)
    what = [
        (cls, made, _decisions(made, codes, is_withdrawn))
        for cls, made in _loaded(session, target, results)
    ]
    _refuse_unknown(codes, [one for *_, decisions in what for one in decisions], is_withdrawn)
    is_empty = not any(decisions for *_, decisions in what)
    if not is_json:
        _tell(what, is_withdrawn)
    is_meant = not is_empty and (yes or _is_wanted(is_json, is_withdrawn))
    for _, made, decisions in what if is_meant else ():
        if decisions:
            decide = made.withdraw if is_withdrawn else made.accept_stale
            decide(*(one.code for one in decisions), why=why)
    if is_json:
        json_document.write([_document(cls, decisions, is_meant) for cls, _, decisions in what])
    elif is_meant:
        click.echo("Withdrawn." if is_withdrawn else "Accepted.")
    if not (is_meant or is_empty):
        click.echo("Nothing was recorded: --yes records it.", err=True)
        ctx.exit(2)


@dataclass(frozen=True)
class Decision:
    """What is to be decided of the code of a fingerprint.

    lines: for a person; told: for a program.
    """

    code: str
    lines: Sequence[str]
    told: Mapping[str, Any]


def _loaded(
    session: Session, target: str, results: Path | None
) -> list[tuple[type[Experiment], Results]]:
    """The results of the experiments that have run.

    Raises:
        StoreError: When none has.
    """
    from superparams.run.loop import results_of
    from superparams.store.runs.folder import has_records

    classes = session.experiments(target)
    has_run = [has_records(common_options.root_of(session, cls, results)) for cls in classes]
    chosen = [cls for cls, has in zip(classes, has_run, strict=True) if has] or classes[:1]
    return [(cls, results_of(cls, session.results(results))) for cls in chosen]


def _decisions(results: Results, codes: Sequence[str], is_withdrawn: bool) -> list[Decision]:
    """What is to be decided; code of which nothing is known cannot be accepted."""
    if is_withdrawn:
        found = [_of_accepted(one) for one in results.accepted]
    else:
        found = [_of_change(one, one.code) for one in results.changes() if one.code]
    return [one for one in found if not codes or one.code.startswith(tuple(codes))]


def _of_accepted(one: Accepted) -> Decision:
    told_ = {"code": one.old, "time": one.time, "who": one.who, "why": one.why}
    return Decision(one.old, [safe_text.line(one)], {**told_, "parts": list(one.what)})


def _of_change(one: CodeChange, code: str) -> Decision:
    parts = one.parts or ()
    lines = [f"{counted(one.settings, 'setting')} by code {safe_text.line(code[:CODE])}:"]
    lines += [f"  {safe_text.line(part)}" for part in parts]
    if not parts:
        lines.append("  what that code was is not kept")
    lines += [_coloured(line) for line in one.diff.splitlines()]
    told_ = [{"name": part.name, "how": part.how, "diff": part.diff} for part in parts]
    return Decision(code, lines, {"code": code, "settings": one.settings, "parts": told_})


def _refuse_unknown(codes: Sequence[str], found: Sequence[Decision], is_withdrawn: bool) -> None:
    from superparams.errors import CommandError

    for code in codes:
        if not any(one.code.startswith(code) for one in found):
            what = "is accepted" if is_withdrawn else "made results that are stale"
            raise CommandError(f"no code that begins with {code!r} {what}")


def _is_wanted(is_json: bool, is_withdrawn: bool) -> bool:
    """Ask, at a terminal; elsewhere nobody is there to answer."""
    question = "Take this back?" if is_withdrawn else "Take these results as still valid?"
    return not is_json and sys.stdin.isatty() and click.confirm(question, err=True)


def _tell(
    what: Sequence[tuple[type[Experiment], Results, Sequence[Decision]]], is_withdrawn: bool
) -> None:
    from superparams.declare.experiment import name_of

    for cls, _, decisions in what:
        click.echo(styled(safe_text.line(name_of(cls)), bold=True))
        for line in (line for one in decisions for line in one.lines):
            click.echo(f"  {line}")
        if not decisions:
            click.echo("  nothing is accepted" if is_withdrawn else "  nothing is stale")


def _coloured(line: str) -> str:
    return styled(safe_text.lines(line), fg=COLOURS.get(line[:1]))


def _document(
    cls: type[Experiment], decisions: Sequence[Decision], is_meant: bool
) -> dict[str, Any]:
    from superparams.declare.experiment import name_of

    return {
        "experiment": name_of(cls),
        "codes": [one.told for one in decisions],
        "is_recorded": is_meant and bool(decisions),
    }
