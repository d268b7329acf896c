"""Remove what is no longer needed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from superparams.cli import common_options, json_document
from superparams.cli.session import Session
from superparams.cli.streams import stdout_to_stderr
from superparams.cli.terminal import confirmed, styled
from superparams.errors import CommandError, safe_text, units
from superparams.errors.units import counted

if TYPE_CHECKING:
    from superparams.cli.recorded_experiments import RecordedExperiment
    from superparams.run.status import ExperimentStatus
    from superparams.store.cleanup import Cleaning

__all__ = ["command"]


@click.command("clean")
@common_options.named
@click.option(
    "--stale", "is_stale", is_flag=True, help="Also remove outcomes that other code made."
)
@click.option(
    "--failed", "is_failed", is_flag=True, help="Also remove failed, killed and timed-out outcomes."
)
@click.option("--all", "is_all", is_flag=True, help="Remove everything of the experiment.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--dry-run", is_flag=True, help="Only show what would be removed.")
@common_options.in_results
@common_options.as_json
@click.pass_context
def command(
    ctx: click.Context,
    /,
    target: str,
    is_stale: bool,
    is_failed: bool,
    is_all: bool,
    yes: bool,
    dry_run: bool,
    results: Path | None,
    is_json: bool,
) -> None:
    """Remove what is no longer needed. Shows what that is, and asks first.

    It removes runs whose outcomes were all made again by later runs, folders of settings that have
    no outcome and are not in the space, checkpoints of settings that are done, are not in the space
    or have other code by now, and files that killed processes left behind. The table does not
    change; the logs and the code of its rows are kept. --stale and --failed remove outcomes as
    well; the next run makes them again. The file of the experiment is imported only if its text
    does not tell its code, or for checkpoints and folders of settings without an outcome.

    \b
    Examples:
      experiment clean RQ1 --dry-run
      experiment clean RQ1 --stale --yes
    """
    session = ctx.ensure_object(Session)
    read = session.recorded_by_text(target, results)
    spaces = [_Declared(session, target, results, record) for record in read]
    plans = [
        (declared.of.name, _plan(declared, is_stale, is_failed, is_all)) for declared in spaces
    ]
    is_empty = all(cleaning.is_empty for _, cleaning in plans)
    if not is_json:
        _show(plans)
    is_confirmed = (
        not is_empty and not dry_run and (yes or (not is_json and confirmed("Remove this?")))
    )
    for _, cleaning in plans if is_confirmed else ():
        cleaning.carry_out()
    if is_json:
        json_document.write([{**_document(*plan), "is_removed": is_confirmed} for plan in plans])
    elif is_confirmed:
        click.echo("Removed.")
    if not (is_confirmed or is_empty or dry_run):
        click.echo("Nothing was removed: --yes removes it, --dry-run only shows it.", err=True)
        ctx.exit(2)


@dataclass(frozen=True)
class _Declared:
    """The declarations of an experiment that decide what is removed."""

    session: Session
    target: str
    results: Path | None
    of: RecordedExperiment

    def codes(self) -> Sequence[str]:
        """The fingerprints of the present code; imports the file if its text does not tell them."""
        if self.of.codes or not self.of.has_records:
            return self.of.codes
        status = self._imported
        if status is None:
            raise CommandError(
                f"the code of {self.of.name} is not known, since {self.of.now.why}, so "
                "stale outcomes cannot be found"
            )
        return status.codes

    def codes_if_known(self) -> Sequence[str]:
        """The same as `codes`, but empty if they are not known."""
        try:
            return self.codes()
        except CommandError:
            return ()

    def in_space(self, keys: Sequence[str]) -> set[str]:
        """Those of `keys` that the space may have; the file is imported if there are any keys."""
        from superparams.run.status import compared_space

        if not keys or self._imported is None:
            return set(keys)
        with stdout_to_stderr():
            return compared_space(self._imported.cls, root=self.of.root).has(keys)

    @cached_property
    def _imported(self) -> ExperimentStatus | None:
        """The class; None if it no longer exists."""
        try:
            statuses = self.session.statuses(self.target, self.results)
        except CommandError:
            if self.of.is_importable:
                raise
            return None
        return next((status for status in statuses if status.root == self.of.root), None)


def _plan(declared: _Declared, is_stale: bool, is_failed: bool, is_all: bool) -> Cleaning:
    from superparams.store.cleanup import plan_cleaning

    return plan_cleaning(
        declared.of.root,
        codes=declared.codes() if is_stale and not is_all else (),
        in_space=declared.in_space,
        stale=is_stale,
        failed=is_failed,
        whole=is_all,
        code_now=declared.codes_if_known,
    )


def _show(plans: Sequence[tuple[str, Cleaning]]) -> None:
    for name, cleaning in plans:
        what = "" if cleaning.is_empty else ": to be removed"
        click.echo(styled(safe_text.line(name), bold=True) + what)
        for line in _lines(cleaning):
            click.echo(f"  {line}")


def _lines(cleaning: Cleaning) -> Iterator[str]:
    if cleaning.is_empty:
        yield "nothing to remove"
    if cleaning.whole:
        yield f"all of {safe_text.line(cleaning.root)}: every result, log and run"
    yield from (text for number, text in _parts(cleaning) if number)
    if cleaning.uncovered:
        which = counted(cleaning.uncovered, "setting")
        yield f"  for {which} an earlier outcome counts again"
    if not cleaning.is_empty:
        yield f"{units.size(cleaning.size)} in all"
    for line in cleaning.kept:
        yield f"stays: {safe_text.line(line)}"


def _parts(cleaning: Cleaning) -> Iterator[tuple[int, str]]:
    from superparams.store.cleanup import size_of

    runs, settings, left_over = map(len, (cleaning.runs, cleaning.settings, cleaning.left_over))
    checkpoints, size = len(cleaning.checkpoints), sum(map(size_of, cleaning.checkpoints))
    yield cleaning.outcomes, f"the outcome of {counted(cleaning.outcomes, 'setting')}"
    yield runs, f"{counted(runs, 'run')} whose outcomes were all made again or removed"
    yield settings, f"{counted(settings, 'folder')} of settings that are not recorded"
    what = f"{counted(checkpoints, 'checkpoint')} that no setting will resume from"
    yield checkpoints, f"{what}: {units.size(size)}"
    yield left_over, f"{counted(left_over, 'file')} that killed processes left"


def _document(name: str, cleaning: Cleaning) -> dict[str, Any]:
    return {
        "experiment": name,
        "root": str(cleaning.root),
        "all": cleaning.whole,
        "outcomes": cleaning.outcomes,
        "uncovered": cleaning.uncovered,
        "runs": [run.name for run in cleaning.runs],
        "settings": [path.name for path in cleaning.settings],
        "checkpoints": [f"{path.parent.name}/{path.name}" for path in cleaning.checkpoints],
        "left_over": list(map(str, cleaning.left_over)),
        "bytes": cleaning.size,
        "kept": list(cleaning.kept),
    }
