"""What differs between two runs of an experiment: space, code, packages, machine and results."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, cast

from superparams.identity.code.code_diff import Change, changes_between
from superparams.store.names.meanings import MEANINGS, as_named
from superparams.store.runs.run_records import Run
from superparams.store.staleness.result_comparison import Compared, compare

__all__ = ["Difference", "difference"]

_SURROUNDINGS = ("python", "platform", "cpu", "cores", "gpus", "engine", "num_proc")
CONSTANTS: Final = "constants"
Two = tuple[Any, Any]  # of the first run and of the second


@dataclass(frozen=True)
class Difference:
    """How a run differs from an earlier one.

    Attributes:
        before, after: the two runs.
        space: a unified diff of what was searched; empty when it was the same.
        fixed: what differs of the fields that were not searched and of what names of points stand
            for, as text; None is one that the run did not fix.
        code: the functions, classes and constants that differ.
        packages: versions that differ, by package; None is one that was not imported.
        surroundings: commit, host, python and the like, where they differ.
        results: the outcomes of the settings that both ran.
    """

    before: Run
    after: Run
    space: Sequence[str]
    fixed: Mapping[str, Two]
    code: Sequence[Change]
    packages: Mapping[str, Two]
    surroundings: Mapping[str, Two]
    results: Compared


def difference(before: Run, after: Run) -> Difference:
    """Compare two runs of one experiment."""
    return Difference(
        before,
        after,
        _space(before, after),
        _fixed(before, after),
        _code(before, after),
        _differing(before.versions, after.versions),
        _differing(_surroundings(before), _surroundings(after)),
        compare(before.folder, after.folder),
    )


def _space(before: Run, after: Run) -> list[str]:
    old, new = ((run.text("space") or "").splitlines() for run in (before, after))
    return list(difflib.unified_diff(old, new, before.name, after.name, lineterm="", n=99))


def _fixed(before: Run, after: Run) -> dict[str, Two]:
    runs = (before, after)
    named = [_meanings(run) for run in runs]
    shared = [{n: x for n, x in each.items() if n in named[0] and n in named[1]} for each in named]
    fixed: list[dict[str, _Constant]] = [{}, {}]
    if all(CONSTANTS in run.manifest for run in runs):  # older versions have none
        fixed = [{n: _constant(x) for n, x in run.group(CONSTANTS).items()} for run in runs]
    fixed = [{**x, **names} for x, names in zip(fixed, shared, strict=True)]
    found: dict[str, Two] = {}
    for name, (old, new) in _differing(*fixed).items():
        texts = (old and old.text, new and new.text)
        if texts[0] == texts[1]:  # large contents look the same
            texts = (f"{old.text} ({old.digest})", f"{new.text} ({new.digest})")
        found[name] = texts
    return found


def _meanings(run: Run) -> dict[str, _Constant]:
    """What each name of a run stands for, by column and name."""
    return {
        f"{one.column} {point.label!r}": _Constant(point.text, point.mark[:8])
        for one in as_named(run.manifest.get(MEANINGS)) or ()
        for point in one.points
    }


class _Constant(NamedTuple):
    text: str
    digest: str


def _constant(x: object) -> _Constant:
    told = cast("dict[str, object]", x) if isinstance(x, dict) else {}
    return _Constant(str(told.get("value")), str(told.get("digest"))[:8])


def _code(before: Run, after: Run) -> list[Change]:
    if before.code == after.code:
        return []
    texts = before.texts, after.texts
    labels = before.name, after.name
    return changes_between(before.parts, after.parts, *texts, labels=labels)


def _surroundings(run: Run) -> dict[str, Any]:
    told = {name: run.manifest.get(name) for name in _SURROUNDINGS}
    commit = run.commit and run.commit + (" with changes" if run.is_dirty else "")
    return {"commit": commit, "branch": run.git.get("branch"), "host": run.host, **told}


def _differing(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Two]:
    names = [*before, *(name for name in after if name not in before)]
    pairs = {name: (before.get(name), after.get(name)) for name in names}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
