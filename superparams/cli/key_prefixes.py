"""Finds settings by the beginnings of their keys."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from superparams.cli import common_options
from superparams.cli.streams import stdout_to_stderr
from superparams.declare.experiment import Experiment, name_of
from superparams.errors import CommandError
from superparams.identity.digests.digest import key_text
from superparams.run.status import DeclaredSpace, compared_space
from superparams.store.runs.folder import has_records
from superparams.store.table.index import Index, read_index

if TYPE_CHECKING:
    from superparams.cli.session import Session

__all__ = ["beginning", "chosen"]

# Looked for among what never ran, in a large space.
_LONG_ENOUGH: Final = re.compile("[0-9a-f]{4,31}")
_WHOLE: Final = re.compile("[0-9a-f]{32}")


def chosen(
    session: Session, target: str, words: Sequence[str], results: Path | None
) -> list[tuple[Experiment, list[str]]]:
    """The spaces that a name means, each with the keys that are meant of it.

    words: beginnings of keys, and overrides such as ``C=100`` that make the space.

    Raises:
        CommandError: For what is the beginning of no key, or of several, and for a setting that is
            recorded but that the space does not have.
    """
    overrides = [word for word in words if "=" in word]
    wanted = [word.lower() for word in words if "=" not in word]
    if not wanted:
        raise CommandError("give the beginning of a key, as `experiment results` shows it")
    classes = session.experiments(target)
    spaces = [
        _space(cls, overrides, common_options.root_of(session, cls, results)) for cls in classes
    ]
    found: dict[int, dict[str, None]] = {}
    for begun in wanted:
        met = [
            (place, key) for place, (_, made) in enumerate(spaces) for key in _meant(made, begun)
        ]
        if len(met) != 1:
            raise _not_one(session, classes, results, begun, [key for _, key in met])
        ((place, key),) = met
        found.setdefault(place, {})[key] = None
    return [(spaces[place][0], list(keys)) for place, keys in found.items()]


def _space(
    cls: type[Experiment], overrides: Sequence[str], root: Path
) -> tuple[Experiment, tuple[DeclaredSpace, Any]]:
    """A space, and the keys that a beginning may mean: of a large one those that are recorded."""
    with stdout_to_stderr():
        made = compared_space(cls, overrides, root=root)
    keys = made.keys
    if made.lookup is not None:
        keys = made.recorded_keys(read_index(root) if has_records(root) else None)
    if made.space is None or keys is None:
        raise CommandError(f"the settings of {name_of(cls)} are not known: {made.why}")
    return made.space, (made, keys)


def _meant(space: tuple[DeclaredSpace, Any], begun: str) -> list[str]:
    made, keys = space
    if made.lookup is None:
        return beginning(keys, begun)
    if _WHOLE.fullmatch(begun):
        return list(made.has([begun]))
    found = beginning(keys, begun)
    if found or made.size is None or not _LONG_ENOUGH.fullmatch(begun):
        return found
    texts = (key_text(made.lookup[at]) for at in range(made.size))
    return [text for text in texts if text.startswith(begun)]


def beginning(keys: Any, begun: str) -> list[str]:
    """The keys of 16 bytes each that begin with these hexadecimal digits, as text."""
    try:
        whole = bytes.fromhex(begun[: len(begun) // 2 * 2])
    except ValueError:
        return []
    found = keys.filter(pc.starts_with(keys.cast(pa.binary()), pattern=whole)).to_pylist()
    return [text for text in map(bytes.hex, found) if text.startswith(begun)]


def _not_one(
    session: Session,
    classes: Sequence[type[Experiment]],
    results: Path | None,
    begun: str,
    met: Sequence[str],
) -> CommandError:
    if met:
        shown = ", ".join(met[:5]) + (", …" if len(met) > 5 else "")
        return CommandError(f"{len(met):,} keys begin with {begun!r}: {shown}; give more of one")
    for cls in classes:
        root = common_options.root_of(session, cls, results)
        index: Index | None = read_index(root) if has_records(root) else None
        if index is not None and beginning(index.keys, begun):
            return CommandError(
                f"setting {begun} of {name_of(cls)} is recorded, but its space as it is declared "
                f"does not have it: give the values that it was run with, as in `{session.program} "
                f"rerun {name_of(cls)} {begun} FIELD=VALUE`"
            )
    names = ", ".join(map(name_of, classes))
    return CommandError(
        f"no setting of {names} has a key that begins with {begun!r}; "
        f"`{session.program} results` shows the keys of all that is recorded"
    )
