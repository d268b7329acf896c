"""What changed between the code of a run and the code now."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from superparams.errors.units import counted
from superparams.identity.code.code_diff import Change, changes_between
from superparams.store.runs.folder import RunFolder
from superparams.store.runs.run_records import Run


@dataclass(frozen=True)
class CodeChange:
    """How one code, by which rows were made, differs from the code now.

    code: its fingerprint, None where that is not known; settings: how many there are of it; runs:
    the names of its runs; parts: what differs, None where that was not kept.
    """

    code: str | None
    settings: int
    runs: tuple[str, ...]
    parts: tuple[Change, ...] | None

    @property
    def diff(self) -> str:
        """One unified diff of all that differs."""
        return "\n".join(part.diff for part in self.parts or () if part.diff)

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        more = f" and {len(self.runs) - 1:,} more" if len(self.runs) > 1 else ""
        settings = counted(self.settings, "setting")
        yield f"{settings} by the code {self.code or 'of which nothing is kept'}"
        yield f"in run {self.runs[-1]}{more}:" if self.runs else "in no run that is kept:"
        for part in self.parts or ():
            yield f"  {part}{'' if part.diff else ' (its text is the same, or was not kept)'}"
        if self.parts is None:
            yield "  what it was is not kept any more"
        yield from [self.diff] if self.diff else []


class Changes(tuple[CodeChange, ...]):
    """How each code that made stale rows differs from the code now; readable when printed."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "\n\n".join(map(str, self)) if self else "nothing is stale"

    def __str__(self) -> str:
        return repr(self)

    @property
    def diff(self) -> str:
        """The unified diffs of all of them."""
        return "\n".join(one.diff for one in self if one.diff)


def code_change(
    code: str | None,
    settings: int,
    runs: list[RunFolder],
    parts: Mapping[str, str],
    source: Mapping[str, str],
) -> CodeChange:
    """How the code of some runs, oldest first, differs from the code now."""
    kept = [run for run in map(Run.of, runs) if run.parts]
    # A run that was killed early has not kept the text yet.
    newest = sorted(kept, key=lambda run: run.name, reverse=True)
    best = next((run for run in newest if run.texts), next(iter(newest), None))
    found = None
    if best is not None and code is not None:
        found = tuple(changes_between(best.parts, parts, best.texts, source))
    return CodeChange(code, settings, tuple(run.name for run in runs), found)
