"""The table of the README: a row for each tool, the best of its ways in each column."""

from __future__ import annotations

from pathlib import Path
from textwrap import fill
from typing import Any

from benchmarks.peers import catalog
from benchmarks.peers.report import fate, kept, rule, span
from benchmarks.peers.scale import GIB
from benchmarks.peers.table import Record, amount, number

BEGIN, END = "<!-- made by `make bench` -->\n", "<!-- up to here -->\n"
# What is timed or weighed: its head, the work, and its size and workers.
COLUMNS = (
    ("10,000 settings that do nothing", "noop", 10_000, 2),
    ("the same call again", "resume", 10_000, 2),
    ("1 GiB for 2 workers", "array", GIB, 2),
    ("memory of that", "memory", GIB, 2),
    ("import", "import", 0, 2),
)
KILL = "kept, when 1 of 20 kills its worker"
NOTE = """\
`make bench` printed this on {date}: {machine}. Versions: {versions}. All figures are medians. Where
a tool was used in several ways, each column has its best one; the best of all tools is bold. A dash
means that a tool has no such function. All ways and sizes, with their spread, are in
[benchmarks/results.md](benchmarks/results.md); how each tool is used is in
[benchmarks/README.md](benchmarks/README.md)."""
WIDTH = 105


def summary(results: dict[str, Any]) -> str:
    """The table, and what it was made with."""
    by_tool: dict[str, list[Record]] = {}
    for one in results["cells"]:
        side = catalog.side(one["side"])
        if side.name not in (catalog.PLAIN, "sklearn"):
            by_tool.setdefault(side.tool.split(" + ")[0], []).append(one)
    columns = [
        column(by_tool, work, size, workers, results["limit"]) for _, work, size, workers in COLUMNS
    ]
    columns.append({tool: survivors(records) for tool, records in by_tool.items()})
    heads = [*(head for head, *_ in COLUMNS), KILL]
    lines = [f"| {' | '.join(['', *heads])} |", rule(len(heads))]
    lines += [f"| {' | '.join([tool, *(one[tool] for one in columns)])} |" for tool in by_tool]
    versions = ", ".join(f"{name} {version}" for name, version in results["versions"].items())
    note = NOTE.format(**{**results, "versions": versions})
    return "\n".join([*lines, "", fill(note.replace("\n", " "), WIDTH, break_on_hyphens=False), ""])


def column(
    by_tool: dict[str, list[Record]], work: str, size: int, workers: int, limit: float
) -> dict[str, str]:
    """The cells of a column: the least median of a tool's ways, or why there is none."""
    found: dict[str, float] = {}
    told: dict[str, str] = {}
    for tool, records in by_tool.items():
        ones = [
            number(one, limit)
            for one in records
            if (one["work"], one["size"], one["workers"]) == (work, size, workers)
        ]
        best = min(ones, key=lambda one: one.median, default=None)
        told[tool] = "-"
        if best is not None and best.values:
            found[tool], told[tool] = best.median, amount(best.median, best.unit)
        elif best is not None:
            told[tool] = best.note
    least = min(found.values(), default=0.0)
    best_of = {tool for tool, median in found.items() if median == least}
    return {tool: f"**{text}**" if tool in best_of else text for tool, text in told.items()}


def survivors(records: list[Record]) -> str:
    """What is kept of the settings when one kills its worker; of a tool's ways the best."""
    ones = [one for one in records if one["work"] == "kill" and kept(one)]
    if not ones:
        return "-"
    best = max(ones, key=lambda one: (fate(one) == "ends", min(kept(one))))
    told = span(kept(best))
    return told if fate(best) == "ends" else f"{told}, {fate(best)}"


def put(made: str, readme: Path) -> None:
    """Write it into the README, where the last one is."""
    before, _, rest = readme.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    readme.write_text(f"{before}{BEGIN}\n{made}\n{END}{after}")
