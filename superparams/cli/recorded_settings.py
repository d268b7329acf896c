"""The state of an experiment: the settings of its space, and how many of them are recorded."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from superparams.declare.experiment import Experiment, name_of
from superparams.declare.keys import Keys
from superparams.declare.presentation import axes_of
from superparams.identity.code.fingerprint import fingerprint
from superparams.identity.digests.digest import key_of_text
from superparams.run.plan import LARGEST_PLAN, SMALL, all_keys, inside, is_sparse, recorded
from superparams.space.groups import is_open
from superparams.store.runs.folder import has_records
from superparams.store.staleness.acceptances import equivalent
from superparams.store.table.index import Index, keys_of, read_index

__all__ = ["Declared", "Standing", "declared", "standing"]


@dataclass(frozen=True)
class Declared:
    """The space of an experiment as its class declares it.

    Attributes:
        space: an instance; None where the class alone does not make one.
        why: why it does not, or why its settings cannot be compared with what is recorded; empty
            when they can.
        keys: the keys of its settings in order, 16 bytes each; None with `why` and `large`.
        large: what looks up keys in a space that is too large to go through.
    """

    space: Experiment | None
    why: str = ""
    keys: pa.Array | None = None
    large: Keys | None = None

    def inside(self, index: Index | None) -> pa.Array:
        """The recorded keys that belong to settings of the space."""
        nothing = pa.nulls(0, pa.binary(16)) if index is None else index.keys
        if self.large is None:
            return nothing if self.keys is None else self.keys
        return inside(self.large, nothing)

    @property
    def size(self) -> int | None:
        """The number of settings."""
        return None if self.space is None else self.space.n_settings

    @property
    def axes(self) -> dict[str, str]:
        """The axes, by the dotted name of the field."""
        if self.space is None or not is_open(self.space):
            return {}
        return {name: "".join(parts) for name, _, parts in axes_of(self.space)}

    def has(self, keys: Sequence[str]) -> set[str]:
        """Those of some keys that belong to settings of the space; all if that is not known."""
        if self.large is not None:
            found = self.large.find([key_of_text(key) for key in keys])
            return {key for key in keys if key_of_text(key) in found}
        if self.keys is None:
            return set(keys)
        mask = pc.is_in(keys_of(keys), value_set=self.keys).to_pylist()
        return {key for key, is_there in zip(keys, mask, strict=True) if is_there}


@dataclass(frozen=True)
class Standing:
    """The state of an experiment.

    Attributes:
        root: the folder in which all of its results are kept.
        codes: fingerprints of its code as it is, and of code accepted as equivalent.
        counts: settings of the space by what is recorded of them: ``done``, ``stale`` (done by
            other code), ``failed``, ``killed``, ``timeout`` and ``new``. Where the space cannot be
            compared, all settings that are recorded.
        others: settings that are recorded, but not of the space.
    """

    cls: type[Experiment]
    root: Path
    codes: Sequence[str]
    declared: Declared
    counts: Mapping[str, int] = field(default_factory=dict[str, int])
    others: int = 0

    @property
    def name(self) -> str:
        """``module.Class``."""
        return name_of(self.cls)

    @property
    def todo(self) -> int | None:
        """The number of settings that the next run has to run; None if it is not known."""
        return None if self.declared.why else sum(self.counts.values()) - self.counts["done"]


def standing(cls: type[Experiment], root: Path) -> Standing:
    """Compare the space of an experiment with what is recorded in its folder."""
    codes = equivalent(root, fingerprint(cls).digest)
    made = declared(cls, root=root)
    index = read_index(root) if has_records(root) else None
    some = made.inside(index)
    counts = recorded(some, index, codes)
    others = 0
    if made.large is not None:
        counts["new"] = (made.size or 0) - len(some)
        others = 0 if index is None else len(index) - len(some)
    elif index is not None and made.keys is not None:
        others = len(index) - pc.is_in(index.keys, value_set=made.keys).true_count
    return Standing(cls, root, codes, made, counts, others)


def declared(
    cls: type[Experiment], overrides: Sequence[str] = (), *, root: Path | None = None
) -> Declared:
    """The space that a class declares; what its author's code prints goes to standard error.

    overrides: words such as ``C=100`` that change it; root: the folder of what is recorded of it,
    where a space that is large beside that need not be gone through.
    """
    with contextlib.redirect_stdout(sys.stderr):
        try:
            space = cls.from_cli(overrides) if overrides else cls()
            size = space.n_settings
        except Exception as error:
            return Declared(None, f"{type(error).__name__}: {error}")
        if root is not None and size > SMALL:
            with contextlib.suppress(Exception):  # which is told below
                keys = Keys(space)
                index = read_index(root) if has_records(root) else None
                if is_sparse(keys, size, index):
                    return Declared(space, large=keys)
        if size > LARGEST_PLAN:
            most = f"at most {LARGEST_PLAN:,}"
            return Declared(space, f"{size:,} settings are too many to be compared ({most})")
        try:
            return Declared(space, keys=all_keys(Keys(space), size).unique())
        except Exception as error:
            return Declared(space, f"{type(error).__name__}: {error}")
