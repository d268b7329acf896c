"""The status of an experiment: how many settings of its space are done, failed, stale or to do.

All verbs of the command that count or look up settings use this module, so they agree.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from superparams.declare.descriptors import Value
from superparams.declare.experiment import Experiment
from superparams.declare.experiment_place import name_of
from superparams.declare.instance_state import declaration_on
from superparams.declare.layout import has_range, ranges_of
from superparams.declare.metaclass import fields_of
from superparams.declare.params import Params
from superparams.declare.place import from_words
from superparams.declare.presentation import axes_of
from superparams.declare.sequence import layout_of
from superparams.errors import headline
from superparams.identity.code.fingerprint import fingerprint
from superparams.identity.digests.digest import key_of_text
from superparams.space.axis import Axis
from superparams.space.groups import is_group, is_open, size_of
from superparams.space.ranges import why_uncounted
from superparams.store.runs.folder import experiment_folder, has_records

# pyarrow is loaded only where something is recorded: `experiment list` is quick.
if TYPE_CHECKING:
    import pyarrow as pa

    from superparams.declare.keys import Keys
    from superparams.store.results import Results
    from superparams.store.staleness.current_codes import CurrentCodes
    from superparams.store.table.index import Index

__all__ = [
    "DeclaredSpace",
    "ExperimentStatus",
    "compared_space",
    "declared_space",
    "error_line",
    "status_of",
]

# `valid` is not called for more settings than this, since it is code of the user and may be slow.
MOST_CALLS_OF_VALID: Final = 200_000
# The keys of more settings than this are not compared: that would take seconds.
MOST_KEYS: Final = 1_000_000


@dataclass(frozen=True)
class DeclaredSpace:
    """The space of an experiment as its class declares it.

    Attributes:
        space: An instance; None if the class needs arguments.
        size: The number of its settings; None if it is not known.
        is_exact: Whether `size` is exact; otherwise it is an upper bound.
        why: Why its settings cannot be compared with the records; empty when they can.
        keys: The different keys of its settings, 16 bytes each; None if they are not known.
        lookup: Finds keys in a space that is much larger than its records.
    """

    space: Experiment | None
    size: int | None = None
    is_exact: bool = True
    why: str = ""
    keys: pa.Array | None = None
    lookup: Keys | None = None

    @property
    def axes(self) -> dict[str, str]:
        """The axes, by the dotted name of the field."""
        if self.space is None or not is_open(self.space):
            return {}
        return {name: "".join(parts) for name, _, parts in axes_of(self.space)}

    def recorded_keys(self, index: Index | None) -> pa.Array:
        """The recorded keys of a space with `lookup`."""
        import pyarrow as pa

        from superparams.run.space_keys import keys_in_space

        if index is None or self.lookup is None:
            return pa.nulls(0, pa.binary(16))
        return keys_in_space(self.lookup, index.keys)

    def has(self, keys: Sequence[str]) -> set[str]:
        """Those of these keys that belong to settings of the space; all if that is not known."""
        if self.lookup is not None:
            known_keys = self.lookup.find([key_of_text(key) for key in keys])
            return {key for key in keys if key_of_text(key) in known_keys}
        if self.keys is None:
            return set(keys)
        import pyarrow.compute as pc

        from superparams.store.table.arrow_arrays import keys_of

        mask = pc.is_in(keys_of(keys), value_set=self.keys).to_pylist()
        return {key for key, is_there in zip(keys, mask, strict=True) if is_there}


@dataclass(frozen=True)
class ExperimentStatus:
    """The status of an experiment. Each property is computed when it is first read.

    Attributes:
        cls: The experiment.
        root: The folder in which all of its results are kept.
    """

    cls: type[Experiment]
    root: Path

    @property
    def name(self) -> str:
        """``module.Class``."""
        return name_of(self.cls)

    @property
    def code_unknown(self) -> str:
        """Why the present code is not known; always empty, since the class is imported."""
        return ""

    @property
    def has_records(self) -> bool:
        """Whether anything is recorded."""
        return has_records(self.root)

    @cached_property
    def current(self) -> CurrentCodes:
        """The present code, and the recorded codes that count as current."""
        from superparams.store.staleness.current_codes import CurrentCodes

        return CurrentCodes(self.root, fingerprint(self.cls))

    @property
    def codes(self) -> list[str]:
        """The fingerprints of the present code, then those of code accepted as equivalent."""
        return self.current.codes

    @cached_property
    def results(self) -> Results:
        """The recorded results; raises StoreError if there are none."""
        from superparams.store.results import Results

        return Results.load(self.root, codes=self.codes, code=self.current.code, of=self.cls)

    @cached_property
    def _index(self) -> Index | None:
        from superparams.store.table.index import read_index

        return read_index(self.root) if self.has_records else None

    @cached_property
    def declared(self) -> DeclaredSpace:
        """The space.

        No factory is called for it, and `valid` only for spaces that are not large. If the
        comparison with the records needs more than that, `DeclaredSpace.why` says so.
        """
        return _compared(declared_space(self.cls), self._index)

    @cached_property
    def counts(self) -> Mapping[str, int]:
        """The number of settings of the space in each state.

        They are ``done``, ``stale`` (done by other code), ``failed``, ``killed``, ``timeout`` and
        ``new``. If the space cannot be compared, all recorded settings count.
        """
        from superparams.run.recorded_counts import count_outcomes

        declared, index = self.declared, self._index
        if declared.lookup is not None:
            some = declared.recorded_keys(index)
            new = (declared.size or 0) - len(some)
            return count_outcomes(some, index, self.codes) | {"new": new}
        if declared.keys is not None:
            return count_outcomes(declared.keys, index, self.codes)
        keys = declared.recorded_keys(None) if index is None else index.keys
        return count_outcomes(keys, index, self.codes)

    @property
    def others(self) -> int:
        """The number of recorded settings that do not belong to the space."""
        from superparams.run.recorded_counts import number_of_others

        return 0 if self.declared.why else number_of_others(self._index, self.counts)

    @property
    def todo(self) -> int | None:
        """The number of settings that the next run has to run; None if it is not known."""
        return None if self.declared.why else sum(self.counts.values()) - self.counts["done"]

    @property
    def numbers(self) -> dict[str, int | None]:
        """All counts by name, for a program."""
        return {**self.counts, "todo": self.todo, "others": self.others}


def status_of(cls: type[Experiment], results: Path) -> ExperimentStatus:
    """The status of an experiment; its properties raise StoreError if records cannot be read.

    Args:
        cls: The experiment.
        results: The folder that holds the results of all experiments.
    """
    return ExperimentStatus(cls, experiment_folder(results, name_of(cls)))


def compared_space(
    cls: type[Experiment], words: Sequence[str] = (), *, root: Path
) -> DeclaredSpace:
    """The space of an experiment with the keys of its settings, which may take long.

    Factories are called if keys depend on what they make.

    Args:
        cls: The experiment.
        words: Words such as ``C=100`` that change the space.
        root: The folder of the experiment's results.
    """
    from superparams.store.table.index import read_index

    index = read_index(root) if has_records(root) else None
    return _compared(declared_space(cls, words, is_quick=False), index, is_quick=False)


def declared_space(
    cls: type[Experiment], words: Sequence[str] = (), *, is_quick: bool = True
) -> DeclaredSpace:
    """The space of an experiment and its size, without its keys.

    Args:
        cls: The experiment.
        words: Words such as ``C=100`` that change the space.
        is_quick: Whether `valid` is left alone in a large space, so that the size is not exact.
    """
    try:
        space = from_words(cls, words) if words else cls()
        if has_range(space):
            return DeclaredSpace(space, why=why_uncounted(list(ranges_of(space))))
        largest = _largest_size(space)
        if is_quick and largest is not None and largest > MOST_CALLS_OF_VALID:
            why = f"valid() is not called for {largest:,} settings; a run calls it"
            return DeclaredSpace(space, largest, is_exact=False, why=why)
        return DeclaredSpace(space, size_of(space))
    except (Exception, SystemExit) as error:  # of the user's code
        return DeclaredSpace(None, why=error_line(error))


def _largest_size(space: Experiment) -> int | None:
    """The size of a space before ``valid`` leaves settings out; None without ``valid``."""
    layout = layout_of(space) if is_open(space) else None
    return None if layout is None or layout.kept is None else layout.product.size


def _compared(
    declared: DeclaredSpace, index: Index | None, *, is_quick: bool = True
) -> DeclaredSpace:
    """A space with its keys, or with the reason why they are not known."""
    from superparams.declare.keys import Keys
    from superparams.run.space_keys import LARGEST_PLAN, SMALL_SPACE, all_keys, is_sparse

    space, size = declared.space, declared.size
    if space is None or size is None or declared.why:
        return declared
    name = next(_fields_made_for_keys(space), None) if is_quick else None
    if name is not None:
        why = (
            f"{name} has a factory without a key, which only a run calls; "
            f"`experiment run {name_of(type(space))} --plan` calls it and compares"
        )
        return replace(declared, why=why)
    most = MOST_KEYS if is_quick else LARGEST_PLAN
    try:
        keys = Keys(space)
        if size > SMALL_SPACE and is_sparse(keys, size, index):
            return replace(declared, lookup=keys)
        if size > most:
            why = f"{size:,} settings are too many to be compared (at most {most:,})"
            return replace(declared, why=why)
        return replace(declared, keys=all_keys(keys, size).unique())
    except (Exception, SystemExit) as error:  # of the user's code
        return replace(declared, why=error_line(error))


def error_line(error: BaseException) -> str:
    """An error in one line, whatever its own methods do."""
    return " ".join(headline(error).split())


def _fields_made_for_keys(space: Params, group: str = "") -> Iterator[str]:
    """The fields whose factories the keys of a space depend on."""
    held: dict[str, Any] = vars(space)
    for name, field in fields_of(type(space)).items():
        declared = declaration_on(space, field)
        here = f"{group}{name}"
        if name in held:
            for point in filter(is_group, _points(held[name])):
                yield from _fields_made_for_keys(point, f"{here}.")
        elif isinstance(declared, Value) and declared.factory is not None and declared.key is None:
            yield f"{type(space).__name__}.{name}" if not group else here


def _points(x: object) -> Sequence[Any]:
    if isinstance(x, Axis):
        return () if isinstance(x.points, range) else x.points
    return (x,)
