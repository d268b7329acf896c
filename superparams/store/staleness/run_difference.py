"""The differences between two runs of an experiment: space, code, packages, machine, results.

The results of each run are read from its own ledger: the table has only the newest outcomes.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from superparams.identity.code.code_diff import Change, changes_between
from superparams.outcomes.arrow import plain_scalar, python_values
from superparams.store.json_values import json_object
from superparams.store.names.meanings import MEANINGS, names_from_json
from superparams.store.names.renames import renamed_as
from superparams.store.runs.folder import RunFolder
from superparams.store.runs.run_records import Run
from superparams.store.table.arrow_arrays import flat, true_where_known
from superparams.store.table.column_order import PARAM
from superparams.store.table.lazy_rows import as_dicts
from superparams.store.table.merge import recorded_by
from superparams.store.table.schema import RESULT, common_type, recast, source_of
from superparams.store.table.text_columns import ColumnType

__all__ = ["ColumnDifference", "Difference", "OutcomeComparison", "Pair", "compare", "difference"]

LARGEST: Final = 3  # differences that are shown of each column
CONSTANTS: Final = "constants"
_SURROUNDINGS: Final = ("python", "platform", "cpu", "cores", "gpus", "engine", "num_proc")
_ZERO = plain_scalar(0, pa.int64())
_DASH = plain_scalar("-", pa.string())  # Arrow would load pandas to parse a text
Two = tuple[Any, Any]  # of the first run and of the second


@dataclass(frozen=True)
class Difference:
    """How a run differs from an earlier one.

    Attributes:
        before: The earlier run.
        after: The later run.
        space: A unified diff of the spaces; empty when they are the same.
        fixed: The constant fields and the meanings of names that differ, as text; None if the run
            did not fix the field.
        code: The functions, classes and constants that differ.
        packages: Versions that differ, by package; None if the run did not import the package.
        surroundings: Entries such as commit, host and python that differ.
        results: The comparison of the outcomes.
    """

    before: Run
    after: Run
    space: Sequence[str]
    fixed: Mapping[str, Two]
    code: Sequence[Change]
    packages: Mapping[str, Two]
    surroundings: Mapping[str, Two]
    results: OutcomeComparison


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


class _Constant(NamedTuple):
    text: str
    digest: str


def _fixed(before: Run, after: Run) -> dict[str, Two]:
    runs = (before, after)
    meanings = [_meanings(run) for run in runs]
    common = meanings[0].keys() & meanings[1].keys()
    constants: list[dict[str, _Constant]] = [{}, {}]
    if all(CONSTANTS in run.manifest for run in runs):  # older versions have none
        constants = list(map(_constants, runs))
    fixed = [
        {**x, **{name: y for name, y in names.items() if name in common}}
        for x, names in zip(constants, meanings, strict=True)
    ]
    shown: dict[str, Two] = {}
    for name, (old, new) in _differing(*fixed).items():
        texts = (old and old.text, new and new.text)
        if texts[0] == texts[1]:  # large contents look the same
            texts = (f"{old.text} ({old.digest})", f"{new.text} ({new.digest})")
        shown[name] = texts
    return shown


def _meanings(run: Run) -> dict[str, _Constant]:
    """The meaning of each name of a run, by column and name."""
    return {
        f"{field.column} {point.label!r}": _Constant(point.text, point.mark[:8])
        for field in names_from_json(run.manifest.get(MEANINGS)) or ()
        for point in field.points
    }


def _constants(run: Run) -> dict[str, _Constant]:
    entries = {name: json_object(x) for name, x in run.group(CONSTANTS).items()}
    return {
        name: _Constant(str(entry.get("value")), str(entry.get("digest"))[:8])
        for name, entry in entries.items()
    }


def _code(before: Run, after: Run) -> list[Change]:
    if before.code == after.code:
        return []
    texts = before.texts, after.texts
    labels = before.name, after.name
    return changes_between(before.parts, after.parts, *texts, labels=labels)


def _surroundings(run: Run) -> dict[str, Any]:
    others = {name: run.manifest.get(name) for name in _SURROUNDINGS}
    commit = run.commit and run.commit + (" with changes" if run.is_dirty else "")
    return {"commit": commit, "branch": run.git.get("branch"), "host": run.host, **others}


def _differing(before: Mapping[str, object], after: Mapping[str, object]) -> dict[str, Two]:
    pairs = {name: (before.get(name), after.get(name)) for name in {**before, **after}}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


# ---- results


@dataclass(frozen=True)
class Pair:
    """One value of a setting in two runs.

    Attributes:
        key: The key of the setting.
        row: Which row of its frame that is; None for a setting that has one row.
        params: The parameters of the setting.
        before: The value in the earlier run.
        after: The value in the later run.
    """

    key: str
    row: int | None
    params: Mapping[str, Any]
    before: Any
    after: Any


@dataclass(frozen=True)
class ColumnDifference:
    """A result that differs.

    Attributes:
        name: Its name.
        settings: The number of settings in which it differs.
        rows: The number of rows in which it differs; a setting may have several rows.
        largest: The largest differences, at most one for each setting.
    """

    name: str
    settings: int
    rows: int
    largest: Sequence[Pair]


@dataclass(frozen=True)
class OutcomeComparison:
    """The outcomes of two runs, in numbers of settings.

    Attributes:
        both: Settings in both runs.
        before: Settings in the earlier run alone.
        after: Settings in the later run alone.
        different: Settings in both that differ in status or result.
        lengths: Settings with a different number of rows in the later run.
        status: Settings with another status in the later run, by both statuses.
        columns: The results that differ.
    """

    both: int
    before: int
    after: int
    different: int
    lengths: int
    status: Mapping[tuple[str, str], int]
    columns: Sequence[ColumnDifference]


def compare(before: RunFolder, after: RunFolder) -> OutcomeComparison:
    """Compare the outcomes of two runs, setting by setting."""
    old, new = recorded_by(before), recorded_by(after)
    return _RunTables(renamed_as(old, new), new).compared()


class _RunTables:
    """The rows of two runs, those of settings that both have in one order."""

    def __init__(self, old: pa.Table, new: pa.Table) -> None:
        old_keys, new_keys = (set(x.column("key").unique().to_pylist()) for x in (old, new))
        self._both = old_keys & new_keys
        self._alone = len(old_keys - self._both), len(new_keys - self._both)
        old_ids, new_ids = _row_ids(old), _row_ids(new)
        place = pc.index_in(old_ids, value_set=new_ids)
        is_in_both = pc.is_valid(place)
        # Rows of frames that have other numbers of rows in the two runs.
        unpaired = _keys(old, pc.invert(is_in_both))
        unpaired |= _keys(new, pc.invert(pc.is_in(new_ids, value_set=old_ids)))
        self._different = unpaired & self._both
        self._lengths = len(self._different)
        self._frames = set[str]().union(
            *(_keys(x, pc.greater(x.column("row"), _ZERO)) for x in (old, new))
        )
        self.old = old.filter(is_in_both)
        self.new = new.take(place.drop_null())

    def compared(self) -> OutcomeComparison:
        status = self._statuses()
        columns = list(self._columns())
        different = len(self._different)
        return OutcomeComparison(
            len(self._both), *self._alone, different, self._lengths, status, columns
        )

    def _statuses(self) -> dict[tuple[str, str], int]:
        old, new = self.old.column("status"), self.new.column("status")
        differs = pc.not_equal(old, new)
        self._different |= _keys(self.old, differs)
        arrays = (self.old.column("key"), old, new)
        rows = zip(*(array.filter(differs).to_pylist() for array in arrays), strict=True)
        # Once a setting, not once a row of its frame.
        return Counter((before, after) for _, before, after in dict.fromkeys(rows))

    def _columns(self) -> Iterator[ColumnDifference]:
        fields = [*self.old.schema, *self.new.schema]
        for source in dict.fromkeys(source_of(field) or "" for field in fields):
            if not source.startswith(RESULT):
                continue
            old, new = self._arrays(source)
            differs = _differs(old, new)
            keys = _keys(self.old, differs)
            if keys:
                self._different |= keys
                largest = list(self._largest(old, new, differs))
                name, rows = source.removeprefix(RESULT), int(differs.true_count)
                yield ColumnDifference(name, len(keys), rows, largest)

    def _arrays(self, source: str) -> tuple[pa.Array, pa.Array]:
        """A column of both runs in one type; null in the rows of a run that does not have it."""
        arrays = [_column(table, source) for table in (self.old, self.new)]
        form = common_type([own for _, own in arrays], arrays)
        old, new = (recast(array, own, form) for array, own in arrays)
        return old, new

    def _largest(self, old: pa.Array, new: pa.Array, differs: pa.Array) -> Iterator[Pair]:
        places = pc.indices_nonzero(differs)
        sources = {field.name: source_of(field) or "" for field in self.old.schema}
        params = [name for name, source in sources.items() if source.startswith(PARAM)]
        keys = self.old.column("key").take(places).to_pylist()
        firsts: dict[str, int] = {}
        for position in _by_distance(old.take(places), new.take(places)):
            firsts.setdefault(keys[position], position)  # the largest of each setting
            if len(firsts) == LARGEST:
                break
        for place in [places[position].as_py() for position in firsts.values()]:
            (row,) = as_dicts(self.old.select(["key", "row", *params]).slice(place, 1))
            values = {name: row[name] for name in params if row[name] is not None}
            before, after = (python_values(x.slice(place, 1))[0] for x in (old, new))
            number = row["row"] if row["key"] in self._frames else None
            yield Pair(row["key"], number, values, before, after)


def _row_ids(table: pa.Table) -> pa.Array:
    """Key and number of each row, as one text."""
    row = pc.cast(table.column("row"), pa.string())
    return flat(pc.binary_join_element_wise(table.column("key"), row, _DASH))


def _keys(table: pa.Table, mask: object) -> set[str]:
    return set(table.column("key").filter(mask).to_pylist())


def _column(table: pa.Table, source: str) -> tuple[pa.Array, ColumnType]:
    for place, field in enumerate(table.schema):
        if source_of(field) == source:
            return flat(table.column(place)), ColumnType.of(field)
    return pa.nulls(table.num_rows), ColumnType(pa.null())


def _differs(old: pa.Array, new: pa.Array) -> pa.Array:
    """A mask of the rows in which two columns differ; null equals null, and NaN equals NaN."""
    try:
        same = true_where_known(pc.equal(old, new))
    except (ValueError, TypeError, NotImplementedError):
        pairs = zip(python_values(old), python_values(new), strict=True)
        return pa.array([repr(x) != repr(y) for x, y in pairs], pa.bool_())
    same = pc.or_(same, pc.and_(pc.is_null(old), pc.is_null(new)))
    if pa.types.is_floating(old.type):
        same = pc.or_(same, true_where_known(pc.and_(pc.is_nan(old), pc.is_nan(new))))
    return pc.invert(same)


def _by_distance(old: pa.Array, new: pa.Array) -> list[int]:
    """The positions, sorted by the distance of the numbers, largest first."""
    if not (pa.types.is_integer(old.type) or pa.types.is_floating(old.type)):
        return list(range(len(old)))
    numbers = (pc.cast(x, pa.float64(), safe=False) for x in (old, new))
    distance = pc.abs(pc.subtract(*numbers))
    order: list[int] = pc.array_sort_indices(distance, order="descending").to_pylist()
    return order
