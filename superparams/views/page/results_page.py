"""The page of some results: for a file, for the output of a cell, and for the board."""

from __future__ import annotations

import datetime as dt
import html
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from superparams.errors import StoreError
from superparams.errors.safe_text import lines
from superparams.outcomes.arrow import kind_of, plain_array, plain_scalar
from superparams.store.names.field_owners import FieldOwners
from superparams.store.runs.run_records import Run, runs
from superparams.store.table.lazy_rows import Rows
from superparams.store.table.table_file import outcome_column, superparams_version
from superparams.views.page.page_code import code_facts
from superparams.views.page.page_columns import parquet_bytes, simple_column
from superparams.views.page.page_document import PageContent, filled
from superparams.views.page.page_facts import (
    field_facts,
    goal_fact,
    importance_facts,
)
from superparams.views.page.page_running import SettingsNow
from superparams.views.page.page_runs import MOST_RUNS, doc_of, log_facts, run_facts
from superparams.views.page.page_sample import MOST_ROWS, Sample, sample_of
from superparams.views.page.private_paths import PrivatePaths

if TYPE_CHECKING:
    from superparams.store.results import Results

__all__ = ["PageView", "ResultsPage", "page_of", "page_table", "steps_bytes"]

VERSION: Final = 1  # of the facts
LEFT_OUT: Final = ("log_start", "log_end")
MOST_STEPS: Final = 300_000
MOST_IN_NOTEBOOK: Final = 20_000  # rows; the notebook keeps them
_STEP: Final = ("key", "attempt", "step", "seconds")


def page_of(results: Results, *, most: int = MOST_ROWS) -> str:
    """The document with some results.

    Args:
        results: The results.
        most: How many rows the document holds at most; it has a sample of a larger table.
    """
    return filled(ResultsPage(results, most).content())


class ResultsPage:
    """The page of some results."""

    def __init__(
        self, results: Results, most: int = MOST_ROWS, now: SettingsNow | None = None
    ) -> None:
        """Take results.

        Args:
            results: The results.
            most: How many rows the page holds at most; it has a sample of a larger table.
            now: The running settings; a board keeps this object from one page to the next.
        """
        self.results = results
        self.paths = PrivatePaths.of(results.root)
        self.sample = sample_of(results.column("status"), _best(results), most)
        self._some = results if self.sample is None else results.at(self.sample.places)
        self._table, self._columns = page_table(self._some, self.paths, self.sample)
        self._runs = runs(results.root)
        self._now = SettingsNow() if now is None else now
        self._now.update(self._runs)

    def content(self, live: Mapping[str, object] | None = None) -> PageContent:
        """The content of the page.

        Args:
            live: What the page needs to follow a board; None for a page without a server.
        """
        logs = log_facts(self._some, self._some.to_arrow(), self.paths)
        about = {**self.about(self.importance()), **self.code(), "logs": logs, "live": live}
        return PageContent(about, *self.rows())

    def rows(self) -> tuple[bytes, bytes]:
        """The rows and the steps, as parquet files."""
        return parquet_bytes(self._table), steps_bytes(self._some, self.paths)

    def importance(self) -> dict[str, list[dict[str, Any]]]:
        """How much each field matters; this takes longer than all other facts."""
        return importance_facts(self._some)

    def code(self) -> dict[str, Any]:
        """The code of the runs."""
        return code_facts(self._runs[-MOST_RUNS:], self.paths)

    def about(self, importance: Mapping[str, object]) -> dict[str, Any]:
        """The facts, without logs and code."""
        return {
            **_head(self.results, self._runs, self.paths),
            "columns": self._columns,
            "fields": field_facts(self._some, self._table),
            "results": self.results.results,
            "json": [x.name for x in self._some.to_arrow().schema if kind_of(x) == "json"],
            "repeats": [name for name in self.results.repeats if name in self.results.columns],
            **_counts(self.results, self._now, self.sample),
            **_codes(self.results),
            "importance": importance,
            "runs": run_facts(self._runs, self.paths),
            "running": self._now.facts(self.paths),
        }


def _best(results: Results) -> list[int]:
    """The place of the best row, which must be in a sample."""
    try:
        best = results.best() if results.goal is not None else None
    except StoreError:
        return []
    if best is None:
        return []
    keys = results.column("key")
    return [int(keys.index(plain_scalar(str(best["key"]), keys.type)).as_py())]


def _head(results: Results, every: list[Run], paths: PrivatePaths) -> dict[str, Any]:
    name = next((x for run in every[::-1] if (x := run.text("experiment"))), results.root.name)
    title = name.rpartition(".")[2]
    doc = getattr(results.of, "__doc__", None) if isinstance(results.of, type) else None
    return {
        "version": VERSION,
        "experiment": lines(name),
        "title": lines(title),
        "doc": lines(doc or doc_of(reversed(every), title)),
        "written": dt.datetime.now(dt.timezone.utc).isoformat(timespec="seconds"),
        "superparams": superparams_version(),
        "goal": goal_fact(results),
        "notes": [lines(paths.hidden(note)) for note in results.notes],
        "command": "experiment",
        "rerun": f"experiment rerun {lines(name)} {{key}}",
    }


def _counts(results: Results, now: SettingsNow, sample: Sample | None) -> dict[str, Any]:
    by_status, stale = results.ended
    counts = {name: n for name, n in by_status.items() if n}
    total = sum(counts.values())
    size = None if sample is None else {"rows": len(sample.places), "of": len(results)}
    return {
        "counts": {**counts, **now.counts(), "total": total},
        "stale": sum(stale.values()),
        "sample": size,
    }


def _codes(results: Results) -> dict[str, Any]:
    """The codes of rows that count as current; None if the current code is not known."""
    if not results.is_code_known:
        return {"current_code": None, "current_codes": None}
    codes: list[str] = [x for x in results.current.column("code").unique().to_pylist() if x]
    return {"current_code": codes[0] if codes else None, "current_codes": codes}


# ---- rows and steps


def page_table(
    results: Results, paths: PrivatePaths, sample: Sample | None = None
) -> tuple[pa.Table, dict[str, Any]]:
    """The rows in simple types, and the names of the columns that only the page needs.

    Args:
        results: The results.
        paths: Hides paths of the machine.
        sample: How many rows each row represents; None if the results are all rows.
    """
    every = results.to_arrow()
    started = pc.cast(outcome_column(every, "started"), pa.timestamp("ms", "UTC"), safe=False)
    arrays = {
        field.name: simple_column(every.column(place), field, paths.hidden)
        for place, field in enumerate(every.schema)
        if field.name not in LEFT_OUT
    }
    arrays["started"] = simple_column(started, pa.field("started", started.type))
    names: dict[str, Any] = {"stale": None, "represents": None, "none": {}}
    if results.is_code_known:
        names["stale"] = name = _free("stale", arrays)
        marked = results.marked(every.select(["code"]))
        arrays[name] = simple_column(marked.column(results.stale_name), pa.field(name, pa.bool_()))
    if sample is not None:
        names["represents"] = name = _free("represents", arrays)
        arrays[name] = sample.represents
    for column, mask in FieldOwners(Rows.of_table(every)).none_masks(results.params).items():
        names["none"][column] = name = _free(f"none:{column}", arrays)
        arrays[name] = mask
    return pa.table(arrays), names


def _free(name: str, labels: Mapping[str, object]) -> str:
    while name in labels:
        name += "~"
    return name


def steps_bytes(results: Results, paths: PrivatePaths) -> bytes:
    """The steps of the settings in a parquet file; empty if there are none."""
    if not any(results.column("n_steps").unique().to_pylist()):
        return b""
    steps = results.steps
    table = steps.to_arrow()
    if not table.num_rows:
        return b""
    if table.num_rows > MOST_STEPS:
        every = -(-table.num_rows // MOST_STEPS)
        table = table.take(plain_array(list(range(0, table.num_rows, every)), pa.int64()))
    arrays = {
        name: simple_column(table.column(name), table.schema.field(name), paths.hidden)
        for name in (*_STEP, *steps.fields)
    }
    return parquet_bytes(pa.table(arrays))


# ---- notebooks


@dataclass(frozen=True, repr=False)
class PageView:
    """The page in the output of a cell: a frame of its own, which cannot reach the notebook.

    Attributes:
        document: The page.
        height: The height of the frame in pixels.
        summary: One line about the results, for an output of text.
    """

    document: str
    height: int
    summary: str

    def __repr__(self) -> str:
        return f"page of {self.summary}"

    def _repr_html_(self) -> str:
        return (
            f'<iframe title="page of results" sandbox="allow-scripts allow-downloads" '
            f'style="width:100%;height:{self.height}px;border:0" '
            f'srcdoc="{html.escape(self.document, quote=True)}"></iframe>'
        )
