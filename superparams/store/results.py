"""Results: the table of an experiment, for people and programs."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from superparams.declare.goal import Goal, goal_of
from superparams.declare.repeats import derived_of, repeats_of
from superparams.errors import StoreError
from superparams.identity.code.fingerprint import Code
from superparams.outcomes.arrow import plain_array
from superparams.outcomes.outcome import FAILURES
from superparams.store.averages import Averages, averages_of, refuse_no_repetition
from superparams.store.importance import RankedFields
from superparams.store.names.field_owners import FieldOwners
from superparams.store.names.name_filters import cells_of_filter, mask_of_content
from superparams.store.names.renames import renamed_rows
from superparams.store.names.value_filters import cells_of_items, has_no_items, refuse_shared_text
from superparams.store.provenance.record import Provenance, read_provenance
from superparams.store.runs.folder import TABLE, has_records
from superparams.store.runs.results_folder import no_results, results_folder
from superparams.store.runs.run_records import (
    existing_folder,
    recorded_derived,
    recorded_goal,
    recorded_repeats,
)
from superparams.store.runs.setting_logs import log_of
from superparams.store.shown_results import ShownResults
from superparams.store.staleness.stale_rows import CurrentCode
from superparams.store.step_table import StepTable
from superparams.store.table.arrow_arrays import flat
from superparams.store.table.best_row import Mode, best_place, column_and_mode
from superparams.store.table.column_order import PARAM
from superparams.store.table.filters import column_of_filter, unknown_column
from superparams.store.table.lazy_rows import Rows, as_dicts, places_of
from superparams.store.table.merge import read_back
from superparams.store.table.pareto_front import RowsWithFront
from superparams.store.table.row import Row, key_given
from superparams.store.table.schema import RESULT, column_of_result, source_of
from superparams.store.table.whole_table import WholeTable, as_pandas, as_polars


class Results(ShownResults, WholeTable, RankedFields, RowsWithFront):
    """The newest outcome of every setting: one row, or the rows of the data frame it returned.

    Any library that reads Arrow accepts this object (`polars.DataFrame(results)`,
    `duckdb.sql("from results")`); `path` is the parquet file. `failures`, `stale` and `where`
    return Results with fewer rows.
    """

    def __init__(
        self,
        root: Path,
        table: pa.Table | Rows,
        *,
        codes: Sequence[str] = (),
        notes: Sequence[str] = (),
        code: Code | None = None,
        of: object = None,
    ) -> None:
        """Use `Results.load` or `Class.results()` instead of this constructor.

        root: the folder of the experiment; table: its rows; codes: the fingerprint of the current
        code, then of code accepted as equivalent: rows of any other code are stale; code: the
        current code, for `changes`; of: the experiment's class, or the space.
        """
        self.root = root
        self.notes = tuple(notes)
        self.lost: tuple[str, ...] = ()
        self._current_code = CurrentCode.of(root, codes, code)
        self.of = of
        self.report: Path | None = None
        """The file with the value that the `report` method of the experiment returned, if any."""
        self.elapsed: float | None = None
        """Seconds that the run took; None if the results were loaded without a run."""
        self._rows = table if isinstance(table, Rows) else Rows.of_table(table)

    @classmethod
    def load(
        cls,
        root: Path | str,
        *,
        codes: Sequence[str] = (),
        code: Code | None = None,
        of: object = None,
        writes: bool = True,
    ) -> Results:
        """Load the results in an experiment's folder (`results/<module>.<Class>`).

        Outcomes of crashed runs are included, also if the folder is read-only. Rows are read from
        the file on first use; later runs do not change them. A warning names rows that are no
        longer in any ledger.

        Args:
            root: The folder.
            codes: As for `Results`.
            code: As for `Results`.
            of: As for `Results`.
            writes: Whether outcomes that the file lacks are added to it. Otherwise they are only
                read into memory.

        Raises:
            StoreError: When nothing is recorded.
        """
        remedy = "the folder of an experiment, such as results/module.Class"
        root = results_folder(root, remedy=remedy)
        if not has_records(root):
            raise StoreError(no_results(root))
        recorded = read_back(root, writes=writes)
        notes = [*recorded.notes, *recorded.lost]
        rows = renamed_rows(recorded.rows, of)
        results = cls(root, rows, notes=notes, codes=codes, code=code, of=of)
        results.lost = tuple(recorded.lost)
        return results

    @classmethod
    def empty(cls, root: Path, **options: Any) -> Results:
        """Results without rows, for an experiment without records. options: as for `Results`."""
        return cls(root, Rows.empty(), **options)

    def __getstate__(self) -> dict[str, Any]:
        # Another process may have another class of this name, or none.
        return {**self.__dict__, "of": None}

    @property
    def path(self) -> Path:
        """The parquet file."""
        return self.root / TABLE

    def to_arrow(self, *, stale: bool = False) -> pa.Table:
        """As a pyarrow.Table; stale=True adds the column `stale_name`."""
        return self.marked(self._rows.whole()) if stale else self._rows.whole()

    def to_pandas(self, *, stale: bool = False) -> Any:
        """As a pandas.DataFrame; stale=True adds the column `stale_name`."""
        return as_pandas(self.to_arrow(stale=stale))

    def to_polars(self, *, stale: bool = False) -> Any:
        """As a polars.DataFrame; stale=True adds the column `stale_name`."""
        return as_polars(self.to_arrow(stale=stale))

    def __len__(self) -> int:
        return self._n_rows

    @cached_property
    def _n_rows(self) -> int:
        return int(self._rows.columns("row").num_rows)

    @property
    def columns(self) -> list[str]:
        """The names of all columns."""
        return list(self._rows.schema.names)

    @property
    def params(self) -> list[str]:
        """The names of the columns that hold parameters."""
        return self._columns_of(PARAM)

    @property
    def results(self) -> list[str]:
        """The names of the columns that hold what `run` returned."""
        return self._columns_of(RESULT)

    def _columns_of(self, prefix: str) -> list[str]:
        sources = {field.name: source_of(field) or "" for field in self._rows.schema}
        return [name for name, source in sources.items() if source.startswith(prefix)]

    @cached_property
    def steps(self) -> StepTable:
        """The steps of the settings of these rows; `steps(row)` has those of one row.

        See `superparams.store.step_table.StepTable`.
        """
        return StepTable(self.root, self._rows, self._current_code)

    # ---- fewer rows

    @property
    def failures(self) -> Results:
        """The settings that failed, were killed or timed out, with their error."""
        failures = plain_array(list(FAILURES), pa.string())
        return self._selected(lambda: pc.is_in(self.column("status"), failures))

    @property
    def runs(self) -> list[str]:
        """The names of the runs that made these rows, oldest first."""
        return sorted(self.column("run").unique().to_pylist())

    def of_runs(self, *names: str) -> Results:
        """The rows that these runs made, by the names of their folders in `runs/`."""
        runs = plain_array(list(names), pa.string())
        return self._selected(lambda: pc.is_in(self.column("run"), runs))

    def of_keys(self, keys: pa.Array) -> Results:
        """The rows of these settings, in this order; keys: 16 bytes each."""
        return self._selected(lambda: places_of(self._rows, keys))

    def at(self, places: pa.Array) -> Results:
        """The rows at these places, in this order."""
        return self._selected(lambda: places)

    def where(self, /, **params: object) -> Results:
        """The rows in which every named column has the value: `where(kernel="rbf", C=1)`.

        Write dotted names as `where(**{"optimizer.lr": 0.1})`. Give a named point by its name or
        value, a group as an instance with all its fields, an alternative by its class or name; None
        finds the settings that have the field. `where(stale=False)` gives the rows that the current
        code made. Raises StoreError for an unknown column, and a value that it could never hold.
        """
        results = self
        for name, value in params.items():
            if name == self.stale_name and isinstance(value, bool):
                results = results._of_code(is_stale=value)
                continue
            named, schema = column_of_filter(self._rows.schema, name), self._rows.schema
            cells = cells_of_items(schema, named, value)
            if cells is None:
                refuse_shared_text(self.of, self._rows, named, value)
                cells = cells_of_filter(self.of, schema, named, value)
            for column, cell in cells.items():
                x = value if column == named else cell
                mask = mask_of_content(results._rows, self._existing(column), cell, x, self.of)
                results = results._selected(partial(flat, mask))
            only = has_no_items(results._rows, named, value)
            results = results if only is None else results._selected(partial(flat, only))
        return results

    @cached_property
    def goal(self) -> Goal | None:
        """The goal of the experiment, if it has one, with its column as this table names it."""
        cls = self.of if isinstance(self.of, type) or self.of is None else type(self.of)
        goal = recorded_goal(self.root) if cls is None else goal_of(cls)
        if goal is None:
            return None
        return goal._replace(column=column_of_result(self._rows.schema, goal.column))

    def best(
        self, column: str | None = None, mode: Mode | None = None, *, stale: bool = False
    ) -> Row:
        """The row with the largest or smallest value of a column.

        NaN and null are ignored. So are rows that other code made, unless stale=True, or these are
        `stale` results, or the current code is not known.

        Args:
            column: The column; None for that of the `goal`.
            mode: ``"max"`` or ``"min"``; None for the mode of the goal if it has this column, else
                ``"max"``.
            stale: Whether rows of other code count, too.

        Raises:
            StoreError: When no row has a value, and without a column where there is no goal.
        """
        name = self.root.name.rpartition(".")[2]
        column, mode = column_and_mode(column, mode, self.goal, name, self.columns)
        is_stale: pa.ChunkedArray | None = None
        if self.is_code_known and not (stale or self._is_of_stale):
            is_stale = self._current_code.is_stale(self.column("code"))
        values, field = self.column(column), self._rows.schema.field(column)
        return self._row_at(best_place(self.path, field, values, mode, is_stale))

    def average(self, *over: str, stale: bool = False) -> Averages:
        """The mean, std, count, min and max of each numeric result over repetitions.

        Rows that other code made are left out, unless stale=True, or these are `stale` results, or
        the current code is not known. Then rows of several codes have averages of their own.

        Args:
            over: The columns to average over; by default the axes with ``repeat=True``.
            stale: Whether rows of other code count, too.

        Raises:
            StoreError: When no axis is a repetition, and for a column that is not a parameter.
        """
        return self.averages_of_rows(self.to_arrow(stale=True), over, stale=stale)

    def averages_of_rows(
        self, rows: pa.Table, over: Sequence[str] = (), *, stale: bool = False
    ) -> Averages:
        """Do the same as `average` with some of these rows.

        Args:
            rows: The rows, with all columns and with the column `stale_name`.
            over: As for `average`.
            stale: As for `average`.

        Raises:
            StoreError: As `average`.
        """
        columns = tuple(over) or self.repeats
        refuse_no_repetition(columns, self.params)
        is_current = self.is_code_known and not (stale or self._is_of_stale)
        selected = rows.filter(pc.invert(rows.column(self.stale_name))) if is_current else rows
        averages = averages_of(
            selected,
            columns,
            params=self.params,
            results=self.results,
            derived=recorded_derived(self.root) if self.of is None else derived_of(self.of),
            by_code=not is_current and len(rows.column("code").unique()) > 1,
        )
        n_stale = rows.num_rows - selected.num_rows
        return Averages(averages, columns, self.root, self.goal, n_stale=n_stale)

    @property
    def repeats(self) -> tuple[str, ...]:
        """The columns of axes with ``repeat=True``, by the class or by the last run."""
        return recorded_repeats(self.root) if self.of is None else repeats_of(self.of)

    def _row_at(self, place: int) -> Row:
        table = self.to_arrow().slice(place, 1)
        (row,) = as_dicts(self.marked(table))
        is_stale = row.pop(self.stale_name)
        nones = FieldOwners(Rows.of_table(table)).none_masks(self.params)
        return Row(row, params=self.params, results=self.results, is_stale=is_stale, nones=nones)

    def has_field(self, name: str) -> pa.Array:
        """Whether each row's setting has a field: alternatives have fields of their own.

        A setting without the field has a null cell, and so has a setting whose field is None. The
        answer is null for rows whose run did not record this, such as old ones, and for a column
        that is not a parameter.
        """
        return FieldOwners(self._rows).has(self._existing(name))

    def column(self, name: str) -> pa.ChunkedArray:
        """The values of a column; other columns are not read."""
        return self._rows.columns(self._existing(name)).column(0)

    def _existing(self, name: str) -> str:
        """The name, if there is such a column."""
        if name not in self.columns:
            raise StoreError(unknown_column(name, self.columns))
        return name

    def _with(self, rows: Rows, current_code: CurrentCode | None = None) -> Results:
        """These results with other rows, or for another state of the code."""
        code = current_code or self._current_code
        results = Results(self.root, rows, codes=code.codes, notes=self.notes, of=self.of)
        results._current_code, results.lost = code, self.lost
        results._is_of_stale = self._is_of_stale
        if "goal" in self.__dict__:
            results.goal = self.goal
        return results

    # ---- the origin of a row

    def row(self, key: str) -> Row:
        """The (first) row of a setting, by its key or the beginning of its key."""
        key = key_given("row", key)
        column = self.column("key")
        places: list[int] = pc.indices_nonzero(flat(pc.starts_with(column, key))).to_pylist()
        keys = {column[place].as_py() for place in places}
        if len(keys) != 1:
            what = f"{len(keys)} settings have" if keys else "no setting has"
            more = ": give more digits" if keys else "; its column 'key' has all keys"
            raise StoreError(f"{what} a key that begins with {key!r} in {self.path}{more}")
        return self._row_at(places[0])

    def log(self, key: str) -> str:
        """All output of a setting, that of C code only from worker processes; empty if none.

        Raises StoreError when the folder of its run is gone.
        """
        row = self.row(key)
        log = log_of(self.root, row)
        if log is not None:
            existing_folder(self.root, str(row["run"]))
        return "" if log is None else b"".join(log.chunks()).decode(errors="replace")

    def provenance(self, row: dict[str, Any] | str) -> Provenance:
        """The code, data and environment that made a row, given as a row or a key.

        Raises StoreError when the folder of its run is gone.
        """
        row = row if isinstance(row, dict) else self.row(key_given("provenance", row))
        return read_provenance(existing_folder(self.root, str(row["run"])))
