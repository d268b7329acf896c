"""The table of the README: a row for each tool, the best of its ways in each column."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from textwrap import fill
from typing import Any

from benchmarks.peers import catalog, task
from benchmarks.peers.report import fate, is_busy, is_equal, kept, rule, span
from benchmarks.peers.scale import FULL, GIB
from benchmarks.peers.table import Record, amount, number

BEGIN, END = "<!-- made by `make bench` -->\n", "<!-- up to here -->\n"


@dataclass(frozen=True)
class Column:
    """What is timed or weighed: its head, the work, its size and workers, and which way of it."""

    head: str
    work: str
    size: int
    workers: int = 2
    label: str | None = None

    def has(self, one: Record) -> bool:
        is_way = self.label in (None, one["label"])
        wanted = self.work, self.size, self.workers
        return is_way and (one["work"], one["size"], one["workers"]) == wanted


COLUMNS = (
    Column("10,000 settings that do nothing", "noop", 10_000),
    Column("the same call again", "resume", 10_000),
    Column("two more trials after 10,000", "go-on", 10_000, label="random"),
    Column("ASHA over 1,000", "asha", 1000),
    Column("200 TPE trials of 50 ms, to ideal", "naps", FULL.naps),
    Column("1 GiB for 2 workers", "array", GIB),
)
KILL = "results kept when 1 of 20 settings kills its worker"
EQUAL = "equal for 1 and 2 workers"
NOTE = """\
`make bench` printed this on {date}: {machine}{later}. Versions: {versions}.
All figures are medians. Where a tool was used in several ways, each column has its best one; the
best of all tools is bold. A dash means that a tool has no such function. "No results": the first
call had not ended after {limit:g} s, so there was nothing to repeat. "Does not end": the call still
waited after {hang:g} s. All ways and sizes, with their spread and the number of runs, are in
[benchmarks/results.md](benchmarks/results.md); how each tool is used is in
[benchmarks/README.md](benchmarks/README.md)."""
WIDTH = 105


def summary(results: dict[str, Any]) -> str:
    """The table, and what it was made with.

    Works that were not measured, or only on a busy machine, have no column. Tools without a cell
    have no row.
    """
    busy = {work for one in results.get("added", []) if is_busy(one) for work in one["works"]}
    cells = [one for one in results["cells"] if one["work"] not in busy]
    by_tool = tools(cells)
    columns = {
        column.head: cells_of(by_tool, column, results["limit"])
        for column in COLUMNS
        if any(column.has(one) for one in cells)
    }
    if any(one["work"] == "kill" for one in cells):
        columns[KILL] = {tool: survivors(records) for tool, records in by_tool.items()}
    if any(one["work"] == "equal" for one in cells):
        columns[EQUAL] = {tool: equal(records) for tool, records in by_tool.items()}
    shown = [tool for tool in by_tool if any(one[tool] != "-" for one in columns.values())]
    lines = [f"| {' | '.join(['', *columns])} |", rule(len(columns))]
    lines += [
        f"| {' | '.join([tool, *(one[tool] for one in columns.values())])} |" for tool in shown
    ]
    note = fill(noted(results, busy).replace("\n", " "), WIDTH, break_on_hyphens=False)
    return "\n".join([*lines, "", note, ""])


def tools(cells: list[Record]) -> dict[str, list[Record]]:
    """The cells of each tool, whichever way it was used."""
    found: dict[str, list[Record]] = {}
    for one in cells:
        side = catalog.side(one["side"])
        if side.name not in (catalog.PLAIN, "sklearn", "jsonl"):
            found.setdefault(side.tool.split(" + ")[0], []).append(one)
    return found


def noted(results: dict[str, Any], busy: set[str]) -> str:
    """When, where and with what it was measured."""
    versions = dict(results["versions"])
    later = ""
    for one in results.get("added", []):
        heads = [column.head for column in COLUMNS if column.work in {*one["works"]} - busy]
        heads += [head for work, head in (("kill", KILL), ("equal", EQUAL)) if work in one["works"]]
        if heads and not is_busy(one):
            later += f"; on {one['date']}: {', '.join(heads)}"
            versions = {**one["versions"], **versions}
    told = ", ".join(f"{name} {version}" for name, version in versions.items())
    return NOTE.format(**{**results, "versions": told, "later": later})


def cells_of(by_tool: dict[str, list[Record]], column: Column, limit: float) -> dict[str, str]:
    """The cells of a column: the least median of a tool's ways, or why there is none."""
    found: dict[str, float] = {}
    told: dict[str, str] = {}
    for tool, records in by_tool.items():
        ones = [number(one, limit) for one in records if column.has(one)]
        best = min(ones, key=lambda one: one.rank, default=None)
        told[tool] = "-"
        if best is not None and best.values:
            found[tool], told[tool] = best.rank, amount(best.median, best.unit)
        elif best is not None:
            told[tool] = best.note
    least = min(found.values(), default=0.0)
    best_of = {tool for tool, rank in found.items() if rank == least}
    return {tool: f"**{text}**" if tool in best_of else text for tool, text in told.items()}


def survivors(records: list[Record]) -> str:
    """What is kept of the settings when one kills its worker; of a tool's ways the best."""
    ones = [one for one in records if one["work"] == "kill" and kept(one)]
    if not ones:
        return "-"
    best = max(ones, key=lambda one: (fate(one) == "ends", min(kept(one))))
    told = span(kept(best))
    if fate(best) != "ends":
        return f"{told}, {fate(best)}"
    return f"**{told}**" if min(kept(best)) == task.SETTINGS - 1 else told


def equal(records: list[Record]) -> str:
    """Whether the results of all searches of one way of a tool were equal in each run."""
    sides: dict[str, list[bool | None]] = {}
    for one in records:
        if one["work"] == "equal":
            sides.setdefault(one["side"], []).append(is_equal(one))
    known = [ones for ones in sides.values() if None not in ones]
    if not known:
        return "not ended" if sides else "-"
    return "**yes**" if any(all(ones) for ones in known) else "no"


def put(made: str, readme: Path) -> None:
    """Write it into the README, where the last one is."""
    before, _, rest = readme.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    readme.write_text(f"{before}{BEGIN}\n{made}\n{END}{after}")
