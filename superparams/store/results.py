"""Results: the table of an experiment as a person or a program takes it further."""

from __future__ import annotations

import difflib
import html
import importlib
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc

from superparams.columns import plain_array, plain_scalar
from superparams.errors import StoreError
from superparams.outcome import counts
from superparams.store.folder import TABLE, RunFolder, safe_name
from superparams.store.provenance import Provenance, read_provenance
from superparams.store.rows import Rows, places_of
from superparams.store.schema import source_of
from superparams.store.survey import STATUSES
from superparams.store.table import compact

_SHOWN_ROWS = 10
_SHOWN_CHARS = 30


class Results:
    """The newest outcome of every setting of an experiment, one row each (or those of its frame).

    Any reader of Arrow takes it as it is (`polars.DataFrame(results)`, `duckdb.sql("from
    results")`); `path` is the parquet file. `failures`, `stale` and `where` are Results of fewer
    rows.
    """

    def __init__(
        self,
        root: Path,
        table: pa.Table | Rows,
        *,
        codes: Sequence[str] = (),
        notes: Sequence[str] = (),
    ) -> None:
        """Most are made by `Results.load`.

        root: the folder of the experiment; table: its rows; codes: fingerprints of the code as it
        is now (and of code accepted as equivalent): rows by any other code are stale.
        """
        self.root = root
        self.codes = tuple(codes)
        self.notes = tuple(notes)
        self.report: Path | None = None
        """The file with what the experiment's own `report` made of these, if it did."""
        self._rows = table if isinstance(table, Rows) else Rows.of_table(table)

    @classmethod
    def load(cls, root: Path, *, codes: Sequence[str] = ()) -> Results:
        """The results in an experiment's folder, without running anything.

        Crashed runs are taken in. Rows are read from the file when they are first asked for, and
        stay what they are now whatever runs later.
        """
        if not root.is_dir():
            raise StoreError(f"there are no results in {root}: run the experiment first")
        written = compact(root)
        return cls(root, Rows.of_file(written.path), codes=codes, notes=written.notes)

    @classmethod
    def empty(cls, root: Path, *, codes: Sequence[str] = ()) -> Results:
        """No rows, for an experiment that nothing is recorded of."""
        return cls(root, Rows.none(), codes=codes)

    # ---- the table

    @property
    def path(self) -> Path:
        """The parquet file."""
        return self.root / TABLE

    def to_arrow(self) -> pa.Table:
        """As a pyarrow.Table."""
        return self._rows.whole()

    def to_pandas(self) -> Any:
        """As a pandas.DataFrame."""
        return self.to_arrow().to_pandas()

    def to_polars(self) -> Any:
        """As a polars.DataFrame."""
        polars: Any = importlib.import_module("polars")
        return polars.from_arrow(self.to_arrow())

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self.to_arrow().__arrow_c_stream__(requested_schema)

    def __len__(self) -> int:
        return self._n_rows

    @cached_property
    def _n_rows(self) -> int:
        rows: int = self._rows.columns("row").num_rows
        return rows

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for batch in self.to_arrow().to_batches():
            yield from batch.to_pylist()

    @property
    def columns(self) -> list[str]:
        """The names of all columns."""
        names: list[str] = self._rows.schema.names
        return names

    @property
    def params(self) -> list[str]:
        """The names of the columns that hold parameters."""
        return self._of("param.")

    @property
    def results(self) -> list[str]:
        """The names of the columns that hold what `run` returned."""
        return self._of("result.")

    def _of(self, prefix: str) -> list[str]:
        fields = [(field.name, source_of(field)) for field in self._rows.schema]
        return [name for name, source in fields if source is not None and source.startswith(prefix)]

    # ---- fewer rows

    @property
    def failures(self) -> Results:
        """The settings that failed, were killed or timed out, with their error."""
        done = plain_scalar("done", pa.string())
        return self._only(lambda: pc.not_equal(self._column("status"), done))

    @property
    def stale(self) -> Results:
        """The rows that other code made than the code as it is now.

        Empty when that is not known.
        """
        if not self.codes:
            return self._only(lambda: pa.nulls(0, pa.int64()))
        known = plain_array(list(self.codes), pa.string())
        return self._only(lambda: pc.invert(pc.is_in(self._column("code"), known)))

    @property
    def runs(self) -> list[str]:
        """The names of the runs that made these rows, oldest first."""
        return sorted(self._column("run").unique().to_pylist())

    def of_runs(self, *names: str) -> Results:
        """The rows that these runs made, by the names of their folders in `runs/`."""
        known = plain_array(list(names), pa.string())
        return self._only(lambda: pc.is_in(self._column("run"), known))

    def of_keys(self, keys: pa.Array) -> Results:
        """The rows of these settings, in this order; keys: 16 bytes each."""
        return self._only(lambda: places_of(self._rows, keys))

    def where(self, **params: Any) -> Results:
        """The rows in which every named column has the value: `where(kernel="rbf", C=1)`.

        Dotted names go in as `where(**{"optimizer.lr": 0.1})`.
        """
        found = self
        for name, value in params.items():
            column = found._column(name)
            try:
                same = pc.is_null(column) if value is None else pc.equal(column, pa.scalar(value))
            except (ValueError, TypeError, NotImplementedError):
                same = pa.array([one == value for one in column.to_pylist()], pa.bool_())
            found = found._of_mask(same)
        return found

    def best(self, column: str, mode: Literal["max", "min"] = "max") -> dict[str, Any]:
        """The row with the largest (or, with mode="min", smallest) value of a column.

        NaN and null do not count.
        """
        if mode not in ("max", "min"):
            raise StoreError(f"best(mode={mode!r}): mode is 'max' or 'min'")
        values: list[Any] = self._column(column).to_pylist()
        places = [
            place for place, value in enumerate(values) if value is not None and value == value
        ]
        if not places:
            raise StoreError(f"no row of {self.path} has a value of {column!r}")
        try:
            place = (max if mode == "max" else min)(places, key=values.__getitem__)
        except TypeError as error:
            raise StoreError(f"the values of {column!r} have no order: {error}") from error
        return self._at(place)

    def _at(self, place: int) -> dict[str, Any]:
        row: dict[str, Any] = self.to_arrow().slice(place, 1).to_pylist()[0]
        return row

    def _column(self, name: str) -> pa.ChunkedArray:
        if name not in self.columns:
            near = difflib.get_close_matches(name, self.columns, 1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise StoreError(f"no column {name!r} among {', '.join(self.columns)}{hint}")
        return self._rows.columns(name).column(0)

    def _of_mask(self, mask: pa.Array) -> Results:
        return self._only(lambda: mask)

    def _only(self, pick: Callable[[], pa.Array | None]) -> Results:
        return Results(self.root, self._rows.picked(pick), codes=self.codes, notes=self.notes)

    # ---- where a row comes from

    def row(self, key: str) -> dict[str, Any]:
        """The (first) row of a setting, by its key or the beginning of its key."""
        column = self._column("key")
        places: list[int] = pc.indices_nonzero(pc.starts_with(column, key)).to_pylist()
        keys = {column[place].as_py() for place in places}
        if len(keys) != 1:
            what = f"{len(keys)} settings have" if keys else "no setting has"
            raise StoreError(f"{what} a key that begins with {key!r} in {self.path}")
        return self._at(places[0])

    def log(self, key: str) -> str:
        """All that a setting printed, C code included; empty when nothing was kept."""
        row = self.row(key)
        start, end = row["log_start"], row["log_end"]
        path = self._run_of(row).logs / f"{row['rank']}.log"
        if start is None or start < 0 or not path.is_file():
            return ""
        with open(path, "rb") as file:
            file.seek(start)
            return file.read(-1 if end is None else max(0, end - start)).decode(errors="replace")

    def provenance(self, row: dict[str, Any] | str) -> Provenance:
        """Which code, data and environment made a row (or the row of a key): see `Provenance`."""
        found = self.row(row) if isinstance(row, str) else row
        return read_provenance(self._run_of(found))

    def _run_of(self, row: dict[str, Any]) -> RunFolder:
        name = str(row["run"])
        if name != safe_name(name):  # a table from elsewhere must not lead out of the folder
            raise StoreError(f"{self.path}: {name!r} is not the name of a run")
        return RunFolder(self.root / "runs" / name)

    # ---- as people see it

    @cached_property
    def counts(self) -> dict[str, int]:
        """How many settings ended in each status that occurs."""
        met = counts(self._rows.columns("status", "row"))
        return {name: met[name] for name in STATUSES if name in met}

    @property
    def summary(self) -> str:
        """One line: `12 settings: 11 done, 1 failed · results/digits.Digits/results.parquet`."""
        total = sum(self.counts.values())
        parts = ", ".join(f"{count:,} {name}" for name, count in self.counts.items())
        settings = f"{total:,} setting{'s' * (total != 1)}"
        return (
            f"{settings}: {parts} · {self._short_path}"
            if parts
            else f"{settings} · {self._short_path}"
        )

    @property
    def _short_path(self) -> str:
        try:
            return str(self.path.relative_to(Path.cwd()))
        except ValueError:
            return str(self.path)

    def _shown(self) -> tuple[list[str], list[list[str]], int]:
        """Columns, rows of text and how many rows are left out.

        The first ones and the last ones.
        """
        extra = ["error"] if self.counts.keys() - {"done"} else []
        names = [*self.params, *self.results, "status", *extra, "seconds"]
        table = self._rows.columns(*names)
        left_out = max(0, len(self) - _SHOWN_ROWS)
        if left_out:
            half = _SHOWN_ROWS // 2
            table = pa.concat_tables([table.slice(0, half), table.slice(len(self) - half)])
        rows = [[show(value) for value in row.values()] for row in table.to_pylist()]
        return names, rows, left_out

    def __repr__(self) -> str:
        names, rows, left_out = self._shown()
        widths = [max(map(len, column)) for column in zip(names, *rows, strict=True)]
        lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in [names, *rows]]
        if left_out:
            lines.insert(1 + _SHOWN_ROWS // 2, f"… {left_out:,} more rows")
        return "\n".join([self.summary, *lines])

    def __rich__(self) -> Any:
        rich_table: Any = importlib.import_module("rich.table")
        rich_text: Any = importlib.import_module("rich.text")
        names, rows, left_out = self._shown()
        made = rich_table.Table(title=rich_text.Text(self.summary), title_justify="left")
        for name in names:
            made.add_column(rich_text.Text(name), overflow="fold")
        for place, row in enumerate(rows):
            if left_out and place == _SHOWN_ROWS // 2:
                made.add_row(rich_text.Text(f"… {left_out:,} more"))
            made.add_row(*map(rich_text.Text, row))
        return made

    def _repr_html_(self) -> str:
        names, rows, left_out = self._shown()
        head = "".join(f"<th>{html.escape(name)}</th>" for name in names)
        lines = ["".join(f"<td>{html.escape(cell)}</td>" for cell in row) for row in rows]
        if left_out:
            gap = f'<td colspan="{len(names)}">… {left_out:,} more rows</td>'
            lines.insert(_SHOWN_ROWS // 2, gap)
        body = "".join(f"<tr>{line}</tr>" for line in lines)
        caption = f"<caption>{html.escape(self.summary)}</caption>"
        return f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def show(value: Any) -> str:
    """A value in one short line."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.6g}"
    line = " ".join(str(value).split())
    return line if len(line) <= _SHOWN_CHARS else line[: _SHOWN_CHARS - 1] + "…"
