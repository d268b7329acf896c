"""Finds settings of a declared space by the start of their keys, to run them again."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pyarrow as pa
import pyarrow.compute as pc

from superparams.cli.streams import stdout_to_stderr
from superparams.declare.experiment import Experiment
from superparams.declare.joined_space import space_of
from superparams.declare.layout import has_range
from superparams.errors import CommandError
from superparams.identity.digests.digest import key_text
from superparams.run.recorded_draws import recorded_draws
from superparams.run.status import DeclaredSpace, ExperimentStatus, compared_space
from superparams.store.table.arrow_arrays import keys_of
from superparams.store.table.index import read_index

if TYPE_CHECKING:
    from superparams.cli.session import Session

__all__ = ["keys_starting_with", "spaces_with_keys"]

SHOWN: Final = 5  # keys in an error
# In a large space, only starts of keys with this length are compared with settings that never ran.
_LONG_ENOUGH: Final = re.compile("[0-9a-f]{4,31}")
_WHOLE: Final = re.compile("[0-9a-f]{32}")


def spaces_with_keys(
    session: Session, target: str, words: Sequence[str], results: Path | None
) -> list[tuple[Experiment, list[str]]]:
    """The spaces of experiments, each with the keys that start with one of the words.

    Args:
        session: The session.
        target: The name of the experiments.
        words: Starts of keys, and words such as ``C=100`` that change the space.
        results: The folder of ``--results``; None without this option.

    Raises:
        CommandError: For a word that is the start of no key, or of several keys, and for a recorded
            setting that is not in the space.
    """
    starts = [word.lower() for word in words if "=" not in word]
    if not starts:
        raise CommandError("give the beginning of a key, as `experiment results` shows it")
    statuses = session.statuses(target, results)
    changes = [word for word in words if "=" in word]
    spaces = [_Space.of(status, changes, starts) for status in statuses]
    keys_by_space: dict[int, dict[str, None]] = {}
    for start in starts:
        keys = [
            (n, key)
            for n, candidate in enumerate(spaces)
            for key in candidate.keys_starting_with(start)
        ]
        if len(keys) != 1:
            raise _not_one(session, statuses, start, [key for _, key in keys])
        ((n, key),) = keys
        keys_by_space.setdefault(n, {})[key] = None
    return [(spaces[n].space_with(list(keys)), list(keys)) for n, keys in keys_by_space.items()]


@dataclass(frozen=True)
class _Space:
    """A space, and its keys of 16 bytes each; for a large space, only the recorded keys.

    Attributes:
        space: The space.
        declared: The known facts about it.
        keys: Its keys.
        drawn: For a space with ranges, the recorded settings whose keys are looked up.
    """

    space: Experiment
    declared: DeclaredSpace
    keys: pa.Array
    drawn: Mapping[str, Experiment] | None = None

    @staticmethod
    def of(status: ExperimentStatus, words: Sequence[str], starts: Sequence[str]) -> _Space:
        with stdout_to_stderr():
            declared = compared_space(status.cls, words, root=status.root)
        keys = declared.keys
        if declared.space is not None and has_range(declared.space) and status.has_records:
            drawn = recorded_draws(declared.space, status.results, starts)
            return _Space(declared.space, declared, keys_of(list(drawn)), drawn)
        if declared.lookup is not None:
            index = read_index(status.root) if status.has_records else None
            keys = declared.recorded_keys(index)
        if declared.space is None or keys is None:
            raise CommandError(f"the settings of {status.name} are not known: {declared.why}")
        return _Space(declared.space, declared, keys)

    def space_with(self, keys: Sequence[str]) -> Experiment:
        """A space that has the settings with these keys."""
        return self.space if self.drawn is None else space_of([self.drawn[key] for key in keys])

    def keys_starting_with(self, start: str) -> list[str]:
        lookup, size = self.declared.lookup, self.declared.size
        if lookup is not None and _WHOLE.fullmatch(start):
            return list(self.declared.has([start]))
        keys = keys_starting_with(self.keys, start)
        if lookup is None or keys or size is None or not _LONG_ENOUGH.fullmatch(start):
            return keys
        return [key for n in range(size) if (key := key_text(lookup[n])).startswith(start)]


def keys_starting_with(keys: pa.Array, start: str) -> list[str]:
    """The keys of 16 bytes each that start with these hexadecimal digits, as text."""
    try:
        whole = bytes.fromhex(start[: len(start) // 2 * 2])
    except ValueError:
        return []
    matches = keys.filter(pc.starts_with(keys.cast(pa.binary()), pattern=whole)).to_pylist()
    return [key for key in map(bytes.hex, matches) if key.startswith(start)]


def _not_one(
    session: Session, statuses: Sequence[ExperimentStatus], start: str, keys: Sequence[str]
) -> CommandError:
    if keys:
        examples = ", ".join(keys[:SHOWN]) + (", …" if len(keys) > SHOWN else "")
        return CommandError(
            f"{len(keys):,} keys begin with {start!r}: {examples}; give more digits"
        )
    for status in statuses:
        if status.has_records and keys_starting_with(read_index(status.root).keys, start):
            return CommandError(
                f"setting {start} of {status.name} is recorded, but is not in the space that the "
                f"file declares: give the values that it ran with, as in `{session.program} "
                f"rerun {status.name} {start} FIELD=VALUE`"
            )
    names = ", ".join(status.name for status in statuses)
    return CommandError(
        f"no setting of {names} has a key that begins with {start!r}; "
        f"`{session.program} results` shows all recorded keys"
    )
